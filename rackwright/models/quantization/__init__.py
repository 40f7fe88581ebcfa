"""What a quantization makes of a model's products, read from ``quantization_config``.

``read_quantization`` knows the methods of vLLM 0.32; a ``Quantization`` says for each product (a
``Linear``, by its names) how it is held: a ``Scheme``, or None for the model's own dtype.
"""

from rackwright.models.quantization.kind import NAMED, Quantization
from rackwright.models.quantization.names import HEAD, Linear, linear_of
from rackwright.models.quantization.reading import (
    OLDER_KEY,
    QUANTIZATION_FILE,
    read_quantization,
    with_file_beside,
)
from rackwright.models.quantization.scheme import Scheme

__all__ = [
    "DTYPE_BYTES",
    "HEAD",
    "NAMED",
    "OLDER_KEY",
    "QUANTIZATION_FILE",
    "Linear",
    "Quantization",
    "Scheme",
    "linear_of",
    "read_quantization",
    "with_file_beside",
]

DTYPE_BYTES = {"bfloat16": 2, "float16": 2, "float32": 4, "fp8": 1}
