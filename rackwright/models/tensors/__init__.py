"""The tensors that a model's files really hold, by their headers alone: no weights are read.

``headers`` has them as values, ``files`` reads a folder or a file of ours, ``hub`` asks a hub and
``cache`` keeps what it said; ``loaded`` says what of it an engine loads, ``estimate`` makes a shape
of a model whose architecture is not known.
"""

from rackwright.models.tensors.headers import Headers, HeldTensor

__all__ = ["Headers", "HeldTensor"]
