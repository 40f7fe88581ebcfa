"""Qwen3.8 Flash Next: delta net, attention of chosen tokens, several streams, a table of n-grams.

Source: vllm/models/qwen4_exp (nvidia/model.py, qsa.py, indexer_qsa.py, hyperconnection.py,
ple_layer.py, common/ngram_embedding.py, qsa_cache.py), 0.32. The release's sizes make as many
elements as transformers 5.24 counts on ``meta``, and with its layer for drafts those listed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count as numbers
from itertools import islice

from rackwright.models.decoder import RANKS, Decoder
from rackwright.models.quantization import linear_of, read_quantization
from rackwright.models.quantization.misread import UNREAD
from rackwright.models.shape import KvCache, Layer, Tensor

MOST_TABLES = 64
"""More n-gram tables than any model has; their sizes are sought one by one."""
PADDED = 16
"""Rows of the mixing product, padded for its kernel."""
TABLE = "ple.ple_embedding.ngram_embedding"


class Qwen4Exp(Decoder):
    """Reads the layers of one Qwen4Exp."""

    @property
    def norm_elements(self) -> int:
        """The last mixer: a norm of all streams, and a product down and up. Layers have no norm."""
        wide = self._wide()
        return wide + 2 * self.config.count("hc_lowrank") * wide

    def layers(self) -> tuple[Layer, ...]:
        """Those of ``ple_layer_ids``, counted from 1, look up n-grams beside the rest."""
        at = self.config.indexes("ple_layer_ids")
        found = list(super().layers())
        for number in range(self.count):
            if number + 1 in at:
                tensors = (*found[number].tensors, *self._ngrams(number))
                found[number] = replace(found[number], tensors=tensors)
        return tuple(found)

    def _linear(self) -> list[bool]:
        if types := self.config.names("layer_types", self.count):
            return [kind == "linear_attention" for kind in types]
        return super()._linear()

    def _windows(self) -> list[int | None]:
        return [None] * self.count

    def _wide(self) -> int:
        return self.config.count("hc_count") * self.hidden

    def _norms(self) -> Iterator[Tensor]:
        """What mixes the streams before attention and the MLP, and spreads what comes out."""
        count, wide = self.config.count, self._wide()
        rank, streams = count("hc_lowrank"), count("hc_count")
        yield Tensor("hyper_connection.hc_norm", 2 * wide)
        yield Tensor("hyper_connection.input_mix_weight_down", rank, wide, copies=2)
        yield Tensor("hyper_connection.input_mix_weight_up", wide, rank, copies=2)
        yield Tensor("hyper_connection.block_inject_weight", streams, wide, copies=2)
        pad = -(rank + streams) % PADDED
        yield Tensor("hyper_connection.pad", pad, wide, copies=2, stored=False)

    def _attention(self) -> Iterator[Tensor]:
        yield from super()._attention()
        if not self.config.optional("indexer_n_heads"):
            return
        head = self.config.count("indexer_head_dim")
        rows = (self.config.count("indexer_n_heads") + 1) * head
        name = "self_attn.indexer.index_qk_proj"
        yield Tensor(name, rows, self.hidden, quantizable=True)
        yield Tensor("self_attn.indexer.layernorms", 2 * head)

    def _kv(self, window: int | None, indexed: bool) -> KvCache:
        """Beside keys and values one key of the indexer, in bfloat16, for so many tokens.

        The keys that are not averaged yet are a few kilobytes of each request, and not counted.
        """
        beside = 0
        if self.config.optional("indexer_n_heads"):
            pooled = self.config.count("indexer_compress_ratio")
            beside = -(-2 * self.config.count("indexer_head_dim") // pooled)
        return KvCache(self.kv_heads, 2 * self.head_dim, beside_bytes=beside)

    def _ngrams(self, layer: int) -> Iterator[Tensor]:
        """A table that ranks divide by its rows, and what is made of it, whole on each.

        The table is in the host's memory: vLLM makes an EngramConfig, whose ``cpu_offload`` is on,
        wherever a model has n-grams (_resolve_and_verify_engram_config in vllm/config/vllm.py).

        The state of its convolution (``ple_conv_kernel_size``) is one page of a request.
        """
        count, hidden, wide = self.config.count, self.hidden, self._wide()
        size, tables = count("ple_embed_dim", default=hidden), self._tables()
        dtype = "fp8" if self._in_fp8(layer) else None
        rows = self._rows(tables)
        yield Tensor(TABLE, rows, size // tables, RANKS, dtype=dtype, in_host=True)
        yield Tensor("ple.key_proj", wide, size, quantizable=True)
        yield Tensor("ple.value_proj", hidden, size, quantizable=True)
        yield Tensor("ple.norms", 3 * wide)
        yield Tensor("ple.conv1d", wide, count("ple_conv_kernel_size", default=4))

    def _tables(self) -> int:
        """One for each way to hash n-grams of each length from two on."""
        longest = self.config.count("ngram_size", default=3)
        tables = (longest - 1) * self.config.count("heads_per_ngram", default=8)
        if not 1 <= tables <= MOST_TABLES:
            rule = f"must make 1 to {MOST_TABLES} tables with ngram_size"
            self.config.fault("heads_per_ngram", rule, tables, by=("ngram_size",))
            return 1
        return tables

    def _rows(self, tables: int) -> int:
        """Each table has the next prime number of rows; together they are padded."""
        least = self.config.count("ngram_vocab_size_base", default=20_000_000)
        primes = islice(filter(_is_prime, numbers(least)), tables)
        step = self.config.count("make_ngram_vocab_size_divisible_by", default=128)
        return -(-sum(primes) // step) * step

    def _in_fp8(self, layer: int) -> bool:
        """By its own key, or as FP8 and ModelOpt's mixed precision quantize it.

        Source: Qwen4ExpPLEEmbeddingMethod.from_quant_config. What cannot be read is said elsewhere.
        """
        if self.config.text("ple_embedding_dtype") == "float8_e4m3fn":
            return True
        try:
            found = read_quantization(self.config.values)
            scheme = found and found.scheme(linear_of(layer, TABLE))
        except UNREAD:
            return False
        return bool(found and scheme and scheme.bits == 8 and found.method in ("fp8", "modelopt"))


def _is_prime(number: int) -> bool:
    return number > 1 and all(number % least for least in range(2, int(number**0.5) + 1))
