"""Ollama: one instance a replica, on its own GPUs, with one model that stays loaded.

Environment, API and accounting as of Ollama 0.32, which runs llama.cpp's server
(envconfig/config.go, docs/api.md, server/sched.go).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rackwright.engines.answers import Ask, Loaded, models_listed
from rackwright.engines.environment import visible_gpus
from rackwright.engines.protocol import Engine
from rackwright.engines.release import Release, archive_of
from rackwright.engines.splits import Splits
from rackwright.schema.fields import Digests, Url, Version
from rackwright.sizing import GpuMemory, Limits, Split
from rackwright.sizing.dealing import Dealt
from rackwright.sizing.gguf import UBATCH_TOKENS, gguf_gpus, gguf_memory, unjudged
from rackwright.spec import SettingsModel

if TYPE_CHECKING:
    from rackwright.catalog import GpuType
    from rackwright.models import Shape
    from rackwright.plan import Replica
    from rackwright.spec import Settings

MAX_QUEUE = 512
"""Requests that wait before the next is refused with 503: Ollama's own default."""
_LATEST = ":latest"
"""The tag that Ollama shows of a model that was given none."""


class OllamaSettings(SettingsModel):
    """What group data says of Ollama: the vendor's archive, or a mirror of it."""

    ollama_version: Version | None
    ollama_url: Url | None
    ollama_sha256: Digests | None


