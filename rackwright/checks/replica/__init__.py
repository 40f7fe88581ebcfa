"""Checks of a replica: its unit and its process, what it answers, and how fast."""
