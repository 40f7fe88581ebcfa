"""What a fleet of a thousand servers costs the machine that rules it.

`python -m benchmarks.scale` plans, renders and verifies fleets whose hosts are simulated
(``hosts.py``), each size in a process of its own, and prints time and memory.
"""
