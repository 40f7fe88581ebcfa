"""A host beside its plan: what it should have, what was observed there, and what differs, named."""
