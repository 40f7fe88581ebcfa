"""The desired state by Rackwright's operation: all items compared in one command."""

from benchmarks.converge.desired import ITEMS
from rackwright.runner.operations import converge

converge(name="Every item", items=ITEMS)
