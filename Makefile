# `make demo` and `make test` do all the set-up on a machine with Python >= 3.11.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: help demo test test-slow lint docs bench clean
help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "make %-10s %s\n", $$1, $$2}'

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "bumphunt needs Python >= 3.11; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable .
	@touch $@

$(VENV)/.test: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable '.[test,dev,docs,zfit]'
	@touch $@ $(VENV)/.run

demo: $(VENV)/.run ## environment, then the Z' -> invisible search on simulated events, into demo/
	$(BIN)/bumphunt run examples/zprime_invisible.yaml --output demo --workers 2

test: $(VENV)/.test ## environment, then all tests
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

test-slow: $(VENV)/.test ## the longer statistical studies
	$(BIN)/python -m pytest --numprocesses 2 -m slow

lint: $(VENV)/.test ## ruff, mypy, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.test ## the documentation site, into docs/_build/html
	$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build/html

bench: $(VENV)/.test ## speed, side by side with the peers; figures and JSON into bench/
	$(BIN)/python tests/benchmarks/processing.py
	$(BIN)/python tests/benchmarks/montecarlo.py
	$(BIN)/python tests/benchmarks/inference.py
	$(BIN)/python tests/benchmarks/search_wide.py

clean: ## forget the environment and the demo
	rm -rf $(VENV) demo bench docs/_build docs/api .mypy_cache .ruff_cache .pytest_cache
