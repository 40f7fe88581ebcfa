"""A fleet's files in one folder that can be carried in: collected, verified, served to hosts.

- ``system.py``: what a host says of its own system, by which its files are chosen;
- ``wheels.py``, ``pythons.py``, ``debs.py`` (by ``apt_root.py``), ``repositories.py``: which files
  these are, by URL, size and digest;
- ``making.py``: all of a fleet, from its pins (``locking``) and the systems of its hosts;
- ``collecting.py``: fetched, each whole or not at all, going on where a run was cut off;
- ``manifest.py``: what a bundle has; ``lacking.py``: what of a fleet it has not; ``verifying.py``:
  whether its files are still what they were;
- ``serving.py``: its files over HTTP, to whoever knows the way.

The folder::

    manifest.json                  what it has: files with size and SHA-256, and what they are for
    wheels/                        Python packages, of engines, of uv and of the controller
    archives/SHA256/NAME           releases that are archives
    models/OWNER--NAME/REVISION/   weights
    debs/debian-12-amd64/          an apt repository for each system, flat
    pythons/                       Pythons that uv installs, laid out as where uv fetches them
    controller/                    requirements.txt, and how to install from the wheels
"""
