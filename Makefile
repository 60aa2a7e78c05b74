# The front door. `make` lists what there is; every target sets up .venv first where it needs it.

PYTHON ?= python3
DATASET ?= demo
MODEL ?= rnn,lstm,gru,tfidf,majority
SEED ?= 0,1,2
PART ?=
ARGS ?=
PORT ?= 5000
STORAGE ?= outputs/search.db

VENV := .venv/bin
INSTALLED := .venv/.installed
RAY_INSTALLED := .venv-ray/.installed
BENCH_INSTALLED := .venv/.bench-installed
STORE := $(or $(MLFLOW_TRACKING_URI),sqlite:///mlflow.db)
# MLflow's page with accuracy bars and loss curves; a new store's first experiment is number 1.
HASH := \#
PAGE := $(if $(MLFLOW_TRACKING_URI),,/$(HASH)/experiments/1/runs?compareRunsMode=CHART&workflowType=machine_learning)

# uv does not read pip's settings.
ifdef PIP_FIND_LINKS
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
endif
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help setup sweep test test-survival test-bench test-gpu test-slurm test-ray test-team lint docs ui search-ui \
  tracking-server report serve data bench clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(INSTALLED) ## Install everything into .venv (PYTHON=python3.12 to choose another Python)
	@echo "Ready. Next: make sweep"

sweep: $(INSTALLED) ## Train and compare three cells and two baselines on the demo corpus (DATASET=isot,kaggle MODEL=gru SEED=0,1 ARGS="optimizer.lr=0.001 ...")
	@$(VENV)/python -m rnn_bench -m model=$(MODEL) dataset=$(DATASET) $(if $(filter seed=%,$(ARGS)),,seed=$(SEED)) $(ARGS)

test: $(INSTALLED) ## Run the tests (ARGS=--cov: measure the lines they reach; 90 % must be)
	@$(VENV)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder $(ARGS)

test-survival: $(INSTALLED) ## Kill, double and interrupt runs and whole sweeps, and take their tracking server away
	@$(VENV)/python -m pytest tests/survival/test_one_run.py tests/survival/test_survival.py tests/survival/test_search.py

test-bench: $(BENCH_INSTALLED) ## Make every part of the benchmark on a few articles
	@$(VENV)/python -m pytest tests/benchmarks/test_benchmarks.py

test-gpu: $(INSTALLED) ## Train every network on a GPU, packed, killed and too large (RNN_BENCH_TEST_DEVICE=cpu: what a CPU can pass)
	@$(VENV)/python -m pytest -rs tests/gpu/test_kernel.py tests/gpu/test_training.py tests/gpu/test_graph.py tests/gpu/test_sweeps.py

test-slurm: $(INSTALLED) ## Run a sweep on a real Slurm of two nodes on this machine (root; apt install slurm-wlm postgresql)
	@$(VENV)/python -m pytest -rs tests/clusters/test_slurm.py

test-ray: $(RAY_INSTALLED) ## Run a sweep on a real Ray of two nodes on this machine (apt install postgresql)
	@.venv-ray/bin/python -m pytest -rs tests/clusters/test_ray.py

test-team: $(INSTALLED) ## Share a record on a real PostgreSQL and S3 on this machine (apt install postgresql)
	@$(VENV)/python -m pytest -rs tests/clusters/test_team.py

lint: $(INSTALLED) ## Check style, types, which module imports which, and the generated documents
	@failed=0; for check in 'ruff check' 'ruff format --check' mypy 'lint-imports --no-logo' \
	  'python -m rnn_bench.config.reference --check'; do \
	$(VENV)/$$check || failed=1; done; exit $$failed

docs: $(INSTALLED) ## Write docs/configuration.md anew from the schemas
	@$(VENV)/python -m rnn_bench.config.reference

ui: $(INSTALLED) ## Show the recorded runs in MLflow's pages (PORT=5001 to choose another port)
	@case '$(STORE)' in \
	http*) echo 'The runs are on a server already. Open $(STORE)'; exit;; \
	sqlite:///mlflow.db) [ -e mlflow.db ] || { echo 'There are no runs yet. Make some: make sweep' >&2; exit 1; };; \
	esac; \
	echo 'In a few seconds, open http://127.0.0.1:$(PORT)$(PAGE)'; echo 'Ctrl-C ends it.'; \
	MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false MLFLOW_DISABLE_TELEMETRY=true MLFLOW_LOGGING_LEVEL=ERROR \
	PYTHONWARNINGS=ignore exec $(VENV)/mlflow ui --backend-store-uri '$(STORE)' --host 127.0.0.1 \
	  --port $(PORT) --workers 1 --uvicorn-opts '--log-level warning'

search-ui: $(INSTALLED) ## Show the trials of searches in Optuna's dashboard (PORT=5001 to choose another port, STORAGE=outputs/search.db)
	@[ -e '$(STORAGE)' ] || { echo 'There is no search yet. Make one: .venv/bin/python -m rnn_bench +experiment=search' >&2; exit 1; }
	@exec $(VENV)/optuna-dashboard 'sqlite:///$(STORAGE)' --host 127.0.0.1 --port $(PORT)

