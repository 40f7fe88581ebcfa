"""Why an engine did not start, or died: the first error of its log, and what is known of it.

Pure: a log goes in as lines, words come out. A new cause is an entry in ``table.CAUSES`` and an
example in ``tests/data/causes``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rackwright.lazily import exports

if TYPE_CHECKING:
    from rackwright.causes.account import Account, State, error_of_the_newest
    from rackwright.causes.failure import Failure, Frame, Raised
    from rackwright.causes.lines import Written
    from rackwright.causes.log import failures
    from rackwright.causes.table import CAUSES, Cause
else:
    __getattr__ = exports(
        __name__,
        {
            "Account": "account",
            "State": "account",
            "error_of_the_newest": "account",
            "Failure": "failure",
            "Frame": "failure",
            "Raised": "failure",
            "Written": "lines",
            "failures": "log",
            "CAUSES": "table",
            "Cause": "table",
        },
    )

__all__ = [
    "CAUSES",
    "Account",
    "Cause",
    "Failure",
    "Frame",
    "Raised",
    "State",
    "Written",
    "error_of_the_newest",
    "failures",
]
