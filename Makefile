# make app   installs what is needed into .venv and starts the page and the worker
# make test  installs what tests need into .venv and runs every check
# make models DATA=FOLDER  trains every bundle anew from the folders cxr_nih, head_ct and oct; about two hours on two processor cores
PYTHON ?= python3.11
DATA ?= ../shared/data
PY := .venv/bin/python
PIP := $(PY) -m pip --disable-pip-version-check install --quiet -c constraints.txt

.PHONY: app test models lint types imports js pytest clean

app: .venv/.app
	$(PY) -m triage up --demo

test: .venv/.test lint types imports js pytest

models: .venv/.test
	$(PY) -m pipelines.train cxr --data $(DATA)/cxr_nih --out runs/cxr
	$(PY) -m pipelines.train head_ct --data $(DATA)/head_ct --out runs/head_ct
	$(PY) -m pipelines.train oct --data $(DATA)/oct --out runs/oct
	for name in cxr head_ct oct; do $(PY) -m pipelines.export --run runs/$$name --out triage/bundles/$$name || exit 1; done

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
