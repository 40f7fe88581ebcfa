"""The watchdog before an engine that takes minutes to its first token: what does it restart?"""
