# Needs Python 3.11 or newer and make, nothing else: the rest is installed into .venv.
#   make demo                       the tour: check, compile, train, compare
#   make demo L2OGEN_DATA=FOLDER    the same, with real data read from FOLDER
#   make test PYTHON=python3.12     with another Python (only looked at while there is no .venv)

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

# An environment is installed again only when one of these changes. The two environments are one folder:
# the developer's holds all that the demo needs, so it brings both stamps.
INPUTS := pyproject.toml setup.py constraints.txt
DEMO   := $(VENV)/.installed-demo
DEV    := $(VENV)/.installed-dev

.PHONY: help demo test lint types generated reproduce clean
.NOTPARALLEL:

help:
	@echo "make demo | test | lint | types | generated | reproduce | clean"

# L2OGEN_DATA, from the environment or from make's command line, reaches the demo as it is.
demo: $(DEMO)
	@$(BIN)/l2ogen demo

test: $(DEV)
	@echo "== running the tests"
	@$(BIN)/python -m pytest -n 2 -q

lint: $(DEV)
	@echo "== ruff"
	@$(BIN)/ruff check .

types: $(DEV)
	@echo "== mypy"
	@$(BIN)/mypy

generated: $(DEV)
	@echo "== compiling specs/ into generated/"
	@$(BIN)/l2ogen compile specs -o generated

# Published results, one by one (make reproduce-alista) or all, in hours; trainings stay in runs/reproduce.
reproduce: reproduce-all

reproduce-%: $(DEMO)
	@$(BIN)/python -m benchmarks.reproduce $*

# Removes what can be made again in seconds. Training runs (runs/, demo/) and .venv stay.
clean:
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find l2ogen tests generated -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "l2ogen needs Python 3.11 or newer: make PYTHON=python3.11")'
	@echo "== creating $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(DEMO): $(VENV)/.created $(INPUTS)
	@echo "== installing l2ogen and torch into $(VENV) (minutes the first time)"
	@$(PIP) -e '.[train]'
	@touch $@

$(DEV): $(VENV)/.created $(INPUTS)
	@echo "== installing l2ogen, torch and the developer's tools into $(VENV) (minutes the first time)"
	@$(PIP) -e '.[train,dev]'
	@touch $(DEMO) $@
