"""The no-change run: what a deploy costs on hosts that are already right.

`python -m benchmarks.converge` boots the lab's spare hosts, brings them into one desired state
(``desired.py``), and times the ways of finding out that nothing has to change (``ways.py``).
"""
