"""Rackwright measured against other ways to the same end, by one command each."""