class Ollama(Engine):
    """The engine ``ollama``, from the vendor's archive."""

    name = "ollama"
    documentation = "https://docs.ollama.com"
    settings_model = OllamaSettings
    splits = Splits(by_layers=True)
    health_path = "/api/version"
    version_path = "/api/version"
    serves_gguf = True
    oldest_gpu = (5, 0)
    pulls = True
    lists_context = False
    # server/routes.go; images are of models that draw.
    paths = (
        *("/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/embeddings"),
        *("/v1/images/generations", "/v1/messages"),
    )
    kv_cache_dtypes = ("auto", "f16", "q8_0", "q4_0")
    scripts = ("ollama_model",)

    def batch_limits(self, gpu: GpuType) -> tuple[int, int]:
        """One request at a time, as Ollama itself has where nobody says; tokens of one step."""
        return 1, UBATCH_TOKENS

    def memory(self, shape: Shape, split: Split, total_bytes: int, limits: Limits) -> GpuMemory:
        """Memory of the fullest GPU."""
        return gguf_memory(shape, split, total_bytes, limits)

    def dealt(self, shape: Shape, totals: tuple[int, ...], limits: Limits) -> tuple[Dealt, ...]:
        """Equal shares: it deals by itself, and cannot be told how."""
        return gguf_gpus(shape, totals, limits, (1,) * len(totals))

    def unjudged(self, shape: Shape) -> str:
        """What is not computed yet of llama.cpp."""
        return unjudged(shape)

    def setting_faults(self, settings: Settings) -> Iterator[tuple[str, str]]:
        """A version, where it is, and its digest."""
        for key in ("ollama_version", "ollama_url", "ollama_sha256"):
            if not getattr(settings, key):
                yield key, "is required by engine ollama"

    def uses_gpus(self, settings: Settings) -> bool:
        """Always: it falls back to the CPU by itself, which is never planned."""
        return True

    def release(self, settings: Settings) -> Release:
        """The vendor's archive: bin/ollama, and its libraries in lib/ollama."""
        own = settings.of(OllamaSettings)
        assert own.ollama_version and own.ollama_url and own.ollama_sha256
        version, url = own.ollama_version, own.ollama_url
        content = archive_of(url, own.ollama_sha256, version, ("bin/ollama", "--version"))
        return Release(version, content, ("zstd",) if url.endswith(".zst") else ())

    def program(self, settings: Settings) -> str:
        """Finds its libraries beside itself, in ../lib/ollama."""
        return "bin/ollama"

    def entry(self, replica: Replica) -> tuple[str, ...]:
        """All that it is told is environment: it has no table of options."""
        return ("serve",)

    def after_start(self, replica: Replica, model_path: str) -> tuple[str, ...]:
        """Create the model from its file, or pull it, and load it."""
        assert replica.gguf
        source = f"pull:{replica.gguf.pull}" if replica.gguf.pull else model_path
        where = (replica.server.address, str(replica.port))
        what = (
            replica.service.served_as,
            source,
            replica.gguf.sha256,
            str(replica.limits.max_model_len),
        )
        return ("ollama_model", *where, *what)

    def environment(
        self, replica: Replica, settings: Settings, gpu_uuids: Sequence[str] | None
    ) -> dict[str, str]:
        """Environment of the process; the operator's own wins, except for what was planned.

        Replicas of a host share one folder of models, so that a file is there once; nothing is
        pruned at start, since another instance may be writing there.
        """
        cache = f"{settings.cache_dir}/{replica.name}"
        common = {
            "HOME": cache,
            "CUDA_CACHE_PATH": f"{cache}/cuda",
            "OLLAMA_MAX_QUEUE": str(MAX_QUEUE),
            "OLLAMA_LOAD_TIMEOUT": f"{settings.start_timeout_s}s",
        }
        planned = {
            "OLLAMA_HOST": f"{replica.server.address}:{replica.port}",
            "OLLAMA_MODELS": f"{settings.cache_dir}/ollama",
            "OLLAMA_NOPRUNE": "1",
            "OLLAMA_NO_CLOUD": "1",
            "OLLAMA_KEEP_ALIVE": "-1",
            "OLLAMA_MAX_LOADED_MODELS": "1",
            "OLLAMA_NUM_PARALLEL": str(replica.limits.max_num_seqs),
            "OLLAMA_CONTEXT_LENGTH": str(replica.limits.max_model_len),
            "OLLAMA_FLASH_ATTENTION": "1",
            "OLLAMA_SCHED_SPREAD": str(int(len(replica.gpus) > 1)),
        }
        if replica.limits.kv_cache_dtype != "auto":
            planned["OLLAMA_KV_CACHE_TYPE"] = replica.limits.kv_cache_dtype
        gpus = visible_gpus(replica, gpu_uuids)
        return common | settings.engine_environment | planned | gpus

    def listed(self, body: Any) -> dict[str, int | None] | None:
        """Served names; it does not say their context here."""
        models = models_listed(body)
        return {_short(name): None for name in models} if models is not None else None

    def questions(self, replica: Replica) -> tuple[Ask, ...]:
        """What is loaded, and from which file."""
        show = Ask("show", "/api/show", {"model": replica.service.served_as})
        own = (show,) if replica.gguf and not replica.gguf.pull else ()
        return (Ask("ps", "/api/ps"), *own)

    def loaded(self, served_model_name: str, answers: Mapping[str, Any]) -> Loaded | None:
        """``size_vram`` short of ``size`` is the silent fall-back to the CPU."""
        if "ps" not in answers:
            return None
        rows = answers["ps"].get("models") if isinstance(answers["ps"], Mapping) else None
        if not isinstance(rows, list):
            raise ValueError("/api/ps is not a list of models")
        row = next((row for row in rows if _short(str(row.get("name"))) == served_model_name), None)
        if row is None:
            names = ", ".join(str(other.get("name")) for other in rows)
            raise ValueError(f"{served_model_name} is not loaded, but {names or 'nothing'}")
        sizes = (row.get("size"), row.get("size_vram"), row.get("context_length"))
        if not all(isinstance(size, int) for size in sizes):
            raise ValueError("/api/ps does not say size, size_vram and context_length")
        return Loaded(
            context=row["context_length"],
            total_bytes=row["size"],
            on_gpu_bytes=row["size_vram"],
            digest=_weights(answers["show"]) if "show" in answers else None,
        )


def _short(name: str) -> str:
    return name.removesuffix(_LATEST)


def _weights(shown: Any) -> str:
    """Digest of the file that a model runs from, as `ollama show --modelfile` names it."""
    lines = str(shown.get("modelfile", "") if isinstance(shown, Mapping) else "").splitlines()
    for line in lines:
        if line.startswith("FROM ") and "sha256-" in line:
            return line.rpartition("sha256-")[2].strip().strip('"')
    raise ValueError("/api/show does not say which file it runs from")


OLLAMA = Ollama()
