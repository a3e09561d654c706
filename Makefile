# Each target works on a machine with nothing but Python 3.11 or newer.
PYTHON ?= python3
BIN    := .venv/bin
STAMP  := .venv/.installed
REFERENCE := .venv/.reference
# More workers than this spend their time compiling and importing.
PYTEST := $(BIN)/python -m pytest --numprocesses=auto --maxprocesses=4

# The slow proofs take their sizes from validation/evidence/sizes.py. TIEOUT_SIZE=ci makes them short.
.PHONY: demo test duckdb test-nojit test-checked lint crash forger outsiders author parity long mutants bench bench-parts clean

demo: $(STAMP)
	$(BIN)/tieout demo

test: $(STAMP)
	$(PYTEST) -m "not crash and not reference and not duckdb"

# The kernels as plain Python, where coverage can see into them. Two files of tests run no further kernel.
test-nojit: $(STAMP)
	NUMBA_DISABLE_JIT=1 $(PYTEST) -m "not crash and not reference and not duckdb" --cov=tieout.ledger tests/ledger \
		--ignore-glob='*/test_tampering.py' --ignore-glob='*/test_faults.py'

# Kernels that assert the room of every append, with arrays that begin with one row and grow by one.
test-checked: $(STAMP)
	TIEOUT_CHECKED=1 $(PYTEST) tests/execution/test_runs.py tests/execution/kernels

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

crash forger outsiders author mutants bench: $(STAMP)
	$(BIN)/python -m tieout.validation.$(MODULE)

crash:     MODULE := evidence.faults
forger:    MODULE := evidence.forger
outsiders: MODULE := evidence.outsiders
author:    MODULE := evidence.author
mutants:   MODULE := evidence.mutants
bench:     MODULE := bench

# The same runs in VectorBT and Backtrader, fill by fill: the tests that need them, then the random runs.
parity: $(REFERENCE)
	$(PYTEST) -m reference
	$(BIN)/python -m tieout.validation.evidence

# Every view of a journal in the oldest and the newest DuckDB 1.x, which are installed beside the environment.
duckdb: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade --target .venv/duckdb/oldest 'duckdb==1.2.0'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade --target .venv/duckdb/newest 'duckdb<2'
	$(BIN)/python -m pytest tests/ledger/file/test_other_duckdb.py

# The parts by themselves: posting, lots, the bar step, storing a block, verifying.
bench-parts: $(STAMP)
	$(BIN)/python -m pytest tests/validation/bench/bench_parts.py --benchmark-columns=min,median,max,rounds

# The tests that `make test` leaves out, and the properties with many more examples.
long: $(STAMP)
	HYPOTHESIS_PROFILE=long $(PYTEST) -m "crash or long"

# Touched last and begun from nothing, so that a broken installation is repaired by running again.
$(STAMP): pyproject.toml
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	$(BIN)/python -m tieout.execution.warmup
	touch $@

# VectorBT and Backtrader, which only `make parity` needs.
$(REFERENCE): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,reference]'
	touch $@

clean:
	rm -rf .venv build dist .benchmarks .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
