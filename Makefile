# Sets up whatever a target needs, from Python 3.11 (to 3.13) and make alone. A second run starts at once.

PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3; do \
	$$name -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && command -v $$name && break; done)
# Where `make replay` reads recorded answers from, and what else it is told.
DIR ?= ../shared/data/rte
ARGS ?=

BIN := .venv/bin
UV := .tools/bin/uv
INTO := --quiet --python $(BIN)/python
SOURCES := aggregation foundation gold marketplace service simulation tests benchmarks

RUNTIME := .venv/.runtime
DEVELOPMENT := .venv/.development
WARM := .venv/.warm

.PHONY: help install demo replay test lint format lock clean
.DEFAULT_GOAL := help

help:
	@echo 'make install   make .venv with the assay command'
	@echo 'make demo      see a job go from items to labels, with a made-up crowd (ARGS=... for more)'
	@echo 'make replay    send recorded answers through all of Assay: DIR=folder, ARGS="--limit 100 --json"'
	@echo 'make test      everything that is checked: format, lint, types, imports, tests'
	@echo 'make lint      the same without the tests'
	@echo 'make format    put the code into its format'
	@echo 'make lock      lock the dependencies anew'
	@echo 'make clean     remove what was made here'

install: $(WARM)

demo: $(WARM)
	$(BIN)/assay demo $(ARGS)

replay: $(WARM)
	$(BIN)/assay replay $(DIR) $(ARGS)

test: lint $(WARM)
	$(BIN)/pytest -n 2 --dist loadgroup $(ARGS)

lint: $(DEVELOPMENT)
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(DEVELOPMENT)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The tools have an environment of their own: synchronising .venv removes from it whatever is not locked.
$(UV): requirements/tools.txt
	@test -n "$(PYTHON)" || { echo 'make: Python 3.11, 3.12 or 3.13 is needed and none was found' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "make: $(PYTHON) lacks venv; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	rm -rf .tools
	$(PYTHON) -m venv .tools
	.tools/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/tools.txt
	@touch $@

$(RUNTIME): requirements/runtime.txt pyproject.toml $(UV)
	test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) .venv
	@rm -f $(DEVELOPMENT)
	$(UV) pip sync $(INTO) --compile-bytecode --require-hashes requirements/runtime.txt
	$(UV) pip install $(INTO) --no-deps --build-constraints requirements/tools.txt --editable .
	@touch $@

$(DEVELOPMENT): requirements/development.txt $(RUNTIME)
	$(UV) pip install $(INTO) --require-hashes -r requirements/development.txt
	@touch $@

# Kernels are compiled once and kept beside their modules.
$(WARM): $(wildcard aggregation/*.py) $(RUNTIME)
	$(BIN)/python -m aggregation.warm
	@touch $@

COMPILE = $(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 $(ARGS)

lock: $(UV)
	$(COMPILE) --group pyproject.toml:tools -o requirements/tools.txt
	$(COMPILE) pyproject.toml -c requirements/tools.txt -o requirements/runtime.txt
	$(COMPILE) pyproject.toml --group dev -c requirements/tools.txt -c requirements/runtime.txt -o requirements/development.txt

clean:
	rm -rf .venv .tools .demo dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find $(SOURCES) -name __pycache__ -prune -exec rm -rf {} +
