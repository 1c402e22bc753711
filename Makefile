# Two commands on a fresh machine: `make demo`, `make test`. Everything lives in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed-dev
RUN_STAMP := $(VENV)/.installed

.PHONY: demo test check format lint types layers docs accuracy accuracy-refit bench wheel clean help

help:            ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

demo: $(RUN_STAMP) ## install and plan the serving of Llama 3.1 70B for real traffic
	$(BIN)/drivetrain plan serve --model llama-3.1-70b --workload azure-2023-conv --rate 5 --slo "ttft_p95=2s,tpot_p95=50ms"

test: $(STAMP)   ## the whole test suite
	$(BIN)/python -m pytest -n auto

check: $(STAMP) format lint types layers ## format, lint, strict types, layers, catalogue
	$(BIN)/drivetrain catalogue check

format: $(STAMP)
	$(BIN)/ruff format --check src tests tools benchmarks

lint: $(STAMP)
	$(BIN)/ruff check src tests tools benchmarks

types: $(STAMP)
	$(BIN)/mypy

layers: $(STAMP)
	$(BIN)/lint-imports --no-cache

docs: $(STAMP)   ## build the documentation, strictly
	$(BIN)/pip install -q -e '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

accuracy: $(STAMP) ## rebuild the accuracy page from ../shared/validation and the left-out predictions that are there
	$(BIN)/python tools/accuracy.py ../shared/validation
	$(BIN)/python tools/fit_training.py ../shared/validation/training_runs.csv --out src/drivetrain/cost/calibration/training.toml --page docs/method/training.md

accuracy-refit: $(STAMP) ## refit from ../shared/validation, leave everything out in turn, rebuild the page (half an hour)
	$(BIN)/python tools/accuracy.py ../shared/validation --refit

bench: $(STAMP)  ## speed, one JSON object a line
	$(BIN)/python benchmarks/run.py
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/scaling.py
	$(BIN)/python benchmarks/outlook.py

bench-peers: $(STAMP) ## the same question asked of a peer, where it installs
	$(BIN)/python benchmarks/peers.py
	$(BIN)/python benchmarks/peers_simulate.py

wheel: $(STAMP)  ## build, install into an empty environment and run there
	bash tools/check_wheel.sh

clean:
	rm -rf $(VENV) build dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(RUN_STAMP): $(VENV)/bin/python pyproject.toml
	$(BIN)/pip install -q --disable-pip-version-check -e .
	touch $@

$(STAMP): $(VENV)/bin/python pyproject.toml
	$(BIN)/pip install -q --disable-pip-version-check -e '.[dev]'
	touch $@ $(RUN_STAMP)
