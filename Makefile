# Everything a developer or CI runs. `make` alone lists it.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
# The outside judges: conformance/run_suite.py and clients/run_clients.py.
JUDGES ?= ../shared/judges
PYTEST_ARGS ?=
# Tests run side by side, a file at a time, one more than there are cores: each waits for servers and clocks half of its
# time. WORKERS=0 runs them one after the other.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
BENCH_ARGS ?=
export HYPOTHESIS_STORAGE_DIRECTORY := $(CURDIR)/.cache/hypothesis

# A heading for each section, in colour on a terminal.
define say
if [ -t 1 ] && [ -z "$${NO_COLOR:-}" ]; then printf '\033[1;36m== %s\033[0m\n' "$(1)"; else printf '== %s\n' "$(1)"; fi
endef

.PHONY: help venv demo test lint unit format conformance clients attack attack-quick compare matrix bench bench-quick bench-check race redaction fuzz reds mutants soak audit sbom \
  lock env-example clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

venv: ## set .venv up from requirements.lock (hashes checked) and install this checkout into it
	@.ci/venv .venv requirements.lock --editable

demo: venv ## start the workspace example over stdio and HTTP, use it, attack it
	@$(BIN)/python examples/demo.py

test: lint unit ## everything that must be green: lint, then the tests with branch coverage

lint: venv ## ruff, mypy (strict), import-linter, bandit
	@$(call say,ruff)
	@$(BIN)/ruff check --quiet . && $(BIN)/ruff format --check --quiet . || { echo "(make format mends most of it)"; exit 1; }
	@echo "no findings"
	@$(call say,mypy --strict)
	@$(BIN)/mypy
	@$(call say,import-linter)
	@$(BIN)/lint-imports --no-logo --cache-dir .cache/import_linter
	@$(call say,bandit)
	@$(BIN)/bandit --quiet --recursive --configfile security/bandit.yaml src
	@echo "no findings"

