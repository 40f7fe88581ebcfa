"""A systemd host with real GPUs, on a machine that has the GPUs but neither systemd nor internet.

``python -m lab.gpu_host pack OUT`` makes it where there are package registries: a root folder, the
wheels of the engines' lock files and the project, in pieces that are easy to carry. ``boot IN``
unpacks and boots it where the GPUs are. All that runs there is Python's standard library (3.10 or
newer), util-linux, tar and xz.
"""

from __future__ import annotations

from pathlib import Path

PROJECT = "/root/rackwright"
"""The project's place in the host, with its own venv."""
WHEELS, OWN_WHEELS = "/srv/wheels", "/srv/own"
"""Where pip and uv of the host look for packages, and nowhere else: engines', and the project's."""
BUNDLE = "/srv/bundle"
"""Where a bundle is put that was packed: ``pyinfra ... --data bundle=/srv/bundle``."""
DRIVER = "/usr/local/nvidia"
"""The machine's driver libraries and programs, seen from the host."""
RUN = Path("/run/rackwright-gpu-host")
"""What is up now, for ``down`` to take away: on tmpfs, so that a reboot forgets it."""
