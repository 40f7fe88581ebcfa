"""testinfra over any inventory: `pytest tests/fleet --inventory inventories/prod.py`."""
