# Everything runs from here; the environment is made once and kept in .venv/.
#
#   make run     set up, replay the shipped plans on the embedded virtual rig, write the HTML report
#   make test    set up, the whole test suite with branch coverage
#   make check   what a change must pass: style, types, import contracts, the fast tests (about a minute)
#   make bench   the benchmarks        make lock   pin the dependencies anew        make clean
#
# On a bare machine this needs Python 3.11 or newer with venv and pip. Node for the Allure generator comes
# from the system (20 or newer) or, where there is none, from a wheel.

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { command -v $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
UV := uv==0.13.8
COMPILE := uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --no-emit-find-links \
	--generate-hashes --custom-compile-command "make lock"

PLANS ?= testplans
# Empty: each plan on the virtual site it names. BENCH=my-bench.yaml runs them on yours.
BENCH ?=
RUNS ?= runs
# Two workers: tests of sockets and processes wait more than they compute.
WORKERS ?= 2
# Whatever the shell says, what is compiled (libraries, tests with their asserts rewritten) is kept: without
# that each worker compiles everything in every run, half of the time it takes to collect.
export PYTHONDONTWRITEBYTECODE :=
PYTEST = $(BIN)/python -m pytest -q -n $(WORKERS)

.PHONY: help setup node run test lint check bench lock clean
.DEFAULT_GOAL := help

help:
	@sed -n '3,6s/^# //p' Makefile

setup: $(VENV)/.installed

$(VENV)/.locked: requirements.lock
	@test -n "$(PYTHON)" || { echo "MeterBench needs Python 3.11 or newer; none was found." >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "$(PYTHON) lacks venv or ensurepip;" \
		"on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "Setting up $(VENV) (once) ..." >&2
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) install --no-deps --no-compile --require-hashes -r requirements.lock # the lock is complete
	@touch $@

$(VENV)/.installed: $(VENV)/.locked pyproject.toml
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

node: setup
	@node -e 'process.exit(parseInt(process.versions.node) >= 20 ? 0 : 1)' 2>/dev/null \
		&& command -v npm >/dev/null || $(MAKE) --silent --no-print-directory $(VENV)/.node

$(VENV)/.node: requirements-node.lock $(VENV)/.locked
	@echo "No Node 20 with npm here: taking it from a wheel (once) ..." >&2
	@$(PIP) install --require-hashes -r requirements-node.lock
	@touch $@

# The verdict of the run is the exit code of the whole; a report is made of every run, passed or not.
run: setup node
	@status=0; run=$$($(BIN)/meterbench run $(PLANS) $(if $(BENCH),--bench $(BENCH)) --workers auto \
		--runs-dir $(RUNS)) || status=$$?; \
	if test -d "$$run"; then \
		$(BIN)/meterbench coverage --json > "$$run/coverage.json" || rm -f "$$run/coverage.json"; \
		$(BIN)/meterbench report "$$run" || status=3; \
	fi; exit $$status

# Campaigns and killed processes take half as long again under coverage and reach little else, so it is taken of
# the rest and shown last.
test: setup node
	@status=0; \
	$(PYTEST) -m "not slow" --cov --cov-branch --cov-report= || status=1; \
	$(PYTEST) -m slow || status=1; \
	$(BIN)/python -m coverage report --skip-covered; exit $$status

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint
	$(PYTEST) -m "not slow and not oracle"

bench: setup
	@for file in benchmarks/*.py; do echo "== $$file" >&2; $(BIN)/python $$file || exit 1; done

# uv only compiles the lock; it lives in a throw-away environment. UPGRADE=--upgrade takes newer versions.
lock:
	@set -e; tmp=$$(mktemp -d); trap 'rm -rf "$$tmp"' EXIT; $(PYTHON) -m venv $$tmp; \
	$$tmp/bin/pip --quiet --disable-pip-version-check install $(UV); \
	$$tmp/bin/$(COMPILE) $(UPGRADE) --extra dev --extra usb --extra visa pyproject.toml -o requirements.lock; \
	sed -n 's/^node = \["\(.*\)"\].*/\1/p' pyproject.toml \
		| $$tmp/bin/$(COMPILE) $(UPGRADE) - -o requirements-node.lock
	@cd reports && npm install --package-lock-only --ignore-scripts --no-audit --no-fund

clean:
	rm -rf $(VENV) reports/node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache \
		.coverage .coverage.* htmlcov dist build *.egg-info
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +
