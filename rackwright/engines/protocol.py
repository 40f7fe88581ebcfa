"""What every engine answers. An engine is one module that fulfils ``Engine``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from rackwright.engines import options
from rackwright.engines.answers import Ask, Canary, Loaded, models_listed
from rackwright.engines.options import Form, Launch, Option
from rackwright.engines.splits import Splits
from rackwright.models.tasks import Task, task_of, writes

if TYPE_CHECKING:
    from rackwright.catalog import Capability, GpuType
    from rackwright.engines.release import CudaBuild, Release
    from rackwright.models import Shape
    from rackwright.plan import Replica
    from rackwright.sizing import GpuMemory, Limits, Split
    from rackwright.sizing.dealing import Dealt
    from rackwright.spec import ServiceSpec, Settings, SettingsModel


class Engine(Protocol):
    """How one engine is installed, started, asked, and what memory it takes. It plans nothing.

    What has a default here is left out by an engine that is as usual.

    ``settings_model`` declares the settings that it alone reads, among them ``NAME_version``;
    ``splits`` are the ways it can divide a model, ``options`` the table of its command line (with
    ``extra_form``, how the operator's own flags are written), ``cuda_builds`` which CUDA its
    releases are built with and for which GPUs; one without that says its ``oldest_gpu`` alone.

    A path is None for what the engine does not offer. ``figures`` says where its metrics tell
    ``requests_running``, ``requests_waiting``, ``kv_cache_tokens``, ``kv_cache_share`` (in use, 0
    to 1), ``tokens_generated`` and ``prompt_tokens`` (since its start) and ``steps``: a series, and
    a label or "" for its value. One that has metrics tells at least requests and tokens generated.
    Each but the requests is a sign of work where it changes.
    ``timed_options`` are what a completion that is timed asks for beside its question: to go on
    until it has all its tokens, and to count them as they come. ``lists_context``: its list of
    models says the context.

    ``paths`` are those of ``ENDPOINTS`` that it answers, for models that can. ``tasks`` are what it
    serves models for that do not write. ``usage_in_streams``:
    asked for it (``stream_options.include_usage``), a stream ends with the tokens that it took.
    ``routers`` are those of ``ROUTERS`` that understand its health and its answers.

    ``keeps_connections``: one over which it has streamed an answer takes another request.

    ``key_variable`` is the environment variable of its API key, None where it has no such thing.
    ``serves_gguf``: its weights are one GGUF file, or several where it ``loads_parts``; else a
    directory of a repository.
    ``torch_program`` is the interpreter of one that brings torch. ``pulls``: it fetches models from
    a registry itself. ``predicts``: its speed can be predicted. ``scripts`` are programs of
    ``remote`` that its units run, without ``.py``.
    """

    name: str
    documentation: str
    settings_model: type[SettingsModel]
    splits: Splits
    options: tuple[Option, ...] = ()
    extra_form: Form = Form.EQUALS
    cuda_builds: tuple[CudaBuild, ...] = ()
    oldest_gpu: Capability | None = None

    health_path: str = "/health"
    models_path: str = "/v1/models"
    completions_path: str = "/v1/chat/completions"
    version_path: str | None = None
    metrics_path: str | None = None
    figures: Mapping[str, tuple[str, str]] = MappingProxyType({})
    timed_options: Mapping[str, object] = MappingProxyType({})
    lists_context: bool = True

    key_variable: str | None = None
    torch_program: str | None = None
    paths: tuple[str, ...] = ()
    tasks: tuple[Task, ...] = ()
    usage_in_streams: bool = True
    keeps_connections: bool = True
    routers: tuple[str, ...] = ()

    serves_gguf: bool = False
    loads_parts: bool = False
    pulls: bool = False
    predicts: bool = False
    kv_cache_dtypes: tuple[str, ...] = ("auto",)
    scripts: tuple[str, ...] = ()
    compiled: tuple[str, ...] = ()

    def batch_limits(self, gpu: GpuType) -> tuple[int, int]:
        """Sequences and tokens a step on such a GPU, unless the operator says otherwise."""
        ...

    def memory_share(self, total_bytes: int, limits: Limits) -> float:
        """The share of a GPU that it may take, unless the operator says otherwise."""
        return limits.gpu_memory_utilization

    def memory(self, shape: Shape, split: Split, total_bytes: int, limits: Limits) -> GpuMemory:
        """Memory of the fullest GPU of a replica."""
        ...

    def most_sequences(self, shape: Shape, memory: GpuMemory, limits: Limits) -> int | None:
        """How many sequences at once it may be told of, where more keep it from starting.

        ``memory`` is that with those of ``limits``; more of them leave less.
        """
        return None

    def dealt(self, shape: Shape, totals: tuple[int, ...], limits: Limits) -> tuple[Dealt, ...]:
        """What each GPU of a replica has, of so many bytes each, where layers are dealt."""
        return ()

    def unjudged(self, shape: Shape) -> str:
        """Why the engine's memory for such a model cannot be computed; empty where it can."""
        return ""

    def gpu_refusals(self, gpu: GpuType, shape: Shape, service: ServiceSpec) -> Iterator[str]:
        """Why it cannot serve a model so on a GPU that is new enough for its builds."""
        return iter(())

    def flag_faults(self, extra_args: Mapping[str, object]) -> Iterator[tuple[str, str]]:
        """Flag and rule for each extra flag that is not the operator's to set."""
        return options.flag_faults(self.options, extra_args) if self.options else iter(())

    def setting_faults(self, settings: Settings) -> Iterator[tuple[str, str]]:
        """Setting and rule for each that a host with this engine lacks."""
        return iter(())

    def pinned(self, settings: Settings) -> str | None:
        """The version that the settings pin, as ``NAME_version``; None where they pin none."""
        version: str | None = getattr(settings, f"{self.name}_version")
        return version

    def version(self, settings: Settings) -> str:
        """The version that ``version_path`` must tell."""
        return self.release(settings).version

    def uses_gpus(self, settings: Settings) -> bool:
        """Whether its build there runs on GPUs."""
        ...

    def release(self, settings: Settings) -> Release:
        """What is installed for it. Only asked where ``setting_faults`` finds none."""
        ...

    def program(self, settings: Settings) -> str:
        """The program of its units, relative to the release."""
        ...

    def entry(self, replica: Replica) -> tuple[str, ...]:
        """What stands before the options on the command line."""
        return ()

    def argv(self, replica: Replica, model_path: str, settings: Settings) -> tuple[str, ...]:
        """The command line after the program."""
        launch = Launch(replica, model_path, settings)
        words = options.command_line(self.options, launch, self.extra_form)
        return (*self.entry(replica), *words)

    def compiling(self, replica: Replica, model_path: str, settings: Settings) -> tuple[str, ...]:
        """What of its command line decides what it compiles."""
        launch = Launch(replica, model_path, settings)
        return options.compiling(self.options, launch, self.extra_form)

    def cache(self, replica: Replica, settings: Settings) -> str:
        """The folder of a process for what it keeps from start to start."""
        return f"{settings.cache_dir}/{replica.name}"

    def after_start(self, replica: Replica, model_path: str) -> tuple[str, ...]:
        """A script and its arguments that make it ready once it answers; empty where it is."""
        return ()

    def environment(
        self, replica: Replica, settings: Settings, gpu_uuids: Sequence[str] | None
    ) -> dict[str, str]:
        """Environment of the process, without secrets.

        ``gpu_uuids`` are those of all GPUs of the host by index, or None where they are not
        known. Raises PlanError where the host shows fewer GPUs than the replica needs.
        """
        ...

    def listed(self, body: Any) -> dict[str, int | None] | None:
        """Served name to context length from its list of models; None when it is not one."""
        return models_listed(body)

    def task(self, service: ServiceSpec, shape: Shape) -> Task | None:
        """What a service of the model is asked for; None where it writes."""
        return task_of(shape)

    def as_loaded(self, service: ServiceSpec, shape: Shape) -> Shape:
        """The model as the engine has it for such a service, where that is less than all of it."""
        return shape

    def task_faults(self, service: ServiceSpec, shape: Shape) -> Iterator[tuple[str, str]]:
        """Extra flag and rule for each that a model has no use for which does not write."""
        return iter(())

    def paths_of(self, shape: Shape, task: Task | None) -> tuple[str, ...]:
        """Those of ``paths`` that it answers for such a model."""
        return self.paths

    def figures_of(self, task: Task | None) -> Mapping[str, tuple[str, str]]:
        """Those of ``figures`` that mean something of a model with such a task."""
        return {
            name: where
            for name, where in self.figures.items()
            if writes(task) or name != "tokens_generated"
        }

    def canary(self, service: ServiceSpec, task: Task | None = None) -> Canary:
        """The smallest request that only a replica which works completes."""
        hello = [{"role": "user", "content": "Hi"}]
        body = {"model": service.served_as, "max_tokens": 1, "messages": hello}
        return Canary(self.completions_path, body)

    def questions(self, replica: Replica) -> tuple[Ask, ...]:
        """What ``loaded`` needs to be asked."""
        return ()

    def loaded(self, served_model_name: str, answers: Mapping[str, Any]) -> Loaded | None:
        """What the engine holds, from its answers by name; None where it was not asked.

        Raises ValueError with what is wrong in words: another model, or an answer of no sense.
        """
        return None
