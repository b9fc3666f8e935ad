# The front door: `make help` lists what there is. Every target makes the virtual environment it needs.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help verify test pythons lint format prove prove-cross-check package agreement-2min proofs-20min zoo-30min oracle-15min maps-15min dpor-10min libraries-10min bench-checker bench-explorer bench-hook bench-proofs clean

help: ## List the targets
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-17s %s\n", $$1, $$2}'
	@echo "  The first target that runs on a fresh machine also installs, which takes about a minute."

verify: $(INSTALLED) ## Prove, explore and test the reference maps: one table (about 2 minutes)
	$(BIN)/mapproof verify

test: $(INSTALLED) ## Run the tests of the kit itself; those that hang on the interpreter on the other Pythons too (about 9 minutes)
	$(BIN)/pytest -n auto --dist worksteal
	$(BIN)/python tools/pythons.py

pythons: $(INSTALLED) ## The tests that hang on the interpreter, on each of Python 3.11, 3.12 and 3.13 that is here beside .venv (about 1 minute)
	$(BIN)/python tools/pythons.py

lint: $(INSTALLED) ## ruff, mypy strict and the import contract (about 20 s)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(INSTALLED) ## Put the code into ruff's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

prove: $(INSTALLED) ## The proofs alone (about 30 s)
	$(BIN)/mapproof prove

prove-cross-check: $(INSTALLED) ## The proofs, each obligation put to cvc5 too (about 70 s)
	$(BIN)/mapproof prove --cross-check

package: $(INSTALLED) ## Build the wheel, and run the shipped tests from it outside of the repository (about 1 minute)
	$(BIN)/python tools/check_wheel.py

agreement-2min: $(INSTALLED) ## 100,000 random steps of every system, by Z3 and by compiled Python (about 2 minutes)
	$(BIN)/python tests/proofs/soak_agreement.py 100000

proofs-20min: $(INSTALLED) ## Every mutant run to what it amounts to, every statement needed, random schedules of trace validation (about 20 minutes)
	$(BIN)/python tests/proofs/soak_sync_map.py
	$(BIN)/pytest tests/proofs/soak_shard_rehash.py tests/proofs/soak_provers.py --timeout 1500
	$(BIN)/python tests/proofs/soak_contracts.py
	$(BIN)/python tests/proofs/soak_inference.py
	$(BIN)/python tests/mapproof/soak_validation.py

bench-proofs: $(INSTALLED) ## States a second of the systems beside the goals, and what a minute exhausts of each
	$(BIN)/python benchmarks/proofs.py

zoo-30min: $(INSTALLED) ## Every broken map of the zoo with 5 seeds, every right one in 100,000 schedules (about 30 minutes)
	$(BIN)/python benchmarks/detection.py

oracle-15min: $(INSTALLED) ## Every decider against brute force on 4 million random histories (about 15 minutes)
	$(BIN)/python benchmarks/oracle.py

maps-15min: $(INSTALLED) ## 100,000 schedules and 20 s of real threads for each reference map (about 15 minutes)
	$(BIN)/pytest -n auto -rP tests/impl/soak_maps.py

dpor-10min: $(INSTALLED) ## One schedule of every kind beside brute force, on random programs (about 10 minutes)
	$(BIN)/pytest -n auto -rP tests/stateful_tests/soak_dpor.py

libraries-10min: ## What mapproof says of fifty published classes, in an environment of their own (about 10 minutes)
	$(PYTHON) -m venv .venv-libraries
	.venv-libraries/bin/python -m pip install --quiet --editable . --requirement benchmarks/libraries.txt
	.venv-libraries/bin/python benchmarks/libraries.py

bench-hook: $(INSTALLED) ## What the hook of impl.sync costs where nobody watches, beside the goal
	$(BIN)/python benchmarks/hook.py

bench-explorer: $(INSTALLED) ## Schedules a second beside a bare greenlet loop and the goals, and how soon each strategy finds a bug
	$(BIN)/python benchmarks/explorer.py

bench-checker: $(INSTALLED) ## Time and memory of the checker on a million operations, beside the goals
	$(BIN)/python benchmarks/checker.py

clean: ## Remove the virtual environment and everything that was built
	rm -rf $(VENV) .venv-3.* .venv-libraries build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "mapproof needs Python 3.11 or later; say which one: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "This Python has no venv; on Debian: apt install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@
