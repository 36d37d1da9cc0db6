# The commands of the project. 'make' lists them.

SHELL := /bin/bash
# Without rc files, which bash reads where SSH started make, and which -u breaks; nor
# (by -p) BASH_ENV's, whose words make would take for its own, nor a reader's functions.
.SHELLFLAGS := --norc -peuo pipefail -c
.ONESHELL:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
# What is built for minutes, and JupyterLab's address, are shown as they come.
MAKEFLAGS += --no-print-directory --output-sync=none
# Another Python's, with which .venv would begin to fail.
unexport PYTHONHOME PYTHONPATH PYTHONSAFEPATH
# With them pip installs elsewhere, or nothing, or refuses what the lock names.
unexport PIP_PYTHON PIP_TARGET PIP_PREFIX PIP_ROOT PIP_DRY_RUN
unexport PIP_CONSTRAINT PIP_NO_BINARY PIP_REQUIRE_HASHES

BIN := .venv/bin
K8SLAB := $(BIN)/k8slab
PYTEST := $(BIN)/python -m pytest --durations=10
STAMP := .venv/.installed
OUT := artefacts

.PHONY: help
help: ## list the commands
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1\t\2/p' Makefile | expand -t 16

# A clone that was moved or copied: what is in .venv names the place where it was made.
ifneq ($(wildcard $(BIN)/k8slab),)
  $(shell [ ! -x $(BIN)/python ] || $(BIN)/python -IS lib/booktools/moved.py .venv)
endif
# A Python that was upgraded or removed: what is in .venv is of the one before.
ifneq ($(wildcard $(STAMP)),)
  $(shell $(BIN)/python -Ic 'import pip' 2>/dev/null || rm -f $(STAMP))
endif

# The environment: quick when the lock did not change.

$(STAMP): requirements.lock pyproject.toml
	@lock=$$(sha256sum requirements.lock pyproject.toml | sha256sum | cut -c1-64)
	if [ -x $(BIN)/python ] && [ "$$(cat $(STAMP) 2>/dev/null)" = "$$lock" ]; then
	  touch $(STAMP)
	  exit 0
	fi
	fits='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))'
	python=
	for name in python3 python3.13 python3.12 python3.11; do
	  if command -v $$name >/dev/null && $$name -c "$$fits"; then python=$$name; break; fi
	done
	if [ -z "$$python" ]; then
	  cure='put one of them on the PATH'
	  seen=$$(python3 --version 2>&1) || { seen='no python3' cure='apt-get install python3'; }
	  for name in python3.13 python3.12 python3.11; do
	    if apt-cache show $$name >/dev/null 2>&1; then cure="apt-get install $$name $$name-venv"; break; fi
	  done
	  echo "Python 3.11, 3.12 or 3.13 is needed, and here is $$seen: $$cure" >&2
	  exit 3
	fi
	if ! $$python -c 'import ensurepip, venv' 2>/dev/null; then
	  if [ "$$(id -u)" != 0 ]; then
	    echo "$$python has no venv: apt-get install $$python-venv" >&2
	    exit 3
	  fi
	  echo "installing $$python-venv"
	  # A new machine may be at its first upgrade, which is waited for.
	  apt='apt-get -qq -y -oDPkg::Lock::Timeout=600'
	  $$apt install $$python-venv || {
	    for try in $$(seq 60); do
	      said=$$(LC_ALL=C $$apt update 2>&1) && break
	      case $$said in *'get lock'*) sleep 10 ;; *) echo "$$said" >&2; break ;; esac
	    done
	    $$apt install $$python-venv
	  }
	fi
	# Also one that is half made, or of another Python.
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $$python -m venv --clear .venv
	echo 'installing what requirements.lock names into .venv'
	export PIP_USER=0 # there is no other place, whatever pip.conf says
	# uv reads no pip.conf, which may name the index that is reached from here.
	if ! command -v uv >/dev/null ||
	  ! uv pip install --quiet --compile-bytecode --python $(BIN)/python --no-deps --require-hashes -r requirements.lock ||
	  ! uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .; then
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --require-hashes -r requirements.lock
	  $(BIN)/python -m compileall -qq -j 0 .venv/lib || : # a few files are of another Python
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	  if [ ! -x $(K8SLAB) ]; then
	    echo "pip installed elsewhere than in .venv: see 'target', 'prefix' and 'root' in: $(BIN)/python -m pip config list" >&2
	    exit 3
	  fi
	fi
	echo "$$lock" > $(STAMP)

