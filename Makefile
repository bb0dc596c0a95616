# What can be done with this checkout. Needs python >= 3.11, make and git; the rest is installed into .venv.

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
PYTHONS := python3.11 python3 python python3.12 python3.13 python3.14 python3.15
PIP := $(BIN)/python -m pip --quiet --quiet --disable-pip-version-check
WORKERS ?= 4
SEEDS ?= 20000
FUZZ_SECONDS ?= 600
MINUTES ?= 20
BOTS ?= 200
EXTRAS := --extra lan --extra metrics --extra full --extra web --extra cluster
COMPILE = uv pip compile --quiet --universal --python-version 3.11 $(UPGRADE) --generate-hashes --no-emit-index-url \
	--no-emit-find-links --no-annotate --no-header
UPGRADE ?= --upgrade
# Without compiled modules every process of a test compiles them again: half of its time. They are compiled once before the workers
# begin, which would otherwise all do the same work.
TESTS := env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest
UNLIMITED := --timeout 0 -o faulthandler_timeout=0

.DEFAULT_GOAL := help
.PHONY: help install demo demo-cluster test house test-pythons lint check lock mutants fuzz faults soak bench bench-rivals bench-growth picture pages docs dist changelog audit clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(VENV)/.installed  ## make .venv with .venv/bin/ChatApp
	@echo '$(BIN)/ChatApp is ready'

demo: $(VENV)/.installed  ## play the main job with real processes and check every step
	@$(BIN)/python -m examples.demo

demo-cluster: $(VENV)/.tested  ## play a cluster of registries: three nats-servers, three registries, and what goes wrong
	@$(BIN)/python -m examples.cluster

test: $(VENV)/.compiled  ## run the tests
	@$(TESTS) -n $(WORKERS) --dist worksteal --junit-xml build/tests.xml

house: $(VENV)/.tested  ## how large the house is, and how its parts hang together, beside the targets
	@$(BIN)/python -m tests.house

test-pythons: $(VENV)/.tested  ## run the tests on each Python from 3.11 on that is here (on PATH or of pyenv), in .venvs
	@$(BIN)/python -m tests.pythons --workers $(WORKERS)

lint: $(VENV)/.tested  ## format, lint, import contracts, types
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/mypy

check: lint test  ## lint, then the tests

mutants: $(VENV)/.tested  ## put small faults into chosen modules and see that tests notice (ONLY="chatapp/wire/codec.py ..." for some)
	@$(BIN)/python -m tests.mutants --workers $(WORKERS) $(ONLY)

fuzz: $(VENV)/.tested  ## simulate SEEDS=20000 worlds, run the properties longer, fuzz each way in FUZZ_SECONDS=600 (about 2 h)
	@$(BIN)/python -m tests.simulation --seeds $(SEEDS) --workers $(WORKERS)
	@CHATAPP_WORLDS=2000 $(BIN)/python -m pytest -n $(WORKERS) --hypothesis-profile=fuzz $(UNLIMITED) \
		tests/simulation/test_rules.py tests/wire tests/registry/store tests/registry/edge tests/registry/rules
	@$(PIP) install 'atheris>=3' >/dev/null 2>&1 || true
	@$(BIN)/python -m fuzz --seconds $(FUZZ_SECONDS)

faults: $(VENV)/.tested  ## the whole fault lab: every fault of docs/explanation/reliability.md in full, with its figure (about 20 min)
	@CHATAPP_FAULTS=1 $(BIN)/python -m pytest $(UNLIMITED) tests/faults tests/peer/node tests/peer/rpc tests/peer/doctor

soak: $(VENV)/.installed  ## BOTS=200 bots under random faults for MINUTES=20; memory and descriptors must stay flat
	@$(BIN)/python -m tests.faults.soak --minutes $(MINUTES) --bots $(BOTS)

bench: $(VENV)/.installed  ## measure limits, rivals and ours side by side (ONLY=D1,F2 for some)
ifdef ONLY
	@$(BIN)/python -m bench --only $(ONLY) --json bench.json
else
	@$(BIN)/python -m bench --into bench/results.md --json bench.json
	@$(BIN)/python -m bench.chart bench.json docs/bench.svg
endif

bench-rivals: $(VENV)/.installed  ## fetch what the bench measures against into .rivals (from the Python and Debian archives), and measure direct messages
	@$(BIN)/python -m bench.fetch; fetched=$$?; $(BIN)/python -m bench --only R1 && exit $$fetched

