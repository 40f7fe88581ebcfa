"""Zamba2 (arXiv:2411.15242): Mamba 2 in each layer, and a block of attention that layers share.

Source: vllm/model_executor/models/zamba2.py, 0.32. It has no stages (the class has no
``SupportsPP``), and one table of words and of outputs whatever its file says.
"""

from __future__ import annotations

from collections.abc import Iterator

from rackwright.models.config import LAYERS, Config
from rackwright.models.decoder import RANKS
from rackwright.models.family import Family
from rackwright.models.mamba import Keys, Mamba, older_names
from rackwright.models.shape import KvCache, Layer, Tensor

ADAPTED = ("q", "k", "v")
LONG_CONTEXT = 16384
"""Positions where ``use_long_context`` is on (Zamba2Config of transformers 5.24)."""


class Zamba2(Mamba):
    """Reads the layers of one such model.

    A layer that is ``hybrid`` counts as two: attention, then Mamba. The weights of a shared block
    are counted with the first layer that passes it; what adapts it is each layer's own.
    """

    keys = Keys(heads="n_mamba_heads", groups="mamba_ngroups", conv_bias="use_conv_bias")

    def __init__(self, config: Config, family: Family) -> None:
        """Attention is as wide as two hidden states, and has as many keys as queries."""
        super().__init__(config, family)
        self.kv_heads = self.heads
        self.head_dim = 2 * self.hidden // self.heads
        self.blocks = config.count("num_mem_blocks", default=1)
        if config.flag("use_long_context"):
            self.rope = self.rope._replace(positions=LONG_CONTEXT, context=LONG_CONTEXT)

    def layers(self) -> tuple[Layer, ...]:
        """Every layer in order; equal layers are one and the same value."""
        mamba = Layer((*self._mamba(), *self._norms()), self._kept_of_a_request(), 0, 0, 0)
        block, passed = self._attends(()), 0
        found: list[Layer] = []
        for kind in self._kinds():
            if kind == "hybrid":
                first = passed < self.blocks
                found.append(self._attends(self._shared()) if first else block)
                passed += 1
            found.append(mamba)
        return tuple(found)

    def rotary(self) -> Tensor:
        """None where it has no positions."""
        turns = self.config.flag("use_mem_rope")
        return super().rotary() if turns else Tensor("rotary", 0, stored=False)

    def widths(self) -> dict[str, int]:
        """What ranks must divide: heads and groups of Mamba, the MLP, what adapts the blocks."""
        groups = self.config.count(self.keys.groups)
        found = {"Mamba heads": self._sizes()[2], "MLP width": self.dense_width}
        found |= {"adapter rank": self._rank()}
        return found if groups == 1 else {**found, "Mamba groups": groups}

    def _dense_width(self) -> int:
        return self.config.count("intermediate_size", default=4 * self.hidden)

    def _rank(self) -> int:
        return self.config.count("adapter_rank", default=128)

    def _kinds(self) -> tuple[str, ...]:
        key, known = "layers_block_type", ("mamba", "hybrid")
        kinds = older_names(self.config.names(key, self.count))
        if kinds is None or set(kinds) - set(known):
            rule = f"must be a list of {' or '.join(known)}"
            self.config.fault(key, rule, kinds, by=(key, *LAYERS))
            return ("mamba",) * self.count
        return kinds

    def _sizes(self) -> tuple[int, int, int]:
        """Heads are as wide as what Mamba makes of the hidden state, divided by them."""
        count = self.config.count
        inner = count("mamba_expand", default=2) * self.hidden
        states = count(self.keys.groups) * count(self.keys.state)
        return inner, inner + 2 * states, count(self.keys.heads)

    def _norms(self) -> Iterator[Tensor]:
        yield Tensor("norms", self.hidden)

    def _mamba(self) -> Iterator[Tensor]:
        yield from super()._mamba()
        if self.config.flag("add_bias_linear"):
            inner, mixed, heads = self._sizes()
            yield Tensor("mixer.in_proj.bias", inner + mixed + heads, sharding=RANKS)
            yield Tensor("mixer.out_proj.bias", self.hidden)

    def _attends(self, shared: tuple[Tensor, ...]) -> Layer:
        queries = self.heads * self.head_dim
        adapts = (*self._adapters(), Tensor("linear", self.hidden, self.hidden, quantizable=True))
        kept = KvCache(self.heads, 2 * self.head_dim)
        return Layer((*shared, *adapts), kept, self.dense_width, queries, queries)

    def _shared(self) -> tuple[Tensor, ...]:
        """One block: it reads what came and the first hidden state beside one another."""
        name, wide, width = "shared_transformer", self.heads * self.head_dim, self.dense_width
        mlp = f"{name}.feed_forward"
        found = [
            Tensor(f"{name}.self_attn.{part}_proj", wide, wide, RANKS, quantizable=True)
            for part in ADAPTED
        ]
        found += [
            Tensor(f"{name}.self_attn.o_proj", self.hidden, wide, RANKS, quantizable=True),
            Tensor(f"{mlp}.gate_up_proj", 2 * width, self.hidden, RANKS, quantizable=True),
            Tensor(f"{mlp}.down_proj", self.hidden, width, RANKS, quantizable=True),
            Tensor(f"{name}.norms", wide + self.hidden),
        ]
        if self.config.flag("add_bias_linear"):
            found.append(Tensor(f"{mlp}.gate_up_proj.bias", 2 * width, sharding=RANKS))
            found.append(Tensor(f"{mlp}.down_proj.bias", self.hidden))
        return tuple(found)

    def _adapters(self) -> Iterator[Tensor]:
        """Two low products beside a shared one, for each layer that passes the block."""
        rank, wide = self._rank(), self.heads * self.head_dim
        if self.config.flag("use_shared_attention_adapter"):
            for part in ADAPTED:
                name = f"shared_transformer.self_attn.linear_{part}_adapter_list"
                yield Tensor(f"{name}.A", rank, wide, RANKS, quantizable=True)
                yield Tensor(f"{name}.B", wide, rank, RANKS, quantizable=True)
        name = "shared_transformer.feed_forward.gate_up_proj_adapter_list"
        yield Tensor(f"{name}.A", rank, self.hidden, RANKS, quantizable=True)
        yield Tensor(f"{name}.B", 2 * self.dense_width, rank, RANKS, quantizable=True)
