# Tools come from the active environment; override one with e.g. `make check PYTHON=.venv/bin/python`.
PYTHON ?= python3
PYTEST_ARGS ?=
export MELISMA_SHARED ?= $(abspath ../shared)

.PHONY: check lint types secrets train-smoke test slow bench golden format lock

check: lint types secrets test  ## what CI runs

lint:
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .

types:
	$(PYTHON) -m mypy

secrets:  ## keys, tokens and passwords in what git would take
	$(PYTHON) scripts/scan_secrets.py

train-smoke:  ## from spoken sentences to a Whisper checkpoint with its error rates, in a minute or two
	@set -e; folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; \
	PATH="$$($(PYTHON) -c 'import sys; print(sys.prefix)')/bin:$$PATH" bash scripts/sample_training.sh "$$folder"

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

lock:  ## pins of what training needs, with hashes; LOCK_ARGS=--upgrade for the newest; needs uv
	$(PYTHON) scripts/lock.py $(LOCK_ARGS)
