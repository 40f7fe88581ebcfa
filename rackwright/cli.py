"""`rackwright VERB ...`: what pyinfra does not. Each verb is a module of ``commands``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import click

from rackwright.errors import RackwrightError

VERBS = (
    "plan",
    "size",
    "preflight",
    "verify",
    "why",
    "watch",
    "bandwidth",
    "discover",
    "topo",
    "report",
)
USAGE = 64
"""The exit code of a command line that cannot be read; click's own, 2, is that of CRITICAL."""


@contextmanager
def _exit_codes() -> Iterator[None]:
    """Whatever an operator can act on as an error of click, which prints it and exits."""
    try:
        yield
    except click.UsageError as error:
        vars(error)["exit_code"] = USAGE
        raise
    except RackwrightError as error:
        shown = click.ClickException(str(error))
        vars(shown)["exit_code"] = error.exit_code
        raise shown from None


class Verbs(click.Group):
    """Verbs, each imported when it is used; and the one place where errors are printed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which they are used."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb of that name; None where there is none."""
        if cmd_name not in VERBS:
            return None
        command: click.Command = getattr(import_module(f"rackwright.commands.{cmd_name}"), cmd_name)
        return command

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """As click does, with an exit code of its own."""
        with _exit_codes():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """The verb; what the operator can act on becomes one message and an exit code."""
        with _exit_codes():
            return super().invoke(ctx)


@click.group(cls=Verbs)
@click.version_option(package_name="rackwright")
def main() -> None:
    """Bare multi-GPU servers into a verified LLM inference fleet.

    Deploy with: pyinfra INVENTORY deploy.py
    """
