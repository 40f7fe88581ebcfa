"""The pinned NVIDIA driver of every GPU server, and its reboot where one is needed."""

from pyinfra.api.deploy import deploy

from rackwright.runner.driver_stage import converge_driver
from rackwright.runner.fleet import this_fleet


@deploy("NVIDIA driver")
def driver() -> None:
    """Predict, install, reboot where it is needed and allowed, and prove what is loaded."""
    converge_driver(name="Pinned driver, loaded", fleet=this_fleet())
