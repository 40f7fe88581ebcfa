"""What `rackwright verify` takes on eight hosts beside one.

`python -m benchmarks.verify` boots eight servers of the lab with two GPUs (the NVML stand-in) and
one replica each (a stand-in: eight real engines on a few cores would measure those),
and times whole runs, interleaved.
"""
