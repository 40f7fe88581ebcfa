"""Checks of a burn-in: what GPUs computed, kept and carried while they were hot."""
