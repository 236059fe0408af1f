# The doors for people; `make` lists them. What they need installs itself into .venv.
SHELL := bash
VENV := .venv
PY := $(VENV)/bin/python
PORT ?= 8501
PYTHON ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run check test days bench torture format clean free-port

help: ## List these targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' Makefile

run: free-port $(VENV)/installed ## Start the dashboard on http://127.0.0.1:8501 (another port: make run PORT=8502).
	@exec $(PY) -m streamlit run app.py --server.address 127.0.0.1 --server.port $(PORT)

check: $(VENV)/installed-for-tests ## Style, types, import rules and all tests but browser, processes and torture.
	@$(PY) tests/checks.py check

test: $(VENV)/installed-for-tests ## Run every check: style, types, import rules, then the tests with a real PostgreSQL and browser.
	@$(PY) tests/chromium.py
	@$(PY) tests/checks.py test

bench: $(VENV)/installed-for-tests ## Measure what the README promises, on both databases (about 8 minutes).
	@$(PY) -m tests.bench

days: $(VENV)/installed-for-tests ## Run all tests but the browser's on each hard day, with all processes' time moved (about 2 hours; one: make days DAY=2028-02-29T12:00).
	@$(PY) -m tests.faketime
	@$(PY) -m tests.live_days $(DAY)

torture: $(VENV)/installed-for-tests ## Do to the sync what it must survive, at length, and count what was lost, twice or wrong (about half an hour).
	@$(PY) -m tests.torture

format: $(VENV)/installed-for-tests ## Rewrite the code in the project's style.
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

clean: ## Remove the environment and everything built; the database below data/ stays.
	rm -rf $(VENV) build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

free-port:
	@.ci/free-port '$(PORT)'

# Normal (not order-only) prerequisites: an environment whose Python is gone or was upgraded is installed anew.
$(PY):
	@python=$$(.ci/find-python $(PYTHON)) && "$$python" -m venv --clear $(VENV)

$(VENV)/installed: requirements.txt $(PY)
	@echo "Installing what the dashboard needs into $(VENV) (once, about a minute) ..."
	@$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/installed-for-tests: requirements-dev.txt $(VENV)/installed
	@echo "Installing what the tests need into $(VENV) (once, about a minute) ..."
	@$(PY) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
