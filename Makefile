# `make demo` shows the product, `make test` checks it; both work on a fresh machine and are quick the second time.
#
# What they make: an environment in .venv with this package installed editable. Python files take effect as they
# are saved; a change under src/core is compiled by the next `make`. PYTHON=python3.12 picks the interpreter.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
CORE := $(wildcard src/core/*.cpp src/core/*.hpp)
CPP := $(CORE) $(wildcard fuzz/*.cpp fuzz/*.hpp)
BUILD_INPUTS := pyproject.toml CMakeLists.txt constraints.txt $(CORE)

.PHONY: demo test lint format bench-smoke fuzz clean

demo: $(VENV)/.demo
	$(BIN)/j4d demo

test: lint
	$(BIN)/python -m pytest -q

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/clang-format --dry-run -Werror $(CPP)
	$(BIN)/mypy

format: $(VENV)/.test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(CPP)

# The benchmarks at their smallest size: do they still run, and are their outputs correct?
bench-smoke: $(VENV)/.bench
	$(BIN)/python bench/simulator.py --smoke
	$(BIN)/python bench/codec.py --smoke

# libFuzzer on what reads and writes JPEG files; findings in build/fuzz. FUZZ_SECONDS is for each of three harnesses.
FUZZ_SECONDS ?= 60
fuzz:
	@sh tools/system-packages.sh "$(PYTHON)" clang
	fuzz/run.sh $(FUZZ_SECONDS)

clean:
	rm -rf $(VENV) build

$(VENV)/.demo: $(BUILD_INPUTS) | $(BIN)/pip
	$(PIP) install --quiet -c constraints.txt -e '.[demo]'
	touch $@

# Holds all that the demo needs too.
$(VENV)/.test: $(BUILD_INPUTS) | $(BIN)/pip
	$(PIP) install --quiet -c constraints.txt -e '.[demo,test]'
	touch $@ $(VENV)/.demo

# The rivals that run beside j4d.
$(VENV)/.bench: $(VENV)/.test
	$(PIP) install --quiet -c constraints.txt -e '.[demo,test,bench]'
	touch $@

$(BIN)/pip:
	@sh tools/system-packages.sh "$(PYTHON)"
	@echo "Making $(VENV) and installing j4d; the first time this downloads PyTorch and takes some minutes."
	$(PYTHON) -m venv $(VENV)
