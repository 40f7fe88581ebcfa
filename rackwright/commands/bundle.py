"""`rackwright bundle`: a fleet's files in a folder, to be carried to where there is no internet."""

from __future__ import annotations

import hashlib
import sys
import tempfile
from pathlib import Path

import click

from rackwright.bundling.collecting import collect, left_over, require_room, sized, there
from rackwright.bundling.making import Contents, Making
from rackwright.bundling.manifest import BundledFile, read_manifest, write_manifest
from rackwright.bundling.system import System, read_systems, write_systems
from rackwright.bundling.verifying import verified
from rackwright.bundling.wheels import Uv
from rackwright.errors import Fault, InputError, SpecError
from rackwright.exits import tell
from rackwright.locking import pins_of
from rackwright.report.bundle import FetchProgress, bundle_text, bytes_text
from rackwright.report.progress import Progress
from rackwright.runner.fleet import FleetRun, fleet_of
from rackwright.runner.inventory import load_inventory
from rackwright.runner.locked import lock_of
from rackwright.runner.outside import Network
from rackwright.runner.systems import systems_of

WRONG = 2
"""The exit code of a bundle whose files are not what they were: that of CRITICAL."""


@click.command(short_help="All files of a fleet in a folder that is carried in")
@click.argument("inventory", type=click.Path(exists=True, dir_okay=False))
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="The folder.")
@click.option("--prune", is_flag=True, help="Remove what earlier bundles in it needed.")
@click.option("--verify", is_flag=True, help="Read a bundle that is there, and fetch nothing.")
@click.option(
    "--systems",
    type=click.Path(dir_okay=False, path_type=Path),
    help="What the hosts are, where they cannot be asked: a file of --ask.",
)
@click.option("--ask", is_flag=True, help="Ask the hosts, write the file of --systems, and end.")
def bundle(
    inventory: str,
    out: Path | None,
    prune: bool,
    verify: bool,
    systems: Path | None,
    ask: bool,
) -> None:
    """Collect what the hosts of INVENTORY need into a folder: packages with all that they need,
    wheels, archives, weights, and what the controller itself is installed from.

    With `bundle = FOLDER` in group data a deploy takes everything from there. A run that was cut
    off goes on where it stopped. Exits with 2 where --verify finds a file that is another.
    """
    if ask:
        if systems is None:
            raise click.UsageError("--ask writes a file: name it with --systems")
        write_systems(systems, systems_of(load_inventory(inventory)))
        tell(f"{systems}: carry it to where the bundle is made")
        return
    if out is None:
        raise click.UsageError("--out names the folder")
    if verify:
        _verify(out)
        return
    read = load_inventory(inventory)
    fleet = fleet_of(read)
    fleet.lock = lock_of(read, fleet.spec, fleet.plan)
    known = read_systems(systems) if systems else systems_of(read)
    _make(fleet, out, known, Network(read, fleet).uv)
    _leftovers(out, prune)


def _make(fleet: FleetRun, out: Path, systems: dict[str, System], uv: Uv) -> None:
    pins = pins_of(fleet.spec, fleet.plan)
    if unknown := [name for name in pins.hosts if name not in systems]:
        faults = [Fault(f"systems[{name}]", "is not in the file of --systems") for name in unknown]
        raise SpecError(faults, "in what is known of hosts; nothing was fetched")
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="rackwright-bundle-") as work:
            known = (fleet.spec, pins, fleet.lock, systems)
            contents = Making(*known, Path(work), uv, lambda words: tell(words, True)).contents()
        _fetch(contents, out)
    except OSError as error:
        raise InputError(f"{out}: {error.strerror or error}") from None


def _fetch(contents: Contents, out: Path) -> None:
    """What is missing; then the files that are written here, the manifest last."""
    wanted = sized(contents.wanted)
    files = there(out, wanted)
    missing = [one for one in wanted if one.path not in files]
    tell(bundle_text(wanted, missing))
    require_room(out, missing)
    progress = FetchProgress(missing)
    files |= collect(out, missing, progress.hear)
    progress.end()
    for path, content in contents.written.items():
        (out / path).parent.mkdir(parents=True, exist_ok=True)
        partial = out / f"{path}.partial"
        partial.write_bytes(content)
        partial.replace(out / path)
        digest = hashlib.sha256(content).hexdigest()
        files[path] = BundledFile(size_bytes=len(content), sha256=digest)
    write_manifest(out, contents.manifest.model_copy(update={"files": files}))
    total = sum(file.size_bytes for file in files.values())
    words = f"{len(files)} files, {bytes_text(total)}, {len(missing)} of them fetched now"
    tell(f"{out} is whole: {words}")


def _leftovers(out: Path, prune: bool) -> None:
    """Of earlier bundles: said, or removed."""
    found = left_over(out, read_manifest(out).files)
    if not found:
        return
    words = f"{len(found)} files, {bytes_text(sum(found.values()))}"
    if not prune:
        tell(f"{words} of earlier bundles are not needed any more: --prune removes them")
        return
    for path in found:
        (out / path).unlink()
    tell(f"{words} of earlier bundles were removed")


def _verify(out: Path) -> None:
    manifest = read_manifest(out)
    total, line = sum(file.size_bytes for file in manifest.files.values()), Progress(sys.stderr)
    done = 0

    def heard(path: str, size: int) -> None:
        nonlocal done
        done += size
        line.show(f"  {bytes_text(done)} of {bytes_text(total)}: {path}")

    wrong = verified(out, manifest, heard)
    line.clear()
    for path, trouble in wrong:
        tell(f"{path} {trouble}")
    if wrong:
        tell(f"{len(wrong)} of {len(manifest.files)} files are not what the manifest says")
        sys.exit(WRONG)
    tell(f"{out}: {len(manifest.files)} files, {bytes_text(total)}, each as the manifest says")
