# Tools come from the active environment; override one with e.g. `make check PYTHON=.venv/bin/python`.
PYTHON ?= python3
PYTEST_ARGS ?=
export MELISMA_SHARED ?= $(abspath ../shared)

.PHONY: check lint types test slow bench golden format

check: lint types test  ## what CI runs

lint:
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .

types:
	$(PYTHON) -m mypy

test:  ## tests, and the examples in docstrings
	$(PYTHON) -m pytest $(PYTEST_ARGS)

slow:  ## the tests that take minutes; those of the shared folder skip without MELISMA_SHARED
	$(PYTHON) -m pytest -m slow $(PYTEST_ARGS)

bench:  ## every script of benchmarks/, one after the other
	@set -e; for script in $(sort $(wildcard benchmarks/*.py)); do echo "== $$script"; $(PYTHON) "$$script"; done

golden:  ## the golden set's songs, made from its manifest and checked
	$(PYTHON) -m melisma.cli.main bench golden benchmarks/karaoke_alignment_v2

format:
	$(PYTHON) -m ruff format .
	$(PYTHON) -m ruff check --fix .
