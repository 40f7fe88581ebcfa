"""`python -m rackwright`: the command line without its script."""

from rackwright.cli import main

main(prog_name="rackwright")
