# One word per task. `make dev` and `make test` set everything up by themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MEMBERS := $(sort $(dir $(wildcard libs/*/pyproject.toml services/*/pyproject.toml cli/pyproject.toml sim/pyproject.toml)))
SEEDS ?= 20
STAMP := $(VENV)/.lictor-setup

.PHONY: setup fmt lint types imports test unit sim e2e check chaos bench dev up down lock clean

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
	$(BIN)/pytest -q libs services cli sim benchmarks tests/house

sim: setup  ## clusters in one process, from seeds
	$(BIN)/python -m lictor_sim --seeds $(SEEDS)

e2e: setup  ## the real suite on free ports
	$(BIN)/pytest -q tests/e2e

check: lint types imports unit sim  ## before every commit

test: unit e2e  ## unit, house and end-to-end

chaos: setup  ## what needs root or more than a minute
	$(BIN)/pytest -q -m chaos tests/chaos

bench: setup  ## side by side with the real peer (CONSUL_BIN)
	$(BIN)/python -m benchmarks

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
