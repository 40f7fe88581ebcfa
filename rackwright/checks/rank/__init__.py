"""Checks of the ranks of a replica over several servers, and of what joins those."""