unit: venv ## the tests alone, with branch coverage (PYTEST_ARGS="-k name" for some of them)
	@.ci/venv .cache/judges/fastmcp .ci/judges/clients/fastmcp.lock || echo "FastMCP cannot be installed here: what needs it is skipped"
	@$(call say,pytest)
	@mkdir -p .cache/coverage && rm -f .cache/coverage/*
	@colour=no; if [ -t 1 ] && [ -z "$${NO_COLOR:-}" ]; then colour=yes; fi; \
	  $(BIN)/coverage run -m pytest --color=$$colour --numprocesses=$(WORKERS) --dist=loadscope $(PYTEST_ARGS) 2>&1 | tee .cache/pytest.log
	@$(call say,coverage)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report $(if $(PYTEST_ARGS),--fail-under=0)
	@sed -e $$'s/\x1b\\[[0-9;]*m//g' .cache/pytest.log | grep -E '^=+ .*(passed|failed|error).* =+$$' | tail -n 1

format: venv ## let ruff mend style and order
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format --quiet .

# With THROUGH_SDK=1 the server hands every message to the SDK; otherwise it answers plain ones itself.
export THROUGH_SDK
conformance: venv ## the official conformance suite against examples/everything.py, with and without authentication
	@$(call say,official conformance suite)
	@$(BIN)/python .ci/judges/conformance.py --judges $(JUDGES)

clients: venv ## 26 combinations of real clients, transports and eras against examples/everything.py
	@.ci/venv .cache/judges/fastmcp .ci/judges/clients/fastmcp.lock
	@$(call say,real clients)
	@$(BIN)/python .ci/judges/clients.py --judges $(JUDGES) --fastmcp .cache/judges/fastmcp/bin/python

attack: venv ## a hostile client against our own servers, every case (15 minutes)
	@$(BIN)/python .ci/attack.py full

attack-quick: venv ## the same, the quick profile (2 minutes)
	@$(call say,holdfast attack)
	@$(BIN)/python .ci/attack.py quick

matrix: venv ## does the hostile client find what it is for? every faulty server and its mended twin (MATRIX=names)
	@$(BIN)/python tests/attack/matrix.py $(MATRIX)

compare: venv ## the hostile client against ours, the bare SDK, FastMCP and the reference servers: docs/comparison.md
	@.ci/venv .cache/judges/fastmcp .ci/judges/clients/fastmcp.lock
	@$(BIN)/python benchmarks/comparing.py $(COMPARE)

bench: venv ## side by side with the bare SDK and FastMCP (12 minutes); prints ratios and bars, records them
	@.ci/venv .cache/judges/fastmcp .ci/judges/clients/fastmcp.lock || echo "FastMCP cannot be installed here; measuring without it"
	@$(BIN)/python benchmarks/run.py $(BENCH_ARGS)

bench-quick: venv ## the same as a first impression (2 minutes); records nothing
	@$(BIN)/python benchmarks/run.py --quick $(BENCH_ARGS)

bench-check: venv ## fail when holdfast's ratios are more than 15 % worse than the recorded ones (5 minutes)
	@$(BIN)/python benchmarks/run.py --check $(BENCH_ARGS)

race: venv ## links swapped while paths are opened: 500,000 tries for each resolver (5 minutes); TRIES=
	@$(BIN)/python benchmarks/swap_race.py --tries $(or $(TRIES),500000)

redaction: venv ## how fast clean text passes the egress filter (1 minute)
	@$(BIN)/python benchmarks/redaction.py

# The seconds of each target, and which: TARGET=all or a name in security/fuzz/targets.py.
SECONDS_EACH ?= 600
TARGET ?= all
fuzz: venv ## fuzz the guards (TARGET=all, SECONDS_EACH=600); exits with 1 when there is a finding
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r .ci/fuzz/fuzz.lock
	@$(BIN)/python security/fuzz/run.py $(TARGET) --seconds $(SECONDS_EACH)

reds: venv ## take the guard of each published attack away and see its test fail (6 minutes; REDS=ids)
	@$(BIN)/python security/reds.py $(REDS)

mutants: venv ## break every check of the guards, one at a time (an hour); exits with 1 when no test notices one (MUTANTS=files)
	@$(BIN)/python security/mutants/run.py $(MUTANTS)

soak: venv ## each promise of what a server survives, for as long as it takes (an hour and a half; SOAK=names)
	@$(BIN)/python benchmarks/soak.py $(SOAK)

audit: ## the locked packages against published advisories; fails when it cannot see one that is known (AUDIT_ARGS=)
	@.ci/venv .cache/security .ci/security/tools.lock
	@.cache/security/bin/python security/audit.py .cache/security/bin/pip-audit requirements.lock $(AUDIT_ARGS)

sbom: ## write dist/holdfast.cdx.json: every locked package, in CycloneDX
	@.ci/venv .cache/security .ci/security/tools.lock
	@mkdir -p dist
	@.cache/security/bin/cyclonedx-py requirements requirements.lock --output-format JSON --output-reproducible \
	  --output-file dist/holdfast.cdx.json
	@echo "dist/holdfast.cdx.json"

# One resolution for every supported Python and platform: uv writes markers and the hashes of every wheel, and no
# address of any registry. Pins stay as they are unless pyproject.toml forces a change; `make lock UPGRADE=1` renews all.
LOCK = .cache/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-config \
  --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" $(if $(UPGRADE),--upgrade)
lock: ## write requirements.lock and the locks of CI's tools afresh
	@.ci/venv .cache/lock .ci/lock/tool.lock
	@$(LOCK) --all-extras --group dev --output-file requirements.lock pyproject.toml
	@$(LOCK) --output-file .ci/lock/tool.lock .ci/lock/tool.in
	@$(LOCK) --output-file .ci/judges/clients/fastmcp.lock .ci/judges/clients/fastmcp.in
	@$(LOCK) --output-file .ci/security/tools.lock .ci/security/tools.in
	@$(LOCK) --output-file .ci/fuzz/fuzz.lock .ci/fuzz/fuzz.in
	@$(LOCK) --output-file .ci/peers/pypi.lock .ci/peers/pypi.in
	@! grep -nE '://|file:' requirements.lock .ci/*/*.lock .ci/judges/clients/fastmcp.lock || \
	  { echo "a lock names an address; another machine could not install from it" >&2; exit 1; }
	@git diff --stat -- requirements.lock .ci

env-example: venv ## write .env.example from the settings model
	@$(BIN)/python -c "from holdfast.core.envfile import env_example; print(env_example(), end='')" > .cache/env.example
	@mv .cache/env.example .env.example

clean: ## remove what the other targets made (.venv, .cache, build output)
	@rm -rf .venv .cache build dist *.egg-info .coverage*
	@find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
