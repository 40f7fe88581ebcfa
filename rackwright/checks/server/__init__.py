"""Checks of a GPU server's hardware and driver, from what ``remote/probe.py`` saw of it."""
