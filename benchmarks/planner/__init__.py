"""The planner against what engines measured: memory, KV cache, speed; and how fast it plans."""
