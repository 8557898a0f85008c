# Everything a person runs here. `make demo` and `make test` each work on a fresh clone of a fresh
# Debian machine with python3 (and its venv module), make and git.

PYTHON ?= python3
# Processes that run tests side by side; 0 for one that can be watched.
JOBS ?= 2
bin := .venv/bin
# An outer virtual environment or module path must not leak into ours.
unexport PYTHONPATH VIRTUAL_ENV PYTHONHOME

.DEFAULT_GOAL := help
.PHONY: help demo test test-long lint format docs bench lock clean debian

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

demo: .venv/user ## Draw pictures, scan them, write a report: the main job in a minute
	$(bin)/tutela demo

test: .venv/develop debian ## Run all tests but the long profiles
	$(bin)/pytest -m 'not long' -n $(JOBS) --dist loadfile $(ARGS)

test-long: .venv/develop debian ## Run the long profiles (minutes to an hour)
	$(bin)/pytest -m long --timeout 7200 $(ARGS)

lint: .venv/develop ## Check style, types, the rooms' import contract and the generated docs
	$(bin)/ruff check .
	$(bin)/ruff format --check .
	$(bin)/mypy
	$(bin)/lint-imports
	$(bin)/python tools/generate_docs.py --check
	$(bin)/python tools/translations.py --check
	$(bin)/python tools/check_onions.py

format: .venv/develop ## Mend what can be mended by itself
	$(bin)/ruff check --fix .
	$(bin)/ruff format .

docs: .venv/develop ## Write the generated pages of docs/reference
	$(bin)/python tools/generate_docs.py

bench: .venv/develop debian ## Measure beside the peers; ONLY=pdq|match|scan|casework|exchange|fetch|pages|leads|crawl|chat for one subject
	$(bin)/python bench/run.py $(ONLY)

lock: ## Renew requirements/*.txt (needs uv)
	uv pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-header --no-annotate requirements/user.in -o requirements/user.txt
	uv pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-header --no-annotate -c requirements/user.txt requirements/develop.in -o requirements/develop.txt

clean: ## Remove the environment and caches
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build

# Peers such as pdqhash are compiled on installation, hence the Debian packages first.
debian:
	@tools/debian-packages requirements/debian-test.txt

.venv/user: requirements/user.txt pyproject.toml
	test -x $(bin)/python || $(PYTHON) -m venv .venv
	$(bin)/pip install -q --disable-pip-version-check --require-hashes -r requirements/user.txt
	$(bin)/pip install -q --disable-pip-version-check --no-deps -e .
	@touch $@

.venv/develop: .venv/user requirements/develop.txt | debian
	$(bin)/pip install -q --disable-pip-version-check --require-hashes -r requirements/develop.txt
	@touch $@
