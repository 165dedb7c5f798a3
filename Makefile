# make app   installs what is needed into .venv and starts the page and the worker
# make test  installs what tests need into .venv and runs every check
# make models DATA=FOLDER  trains every bundle anew from the folders cxr_nih, head_ct and oct; about two hours on two processor cores
PYTHON ?= python3.11
DATA ?= ../shared/data
THREADS ?= 1
MODELS := model-cxr model-oct model-head_ct
cxr_images := cxr_nih
head_ct_images := head_ct
oct_images := oct
PY := .venv/bin/python
PIP := $(PY) -m pip --disable-pip-version-check install --quiet -c constraints.txt

.PHONY: app test models $(MODELS) lint types imports js pytest clean

app: .venv/.app
	$(PY) -m triage up --demo

test: .venv/.test lint types imports js pytest

models: .venv/.test
	$(MAKE) --jobs=2 $(MODELS)

# One thread each: two trainings side by side fill two cores better than one after the other, and sums come in one order.
$(MODELS): model-%: .venv/.test
	OMP_NUM_THREADS=$(THREADS) $(PY) -m pipelines.train $* --data $(DATA)/$($*_images) --out runs/$*
	OMP_NUM_THREADS=$(THREADS) $(PY) -m pipelines.export --run runs/$* --out triage/bundles/$*

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
