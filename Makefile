# Everything a fresh machine with python3.11, pip and make needs: `make demo`, `make test`.
# The registry's torch may bring CUDA along; on a machine without a GPU a CPU build can be had with, for example,
#   make demo PIP_FLAGS="--extra-index-url https://download.pytorch.org/whl/cpu"

PYTHON ?= python3.11
VENV ?= .venv
PIP_FLAGS ?=
BIN := $(VENV)/bin
DEMO_OUT ?= demo-out
export OMP_NUM_THREADS ?= 1
export HF_HUB_OFFLINE ?= 1

.PHONY: demo test lint bench soak models clean

demo: $(VENV)/.models
	$(BIN)/consent-edit demo --out $(DEMO_OUT)

test: $(VENV)/.models
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/interrogate consent_edit
	$(BIN)/codespell README.md SECURITY.md CHANGELOG.md docs policies consent_edit

bench: $(VENV)/.models
	$(BIN)/consent-edit bench guard
	$(BIN)/consent-edit bench prompts tests/data/prompts/fresh/everyday.jsonl
	$(BIN)/consent-edit bench consent
	$(BIN)/consent-edit bench policy

soak: $(VENV)/.models
	$(BIN)/python tests/soak/soak_run.py --requests $${SOAK_REQUESTS:-10000}

models: $(VENV)/.models

$(VENV)/.models: $(VENV)/.ready models.lock.toml
	$(BIN)/consent-edit models pull
	@touch $@

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet $(PIP_FLAGS) -c constraints.txt torch
	$(BIN)/python -m pip install --quiet $(PIP_FLAGS) -c constraints.txt -e '.[all,test]'
	# without its dependencies: they bring a second OpenCV over the headless one
	$(BIN)/python -m pip install --quiet $(PIP_FLAGS) -c constraints.txt --no-deps insightface
	@touch $@

clean:
	rm -rf $(VENV) $(DEMO_OUT) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
