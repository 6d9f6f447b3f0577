# What a newcomer runs: `make demo`, `make test`; every day: `make up`.
# Needs Python 3.11 or newer, make and git. Everything else is installed here, or into the cache
# ($GENNAKER_CACHE, by default ~/.cache/gennaker).

SHELL := /bin/bash
PYTHON ?= python3
CACHE := $(or $(GENNAKER_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/gennaker)
UV := $(or $(shell command -v uv 2>/dev/null),$(CACHE)/uv/bin/uv)
BIN := .venv/bin
PACKAGES := $(patsubst %/pyproject.toml,%,$(wildcard libs/*/pyproject.toml services/*/pyproject.toml tests/cluster/pyproject.toml))
WORKERS ?= 2

export GENNAKER_CACHE := $(CACHE)

.DEFAULT_GOAL := help
.PHONY: help setup demo up test unit lint types fuzz bench lock clean

help: ## show what can be made
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 16

$(CACHE)/uv/bin/uv:
	$(PYTHON) -m venv $(CACHE)/uv
	$(CACHE)/uv/bin/pip install --quiet --disable-pip-version-check 'uv>=0.5'

.venv/.ready: requirements.lock $(addsuffix /pyproject.toml,$(PACKAGES)) | $(UV)
	test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) .venv
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps $(addprefix -e ,$(PACKAGES))
	touch $@

setup: .venv/.ready ## install everything that the other targets need

demo: setup ## start the platform and a sandbox cluster, and run the tutorial's pipeline on them
	$(BIN)/gennaker demo

up: setup ## run the platform (Ctrl-C stops it)
	$(BIN)/gennaker up $(ARGS)

test: setup lint types ## lint, check types and run all tests
	$(BIN)/pytest -n $(WORKERS) --dist worksteal $(ARGS)

unit: setup ## run the tests that need no cluster
	$(BIN)/pytest -n $(WORKERS) -m "not cluster" $(ARGS)

lint: setup ## check style, format and what may import what
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: setup ## check types
	$(BIN)/pyright

fuzz: $(UV) ## fuzz the expression language (SECONDS=600; findings go to the cache's fuzz/)
	test -x $(CACHE)/fuzz/bin/python || $(UV) venv --quiet --python $(PYTHON) $(CACHE)/fuzz
	$(CACHE)/fuzz/bin/python -c 'import atheris, spel' 2>/dev/null || \
		$(UV) pip install --quiet --python $(CACHE)/fuzz/bin/python 'atheris>=3.0' -e libs/spel
	$(CACHE)/fuzz/bin/python libs/spel/fuzz/expressions.py --corpus $(CACHE)/fuzz/corpus \
		-max_total_time=$(or $(SECONDS),600) -timeout=30 -rss_limit_mb=2048 -max_len=2000 -len_control=20 \
		-artifact_prefix=$(CACHE)/fuzz/ -print_final_stats=1 $(ARGS)

bench: setup ## measure speed and size (ARGS=million: over a long history); prints `name value unit` lines
	$(BIN)/python tests/bench/run.py $(ARGS)

lock: $(UV) ## resolve the dependencies anew and pin them in requirements.lock
	$(UV) lock --upgrade
	$(UV) export --quiet --all-packages --all-groups --no-emit-workspace --no-annotate --no-header -o requirements.lock

clean: ## remove what was built in the tree (the cache stays)
	rm -rf .venv .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
