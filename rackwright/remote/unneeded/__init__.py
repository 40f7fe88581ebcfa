"""Releases and weights on a host: which there are, and what is needed of them."""
