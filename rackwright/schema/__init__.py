"""How entries are read: the kinds of their values, and what is wrong with them in words."""
