"""What of a lock is known without asking anybody: all that pins and project files say."""

from __future__ import annotations

import hashlib

from rackwright.desired.paths import lock_file
from rackwright.locking.lock import (
    Download,
    File,
    Lock,
    LockedArchive,
    LockedModel,
    LockedVenv,
)
from rackwright.locking.pins import ModelPin, Pins, ReleasePin
from rackwright.locking.requirements import versions_of


def known_of(pins: Pins) -> Lock:
    """The lock of these pins, without wheels, sizes, systems and drivers: whoever asks adds them.

    Raises OSError where a requirements file is gone.
    """
    return Lock(
        engine_python=pins.pythons,
        releases={key: _release(pin) for key, pin in sorted(pins.releases.items())},
        models={key: _model(pin) for key, pin in sorted(pins.models.items())},
    )


def _release(pin: ReleasePin) -> LockedVenv | LockedArchive:
    if pin.downloads is not None:
        downloads = {
            architecture: Download(url=each.url, sha256=each.sha256)
            for architecture, each in pin.downloads.items()
        }
        return LockedArchive(version=pin.version, cuda=pin.cuda, downloads=downloads)
    content = lock_file(pin.requirements)
    return LockedVenv(
        version=pin.version,
        requirements=pin.requirements,
        sha256=hashlib.sha256(content).hexdigest(),
        cuda=pin.cuda,
        packages=versions_of(content.decode()),
    )


def _model(pin: ModelPin) -> LockedModel:
    file = pin.file or "model"
    files = {file: File(sha256=pin.sha256, size_bytes=pin.size_bytes)} if pin.sha256 else {}
    return LockedModel(
        repo=pin.repo, revision=pin.revision, path=pin.path, pull=pin.pull, files=files
    )
