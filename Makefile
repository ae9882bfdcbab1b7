# Every target builds what it needs in $(VENV) and nowhere else; a second run starts at once.
PYTHON ?= python3
VENV ?= .venv
OUT ?= demo_output
# Each worker of pytest loads the model: four of them keep a laptop usable, more gain little.
PYTEST_ARGS ?= -n auto --maxprocesses 4

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --timeout 60 --retries 3 --disable-pip-version-check
BASE := $(VENV)/.installed

.PHONY: help demo test lint types docs picture bench bench-training dist clean
.DELETE_ON_ERROR:

help:
	@echo "make demo    annotate real cells, print what was found, leave pictures in $(OUT)/"
	@echo "make test    run the tests"
	@echo "make lint    ruff: rules and format"
	@echo "make types   mypy, strict"
	@echo "make docs    build the pages, warnings are errors"
	@echo "make picture redraw the picture of the README"
	@echo "make bench   regenerate the numbers in the documentation"
	@echo "make bench-training   those that take training runs of their own"
	@echo "make dist    build wheel and source archive, look inside"
	@echo "make clean   remove what the other targets made"

demo: $(BASE)
	$(BIN)/python -m scmmgpt_tl._demo $(OUT)

# One thread a worker: workers that share cores and spin for one another take several times as long.
# Once numba has run on several threads, torch does, too.
test: $(VENV)/.group-test
	OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} NUMBA_NUM_THREADS=$${NUMBA_NUM_THREADS:-1} $(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(VENV)/.group-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.group-dev
	$(BIN)/mypy

docs: $(VENV)/.group-doc
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html

picture: $(BASE)
	$(BIN)/python docs/draw_quickstart.py

# Sentence encoder: fetched once. What needs tables, engines or devices of its own: benchmarks/README.md.
bench: $(VENV)/.group-bench-all build/sources/minilm
	$(BIN)/python benchmarks/annotate.py
	$(BIN)/python benchmarks/mouse.py
	$(BIN)/python benchmarks/retrieval.py
	$(BIN)/python benchmarks/search_words.py
	$(BIN)/python benchmarks/few_shot.py
	$(BIN)/python benchmarks/refine.py
	$(BIN)/python benchmarks/label_transfer.py
	$(BIN)/python benchmarks/compare.py
	$(BIN)/python benchmarks/explain.py
	$(BIN)/python benchmarks/proteins.py
	$(BIN)/python benchmarks/embedding.py
	$(BIN)/python benchmarks/integrate.py
	$(BIN)/python benchmarks/generation.py
	$(BIN)/python benchmarks/perturb.py
	$(BIN)/python benchmarks/description.py
	$(BIN)/python benchmarks/deconvolve.py
	$(BIN)/python benchmarks/slides.py
	$(BIN)/python benchmarks/neighborhoods.py
	$(BIN)/python benchmarks/panels.py
	$(BIN)/python benchmarks/bad_input.py
	$(BIN)/python benchmarks/large_files.py --kills 0
	$(BIN)/python benchmarks/dask_workers.py
	$(BIN)/python benchmarks/cost.py
	$(BIN)/python benchmarks/targets.py

bench-training: $(VENV)/.group-bench-all build/sources/minilm
	$(BIN)/python benchmarks/leave_types_out.py
	$(BIN)/python benchmarks/leave_study_out.py
	$(BIN)/python benchmarks/ablation.py

build/sources/minilm: | $(VENV)/.group-bench
	$(PIP) install -qq --editable ".[train]"
	$(BIN)/python benchmarks/training/sources.py

dist: $(VENV)/.group-dev
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/python -m twine check --strict dist/*
	$(BIN)/python .ci/check-dist dist

clean:
	rm -rf $(VENV) $(OUT) dist docs/_build docs/api/generated .mypy_cache .pytest_cache .ruff_cache

# torch comes first and alone: left to the resolver it is the CUDA build, several gigabytes.
# pip itself comes before it, since dependency groups need pip 25.1.
$(BASE): pyproject.toml .ci/install-torch
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "scmmgpt-tl needs Python 3.11 or newer: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "Installing the package and what it needs in $(VENV). This happens once and takes minutes."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) install -qq --upgrade "pip>=25.1"
	@.ci/install-torch $(BIN)/python
	@$(PIP) install -qq --editable .
	@touch $@

$(VENV)/.group-%: $(BASE)
	@echo "Installing the dependency group '$*'"
	@$(PIP) install -qq --editable . --group $*
	@touch $@
