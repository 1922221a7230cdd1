# Two targets do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup demo test check lint prove faults bench serve services kafka postgis docs shots release lock clean

help: ## show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

need-python:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is missing: twin needs Python 3.11 or newer (Debian: apt-get install python3 python3-venv)"; exit 1; }

demo: need-python ## the practice city, with no server and no root; Ctrl-C ends it (DEMO="--minutes 5" ...)
	@$(PYTHON) tools/setup.py demo console
	@$(BIN)/twin demo $(DEMO)

test: need-python ## install all that the tests need, then lint, types, contracts, and every test
	@$(PYTHON) tools/test.py

setup: need-python ## .venv with everything for development, and the built console
	@$(PYTHON) tools/setup.py dev console
	@$(BIN)/pre-commit install >/dev/null && echo "-- hooks installed"

check: ## the quick gate: format, lint, types, import contracts, unit and property tests
	@$(PYTHON) tools/setup.py dev
	@$(PYTHON) tools/test.py --quick

lint: ## write the formatting, then lint
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

prove: ## the long proofs on real data (TWIN_SHARED_DATA=folder); writes docs/reports/
	@$(PYTHON) tools/setup.py bench console
	@$(BIN)/python tools/prove.py

faults: need-python ## kill, starve and cut off the service, a million events long; FAULTS="--events 20000 ..."
	@$(PYTHON) tools/setup.py dev
	@$(BIN)/python tools/services/servers.py prepare
	@$(BIN)/python tools/faults/fault_suite.py $(FAULTS)

bench: ## measure against peers in the same run
	@$(PYTHON) tools/setup.py bench
	@for bench in benchmarks/*/bench.py; do echo "== $$bench"; $(BIN)/python $$bench; done

serve: ## the service with the TWIN_* settings of this shell
	@$(PYTHON) tools/setup.py run console
	@$(BIN)/twin serve

services: need-python ## install Kafka, PostGIS and Chromium for the tests
	@$(PYTHON) tools/setup.py run
	@$(BIN)/python tools/services/servers.py prepare

kafka: services ## run a real Kafka broker in the foreground
	@$(BIN)/python tools/services/servers.py kafka

postgis: services ## run a real PostgreSQL with PostGIS in the foreground
	@$(BIN)/python tools/services/servers.py postgis

docs: ## build the documentation into site/
	@$(PYTHON) tools/setup.py dev
	@$(BIN)/mkdocs build --strict --quiet && echo "-- open site/index.html"

shots: ## take the pictures of the documentation again, from the running console
	@$(PYTHON) tools/setup.py dev console
	@$(BIN)/python tools/shots.py

release: test ## build the wheel (with the console in it) into dist/
	@$(BIN)/uv build --wheel --quiet --out-dir dist && ls dist

lock: ## resolve the dependencies again into requirements/
	@$(BIN)/python tools/lock.py

clean: ## remove what can be made again
	@rm -rf .venv .services .demo site dist build src/twin/console console/node_modules