bench-growth: $(VENV)/.tested  ## how cost grows with people online, alone and on three nodes, and how large a machine a registry needs
	@$(BIN)/python -m bench.sizing --into docs/howto/registry.md; sized=$$?; \
		$(BIN)/python -m bench.growth --into bench/results.md --chart docs/growth.svg && \
		$(BIN)/python -m bench.clustergrowth --into docs/howto/cluster.md && exit $$sized

picture: $(VENV)/.tested  ## draw docs/pictures and the README's picture, and write the list of commands in the guide
	@$(BIN)/python -m examples.picture docs
	@$(BIN)/python -m examples.guide

pages: $(VENV)/.tested  ## write the pages of the manual and the completion for shells into contrib
	@$(BIN)/python -m release

docs: $(VENV)/.documented  ## build the documentation with the API into build/docs/index.html
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo 'build/docs/index.html is ready'

dist: $(VENV)/.released  ## make dist/: wheel, source distribution, list of components, checksums; the same bytes for a commit
	@$(BIN)/python -m release.distribution

changelog: $(VENV)/.made  ## move what is in changes/ into CHANGELOG.md as VERSION=0.1.0
	@$(BIN)/python -m release.changes $(or $(VERSION),$(error say VERSION=))

audit: $(VENV)/.released  ## look for known weaknesses of the locked dependencies (status 3: the database cannot be reached)
	@$(BIN)/python -m release.audit

lock:  ## resolve the dependencies anew (needs uv; UPGRADE= keeps what still fits)
	@command -v uv >/dev/null || { echo 'make lock needs uv (pip install uv)' >&2; exit 1; }
	@$(COMPILE) --output-file requirements/build.txt requirements/build.in
	@$(COMPILE) --output-file requirements/run.txt $(EXTRAS) pyproject.toml
	@$(COMPILE) --output-file requirements/dev.txt --constraint requirements/build.txt --constraint requirements/run.txt $(EXTRAS) --extra dev pyproject.toml
	@$(COMPILE) --output-file requirements/docs.txt --constraint requirements/build.txt --constraint requirements/dev.txt --extra docs pyproject.toml
	@$(COMPILE) --output-file requirements/release.txt --constraint requirements/build.txt --constraint requirements/dev.txt --extra release pyproject.toml
	@if grep -nE '://|file:|^ *--(index|extra-index|find-links|trusted)|/(home|root|tmp|opt|Users)/' requirements/*.txt; then \
		echo 'a lock file names a place' >&2; exit 1; fi

clean:  ## remove what the above made
	rm -rf $(VENV) .venvs .fuzz .rivals build dist *.egg-info .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A virtual environment that somebody made beforehand is kept. For a new one, an optimised Python anywhere on PATH is taken before
# any other: the same program needs 10 to 15 % less CPU under it.
$(VENV)/.made:
	@if $(BIN)/python bench/interpreter.py --any && $(BIN)/python -m pip --version; then touch $@; exit 0; fi >/dev/null 2>&1; \
	rm -rf $(VENV); IFS=:; \
	for build in --optimised --any; do for name in $(PYTHONS); do for folder in $$PATH; do \
		python="$$folder/$$name"; \
		test -x "$$python" && "$$python" bench/interpreter.py $$build >/dev/null 2>&1 || continue; \
		"$$python" -m venv $(VENV) && touch $@ && exit 0; \
		rm -rf $(VENV); broken="$$broken $$python"; \
	done; done; done; \
	if test -n "$$broken"; then \
		echo "No venv module that works in:$$broken (Debian, Ubuntu: install python3-venv)" >&2; \
	else \
		echo 'ChatApp needs python >= 3.11, and none was found' >&2; \
	fi; \
	exit 1

$(VENV)/.installed: $(VENV)/.made requirements/build.txt requirements/run.txt pyproject.toml
	@echo 'Installing into $(VENV) ...'
	@$(PIP) install --require-hashes --requirement requirements/build.txt
	@$(PIP) install --require-hashes --requirement requirements/run.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.tested: $(VENV)/.installed requirements/dev.txt
	@echo 'Installing what the tests need ...'
	@$(PIP) install --require-hashes --requirement requirements/dev.txt
	@touch $@

$(VENV)/.compiled: $(VENV)/.tested
	@{ $(TESTS) --collect-only -qq tests/[a-q]* & $(TESTS) --collect-only -qq tests/[r-z]*; wait; } >/dev/null
	@touch $@

$(VENV)/.released: $(VENV)/.installed requirements/release.txt
	@echo 'Installing what packages need ...'
	@$(PIP) install --require-hashes --requirement requirements/release.txt
	@touch $@

$(VENV)/.documented: $(VENV)/.installed requirements/docs.txt
	@echo 'Installing what the documentation needs ...'
	@$(PIP) install --require-hashes --requirement requirements/docs.txt
	@touch $@
