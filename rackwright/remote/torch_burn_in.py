"""In the release's own Python: one GPU burned in by matrix products, with patterns in its memory.

``burn_in`` starts this text, one process a GPU, which calls ``burn``. A round writes a pattern to
nearly all free memory, multiplies for a while, and reads the pattern back; the next has its
complement. Products are repeated and must be equal bit by bit, and rows of the first are compared
with the same in float64 on the CPU. Devices are given as data: ``cuda``, or ``cpu``.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import signal
import time
from collections.abc import Iterator
from typing import Any

Values = dict[str, Any]

CONSTANTS = (0x00000000, 0x55555555, 0x33333333, 0x0F0F0F0F, 0x00FF00FF, 0x0000FFFF)
ADDRESSES, RANDOM = "addresses", "random"
PATTERNS = (*CONSTANTS, ADDRESSES, RANDOM)
ROUNDS = 2 * len(PATTERNS)
"""Each pattern and its complement, however short the time is."""
BLOCK_WORDS = 1 << 24
RESERVE_BYTES = 768 << 20
"""For comparisons and cuBLAS; the products have theirs before."""
MOST_TOLD = 5
ROWS, COLUMNS = 32, 1024
"""Rows of a product that float64 judges, and how many columns of it at once."""
SEED = 7
ROUNDING = {"float32": (2.0**-23, 2.0**-17), "bfloat16": (2.0**-8, 2.0**-14)}
ROUNDING["float16"] = (2.0**-10, 2.0**-14)
"""Of a result's own value, and of the sum of all magnitudes in it: what summing K products in 32
bits, some of them truncated by tensor cores, may lose; ten times what it does."""


def burn(request: Values) -> None:
    """Burn in for ``burn_s`` and print what was found. ``share`` of the free memory is tested.

    ``most_bytes`` (None: as much as there is) and ``size`` of the matrices are small on a CPU.
    """
    die_with_parent()
    torch = importlib.import_module("torch")
    device = _device(torch, request)
    started = time.monotonic()
    products = [Product(torch, device, name, request["size"]) for name in _kinds(torch, device)]
    memory = Memory(torch, device, request)
    rounds = 0
    while rounds < ROUNDS or time.monotonic() - started < request["burn_s"]:
        memory.write(rounds)
        until = started + request["burn_s"] * min(1.0, (rounds + 1) / ROUNDS)
        seconds = max(0.0, min(until - time.monotonic(), request["burn_s"] / ROUNDS))
        for product in products:
            product.repeat(seconds / len(products))
        memory.check(rounds)
        rounds += 1
    told = {"torch": torch.__version__, "device": request["device"], "rounds": rounds}
    told |= {"seconds": time.monotonic() - started, "memory": memory.told()}
    print(json.dumps({**told, "products": [product.told() for product in products]}), flush=True)


def die_with_parent() -> None:
    """Whatever ends the process that started this one (not its thread) ends this as well."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _device(torch: Any, request: Values) -> str:
    if request["device"] != "cuda":
        return "cpu"
    torch.cuda.set_device(0)
    torch.set_float32_matmul_precision("highest")
    for kind in ("bf16", "fp16"):
        with contextlib.suppress(AttributeError):  # of another torch
            name = f"allow_{kind}_reduced_precision_reduction"
            setattr(torch.backends.cuda.matmul, name, False)
    return "cuda:0"


def _kinds(torch: Any, device: str) -> tuple[str, ...]:
    """For tensor cores, where there are any, and for all others."""
    old = device != "cpu" and torch.cuda.get_device_capability(0) < (8, 0)
    return ("float16" if old else "bfloat16", "float32")


