"""Connections to simulated hosts: what would go over SSH is answered in this process."""

from __future__ import annotations

import json
from typing import Any

from pyinfra.api.inventory import Inventory
from pyinfra.connectors.base import BaseConnector
from pyinfra.connectors.util import CommandOutput, OutputLine

from benchmarks.scale.simulated import Simulated

ROOM = "rackwright.remote."


def simulate(inventory: Inventory, hosts: Simulated) -> None:
    """Have every host of an inventory that nobody has connected to yet be a simulated one."""

    class Connection(BaseConnector):
        """Takes what ``runner.remote_call`` sends, and answers in JSON as a host does."""

        handles_execution = True

        @staticmethod
        def make_names_data(name: str) -> Any:
            """Not asked: the inventory is there."""
            raise NotImplementedError

        def run_shell_command(
            self, command: Any, print_output: bool = False, print_input: bool = False, **given: Any
        ) -> tuple[bool, CommandOutput]:
            """One question, one answer."""
            script = json.loads(given["_stdin"])["script"].removeprefix(ROOM)
            answer = json.dumps(hosts.answer(self.host.name, script))
            return True, CommandOutput([OutputLine("stdout", answer)])

        def put_file(self, *_: Any, **__: Any) -> bool:
            """Nothing that is asked here sends files."""
            raise NotImplementedError

        def get_file(self, *_: Any, **__: Any) -> bool:
            """Nor takes any."""
            raise NotImplementedError

    for host in inventory:
        host.connector_cls = Connection
