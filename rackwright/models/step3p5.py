"""Step-3.5 and 3.7: layers with a window have heads of their own, and a gate for each.

Source: vllm/model_executor/models/step3p5.py and transformers_utils/configs/step3p5.py, 0.32.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain

from rackwright.models.config import HEADS, Config
from rackwright.models.decoder import RANKS, Decoder
from rackwright.models.family import Family
from rackwright.models.shape import KvCache, Layer, Tensor

NEAR = "sliding_attention"


class Step3p5(Decoder):
    """Reads the layers of one Step-3.5: heads by what a layer sees, experts where a list says."""

    def __init__(self, config: Config, family: Family) -> None:
        """Its keys are in groups, and of each kind of layer those that are listed beyond are cut:
        files go on with layers for drafts.
        """
        groups = config.count("num_attention_groups")
        config.values = {**config.values, "num_key_value_heads": groups}
        types, layers = config.values.get("layer_types"), config.values.get("num_hidden_layers")
        if isinstance(types, list) and type(layers) is int:
            config.values = {**config.values, "layer_types": types[: max(0, layers)]}
        super().__init__(config, family)
        self.other = self._other()

    def layers(self) -> tuple[Layer, ...]:
        """Every layer in order; equal layers are one and the same value."""
        kinds = list(zip(self._windows(), self._others(), self._sparse(), strict=True))
        made = {kind: self._made(*kind) for kind in dict.fromkeys(kinds)}
        return tuple(made[kind] for kind in kinds)

    def widths(self) -> dict[str, int]:
        """What ranks must divide besides; also the heads of layers that see a window."""
        return {**super().widths(), "heads of windows": self.other[0]}

    def _other(self) -> tuple[int, int, int]:
        """Heads, those with keys, and width of a head where ``attention_other_setting`` counts."""
        usual = (self.heads, self.kv_heads, self.head_dim)
        if not self.config.values.get("attention_other_setting"):
            return usual
        inside = self.config.inside("attention_other_setting")
        keys = ("num_attention_heads", "num_attention_groups", "head_dim")
        heads, groups, head = (
            inside.count(key, default=own) for key, own in zip(keys, usual, strict=True)
        )
        if heads % groups:
            rule = f"must divide num_attention_heads {heads}"
            inside.fault("num_attention_groups", rule, groups, by=HEADS)
        return heads, groups, head

    def _others(self) -> list[bool]:
        """Which layers have those: of the type that the setting names."""
        setting = self.config.values.get("attention_other_setting")
        kind = setting.get("attention_type") if isinstance(setting, Mapping) else None
        types = self.config.names("layer_types", self.count)
        return [each == kind for each in types] if types else [False] * self.count

    def _sparse(self) -> list[bool]:
        return listed_layers(self.config, self.count) if self.experts else [False] * self.count

    def _made(self, window: int | None, other: bool, sparse: bool) -> Layer:
        heads, groups, head = self.other if other else (self.heads, self.kv_heads, self.head_dim)
        experts = self.experts if sparse else None
        body = self._routed(experts) if experts else self._mlp("mlp", self.dense_width)
        tensors = tuple(chain(self._attends(heads, groups, head), self._norms(), body))
        width = self._shared_width() if experts else self.dense_width
        kept = KvCache(groups, 2 * head, window=window)
        return Layer(tensors, kept, width, heads * head, heads * head, experts=experts)

    def _attends(self, heads: int, groups: int, head: int) -> Iterator[Tensor]:
        usual = self.heads, self.kv_heads, self.head_dim
        self.heads, self.kv_heads, self.head_dim = heads, groups, head
        try:
            yield from list(self._attention())
        finally:
            self.heads, self.kv_heads, self.head_dim = usual
        if self.config.flag("use_head_wise_attn_gate"):
            yield Tensor("self_attn.g_proj", heads, self.hidden, RANKS, quantizable=True)


def listed_layers(config: Config, count: int) -> list[bool]:
    """Layers with experts: numbers with commas between; all but the first without."""
    listed = config.values.get("moe_layers_enum")
    if listed is None:
        return [layer > 0 for layer in range(count)]
    numbers = listed.split(",") if isinstance(listed, str) else []
    if not numbers or any(not part.strip().isdecimal() for part in numbers):
        config.fault("moe_layers_enum", "must be numbers of layers with commas between", listed)
        return [False] * count
    names = {part.strip().lstrip("0") or "0" for part in numbers}
    return [str(layer) in names for layer in range(count)]