# MLflow reads these where they are set; so it does MLFLOW_S3_ENDPOINT_URL and AWS's own variables.
tracking-server: export MLFLOW_BACKEND_STORE_URI ?= sqlite:///server/mlflow.db
tracking-server: export MLFLOW_ARTIFACTS_DESTINATION ?= server/artifacts
tracking-server: export MLFLOW_SERVER_ALLOWED_HOSTS ?= 127.0.0.1:$(PORT),localhost:$(PORT)
tracking-server: $(INSTALLED) ## Serve a team's record on 127.0.0.1 (PORT=5001 ...; docs/clusters.md has the settings)
	@case "$$MLFLOW_BACKEND_STORE_URI" in sqlite:///server/*) mkdir -p server;; esac
	@echo "A record for a team: http://127.0.0.1:$(PORT) in a few seconds. Ctrl-C ends it."
	@echo "Whoever records there: export MLFLOW_TRACKING_URI=http://127.0.0.1:$(PORT)"
	@MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false MLFLOW_DISABLE_TELEMETRY=true MLFLOW_LOGGING_LEVEL=ERROR \
	PYTHONWARNINGS=ignore exec $(VENV)/mlflow server --host 127.0.0.1 --port $(PORT) --workers 1 \
	  --serve-artifacts --uvicorn-opts '--log-level warning'

report: $(INSTALLED) ## Write the report on the latest sweep to reports/ (ARGS="--sweep ID --out FOLDER")
	@$(VENV)/python -m rnn_bench.report $(ARGS)

serve: $(INSTALLED) ## Answer texts over HTTP with a run's model (RUN=run id or model URI, PORT=5001 to choose another port)
	@[ -n '$(RUN)' ] || { echo 'Which model? make serve RUN=a run id, or a model URI such as models:/NAME@champion' >&2; exit 2; }
	@MLFLOW_DISABLE_TELEMETRY=true exec $(VENV)/python -m rnn_bench.serving serve '$(RUN)' --port $(PORT) $(ARGS)

data: $(INSTALLED) ## Fetch the two fake-news corpora from Kaggle into data/ and prepare them
	@for corpus in isot kaggle; do $(VENV)/python -m rnn_bench.data fetch $$corpus || exit; done
	@for corpus in isot kaggle; do $(VENV)/python -m rnn_bench.data prepare $$corpus || exit; done

bench: $(BENCH_INSTALLED) ## Measure the speed beside a naive loop and Keras, in 25 minutes (PART="single sweep" ARGS=--quick)
	@$(VENV)/python -m benchmarks $(PART) $(ARGS)

clean: ## Remove .venv, .venv-ray, caches and build output; never data, records, reports or results
	@rm -rf .venv .venv-ray build dist *.egg-info .coverage .coverage.* \
	  .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .grimp_cache
	@find rnn_bench tests benchmarks -name __pycache__ -prune -exec rm -rf {} +

# --- .venv ----------------------------------------------------------------------------------------
# Brought up to date if pyproject.toml or constraints.txt changed; made anew if it is unfinished,
# does not run, or was copied here from another folder.

UV := $(shell command -v uv 2>/dev/null)
CREATE := $(if $(UV),uv venv --quiet --allow-existing --python $(PYTHON),$(PYTHON) -m venv)
PIP := $(if $(UV),uv pip install --quiet --compile-bytecode --python $(VENV)/python,$(VENV)/python -m pip install -qq)
NEW_ENOUGH := -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
OURS := [ "$$(cat $(INSTALLED) 2>/dev/null || echo '$(CURDIR)')" = '$(CURDIR)' ]
SOUND := [ ! -e .venv/.unfinished ] && $(VENV)/python $(NEW_ENOUGH) && $(OURS) \
  $(if $(UV),,&& $(VENV)/python -m pip --version >/dev/null 2>&1)

ifneq ($(shell $(VENV)/python $(NEW_ENOUGH) && cat $(INSTALLED) 2>/dev/null),$(CURDIR))
.PHONY: $(INSTALLED)
endif

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) $(NEW_ENOUGH) || { echo "Python 3.11 or newer is needed, and $(PYTHON) is not." \
	"Name one that is: make setup PYTHON=python3.12" >&2; exit 1; }
	@$(if $(UV),,$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	echo '$(PYTHON) has no venv module. On Debian and Ubuntu: apt install python3-venv' >&2; exit 1; })
	@$(SOUND) || rm -rf .venv
	@mkdir -p .venv && touch .venv/.unfinished && rm -f $@
	@[ -e $(VENV)/python ] || $(CREATE) .venv
	@echo 'Installing into .venv (one to three minutes) ...'
	@$(PIP) -c constraints.txt -e '.[dev]'
	@rm .venv/.unfinished && echo '$(CURDIR)' > $@

$(BENCH_INSTALLED): $(INSTALLED)
	@echo 'Installing Keras and JAX into .venv ...'
	@$(PIP) -c constraints.txt -e '.[bench]'
	@touch $@

# Hydra's Ray launcher wants an older cloudpickle than the rest: it has an environment of its own.
$(RAY_INSTALLED): pyproject.toml constraints.txt
	@rm -rf .venv-ray
	@$(CREATE) .venv-ray
	@grep -v '^cloudpickle' constraints.txt > .venv-ray/constraints.txt
	@echo 'Installing into .venv-ray (one to three minutes) ...'
	@$(subst $(VENV),.venv-ray/bin,$(PIP)) -c .venv-ray/constraints.txt -e '.[dev,ray]'
	@touch $@
