# Everything runs from a clone with nothing but Python 3.11 to 3.13, make and a package index.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install check format test test-families test-matrix test-vllm demo train docs simulations fuzz clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
OUT ?= out
LIMIT ?= 1000
SWEEP ?= 240
FAMILY ?= llava
WORKERS ?= auto
N ?= 100000
STEPS ?= 4200

# One thread is the fastest for models of a million parameters.
export OMP_NUM_THREADS ?= 1
export TOKENIZERS_PARALLELISM ?= false

help: ## List the targets
	@echo "make TARGET [VARIABLE=value]"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(INSTALLED): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt -e '.[probe,dev]'
	@touch $@

install: $(INSTALLED) ## Make .venv and install the pinned dependencies and this project (editable)

check: $(INSTALLED) ## Lint, formatting, types, and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --strict examples
	$(BIN)/lint-imports

format: $(INSTALLED) ## Format, and fix what ruff can fix
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test: $(INSTALLED) ## Run the tests (no network, no GPU) [WORKERS=n ARGS=...]
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -q -n $(WORKERS) --maxprocesses 8 --dist loadfile --no-loadscope-reorder \
	  -m "not families" $(ARGS)

test-families: $(INSTALLED) ## Run the tests of every architecture alone, those too that make test leaves out [ARGS=...]
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -q -n $(WORKERS) --maxprocesses 8 tests/vrp_tasks/families tests/vrp_tasks/adapters tests/vrp_tasks/capture/test_stripes.py tests/vrp_tasks/capture/test_views.py tests/vrp_tasks/capture/test_proof.py $(ARGS)

# The lowest and the newest transformers that pyproject.toml allows, each in an environment of its own.
# huggingface_hub is what that transformers asks for; all else is pinned.
LOWEST := 5.16.1
NEWEST := 5.24.0
MATRIX := .venv-matrix
MODEL_TESTS := $(addprefix tests/vrp_tasks/,seam capture families adapters access interventions grounding tiny)

$(MATRIX)/%/.installed: pyproject.toml constraints.txt
	test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	grep -ivE '^(transformers|huggingface_hub)==' constraints.txt > $(@D)/constraints.txt
	$(@D)/bin/python -m pip install --disable-pip-version-check --quiet -c $(@D)/constraints.txt \
	  -e '.[probe,dev]' 'transformers==$*'
	@touch $@
.PRECIOUS: $(MATRIX)/%/.installed  # an environment is kept

test-matrix-%: $(MATRIX)/%/.installed
	@$(MATRIX)/$*/bin/python -c 'import transformers as t; assert t.__version__ == "$*", t.__version__'
	HF_HUB_OFFLINE=1 $(MATRIX)/$*/bin/python -m pytest -q -n $(WORKERS) --maxprocesses 8 --dist loadfile \
	  -rs $(MODEL_TESTS) $(ARGS)

test-matrix: ## Run the tests of models with the lowest and the newest transformers, for every night [ARGS=...]
	@failed=; for version in $(LOWEST) $(NEWEST); do \
	  $(MAKE) --no-print-directory test-matrix-$$version || failed="$$failed $$version"; \
	done; test -z "$$failed" || { echo "make test-matrix: failed with transformers$$failed" >&2; exit 1; }

fuzz: $(INSTALLED) ## Attack every reader of strangers' files with N spoilt ones [N=100000 ARGS=--seed n]
	HF_HUB_OFFLINE=1 $(BIN)/python -m tests.fuzz $(N) $(ARGS)

test-vllm: $(INSTALLED) ## Run the tests against vLLM, its server and in one process [VLLM_PYTHON=a Python that has vLLM]
	@test -n "$(VLLM_PYTHON)" || { echo "make test-vllm: say which Python has vLLM: VLLM_PYTHON=…" >&2; exit 1; }
	HF_HUB_OFFLINE=1 VLLM_PYTHON=$(VLLM_PYTHON) $(BIN)/python -m pytest -q tests/vrp_tasks/access/test_vllm.py $(ARGS)

