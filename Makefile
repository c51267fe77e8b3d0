# Everything a developer does here, from a machine with nothing but Python and make. `make help` lists it.

VENV    ?= .venv
# Three on two cores: the suites wait for processes and deadlines a third of their time.
WORKERS ?= 3
SEEDS   ?= 100000
CASES   ?= 1000
PYTHON  ?= $(firstword $(foreach candidate,python3 python3.14 python3.13 python3.12 python3.11,$(shell \
	$(candidate) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(candidate))))

BIN       := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PYTEST    := $(BIN)/python -m pytest

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test test-18 test-containers slow check lint types imports format format-check \
	bench bench-long bench-rewards bench-jobs seed-million simulate mutants fuzz fuzz-laws fuzz-http audit sbom rules check-deploy lock clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

run: $(INSTALLED) ## Start everything for development: servers, PDI simulator, web, worker (Ctrl-C stops it)
	@$(BIN)/loyalty dev --with-parent

# --- what gates a change

check: lint types imports format-check test ## All that gates a change; CI runs this

test: $(INSTALLED) ## Run the suites and hold the coverage (the core: every branch)
	@rm -f .coverage .coverage.*
	$(BIN)/coverage run -m pytest -n $(WORKERS) -m "not slow" || { \
		echo "What failed beside all the others is run once more by itself; what fails again fails the check." \
		&& $(BIN)/coverage run -m pytest --last-failed --last-failed-no-failures none -m "not slow"; }
	@$(BIN)/coverage combine -q
	@echo "Coverage of the core, which must be complete:"
	@$(BIN)/coverage report --include='loyalty_core/*' --fail-under=100
	@echo "Coverage of the rest:"
	@$(BIN)/coverage report --omit='loyalty_core/*' --fail-under=90

lint: $(INSTALLED) ## Judge the code with ruff
	$(BIN)/ruff check

types: $(INSTALLED) ## Check every type, strictly
	$(BIN)/mypy

imports: $(INSTALLED) ## Check who may import whom
	$(BIN)/lint-imports

format: $(INSTALLED) ## Format the code
	$(BIN)/ruff check --fix --quiet --exit-zero
	$(BIN)/ruff format

format-check: $(INSTALLED)
	$(BIN)/ruff format --check

# --- the same suites on other servers

ON_THE_DATABASE := tests/contracts $(addprefix tests/integration/,jobs postgres programs reconciliation)

test-18: $(INSTALLED) ## Run the suites that use the database on PostgreSQL 18
	LOYALTY_TEST_POSTGRES=18 $(PYTEST) -n $(WORKERS) -m "not slow" $(ON_THE_DATABASE) \
		|| LOYALTY_TEST_POSTGRES=18 $(PYTEST) --last-failed --last-failed-no-failures none -m "not slow" $(ON_THE_DATABASE)

test-containers: $(INSTALLED) ## Run the suites on the images of docker/compose.yaml (needs a Docker engine)
	LOYALTY_TEST_SERVERS=containers $(PYTEST) -n $(WORKERS) -m "not slow"

# --- what takes longer

slow: $(INSTALLED) ## Run the suites that take long or need the machine to themselves
	$(PYTEST) -m slow --timeout=3600

fuzz: fuzz-laws fuzz-http ## Search long for what breaks the laws of points, or the description of the calls

fuzz-laws: $(INSTALLED)
	HYPOTHESIS_PROFILE=long $(PYTEST) -n $(WORKERS) --timeout=3600 tests/properties

fuzz-http: $(INSTALLED) ## CASES=1000 generated calls for each call and phase, and all hostile inputs on every call
	LOYALTY_FUZZ_CASES=$(CASES) $(PYTEST) -n $(WORKERS) --timeout=7200 tests/hostile

simulate: $(INSTALLED) ## Run SEEDS=100000 simulated histories of faults
	LOYALTY_SIMULATION_SEEDS=$(SEEDS) $(PYTEST) -n $(WORKERS) --timeout=0 tests/simulation

mutants: $(INSTALLED) ## Change the domain in small ways; the tests must notice each one
	$(BIN)/mutmut run

bench: $(INSTALLED) ## Measure against floors taken in the same run (minutes)
	$(BIN)/python -m tests.benchmarks

bench-long: $(INSTALLED) ## Measure what only time shows: memory, latency growth, a large database
	$(BIN)/python -m tests.benchmarks --long

