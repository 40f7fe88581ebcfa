"""Checks of any host, GPU server or gateway, from what ``remote/serving.py`` said of it."""
