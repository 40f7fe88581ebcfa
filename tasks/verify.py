"""Proof that what runs is what was planned: observed on the hosts, judged here."""

from pyinfra.api.deploy import deploy

from rackwright.runner.verify import judge, observe_serving


@deploy("Verify")
def verify() -> None:
    """Observe every host, then print the table, write the report and fail what is CRITICAL."""
    observe_serving(name="Ask every replica and gateway")
    judge(name="Compare with the plan")