bench-rewards: $(INSTALLED) ## Measure the reward calculation beside another rule engine
	$(BIN)/python -m tests.benchmarks.rewards

# --- deployment

rules: ## Make the PrometheusRule of docker/prometheus/alerts.yaml, the one copy that is edited
	@$(PYTHON) k8s/prometheus_rule.py > k8s/components/monitoring/prometheus-rule.yaml

# Each tool is asked for first, so that what is missing is told at once, and nothing passes for want of a tool.
audit: $(INSTALLED) ## Ask whether a pinned package is known to be weak (ADVISORIES=folder or zip: without the network)
	$(BIN)/python -m tests.supply_chain audit

sbom: $(INSTALLED) ## List what a deployment installs, with its hashes, in build/sbom.cdx.json (CycloneDX)
	$(BIN)/python -m tests.supply_chain sbom build/sbom.cdx.json

check-deploy: $(INSTALLED) ## Judge the image, the compose file, the manifests, the alerts and the dashboard
	@missing=; \
	kubectl version --client >/dev/null 2>&1 || missing="$$missing\n  kubectl: of your cluster's version, or Debian's kubernetes-client"; \
	promtool --version >/dev/null 2>&1 || missing="$$missing\n  promtool: Debian's prometheus, or a release of Prometheus"; \
	docker compose version >/dev/null 2>&1 || missing="$$missing\n  docker compose: version 2; Debian 13's docker-compose. No engine has to run"; \
	test -z "$$missing" || { printf "To judge the deployment, install:$$missing\n" >&2; exit 1; }
	$(BIN)/hadolint docker/Dockerfile
	docker compose --file docker/compose.yaml --profile watch config --quiet
	@for overlay in dev production; do \
		echo "k8s/overlays/$$overlay:" && kubectl kustomize k8s/overlays/$$overlay | $(BIN)/python -m tests.deploy.rendered || exit 1; \
	done
	promtool check config docker/prometheus/prometheus.yaml
	promtool test rules docker/prometheus/alerts_test.yaml
	$(BIN)/python -m tests.deploy.asked | promtool check rules /dev/stdin
	$(PYTEST) -q -n 0 tests/deploy

bench-jobs: $(INSTALLED) ## Measure the jobs on a million sessions, and finalizes beside the archive (minutes)
	$(BIN)/python -m tests.benchmarks.jobs

seed-million: $(INSTALLED) ## Start a database with a million sessions in it (a minute; Ctrl-C throws it away)
	$(BIN)/python -m tests.benchmarks.seed --sessions 1000000

# --- the environment

lock: $(INSTALLED) ## Resolve the dependencies again into requirements.lock
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--no-emit-index-url --all-extras --group dev pyproject.toml -o requirements.lock
	@! grep -n '://' requirements.lock || { echo "requirements.lock names a URL: it must not depend on this machine" >&2; exit 1; }

clean: ## Remove the virtual environment, the caches and the build; the data in .loyalty stays
	rm -rf $(VENV) build dist mutants *.egg-info .coverage .coverage.* \
		.mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.venv*' -prune -exec rm -rf {} +

# uv, pinned in the lock like everything else, installs the set in seconds; where it has no build, or cannot reach
# what pip is configured to reach, pip does the same from the same file.
$(INSTALLED): requirements.lock pyproject.toml
	@$(if $(PYTHON),:,echo "Python 3.11 or later with its venv module is needed and none was found (on Debian: apt install python3-venv); make PYTHON=/path/to/python uses yours." >&2; exit 1)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; $(PYTHON) is %s." % sys.version.split()[0])'
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
		|| { echo "$(PYTHON) has no venv module (on Debian: apt install python3-venv)." >&2; exit 1; }
	@echo "Installing the locked set into $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@awk '/^uv==/ { found = 1 } found { print } found && !/\\$$/ { exit }' requirements.lock > $(VENV)/uv.txt
	@VIRTUAL_ENV=$(abspath $(VENV)); export VIRTUAL_ENV; \
	if $(BIN)/pip install -q --require-hashes --only-binary :all: -r $(VENV)/uv.txt \
		&& $(BIN)/uv pip install -q --require-hashes -r requirements.lock; \
	then $(BIN)/uv pip install -q --no-deps --no-build-isolation -e .; \
	else echo "uv could not; pip takes a little longer ..." \
		&& $(BIN)/pip install -q --require-hashes -r requirements.lock \
		&& $(BIN)/pip install -q --no-deps --no-build-isolation -e .; \
	fi
	@touch $@
