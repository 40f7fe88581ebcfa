"""The host's half: scripts that travel over SSH and run on the host's own Python.

Standard library only, Python 3.9 and newer, no imports of the project but of one another (which
travel along, found from the imports: ``runner/travelling.py``), and of ``pynvml``. Each that is
called defines ``main``, whose arguments and reply are JSON. Folders hold what scripts share.

Some lie on hosts as files instead, and are run there by systemd or by a release's own Python:
``await_ready``, ``ollama_model``, ``sampling`` and its samples, ``toolkit``. Such a one stands
alone; what it knows and others need, they import from it.
"""
