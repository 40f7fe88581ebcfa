"""The flags of an engine's release, read off the sources of its command line in a wheel.

    python tests/data/flags/record.py WHEEL 'vllm/engine/arg_utils.py' \\
        'vllm/entrypoints/launchers/cli_args.py' > tests/data/flags/vllm-0.32.0.txt
    python tests/data/flags/record.py WHEEL 'sglang/srt/arg_groups/fields/*.py' \\
        'sglang/srt/server_args.py' > tests/data/flags/sglang-0.5.23.txt

Both engines make a flag of each field of a class of arguments, and write the others as text. So a
name here may be no flag, but a flag that is not here does not exist.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from zipfile import ZipFile


def names(source: str) -> Iterator[str]:
    """Texts that are flags, and fields of classes as flags are named."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and re.fullmatch(
            r"--[a-z0-9][a-z0-9-]*", str(node.value)
        ):
            yield str(node.value).removeprefix("--")
        elif isinstance(node, ast.ClassDef):
            fields = (each.target for each in node.body if isinstance(each, ast.AnnAssign))
            yield from (
                f.id.replace("_", "-") for f in fields if isinstance(f, ast.Name) and f.id[0] != "_"
            )


def recorded(wheel: Path, patterns: list[str]) -> str:
    """The names, one a line, below where they are from."""
    with ZipFile(wheel) as archive:
        paths = [p for p in archive.namelist() if any(fnmatch(p, each) for each in patterns)]
        found = {name for path in paths for name in names(archive.read(path).decode())}
    return "\n".join([f"# {wheel.name}: {' '.join(patterns)}", *sorted(found), ""])


if __name__ == "__main__":
    sys.stdout.write(recorded(Path(sys.argv[1]), sys.argv[2:]))