.PHONY: setup
setup: $(STAMP) ## prepare this computer: .venv, Debian packages, the bundle
	@$(K8SLAB) setup
	$(K8SLAB) bundle build

# What a reader does.

.PHONY: lab
lab: up ## bring the lab up and open JupyterLab beside it; Ctrl-C ends JupyterLab only
	@echo 'JupyterLab: open the address below. Ctrl-C ends it; the lab stays until make down.'
	exec $(K8SLAB) book open

.PHONY: up
up: setup ## bring the lab up, or find it healthy
	@$(K8SLAB) up

.PHONY: down
down: $(STAMP) ## remove the lab and everything that belongs to it
	@$(K8SLAB) down

.PHONY: book
book: $(STAMP) ## build the web book into _build/html; needs no lab
	@rm -rf _build/html _build/.doctrees # a warning in a page already read is not repeated
	$(BIN)/jupyter-book build . -n -W --keep-going
	echo 'open _build/html/index.html'

# What a developer does.

.PHONY: lint
lint: $(STAMP) ## ruff, mypy and the arrows between packages
	@$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: check
check: $(STAMP) ## what to run before each commit: lint, quick unit tests, book tests; no root, no lab
	@said=$$(mktemp) lint=
	trap 'rm -f "$$said"; [ -z "$$lint" ] || kill $$lint 2>/dev/null || :' EXIT
	$(MAKE) lint >"$$said" 2>&1 & # the tests leave it time enough
	lint=$$! code=0
	$(PYTEST) tests/unit tests/book -m 'not slow' -n 4 --dist worksteal --timeout=300 || code=$$?
	wait $$lint || code=$$?
	lint=
	cat "$$said"
	exit $$code

.PHONY: test
test: $(STAMP) ## everything: lint, unit, book, cluster, browser, chapters; in labs of its own
	@exec $(BIN)/python tests/everything.py

.PHONY: soak
soak: setup ## the proofs that take long
	@mkdir -p $(OUT)
	K8SLAB_REQUIRED=1 $(PYTEST) tests/soak -s --durations=0 --junitxml=$(OUT)/soak.xml

.PHONY: hosts
hosts: setup ## go the whole way on stock Debian 12 and 13 and on this computer; an hour or two where guests are emulated
	@$(K8SLAB) setup --guests
	K8SLAB_REQUIRED=1 $(PYTEST) tests/hosts -s --junitxml=$(OUT)/hosts.xml

.PHONY: bench
bench: setup ## measure, and write bench/RESULTS.md; RUNS=5 of each
	@$(BIN)/python -m bench $(if $(RUNS),--runs $(RUNS))

.PHONY: execute
execute: $(STAMP) ## execute all chapters on the running lab and store their outputs
	@$(K8SLAB) book run

.PHONY: bump
bump: $(STAMP) ## COMPONENT=... VERSION=...: give a component another version, everywhere
	@$(K8SLAB) bundle bump '$(COMPONENT)' '$(VERSION)'

.PHONY: lock
lock: ## renew requirements.lock and environment.yml from pyproject.toml; needs uv
	@command -v uv >/dev/null || { echo 'uv is needed: $(BIN)/pip install uv, then PATH="$(BIN):$$PATH" make lock' >&2; exit 3; }
	uv pip compile pyproject.toml --quiet --no-header --no-emit-index-url --upgrade \
	  --group book --group lab --group test --universal --generate-hashes -o requirements.lock
	$(MAKE) environment

.PHONY: environment
environment: $(STAMP) ## write environment.yml from pyproject.toml
	@$(BIN)/python -m booktools.conda_environment

.PHONY: clean
clean: ## remove what was built here; .venv, the bundle and labs stay
	@rm -rf _build $(OUT) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find . -path ./.venv -prune -o \( -name __pycache__ -o -name .ipynb_checkpoints \) -print0 | xargs -0r rm -rf
