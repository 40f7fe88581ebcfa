"""Kinds of items (``desired/items.py``) on their host: how each is seen, and how it is made so."""
