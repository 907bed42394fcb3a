# Everything runs from a clone with nothing but Python 3.11 to 3.13, make and a package index.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install check format test demo train clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
OUT ?= out
LIMIT ?= 1600
FAMILY ?= llava
STEPS ?= 4200

# One thread is the fastest for models of a million parameters.
export OMP_NUM_THREADS ?= 1
export TOKENIZERS_PARALLELISM ?= false

help: ## List the targets
	@echo "make TARGET [VARIABLE=value]"
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(INSTALLED): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt -e '.[dev]'
	@touch $@

install: $(INSTALLED) ## Make .venv and install the pinned dependencies and this project (editable)

check: $(INSTALLED) ## Lint, formatting, types, and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(INSTALLED) ## Format, and fix what ruff can fix
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test: $(INSTALLED) ## Run the tests (no network, no GPU)
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -q $(ARGS)

# lmms-eval exits 0 when a run fails: what counts is a manifest newer than the start of the run.
define evaluate
	@echo "== $(1) on vrp_shapes$(if $(LIMIT), (first $(LIMIT) questions))"
	@mkdir -p $(OUT) && touch $(OUT)/.started
	HF_HUB_OFFLINE=1 $(BIN)/lmms-eval --model $(1) \
	  --model_args pretrained=vrp_tasks/checkpoints/$(2),device_map=cpu \
	  --tasks vrp_shapes --batch_size 1 --log_samples --output_path $(OUT) \
	  $(if $(LIMIT),--limit $(LIMIT))
	@find $(OUT) -name manifest.json -newer $(OUT)/.started | grep -q . \
	  || { echo "make demo: the run of $(1) left no complete run folder (manifest.json) in $(OUT)/;" \
	       "the reason is in the messages above." >&2; exit 1; }

endef

demo: $(INSTALLED) ## Probe the three shipped models, then build the leaderboard [LIMIT=n OUT=out]
	@rm -rf $(OUT)/checkpoints__vrp-tiny-*  # runs of an earlier demo
	$(call evaluate,llava_hf,vrp-tiny-llava)
	$(call evaluate,paligemma,vrp-tiny-paligemma)
	$(call evaluate,qwen2_vl,vrp-tiny-qwen2-vl)
	$(BIN)/python -m leaderboard build $(OUT)/

train: $(INSTALLED) ## Train a shipped model anew, resumable [FAMILY=llava|paligemma|qwen2_vl STEPS=n]
	$(BIN)/python -m vrp_tasks.training --family $(FAMILY) --steps $(STEPS) \
	  --work train_runs/$(FAMILY) \
	  --export vrp_tasks/checkpoints/vrp-tiny-$(subst _,-,$(FAMILY))

clean: ## Remove what was built or measured, but not .venv and train_runs
	rm -rf $(OUT) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis \
	  .import_linter_cache
	find vrp_tasks metrics leaderboard tests -name __pycache__ -type d -prune -exec rm -rf {} +
