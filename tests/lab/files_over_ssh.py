"""Run by a lab test: a file of all bytes to each host of an inventory and back, as root."""

from __future__ import annotations

import io
import sys

from pyinfra.api.host import Host

from rackwright.runner.asking import Answer, ask_all
from rackwright.runner.host_data import command_arguments
from rackwright.runner.inventory import load_inventory

CONTENT = bytes(range(256)) * 300 + b"no line end"


def there_and_back(host: Host) -> Answer:
    how = {"_sudo": command_arguments(host)["_sudo"]}
    back = io.BytesIO()
    done = host.put_file(io.BytesIO(CONTENT), "/root/made", **how)
    done = done and host.get_file("/root/made", back, **how)
    return {"same": done and back.getvalue() == CONTENT}


for name, answer in sorted(ask_all(load_inventory(sys.argv[1]), there_and_back).items()):
    print(name, "same" if answer.get("same") else answer)
