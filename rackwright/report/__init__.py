"""Values to text for people: the plan, and the results of the checks."""

from typing import TYPE_CHECKING

from rackwright.lazily import exports

if TYPE_CHECKING:
    from rackwright.report.document import plan_document
    from rackwright.report.junit import junit_text
    from rackwright.report.plan import plan_text
    from rackwright.report.results import results_text, terminal_text
    from rackwright.report.watch import watch_tables
else:
    __getattr__ = exports(
        __name__,
        {
            "plan_document": "document",
            "junit_text": "junit",
            "plan_text": "plan",
            "results_text": "results",
            "terminal_text": "results",
            "watch_tables": "watch",
        },
    )

__all__ = [
    "junit_text",
    "plan_document",
    "plan_text",
    "results_text",
    "terminal_text",
    "watch_tables",
]
