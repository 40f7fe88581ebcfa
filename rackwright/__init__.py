"""Rackwright: bare multi-GPU servers into a verified LLM inference fleet."""
