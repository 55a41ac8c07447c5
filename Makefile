# What can be done here. The work itself is in small Python files under tools/; this file says in which order.
PYTHON ?= python3
BIN := .venv/bin
WEB := $(wildcard web/package.json)
WEB_FILES := $(if $(WEB),$(shell find web \( -name node_modules -o -name dist \) -prune -o -type f -print))

.PHONY: help install web up demo token test check stubs bench prove clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' Makefile | expand -t 16

install: .venv/installed ## everything the platform needs, at the versions of the lock file, into .venv
.venv/installed: requirements.lock pyproject.toml tools/install.py tools/uv.txt
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is missing: install it, or say PYTHON=/path/to/python3."; exit 1; }
	@$(PYTHON) tools/install.py

web: install $(if $(WEB),web/node_modules/.built) ## the browser client, into web/dist
web/node_modules/.packages: $(WEB) $(wildcard web/package-lock.json web/.npmrc) | .venv/installed
	@$(BIN)/python -m tools.web packages
web/node_modules/.built: web/node_modules/.packages $(WEB_FILES)
	@$(BIN)/python -m tools.web build

up: install web ## the whole platform on this machine, with demo data; Ctrl-C stops it
	@exec $(BIN)/yuzhen up

demo: install ## one visit from sign-in to dispensed medicine, played against the running platform
	@exec $(BIN)/yuzhen demo

token: install ## an access token for a demo account: make token ACCOUNT=...
	@$(BIN)/yuzhen token $(ACCOUNT)

tests/npm/node_modules/.packages: tests/npm/package.json tests/npm/package-lock.json tests/npm/.npmrc | .venv/installed
	@$(BIN)/python -m tools.node

test: install web tests/npm/node_modules/.packages ## every test, the browser's journeys too; one part with ARGS="tests/kernel -k clock"
	@$(BIN)/python -m tools.test $(ARGS)

check: install $(if $(WEB),web/node_modules/.packages) ## style, types, walls between rooms, own rules, protobuf, k8s
	@$(BIN)/python -m tools.check $(ARGS)

stubs: install ## the Python stubs of proto/, made anew
	@$(BIN)/python -m tools.stubs

bench: install ## how fast it is, as a table
	@$(BIN)/python -m tests.bench $(ARGS)

prove: install web tests/npm/node_modules/.packages ## the long proofs: soak, chaos, thousands of rounds
	@$(BIN)/python -m tests.prove $(ARGS)

clean: ## forget what can be made again; var/, where the platform keeps its state, stays
	@rm -rf .venv build *.egg-info web/node_modules web/dist tests/npm/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
