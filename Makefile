# Each target does all its own set-up; nothing but Python 3.11 or newer is needed.
# `make run` and `make install` install what the program needs, every other target the tools as well.
SHELL := bash
.SHELLFLAGS := -o pipefail -c
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CLOUD ?= simulator

# What pytest rewrites of the tests is kept: without, each of its processes spends ten seconds on that before it begins.
unexport PYTHONDONTWRITEBYTECODE

# Packages of their own: installed beside the program, checked and tested where they are.
EXAMPLES := examples/chargebridge-driver-mqtt
in_examples = @$(foreach example,$(EXAMPLES),(cd $(example) && $(CURDIR)/$(BIN)/$(1)) &&) true

LOCKS := requirements.lock requirements-build.lock requirements-dev.lock
SUM := $(shell cat $(LOCKS) pyproject.toml $(EXAMPLES:%=%/pyproject.toml) | cksum | cut -d' ' -f1)
PROGRAM := $(VENV)/.program-$(SUM)
TOOLS := $(VENV)/.tools-$(SUM)

# Central systems of others, which some tests run: libraries from npm, in a folder of their own.
INTEROPERABILITY := tests/integration/gateway/interoperability
NODE := .node
NODE_LOCKS := $(addprefix $(INTEROPERABILITY)/,package.json package-lock.json .npmrc)
NODE_PACKAGES := $(NODE)/.packages-$(shell cat $(NODE_LOCKS) | cksum | cut -d' ' -f1)

.PHONY: help install develop node run test unit simulation integration interop examples nightly simulate check docs wheel bench lock clean
help:  ## show this list
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

# A stamp is removed before anything is installed and written when all of it is, so one that exists tells the truth.
# A virtual environment without a pip that works is what an interruption left: it is made anew.
define fresh
@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("chargebridge needs Python 3.11 or newer; this is %s. Try: make PYTHON=python3.11 ..." % sys.version.split()[0])'
@rm -f $(VENV)/.program-* $(VENV)/.tools-*
@$(BIN)/python -m pip --version >/dev/null 2>&1 || { echo "making a virtual environment: $(VENV)"; $(PYTHON) -m venv --clear $(VENV); }
endef

# $(1): the lock files. A line for each package that is fetched; what goes wrong is shown as pip says it.
pip = $(BIN)/python -m pip install --disable-pip-version-check --progress-bar off
packages = @$(pip) --require-hashes $(foreach lock,$(1),-r $(lock) -c $(lock)) | \
	while read -r verb what rest; do case $$verb in \
	    Collecting) echo "    $$what";; \
	    Installing) echo "unpacking them";; \
	esac; done

$(PROGRAM):
	$(fresh)
	@echo "installing what chargebridge needs into $(VENV) (once):"
	$(call packages,requirements.lock requirements-build.lock)
	@$(pip) --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(TOOLS):
	$(fresh)
	@echo "installing what chargebridge and its tests need into $(VENV) (once):"
	$(call packages,requirements-dev.lock)
	@$(pip) --quiet --no-deps --no-build-isolation -e . $(EXAMPLES:%=-e %)
	@touch $(PROGRAM) $@

install: $(PROGRAM)  ## set up .venv with what the program needs

develop: $(TOOLS)  ## set up .venv with the tools for working on it, too

$(NODE_PACKAGES):
	@command -v npm >/dev/null || { echo "npm is not installed: it comes with Node.js, on Debian as the packages nodejs and npm"; false; }
	@echo "installing libraries of central systems that tests run into $(NODE) (once)"
	@rm -rf $(NODE) && mkdir $(NODE) && cp $(NODE_LOCKS) $(NODE)
	@cd $(NODE) && npm ci --loglevel=error
	@touch $@

node: $(NODE_PACKAGES)  ## set up .node with the central systems of others, for their tests (needs npm)

run: $(PROGRAM)  ## chargers, charge points and a central system, live in this terminal
	@$(BIN)/chargebridge demo --charge-points 8 --speed 30 --cloud $(CLOUD) --state state/demo$(filter-out -simulator,-$(CLOUD))

test: unit simulation integration examples  ## every test

unit: $(TOOLS)  ## the inner loop: pure tests only
	@$(BIN)/python -m pytest -n auto -m "unit and not simulation" $(PYTEST_ARGS) tests/unit

simulation: $(TOOLS)  ## the long pure tests: whole days, many random lives, whole installations
	@$(BIN)/python -m pytest -n auto -m simulation $(PYTEST_ARGS)

# These wait for most of their time: two of them share a core.
WAITING := $(shell $(PYTHON) -c 'import os; print(2 * os.cpu_count())')
integration: $(TOOLS)  ## the tests with real sockets, files and processes
	@$(BIN)/python -m pytest -n $(WAITING) --dist worksteal -m "not unit and not simulation" $(PYTEST_ARGS)

interop: $(TOOLS) $(NODE_PACKAGES)  ## days under central systems that nobody here wrote
	@$(BIN)/python -m pytest -n $(WAITING) $(PYTEST_ARGS) $(INTEROPERABILITY)

examples: $(TOOLS)  ## the tests of the examples
	$(call in_examples,python -m pytest)

nightly: $(TOOLS)  ## 200 kills of the gateway in a row, and 50 by each way into Easee's cloud
	@CHARGEBRIDGE_KILLS=200 $(BIN)/python -m pytest -n 0 -s \
		tests/integration/kills/test_gateway_killed_in_a_loop.py tests/integration/kills/test_easee_killed_in_a_loop.py

simulate: $(TOOLS)  ## whole installations through all faults, for so many STEPS
	@$(BIN)/python -m tests.simulation --steps $(or $(STEPS),1000000) --seed $(or $(SEED),1)

check: $(TOOLS)  ## format, lint, types, import directions, declared dependencies
	@$(BIN)/ruff format --check -q . && $(BIN)/ruff check -q . && $(BIN)/mypy && $(BIN)/lint-imports --no-logo
	$(call in_examples,mypy)
	@said=$$({ $(BIN)/deptry src && $(BIN)/deptry tests benchmarks docs --ignore DEP002,DEP004; } 2>&1) || { echo "$$said"; false; }

docs: $(TOOLS)  ## the documentation as a site, in build/site; a link that leads nowhere fails
	@$(BIN)/python -m sphinx -q -W --keep-going -c docs/site -d build/doctrees . build/site
	@echo build/site/index.html

wheel: $(TOOLS)  ## build what is published into dist/, and try it in an empty environment
	@.ci/wheel

bench: $(TOOLS)  ## benchmarks, as ratios against named baselines
	@$(BIN)/python -m benchmarks

# The lock files name no index host. The first holds everything; what the others hold is the same in them.
COMPILE := uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header
lock:  ## renew the lock files (needs uv and npm)
	$(COMPILE) pyproject.toml --group dev --upgrade -o requirements-dev.lock
	$(COMPILE) pyproject.toml -c requirements-dev.lock --upgrade -o requirements.lock
	$(COMPILE) --group build -c requirements-dev.lock --upgrade -o requirements-build.lock
	cd $(INTEROPERABILITY) && npm update --package-lock-only

clean:  ## remove the virtual environment, the libraries from npm, and caches
	rm -rf $(VENV) $(NODE) .mypy_cache .pytest_cache .ruff_cache .hypothesis
