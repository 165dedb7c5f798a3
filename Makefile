# make app   installs what is needed into .venv and starts the page and the worker
# make test  installs what tests need into .venv and runs every check
PYTHON ?= python3.11
PY := .venv/bin/python
PIP := $(PY) -m pip --disable-pip-version-check install --quiet -c constraints.txt

.PHONY: app test lint types imports js pytest clean

app: .venv/.app
	$(PY) -m triage up --demo

test: .venv/.test lint types imports js pytest

lint: .venv/.test
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

types: .venv/.test
	.venv/bin/mypy

imports: .venv/.test
	.venv/bin/lint-imports

js: node_modules/.installed
	@if [ -s $< ]; then npm run --silent check; \
	else echo "skipped: the page's JavaScript is not checked, for npm is not installed"; fi

node_modules/.installed: package.json package-lock.json
	@mkdir -p node_modules
	@if command -v npm >/dev/null; then npm ci --silent && npm --version > $@; \
	elif [ -n "$$CI" ]; then echo "npm is missing; .ci/run installs it"; exit 1; \
	else : > $@; fi

pytest: .venv/.test node_modules/.installed
	$(PY) -m pytest -n 2 --dist loadfile --cov --cov-report=term --cov-fail-under=90

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/.app: requirements.txt constraints.txt pyproject.toml | .venv/bin/python
	$(PIP) -r requirements.txt
	$(PIP) --no-deps --no-build-isolation setuptools==80.9.0
	$(PIP) --no-deps --no-build-isolation -e .
	touch $@

.venv/.test: .venv/.app requirements-test.txt requirements-train.txt
	$(PIP) -r requirements-test.txt -r requirements-train.txt
	touch $@

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis node_modules .coverage*
