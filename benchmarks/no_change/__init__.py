"""What a run that changes nothing costs beside start and connect, for the whole product.

`python -m benchmarks.no_change` boots hosts of the lab, deploys everything to them, and times whole
processes in turns. llama.cpp serves a tiny model on each server: real engines, which idle.
"""
