# Two commands do everything: `make demo` and `make test`. Both set up what they need.
# What is expensive (base image, wheels) is kept in .cache, which is safe to delete.

PYTHON ?= python3
VENV := .venv
LAB_ITSELF := tests/lab/test_9_lab.py
BIN := $(VENV)/bin
PACKAGES := debootstrap systemd-container iproute2 nftables openssh-client gcc libc6-dev \
            apt-utils gnupg python3-venv ca-certificates zstd openssl
COMMANDS := debootstrap systemd-nspawn ip nft ssh gcc apt-ftparchive gpg zstd openssl

.PHONY: help demo deploy test test-gpu unit gateway fuzz lint setup system node lab-up lab-down lab-status lock benchmark benchmark-no-change benchmark-planner benchmark-verify benchmark-sideways benchmark-gateway benchmark-scale clean

help:  ## what can be made here
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

demo: setup  ## boot the lab, deploy to it, verify it, ask the served model a question
	@$(BIN)/python -m lab up
	@$(BIN)/pyinfra inventories/lab.py deploy.py -y
	@$(BIN)/python -m lab.ask
	@echo "The lab is still up: make lab-status; take it away with make lab-down."

deploy: setup  ## deploy to the lab that is up
	@$(BIN)/pyinfra inventories/lab.py deploy.py -y

# Beside each other: unit tests are work, the gateway's wait; tests of the lab wait too, in three groups
# of hosts. The lab's own tests want the machine to themselves.
test: setup node  ## every test: lint, types, unit, gateway, lab
	@$(BIN)/python -m lab check && $(BIN)/python -m lab down  # now, not after twenty minutes
	@$(MAKE) --no-print-directory lint
	@+$(MAKE) --no-print-directory --jobs=2 --output-sync=target unit gateway
	@set -e; trap '$(BIN)/python -m lab down' EXIT; \
	 $(BIN)/python -m pytest tests/lab -v -n 3 --durations=40 --ignore $(LAB_ITSELF); \
	 $(BIN)/python -m pytest $(LAB_ITSELF)

test-gpu: $(VENV)/.ready  ## the journey on hosts with real GPUs: INVENTORY=inventories/mine.py
	@$(BIN)/python -m pytest tests/gpu -v --inventory "$(INVENTORY)" \
	 $(if $(PART_S),--part-s $(PART_S)) $(if $(TOTAL_S),--total-s $(TOTAL_S)) \
	 $(if $(LOADS),--loads $(LOADS))

unit: setup  ## the unit tests alone: a minute or two, no root
	@$(BIN)/python -m pytest tests/unit -n auto

gateway: setup node  ## a real Nginx with the gateway's Lua, asked by real clients
	@$(BIN)/python -m pytest tests/nginx -n 4 --dist loadfile  # they wait more than they work

fuzz: setup node  ## what hypothesis draws, drawn anew: `make test` draws the same in every run
	@RACKWRIGHT_EXAMPLES=anew $(BIN)/python -m pytest tests/unit tests/nginx -m hypothesis -n auto

lint: setup  ## ruff, mypy, and the order of the rooms
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

lab-up: setup  ## boot the lab's hosts (HOSTS="gpu1 spare1" for some)
	@$(BIN)/python -m lab up $(HOSTS)

lab-down: setup  ## take the lab away: hosts, mounts, bridge, rules
	@$(BIN)/python -m lab down $(HOSTS)

lab-status: setup  ## which hosts are up
	@$(BIN)/python -m lab status

benchmark: setup  ## the same state by plain pyinfra, Ansible and this project: hours
	@$(BIN)/python -m benchmarks.converge

benchmark-no-change: setup  ## a whole deploy that changes nothing, beside start and connect
	@$(BIN)/python -m benchmarks.no_change

benchmark-planner: setup  ## predicted beside measured, for every measured engine
	@$(BIN)/python -m benchmarks.planner

benchmark-verify: setup  ## what verifying eight hosts takes beside one
	@$(BIN)/python -m benchmarks.verify

benchmark-sideways: setup  ## weights on eight hosts: share of the link, copies from the origin
	@$(BIN)/python -m benchmarks.sideways

benchmark-scale: setup  ## what a thousand servers cost the controller, hosts simulated
	@$(BIN)/python -m benchmarks.scale

benchmark-gateway: setup  ## the gateway beside plain Nginx, vllm-router and LiteLLM's proxy
	@$(BIN)/python -m benchmarks.gateway

setup: system $(VENV)/.ready  ## everything the other targets need, if it is missing

system:
	@for command in $(COMMANDS); do command -v $$command >/dev/null || missing=1; done; \
	 $(PYTHON) -c 'import ensurepip' 2>/dev/null || missing=1; \
	 [ -z "$$missing" ] || { \
	   [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null || { \
	     echo "needed, and only root on Debian or Ubuntu can have them installed here: $(PACKAGES)"; \
	     exit 1; }; \
	   echo "setup: installing $(PACKAGES)"; \
	   apt-get -qq update && DEBIAN_FRONTEND=noninteractive \
	   apt-get -qq install -y --no-install-recommends $(PACKAGES) >/dev/null; }

# For OpenAI's JavaScript library. Where a machine has node from elsewhere, that one stays.
node:
	@command -v node >/dev/null && command -v npm >/dev/null || { \
	   [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null || { echo "no node here: its tests are skipped"; exit 0; }; \
	   echo "setup: installing nodejs npm"; \
	   apt-get -qq update && DEBIAN_FRONTEND=noninteractive \
	   apt-get -qq install -y --no-install-recommends nodejs npm >/dev/null; }

$(VENV)/.ready: requirements.txt pyproject.toml
	@echo "setup: making $(VENV) from requirements.txt"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --quiet --require-hashes -r requirements.txt
	@$(BIN)/python -m pip install --quiet --quiet --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q rackwright tasks
	@touch $@

lock: setup  ## resolve every requirements file again (network)
	@UV=$(BIN)/uv PYTHON=$(BIN)/python sh rackwright/engines/requirements/lock.sh

clean: lab-down  ## remove what was built here, the cache included
	rm -rf $(VENV) .cache
