"""65
tests/data/inventories/wrong/exit_zero.py: SystemExit: 0
"""

import sys

sys.exit(0)
