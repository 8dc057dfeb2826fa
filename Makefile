# One task runner, for people and for CI.
.DEFAULT_GOAL := help
VENV   := .venv
PY     := $(VENV)/bin/python
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
EXTRAS := web,agent,embedded,demo,dev
PROTOS := proto/syrinx/agent/v1/specs.proto proto/syrinx/agent/v1/agent.proto

help: ## Say what each target does
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(VENV)/.ready web/static/vendor/.ready ## Make .venv and fetch the browser libraries

$(VENV)/.ready: pyproject.toml constraints.txt
	@sh scripts/make_venv.sh $(VENV)
	$(PY) -m pip install -q --disable-pip-version-check -c constraints.txt -e ".[$(EXTRAS)]"
	@touch $@

web/static/vendor/.ready: package.json package-lock.json scripts/vendor_static.py $(VENV)/.ready
	$(PY) scripts/vendor_static.py

up: setup ## Run the whole portal on this machine
	$(PY) manage.py up

demo: setup ## Make a voice from the bundled sample, end to end
	$(PY) scripts/demo.py

test: setup ## Run every test that needs no GPU
	$(PY) -m pytest $(ARGS)

lint: setup ## ruff, import contracts, migrations, generated code
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/lint-imports
	$(PY) scripts/check_migrations.py
	$(MAKE) --no-print-directory proto-check

types: setup ## mypy, strict
	$(VENV)/bin/mypy

proto: setup ## Regenerate what comes from proto/
	$(PY) -m grpc_tools.protoc -Iproto --python_out=proto --grpc_python_out=proto \
		--mypy_out=quiet:proto --mypy_grpc_out=quiet:proto $(PROTOS)

proto-check: setup
	$(PY) scripts/check_proto.py $(PROTOS)

chart: setup ## Lint, render and validate the Helm chart
	$(PY) scripts/check_chart.py

screenshots: setup ## Take the pictures in docs/screenshots
	$(PY) scripts/screenshots.py

lock: setup ## Renew constraints.txt
	sh scripts/lock.sh

.PHONY: help setup up demo test lint types proto proto-check chart screenshots lock
