# Every target sets up what it needs by itself. PYTHON chooses the interpreter (3.11 or newer).
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt

EXAMPLES := $(filter-out examples/emotion_emoji.yaml,$(wildcard examples/*.yaml))

.PHONY: demo examples test fuzz check bench bench-doctor clean

demo: .venv/.installed
	$(BIN)/kunren run examples/emotion_emoji.yaml

examples: demo
	set -e; for config in $(EXAMPLES); do $(BIN)/kunren run $$config; done
	$(BIN)/kunren compare outputs/experiments --format html --output outputs/comparison.html

test: .venv/.installed-dev
	$(BIN)/kunren models get gemma-3-270m
	$(BIN)/kunren models get multilingual-e5-small
	$(BIN)/kunren models get smollm2-135m
	$(BIN)/python -m pytest -n 2

# 10,000 damaged inputs: configs, data, predictions, logs, model folders, run folders.
fuzz: .venv/.installed-dev
	FUZZ=400 $(BIN)/python -m pytest -n 2 tests/test_fuzz.py

check: .venv/.installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/.installed-bench
	$(BIN)/kunren models get gemma-3-270m
	$(BIN)/python benchmarks/demo_time.py
	$(BIN)/python benchmarks/training_speed.py
	$(BIN)/python benchmarks/prediction_speed.py
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/scoring_speed.py
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/scoring_speed_text.py
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/check_speed.py

bench-doctor: .venv/.installed-bench
	$(BIN)/kunren models get multilingual-e5-small
	$(BIN)/python -m benchmarks.doctor
	$(BIN)/python benchmarks/repair.py

# torch first and alone: pip then takes the build that fits the machine, and the rest builds on it.
.venv/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed / Python 3.11 以上が必要です (make demo PYTHON=python3.11): " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	@echo "Installing (a few minutes the first time) / インストール中 (初回は数分かかります)"
	$(PIP) torch
	$(PIP) -e .
	@touch $@

.venv/.installed-dev: .venv/.installed
	$(PIP) -e '.[dev]'
	@touch $@

.venv/.installed-bench: .venv/.installed-dev
	$(PIP) -e '.[dev,bench]'
	@touch $@

clean:
	rm -rf .venv build src/*.egg-info .pytest_cache .mypy_cache .ruff_cache
