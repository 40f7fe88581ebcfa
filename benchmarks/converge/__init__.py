"""The same state on the same hosts, made by this project and by others: seconds and ratios.

`python -m benchmarks.converge` boots servers of the lab, has each tool make all that this project
puts on a GPU server and a gateway, asks the hosts whether all made the same, and times first runs
and runs that change nothing.
"""
