# make setup   environment in .venv from requirements.lock
# make demo    the app with its worker on http://$(HOST):$(PORT); the first time it also starts the quickstart run
# make test    all tests: the real data and model are fetched once, browser tests need a chromium
# make lint    ruff and mypy
# make docs    the documentation as a site in build/site, which opens from the file system; no link may be broken
# make bench   speeds beside plain loops, as ratios of one run, and how costs grow
# make lock    requirements.lock anew, from pyproject.toml
SHELL := /bin/bash
HOST ?= 127.0.0.1
PORT ?= 7860
BIN := .venv/bin
STAMP := .venv/.installed
# Parallel test processes, twice two cores because many tests wait, and what else to tell pytest:
# make test PYTEST="-m 'not real'"
JOBS ?= 4
PYTEST ?=
# The first interpreter that is new enough; PYTHON=/path/to/python chooses another.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && command -v $$p && break; done)

.PHONY: setup demo test lint docs bench lock browser
.DELETE_ON_ERROR:

setup: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 or newer was found — install one, or name it: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 2; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: $(PYTHON) is older than Python 3.11 — name a newer one: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 2; }
	@echo "Installing into .venv (some minutes the first time) …"
	@test -x $(BIN)/python || "$(PYTHON)" -m venv .venv
	@$(BIN)/python -m pip install --no-compile --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@# With all cores (pip takes one), and here: where PYTHONDONTWRITEBYTECODE is set, as in many containers, every
	@# process would compile anew what it imports (engine.pipeline 11 s instead of 4). Files for other Pythons fail.
	@$(BIN)/python -m compileall -qq -j 0 .venv/lib engine jobs db webapp || true
	@touch $@

demo: $(STAMP)
	@exec $(BIN)/delrec serve --host $(HOST) --port $(PORT) --first-run quickstart

# Files in the order of tests/conftest.py, the longest first; by the number of their tests alone, which is xdist's, the
# few that train a real model would begin last.
test: $(STAMP) browser
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder $(PYTEST)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo "build/site/index.html"

bench: $(STAMP)
	$(BIN)/python tests/benchmarks/speed.py
	$(BIN)/python tests/benchmarks/scaling.py

# Browser tests drive a system chromium. Root on Debian (CI, containers) gets it installed; others are told how.
browser:
	@command -v chromium chromium-browser google-chrome >/dev/null || { \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "No chromium here: apt-get install chromium"; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; \
	else \
		echo "error: browser tests need chromium — install it (Debian: sudo apt-get install chromium), or leave them out: make test PYTEST=\"-m 'not browser'\"" >&2; \
		exit 2; \
	fi; }

# Every version that a clean environment got; torch without its local suffix, so that pip may take a CPU build.
lock:
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && set -o pipefail && \
	"$(PYTHON)" -m venv "$$folder" && \
	"$$folder/bin/python" -c "import tomllib; project = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
	extras = project['optional-dependencies']; \
	print('setuptools', *project['dependencies'], *extras['dev'], *extras['docs'], sep='\n')" > "$$folder/wanted.txt" && \
	"$$folder/bin/pip" install --quiet --requirement "$$folder/wanted.txt" && \
	{ echo "# Made by 'make lock' from pyproject.toml; do not edit."; \
	  "$$folder/bin/pip" freeze --all --exclude pip --exclude delrec-studio | sed 's/+[a-z0-9.]*$$//'; } > requirements.lock
