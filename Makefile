# make setup | demo | test | lint | bench | serve | tsan | torture | contract | chaos | scale | fuzz | hostile | screenshots | clean
# Each makes .venv and builds the core when needed. PYTHON=python3.12 chooses another interpreter.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/stamp
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

DEMO_ARGS ?= has_cache swap_cache --scenario trace --trace cc1 --cpus 2 --trials 12 --seconds 1.5 --allow-regression
DEMO_REPORT ?= demo-report.html
PYTEST_ARGS ?=
TEST_JOBS ?= 2
# Tests that kill, lease and measure in real time; all others run side by side.
ALONE := tests/chaos tests/hostile tests/load tests/placer tests/processes
BENCH_ARGS ?=
SERVE_ARGS ?=
TORTURE_ARGS ?=
CONTRACT_ARGS ?=
SCALE_ARGS ?=
CHAOS_ARGS ?=
FUZZ_EXAMPLES ?= 10000
# The second build of `make tsan`: one atomic of the swap table made plain, which must be reported.
TSAN_DEFINES ?= SWAPRACE_PLAIN_TABLE=1

.PHONY: help setup build demo test lint bench serve tsan torture contract chaos scale fuzz hostile screenshots clean requirements

help:
	@sed -n '1,2s/^# //p' Makefile

# What cannot be installed by pip, each with the Debian package that has it.
requirements:
	@need() { echo "error: $$1" >&2; echo "  install it: apt-get install $$2" >&2; exit 1; }; \
	command -v $(PYTHON) >/dev/null || need "$(PYTHON) is missing (Python 3.11 or newer is needed)" python3; \
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || need "$(PYTHON) is $$($(PYTHON) -V 2>&1 | head -n 1); Python 3.11 or newer is needed (PYTHON=python3.12 chooses one)" python3.11; \
	$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || need "the modules venv and ensurepip of $(PYTHON) are missing" python3-venv; \
	$(PYTHON) -c 'import os, sys, sysconfig; p = sysconfig.get_path("include") + "/Python.h"; sys.exit(not os.path.exists(p))' \
	  || need "Python.h of $(PYTHON) is missing" python3-dev; \
	command -v $${CC:-gcc} >/dev/null || need "a C compiler is missing" build-essential; \
	echo '#include <semaphore.h>' | $${CC:-gcc} -E - >/dev/null 2>&1 || need "the headers of the C library are missing" libc6-dev; \
	[ "$$(uname -m)" = x86_64 ] || { echo "error: the core is written for x86-64; this machine is $$(uname -m)" >&2; exit 1; }

$(STAMP): pyproject.toml
	@$(MAKE) --no-print-directory requirements
	[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'setuptools>=77' 'cython>=3.1,<4'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --editable '.[load,dev]'
	@touch $@

build: $(STAMP)
	@$(BIN)/python setup.py --quiet build_ext --inplace

setup: build
	@echo "ready: $(BIN)/swaprace --help"

demo: build
	$(BIN)/swaprace compare $(DEMO_ARGS) --report $(DEMO_REPORT)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: build lint
	$(BIN)/python -m pytest --numprocesses $(TEST_JOBS) --dist worksteal $(ALONE:%=--ignore=%) $(PYTEST_ARGS)
	$(BIN)/python -m pytest $(ALONE) $(PYTEST_ARGS)

bench: $(STAMP)
	@SWAPRACE_FOLDERS="shm workers bench" $(BIN)/python setup.py --quiet build_ext --inplace
	$(BIN)/python -m bench $(BENCH_ARGS)

serve: build
	$(BIN)/swaprace serve $(SERVE_ARGS)

tsan: build
	@command -v setarch >/dev/null || { echo "error: setarch is missing" >&2; echo "  install it: apt-get install util-linux" >&2; exit 1; }
	@SWAPRACE_SANITIZE=thread $(BIN)/python setup.py --quiet build_ext
	@SWAPRACE_SANITIZE=thread SWAPRACE_DEFINES="$(TSAN_DEFINES)" $(BIN)/python setup.py --quiet build_ext
	$(BIN)/python -m pytest -m tsan $(PYTEST_ARGS)

torture: build
	$(BIN)/python -m pytest -m torture $(TORTURE_ARGS)

# SWAPRACE_CONTRACT_SECONDS (60) of real time and SWAPRACE_CONTRACT_SCHEDULES (100000) for each sound protocol
contract: build
	$(BIN)/python -m pytest -m contract tests/contract -s $(CONTRACT_ARGS)

chaos: build
	$(BIN)/python -m pytest -m chaos tests/chaos -s $(CHAOS_ARGS)

scale: build
	$(BIN)/python -m pytest -m scale tests/placer -s $(SCALE_ARGS)

fuzz: build
	SWAPRACE_FUZZ_EXAMPLES=$(FUZZ_EXAMPLES) $(BIN)/python -m pytest tests/api/test_schema.py --timeout 14400 -s

hostile: build
	$(BIN)/python -m pytest tests/hostile

# docs/pages.md and its pictures: measures for about a minute, then looks at every page in Chromium.
screenshots: build
	@[ -x /usr/bin/chromium ] || { echo "error: chromium is missing" >&2; echo "  install it: apt-get install chromium" >&2; exit 1; }
	$(BIN)/python -m tests.pages.screenshots

clean:
	rm -rf build $(VENV) *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find shm workers bench -name '*.so' -delete
