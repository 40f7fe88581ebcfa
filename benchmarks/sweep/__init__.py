"""Layouts deployed one after another on this machine's GPUs, each measured and noted at once."""
