"""What runs a model. An engine is one module here and one line in ``ENGINES``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from rackwright.engines.vllm import VLLM

if TYPE_CHECKING:
    from rackwright.catalog import GpuType
    from rackwright.plan import Replica
    from rackwright.settings import Settings


class Engine(Protocol):
    """How one engine is installed, started and asked. It plans nothing.

    A path is None for what the engine does not offer. ``figures`` says where its metrics tell
    ``requests_running``, ``requests_waiting``, ``kv_cache_tokens``, ``kv_cache_share`` (in use, 0
    to 1) and ``tokens_generated`` (since its start): a series, and a label or "" for its value.
    ``timed_options`` are what a completion that is timed asks for beside its question: to go on
    until it has all its tokens, and to count them as they come.
    """

    name: str
    health_path: str
    models_path: str
    completions_path: str
    version_path: str | None
    metrics_path: str | None
    figures: Mapping[str, tuple[str, str]]
    timed_options: Mapping[str, object]

    def version(self, settings: Settings) -> str:
        """The version that ``version_path`` must tell."""
        ...

    def batch_limits(self, gpu: GpuType) -> tuple[int, int]:
        """Sequences and tokens a step on such a GPU, unless the operator says otherwise."""
        ...

    def flag_faults(self, extra_args: Mapping[str, object]) -> Iterator[tuple[str, str]]:
        """Flag and rule for each extra flag that is not the operator's to set."""
        ...

    def requirements(self, settings: Settings) -> str:
        """The hash-locked requirements file, relative to the project."""
        ...

    def argv(self, replica: Replica, model_path: str, settings: Settings) -> tuple[str, ...]:
        """The command line after the interpreter."""
        ...

    def environment(
        self, replica: Replica, settings: Settings, gpu_uuids: Sequence[str] | None
    ) -> dict[str, str]:
        """Environment of the process, without secrets.

        ``gpu_uuids`` are those of all GPUs of the host by index, or None where they are not
        known. Raises PlanError where the host shows fewer GPUs than the replica needs.
        """
        ...


ENGINES: dict[str, Engine] = {engine.name: engine for engine in (VLLM,)}
