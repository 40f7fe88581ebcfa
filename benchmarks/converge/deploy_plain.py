"""The desired state by pyinfra's own operations, one an item, as its documentation has them."""

import json
import os
from io import BytesIO
from pathlib import Path

from pyinfra.context import host
from pyinfra.facts.files import File, FindFiles
from pyinfra.operations import apt, files, server, systemd
from pyinfra.operations.util import any_changed

wanted = json.loads(Path(os.environ["CONVERGE_STATE"], f"{host.name}.json").read_text())
changed = {}

apt.packages(name="Packages", packages=wanted["packages"], no_recommends=True)

for user in host.loop(wanted["users"]):
    server.user(
        name=f"User {user['name']}",
        user=user["name"],
        home=user["home"],
        shell=user["shell"],
        comment=user["comment"],
        groups=user["groups"],
        system=True,
        ensure_home=False,
    )

named = [unit["name"] for unit in wanted["units"]]
for left in host.loop(wanted["leftovers"]):
    there = host.get_fact(FindFiles, path=left["folder"], fname=left["pattern"])
    gone = [path for path in there or () if Path(path).name not in named]
    for path in host.loop(gone):
        systemd.service(name=f"Stop {path}", service=Path(path).name, running=False, enabled=False)
        files.file(name=f"Remove {path}", path=path, present=False)

for folder in host.loop(wanted["folders"]):
    files.directory(
        name=f"Folder {folder['path']}",
        path=folder["path"],
        mode=folder["mode"],
        user=folder["owner"],
        group=folder["group"],
    )

for file in host.loop(wanted["files"]):
    changed[file["path"]] = files.put(
        name=f"File {file['path']}",
        src=BytesIO(Path(file["source"]).read_bytes()),
        dest=file["path"],
        mode=file["mode"],
        user=file["owner"],
        group=file["group"],
    )

for line in host.loop(wanted["lines"]):
    changed[line["path"]] = files.line(
        name=f"Line {line['name']}",
        path=line["path"],
        line=rf"^\s*{line['name']} .*$",
        replace=line["line"],
    )

for made in host.loop([*wanted["certificates"], *wanted["releases"]]):
    if host.get_fact(File, path=made["path"]) is None:
        changed[made["path"]] = server.shell(
            name=f"Make {made['path']}", commands=[made["command"]]
        )

for path in host.loop(wanted["absent"]):
    files.directory(name=f"No {path}", path=path, present=False)

for unit in host.loop(wanted["units"]):
    name = unit["name"]
    if begin := [changed[path] for path in unit["restart_on"] if path in changed]:
        systemd.service(
            name=f"Restart {name}",
            service=name,
            restarted=True,
            daemon_reload=True,
            _if=any_changed(*begin),
        )
    if load := [changed[path] for path in unit["reload_on"] if path in changed]:
        systemd.service(
            name=f"Reload {name}",
            service=name,
            reloaded=True,
            daemon_reload=True,
            _if=any_changed(*load),
        )
    systemd.service(name=f"Unit {name}", service=name, running=True, enabled=True)
