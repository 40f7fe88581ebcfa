"""The host's half of the runner: scripts that travel over SSH and run on the host's own Python.

Standard library only, Python 3.9 and newer, no imports of the project but of one another (which
then travel along: ``remote_call.parts``). Each that is called defines ``main(request) -> reply``;
both are JSON.
"""
