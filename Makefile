# Two commands do everything on a machine with Python 3.11+ and git: `make demo` and `make test`.
# What they need is created in .venv from locked, hashed dependencies.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
INSTALL := $(PIP) install --require-hashes -r
EDITABLE := $(PIP) install --no-deps --no-build-isolation -e .

.PHONY: help demo test test-sdk lint format bench picture lock clean

help:
	@sed -n 's/^## //p' Makefile

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: locks/run.txt pyproject.toml | $(BIN)/python
	$(INSTALL) locks/run.txt
	$(EDITABLE)
	@touch $@

$(VENV)/.dev: locks/dev.txt pyproject.toml | $(BIN)/python
	$(INSTALL) locks/dev.txt
	$(EDITABLE)
	@touch $@ $(VENV)/.run

## make demo    the whole road once, on the embedded sandbox
demo: $(VENV)/.run
	$(BIN)/pmgitops demo

# Twice as many as processors: the fault laboratory waits more than it works.
WORKERS ?= $(shell $(PYTHON) -c "import os; print(2 * (os.cpu_count() or 1))")

## make test    the tests: offline but for loopback
test: $(VENV)/.dev
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

## make lint    formatting, types, the arrows between modules, policies and the workflows
lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pmgitops policy test
	$(BIN)/zizmor --offline --no-progress --persona=pedantic .github
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml

## make format  mend what can be mended by itself
format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

## make bench   times against floors and peers, as ratios in one run
bench: $(VENV)/.dev
	$(BIN)/python -m tests.bench

## make test-sdk  the published Graph SDK as an outside judge (a large download, in an environment of its own)
test-sdk:
	$(PYTHON) -m venv $(VENV)-sdk
	$(VENV)-sdk/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r locks/sdk.txt
	$(VENV)-sdk/bin/python -m pip --disable-pip-version-check --quiet install --no-deps --no-build-isolation -e .
	$(VENV)-sdk/bin/python -m pytest -n auto -m sdk

## make picture  the picture of a ticket in docs/ (needs a Chromium)
picture: $(VENV)/.dev
	PYTHONPATH=. $(BIN)/python scripts/ticket_picture.py

## make lock    pin anew (needs uv)
lock:
	uv pip compile pyproject.toml -q --universal --python-version 3.11 --generate-hashes --no-header --upgrade \
		--extra sandbox --extra build -o locks/run.txt
	uv pip compile pyproject.toml -q --universal --python-version 3.11 --generate-hashes --no-header --upgrade \
		--extra sandbox --extra build --extra test --extra lint -c locks/run.txt -o locks/dev.txt
	uv pip compile pyproject.toml -q --universal --python-version 3.11 --generate-hashes --no-header --upgrade \
		--extra sandbox --extra build --extra test --extra sdk -c locks/dev.txt -o locks/sdk.txt

clean:
	rm -rf $(VENV) $(VENV)-sdk .mypy_cache .ruff_cache .hypothesis .import_linter_cache
