"""65
all: must be a list of hosts, or (hosts, data) (got {'services': {}})
"""

all = {"services": {}}
