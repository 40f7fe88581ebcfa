"""Checks of gateways that clients see as one."""
