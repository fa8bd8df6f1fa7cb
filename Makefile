# Each target does all its own set-up; nothing but Python 3.11 or newer is needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCK := requirements.lock
CLOUD ?= simulator
STAMP := $(VENV)/.installed-$(shell cksum < $(LOCK) | cut -d' ' -f1)-$(shell cksum < pyproject.toml | cut -d' ' -f1)

.PHONY: help install run test unit nightly simulate check bench lock clean
help:  ## show this list
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

$(STAMP):
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("chargebridge needs Python 3.11 or newer; this is %s. Try: make PYTHON=python3.11 ..." % sys.version.split()[0])'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing dependencies into $(VENV) (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(LOCK) -c $(LOCK)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@rm -f $(VENV)/.installed-* && touch $@

install: $(STAMP)  ## set up .venv

run: install  ## chargers, charge points and a central system, live in this terminal
	@$(BIN)/chargebridge demo --charge-points 8 --speed 30 --cloud $(CLOUD) --state state/demo$(filter-out -simulator,-$(CLOUD))

test: install  ## every test
	@$(BIN)/python -m pytest -n auto $(PYTEST_ARGS)

unit: install  ## the inner loop: pure tests only
	@$(BIN)/python -m pytest -n auto -m "unit and not simulation" tests/unit

nightly: install  ## 200 kills of the gateway in a row
	@CHARGEBRIDGE_KILLS=200 $(BIN)/python -m pytest -n 0 -s tests/integration/kills/test_gateway_killed_in_a_loop.py

simulate: install  ## whole installations through all faults, for so many STEPS
	@$(BIN)/python -m tests.simulation --steps $(or $(STEPS),1000000) --seed $(or $(SEED),1)

check: install  ## format, lint, types, import directions, declared dependencies
	@$(BIN)/ruff format --check -q . && $(BIN)/ruff check -q . && $(BIN)/mypy && $(BIN)/lint-imports --no-logo
	@$(BIN)/deptry src && $(BIN)/deptry tests benchmarks --ignore DEP002,DEP004

bench: install  ## benchmarks, as ratios against named baselines
	@$(BIN)/python -m benchmarks

lock:  ## renew the lock file (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header pyproject.toml --group dev --upgrade -o $(LOCK)

clean:  ## remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis
