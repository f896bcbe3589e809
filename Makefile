# The two main commands: `make demo` (set up and run the whole workflow) and `make test`.

VENV := .venv
BIN := $(VENV)/bin
# Some tests wait: three workers keep two cores busy.
WORKERS ?= 3
WEB := export/clients/web

# The first supported Python of these; override with PYTHON=/path/to/python.
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11; do \
    if $$name -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; \
    then echo $$name; break; fi; done)

# `make test CONSTRAINTS=` takes the newest versions that pyproject.toml admits.
CONSTRAINTS ?= -c constraints.txt
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check $(CONSTRAINTS)

# An interrupted installation starts over.
.DELETE_ON_ERROR:

.PHONY: help demo test test-quick test-slow test-edge test-pages test-ray coverage lint format diagrams gallery docs wheel clean

help:
	@echo "make demo        set up .venv and run the whole workflow on the embedded digits (4 minutes)"
	@echo "make test-quick  run ruff, doctests and the tests that import no TensorFlow (one minute)"
	@echo "make test        run the tests that are not slow (8 minutes)"
	@echo "make test-slow   run all tests except test-edge, test-pages and test-ray"
	@echo "make test-edge   open bundles in third-party runtimes and in export/clients/"
	@echo "make test-pages  open reports in the system's chromium"
	@echo "make test-ray    search on a Ray cluster of two nodes on this machine (2 GB, 6 minutes)"
	@echo "make coverage    run the tests that are not slow, with a report in htmlcov/"
	@echo "make lint        run ruff and mypy"
	@echo "make diagrams    draw the diagrams in docs/images/"
	@echo "make gallery     draw the figures of studies and reports in docs/images/ (15 minutes)"
	@echo "make docs        build the documentation into site/"
	@echo "make wheel       build the wheel into dist/"

demo: $(VENV)/installed
	$(BIN)/reszoo demo

test: $(VENV)/dev
	$(BIN)/python -m pytest -m "not slow and not edge and not pages and not ray" -n $(WORKERS)

test-quick: $(VENV)/dev
	$(BIN)/ruff check --quiet .
	$(BIN)/python -m pytest --quiet --light --doctest-modules -m "not slow and not edge and not pages and not ray" -n $(WORKERS) --dist worksteal tests reszoo

test-slow: $(VENV)/dev
	$(BIN)/python -m pytest -m "not edge and not pages and not ray"

# Third-party runtimes have an environment of their own. Those of the web page are installed if npm
# is there; otherwise its test is skipped.
test-edge:
	$(MAKE) VENV=$(VENV)-edge $(VENV)-edge/edge
	@! command -v npm > /dev/null || npm ci --silent --prefix $(WEB)
	$(VENV)-edge/bin/python -m pytest tests/edge -n $(WORKERS) --dist loadfile

test-pages: $(VENV)/pages
	$(BIN)/python -m pytest tests/pages

# Ray has an environment of its own; its tests run one after the other.
test-ray:
	$(MAKE) VENV=$(VENV)-ray $(VENV)-ray/ray
	$(VENV)-ray/bin/python -m pytest -m ray tests/training tests/tuning

coverage: $(VENV)/dev
	$(BIN)/python -m pytest -m "not slow and not edge and not pages and not ray" -n $(WORKERS) --cov --cov-report term --cov-report html

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

diagrams: $(VENV)/installed
	$(BIN)/reszoo show resnet20 --twin block.connection=highway --diagram docs/images/twins.svg

# Real results on the embedded digits; the pages of small trainings are opened in chromium.
gallery: $(VENV)/pages
	$(BIN)/python docs/draw_gallery.py

docs: $(VENV)/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

wheel: $(VENV)/dev
	$(BIN)/python -m build --wheel --no-isolation

clean:
	rm -rf build dist site htmlcov .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/python:
	@if [ -z "$(PYTHON)" ] || ! $(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))'; then \
	  echo "error: reszoo needs Python 3.11, 3.12 or 3.13; $(or $(PYTHON),python3) here is $$($(or $(PYTHON),python3) --version 2>&1)" >&2; \
	  echo "  do:       install one of them, or run  make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; \
	  exit 2; \
	fi
	$(PYTHON) -m venv $(VENV)

# Stamp files: an installation is repeated only if its dependencies have changed.
$(VENV)/installed: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) -e .
	@touch $@

$(VENV)/dev: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) -e ".[dev]"
	@touch $@ $(VENV)/installed

$(VENV)/edge: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) -e ".[dev,onnx,edge]"
	@touch $@

$(VENV)/pages: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) -e ".[dev,pages]"
	@touch $@ $(VENV)/dev $(VENV)/installed

$(VENV)/ray: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) -e ".[dev,ray]"
	@touch $@

$(VENV)/docs: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) -e ".[docs]"
	@touch $@ $(VENV)/installed