# One run of lmms-eval, its output in a log. lmms-eval exits with 0 after some errors before a run
# begins: what counts is a manifest newer than the start of the run.
# $(1): model, $(2): checkpoint, $(3): tasks, $(4): limit, $(5): log, $(6): model arguments
define evaluate
	@echo "== $(1) on $(3)$(if $(4), (first $(4) questions)): $(OUT)/$(5).log"
	@mkdir -p $(OUT) && touch $(OUT)/$(5).started
	@HF_HUB_OFFLINE=1 $(BIN)/lmms-eval --model $(1) \
	  --model_args pretrained=vrp_tasks/tiny/checkpoints/$(2),device_map=cpu,$(6) \
	  --tasks $(3) --batch_size 1 --log_samples --output_path $(OUT) \
	  $(if $(4),--limit $(4)) > $(OUT)/$(5).log 2>&1 || true
	@find $(OUT)/checkpoints__$(2) -name manifest.json -newer $(OUT)/$(5).started | grep -q . \
	  || { tail -n 20 $(OUT)/$(5).log >&2; echo "make demo: $(1) on $(3) left no complete run" \
	       "folder (manifest.json) in $(OUT)/; the reason is above." >&2; exit 1; }

endef

# $(1): target, $(2): model, $(3): checkpoint
define family
.PHONY: demo-$(1)
demo-$(1): $(INSTALLED)
	@rm -rf $(OUT)/checkpoints__$(3)  # runs of an earlier demo
	$$(call evaluate,$(2),$(3),vrp_shapes,$(LIMIT),$(1),blank_image=true)
	$$(call evaluate,$(2),$(3),$$(sweeps),$(SWEEP),$(1)-sweep,$$(lean))
endef
comma := ,
sweeps := vrp_shapes_robustness$(comma)vrp_shapes_grounding
# the clean pass of a sweep needs neither samples nor stored states
lean := k=0$(comma)hidden_dtype=none
$(eval $(call family,llava,llava_hf,vrp-tiny-llava))
$(eval $(call family,paligemma,paligemma,vrp-tiny-paligemma))
$(eval $(call family,qwen2_vl,qwen2_vl,vrp-tiny-qwen2-vl))
$(eval $(call family,qwen3_vl,vrp_hf,vrp-tiny-qwen3-vl))

demo: $(INSTALLED) ## Probe the four shipped models, two at a time, then build the leaderboard [LIMIT=n SWEEP=n OUT=out]
	@$(MAKE) --no-print-directory -j2 demo-llava demo-paligemma demo-qwen2_vl demo-qwen3_vl
	$(BIN)/python -m leaderboard build $(OUT)/

docs: $(INSTALLED) ## Write docs/metrics.md, and the tables of other pages, anew from docstrings and declarations
	$(BIN)/python docs/build_reference.py
	$(BIN)/python docs/build_tables.py
	HF_HUB_OFFLINE=1 $(BIN)/python -m tests.vrp_tasks.helpers.zoo

simulations: $(INSTALLED) ## Coverage and false alarms of what we print, by simulation, into docs/statistics.md [ARGS=...]
	$(BIN)/python -m benchmarks.simulations $(ARGS)

train: $(INSTALLED) ## Train a shipped model anew, resumable [FAMILY=llava|paligemma|qwen2_vl|qwen3_vl STEPS=n]
	$(BIN)/python -m vrp_tasks.tiny.training --family $(FAMILY) --steps $(STEPS) \
	  --work train_runs/$(FAMILY) \
	  --export vrp_tasks/tiny/checkpoints/vrp-tiny-$(subst _,-,$(FAMILY))

clean: ## Remove what was built or measured, but not .venv, .venv-matrix and train_runs
	rm -rf $(OUT) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis \
	  .import_linter_cache
	find vrp_tasks metrics leaderboard tests -name __pycache__ -type d -prune -exec rm -rf {} +
