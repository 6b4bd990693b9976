# One word per task. `make dev` and `make test` set everything up by themselves.
# The one of the system first: distributions build theirs with a profile. One that pyenv has built without is a seventh slower.
PYTHON ?= $(firstword $(shell for one in /usr/bin/python3 python3; do \
	$$one -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$one; done) python3)
VENV := .venv
BIN := $(VENV)/bin
MEMBERS := $(sort $(dir $(wildcard libs/*/pyproject.toml services/*/pyproject.toml cli/pyproject.toml sim/pyproject.toml)))
# Of each level of the simulation: about two minutes on two processors (0.8 s of CPU a seed, both levels together).
SEEDS ?= 300
STAMP := $(VENV)/.lictor-setup

.PHONY: setup fmt lint types imports test unit sim e2e conformance clients check chaos bench dev up down lock clean

setup: $(STAMP)  ## one venv: locked dependencies, then every member editable

$(STAMP): requirements.lock $(foreach member,$(MEMBERS),$(member)pyproject.toml)
	@test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation $(foreach member,$(MEMBERS),-e ./$(member))
	@touch $(STAMP)

fmt: setup  ## format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: setup  ## style, formatting
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: setup  ## mypy strict, member by member
	$(BIN)/python scripts/check_types.py $(MEMBERS)
	$(BIN)/mypy benchmarks

imports: setup  ## layers and purity
	$(BIN)/lint-imports

unit: setup  ## every member's own tests and the house tests
	$(BIN)/pytest -q -m "not chaos" libs services cli sim benchmarks tests/house

sim: setup  ## clusters in one process, from seeds: Raft groups, then whole members (SEEDS of each)
	$(BIN)/python -m lictor_sim --seeds $(SEEDS)

e2e: setup  ## the real suite on free ports
	$(BIN)/pytest -q tests/e2e

conformance: setup  ## the same requests to a real Consul and to us (CONSUL_BIN)
	$(BIN)/pytest -q tests/conformance

clients: setup  ## programs that we did not write, against the real suite
	$(BIN)/pytest -q tests/clients

# Before every commit, so with fewer seeds: half a minute. `make check SEEDS=300` runs as many as `make sim` does.
check: SEEDS = 60
check: lint types imports unit sim  ## before every commit

test: unit e2e  ## unit, house and end-to-end

chaos: setup  ## everything marked chaos: what needs root or more than a minute
	$(BIN)/pytest -q -m chaos tests libs services cli sim benchmarks

bench: setup  ## side by side with the real peer (CONSUL_BIN)
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.instances

dev: setup  ## the whole suite and the demo mesh on this machine
	@exec $(BIN)/lictor dev $(ARGS)

up:  ## the same in containers
	docker compose up --build --wait

down:
	docker compose down

lock: setup  ## write requirements*.lock from the members' pyproject files
	$(BIN)/python scripts/lock.py

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