def _finish(torch: Any, device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize()


class Product:
    """One product of two matrices, again and again."""

    def __init__(self, torch: Any, device: str, kind: str, size: int) -> None:
        """The first result, and how many numbers of some of its rows float64 says are wrong."""
        self._torch, self._device, self.kind, self.size = torch, device, kind, size
        source = torch.Generator().manual_seed(SEED)
        dtype = getattr(torch, kind)
        made = [torch.randn(size, size, generator=source).to(dtype) for _ in range(2)]
        self._left, self._right = (one.to(device) for one in made)
        self._first = self._left @ self._right
        self._again = torch.empty_like(self._first)
        self.unlike = self._unlike_float64(*made)
        self._differ = torch.zeros((), dtype=torch.int64, device=device)
        self.count, self.seconds = 0, 0.0

    def _unlike_float64(self, left: Any, right: Any) -> int:
        torch, (own, summed) = self._torch, ROUNDING[self.kind]
        rows = torch.linspace(0, self.size - 1, min(ROWS, self.size)).long()
        exact_left, found = left[rows].double(), self._first[rows.to(self._device)].cpu().double()
        unlike = 0
        for start in range(0, self.size, COLUMNS):
            exact_right = right[:, start : start + COLUMNS].double()
            exact = exact_left @ exact_right
            allowed = own * exact.abs() + summed * (exact_left.abs() @ exact_right.abs())
            error = (found[:, start : start + COLUMNS] - exact).abs()
            unlike += int((~(error <= allowed)).sum())  # a NaN is within nothing
        return unlike

    def repeat(self, seconds: float) -> None:
        """For so long, at least once; each result is compared with the first, bit by bit."""
        torch = self._torch
        bits = torch.int32 if self.kind == "float32" else torch.int16
        first, again = self._first.view(bits), self._again.view(bits)
        started = time.monotonic()
        while True:
            for _ in range(1 if self._device == "cpu" else 20):
                torch.matmul(self._left, self._right, out=self._again)
                self._differ += (first != again).sum()
                self.count += 1
            _finish(torch, self._device)
            if time.monotonic() - started >= seconds:
                break
        self.seconds += time.monotonic() - started

    def told(self) -> Values:
        """Numbers that were wrong, and tera-operations a second, comparisons included."""
        done = 2 * self.size**3 * self.count
        return {
            "kind": self.kind,
            "size": self.size,
            "count": self.count,
            "differ": int(self._differ),
            "unlike_float64": self.unlike,
            "tflops": done / self.seconds / 1e12 if self.seconds else 0.0,
        }


class Memory:
    """Nearly all free memory, in blocks of words that a pattern is written to and read from."""

    def __init__(self, torch: Any, device: str, request: Values) -> None:
        """Take it; what cannot be had is left out."""
        self._torch, self._device = torch, device
        words = BLOCK_WORDS if device != "cpu" else BLOCK_WORDS >> 6
        self.total_bytes, most = self._most(request)
        self._blocks: list[Any] = []
        with contextlib.suppress(RuntimeError):  # torch.OutOfMemoryError is one
            while (len(self._blocks) + 1) * words * 4 <= most:
                self._blocks.append(torch.empty(words, dtype=torch.int32, device=device))
        self.wrong = 0
        self.first: list[str] = []
        self._random = torch.Generator(device=device)

    def _most(self, request: Values) -> tuple[int, int]:
        if self._device == "cpu":
            return request["most_bytes"], request["most_bytes"]
        self._torch.cuda.empty_cache()
        free, total = self._torch.cuda.mem_get_info()
        return total, int((free - RESERVE_BYTES) * request["share"])

    def write(self, number: int) -> None:
        """The pattern of this round, everywhere."""
        for block, words in self._with_words(number):
            block.copy_(words) if hasattr(words, "shape") else block.fill_(words)
        _finish(self._torch, self._device)

    def check(self, number: int) -> None:
        """Count words that are other than they were written."""
        wrong = self._torch.zeros((), dtype=self._torch.int64, device=self._device)
        for block, words in self._with_words(number):
            wrong += (block != words).sum()
        if int(wrong):
            self.wrong += int(wrong)
            self._tell(number)

    def _with_words(self, number: int) -> Iterator[tuple[Any, Any]]:
        """Each block with what is to stand in it: one word for all, or a tensor."""
        pattern, complement = PATTERNS[number // 2 % len(PATTERNS)], number % 2
        for place, block in enumerate(self._blocks):
            yield block, self._words(pattern, complement, number, place, block)

    def _words(
        self, pattern: int | str, complement: int, number: int, place: int, block: Any
    ) -> Any:
        torch = self._torch
        if isinstance(pattern, int):
            return ~pattern if complement else pattern
        if pattern == ADDRESSES:
            words = torch.arange(block.numel(), dtype=torch.int32, device=self._device)
            words += (place * block.numel()) & 0x3FFFFFFF
        else:
            self._random.manual_seed(SEED + (number // 2) * 100_003 + place)
            limits = (-(1 << 31), (1 << 31) - 1)
            options = {"dtype": torch.int32, "device": self._device, "generator": self._random}
            words = torch.randint(*limits, (block.numel(),), **options)
        return words.bitwise_not_() if complement else words

    def _tell(self, number: int) -> None:
        """Where the first of them are, and which bits."""
        for place, (block, words) in enumerate(self._with_words(number)):
            for at in (block != words).nonzero()[:MOST_TOLD].flatten().tolist():
                expected = words[at] if hasattr(words, "shape") else words
                bits = (int(block[at]) ^ int(expected)) & 0xFFFFFFFF
                if len(self.first) < MOST_TOLD:
                    self.first.append(f"byte {(place * block.numel() + at) * 4}: bits {bits:08x}")

    def told(self) -> Values:
        """How much was tested of how much, and what was wrong with it."""
        tested = sum(block.numel() * 4 for block in self._blocks)
        told = {"total_bytes": self.total_bytes, "tested_bytes": tested}
        return {**told, "wrong_words": self.wrong, "first": self.first}
