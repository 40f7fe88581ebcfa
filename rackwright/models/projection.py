"""What makes a vector of each token: tensors, and how long the vectors are.

Source: colbert.py, colpali.py, colqwen3.py, colqwen3_5.py, colmodernvbert.py and jina.py in
vllm/model_executor/models, ``head_dtype`` in vllm/config/model.py, 0.32: it is held in float32, and
whole on every rank; jina-reranker-v3's in the model's own dtype.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from rackwright.models.config import Config
from rackwright.models.family import Projection
from rackwright.models.shape import Shape, Tensor
from rackwright.models.tasks import OF_PAIRED_TEXTS, OF_SEVERAL

_SAID, _GUESSED = "token_projection", "token_projection.guessed"
"""Where the config says how long vectors are, or the engine's class does; and where neither."""


def projected(config: Config, projection: Projection, hidden: int) -> Iterator[Tensor]:
    """The tensors behind the last layer; none where nothing says that there are any."""
    usual = projection.usual or projection.guessed
    said = projection.usual or any(config.values.get(key) for key in projection.keys)
    given = [key for key in projection.keys if config.values.get(key)]
    width = config.count(*given) if given else usual
    if not width:
        return
    inner = hidden // 2 if projection.narrows else hidden
    dtype = None if projection.narrows else "float32"
    if projection.narrows:
        yield Tensor("token_projection.inner", inner, hidden)
    columns = inner + (1 if projection.bias else 0)
    yield Tensor(_SAID if said else _GUESSED, width, columns, dtype=dtype)


def found_in(shape: Shape, held: Iterable[tuple[str, tuple[int, ...]]]) -> Shape:
    """The model with what its files hold, by name and shape, where its length was guessed.

    Source: _load_colbert_weights in vllm/model_executor/models/colbert.py, 0.32.
    """
    columns = next((one.columns for one in shape.beside if one.name == _GUESSED), 0)
    rows = [
        size[0]
        for name, size in held
        if name.endswith("linear.weight") and size[1:] == (columns,) and size[0]
    ]
    if not columns or not rows:
        return shape
    beside = tuple(
        replace(one, name=_SAID, rows=rows[-1]) if one.name == _GUESSED else one
        for one in shape.beside
    )
    return replace(shape, beside=beside)


class TokenVectors(NamedTuple):
    """What comes back of a text: vectors of so many numbers, 0 where nothing says how many.

    ``of_all``: each token has one, of which an engine leaves out none.
    """

    length: int = 0
    of_all: bool = True


def token_vectors(shape: Shape) -> TokenVectors:
    """What a model makes of a text that is asked for a vector of each token."""
    name = shape.architecture
    if name == OF_SEVERAL:  # without that of the text's beginning (BOSEOSFilter in special.py)
        return TokenVectors(shape.hidden_size, of_all=False)
    length = next((one.rows for one in shape.beside if one.name == _SAID), 0)
    return TokenVectors(length, name != OF_PAIRED_TEXTS)
