"""The engine's release on a host: the lock files it is installed from."""

from __future__ import annotations

from rackwright.desired import paths
from rackwright.desired.items import Directory, File, Item
from rackwright.settings import Settings

SMOKE_TEST = "import vllm, torch"
"""A release that cannot import its engine is never marked complete."""

AMENDMENT = """
import pathlib, sysconfig
folder = pathlib.Path(sysconfig.get_path("purelib"), "vllm-{version}+cpu.dist-info")
folder.mkdir(exist_ok=True)
folder.joinpath("METADATA").write_text(
    "Metadata-Version: 2.1\\nName: vllm\\nVersion: {version}+cpu\\n"
)
"""
"""vLLM's CPU build is a distribution of another name; its command line asks for vLLM's own."""


def lock_items(settings: Settings) -> list[Item]:
    """The requirements files of the release and of its installer."""
    return [
        Directory(f"{settings.root_dir}/vllm"),
        Directory(f"{settings.root_dir}/uv"),
        File(paths.requirements_path(settings), paths.lock_file(settings.vllm_requirements)),
        File(paths.uv_requirements_path(settings), paths.lock_file(settings.uv_requirements)),
    ]


def release_request(settings: Settings) -> dict[str, object]:
    """What ``runner/remote/release.py`` needs to know to install the release."""
    cpu = settings.vllm_build == "cpu"
    return {
        "release": paths.release_dir(settings),
        "requirements": paths.requirements_path(settings),
        "uv": paths.uv_dir(settings),
        "uv_requirements": paths.uv_requirements_path(settings),
        "python": settings.engine_python,
        "compile_bytecode": settings.compile_bytecode,
        "amendment": AMENDMENT.format(version=settings.vllm_version) if cpu else "",
        "smoke_test": SMOKE_TEST,
        "user": settings.engine_user,
        "environment": settings.engine_environment,
    }
