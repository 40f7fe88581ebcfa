"""Values to text for people: the plan, and the results of the checks."""

from rackwright.report.document import plan_document
from rackwright.report.junit import junit_text
from rackwright.report.page import page
from rackwright.report.plan import plan_text
from rackwright.report.results import results_text, terminal_text
from rackwright.report.watch import watch_tables

__all__ = [
    "junit_text",
    "page",
    "plan_document",
    "plan_text",
    "results_text",
    "terminal_text",
    "watch_tables",
]
