"""What the lab says no with."""

from rackwright.errors import RackwrightError


class LabError(RackwrightError):
    """The lab cannot do what was asked on this machine. Nothing there is a check: it fails."""

    exit_code = 1
