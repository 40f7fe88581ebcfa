"""What is done to a host: one pyinfra deploy a file, named after what it installs.

Every task runs on every host, with nothing to do on those it does not concern: pyinfra orders
operations by host, so a host that skipped one would go on to its next while others still start.
"""
