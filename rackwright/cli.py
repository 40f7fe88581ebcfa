"""`rackwright VERB ...`: what pyinfra does not. Each verb is a module of ``commands``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from keyword import iskeyword
from typing import Any

import click

from rackwright.errors import InputError
from rackwright.exits import USAGE, exits
from rackwright.installed import loading

VERBS = (
    "plan",
    "size",
    "models",
    "tensors",
    "preflight",
    "lock",
    "bundle",
    "rollout",
    "rollback",
    "verify",
    "drift",
    "diff",
    "why",
    "watch",
    "keys",
    "usage",
    "gateway",
    "drain",
    "undrain",
    "quarantine",
    "return",
    "restart",
    "reboot",
    "clean",
    "bandwidth",
    "seeds",
    "discover",
    "topo",
    "report",
)


@contextmanager
def _as_ours() -> Iterator[None]:
    """click's ways to end, as ours: it would print some of them itself, with codes of checks."""
    try:
        yield
    except click.UsageError as error:
        error.show()
        raise SystemExit(USAGE) from None
    except click.ClickException as error:
        raise InputError(error.format_message()) from None
    except click.Abort:
        raise KeyboardInterrupt from None
    except click.exceptions.Exit as ended:
        raise SystemExit(ended.exit_code) from None


class Verbs(click.Group):
    """Verbs, each imported when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which they are used."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb of that name; None where there is none."""
        if cmd_name not in VERBS:
            return None
        name = f"{cmd_name}_" if iskeyword(cmd_name) else cmd_name
        with loading():
            command: click.Command = getattr(import_module(f"rackwright.commands.{name}"), name)
        return command

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """As click does; a command line that cannot be read ends with a code of its own."""
        with exits(), _as_ours():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """The verb; whatever ends it is one message and an exit code."""
        with exits(), _as_ours():
            return super().invoke(ctx)


@click.group(cls=Verbs)
@click.version_option(package_name="rackwright")
def main() -> None:
    """Bare multi-GPU servers into a verified LLM inference fleet.

    Deploy with: pyinfra INVENTORY deploy.py
    """
