"""`docs/families.md`: what each architecture offers, by what the checks say of its build."""

from __future__ import annotations

from pathlib import Path

from tests.vrp_tasks.helpers import zoo
from tests.vrp_tasks.helpers.zoo.recipes import ONLY, RECIPES
from vrp_tasks.access.tried import geometry_of
from vrp_tasks.capture.proof import PASSED, prove
from vrp_tasks.families import Found
from vrp_tasks.families.adapters import adapters_of
from vrp_tasks.interventions.settings import SweepSettings
from vrp_tasks.interventions.trial import branching_complaint

FILE = Path(__file__).parents[4] / "docs" / "families.md"
SHAPES = ((48, 72),)
_ROWS = "attention rows are those that layers used"
_HEAD = """# Architectures

Made by `python -m tests.vrp_tasks.helpers.zoo` from small random builds of the real classes, with real processors; `tests/vrp_tasks/families/test_zoo_table.py` compares it with them.
Of every architecture below the tests see that greedy answers equal `generate`, also in batches with padding and of one, no and two images; that samples at a
temperature of almost 0 are the greedy answer; and that attention rows and states, of the prompt and of the answer, equal an eager pass (float32).

Other types of `AutoModelForImageTextToText` are taken as they come: the [checks at load](access.md#what-is-tried-at-load) say what can be had of them.
Token confidence, consistency and probes on hidden states are offered on all. *Rows* says which decoder layers attend with a softmax, so that there are attention rows;
*maps* whether image tokens are on a grid, of one picture or of several (tiles, an overview), as [measured](access.md#what-is-tried-at-load); *shares* whether attention and MLP sum to what a layer adds (logit lens by parts);
*interventions* whether its layers can be run again on their own ([robustness](robustness.md)).
Shipped families (LLaVA 1.5, PaliGemma, Qwen2-VL) are declared, and stand here as what is found on them.

| architecture | `--model` | rows | maps | shares | interventions | what is special |
|---|---|---|---|---|---|---|
"""  # noqa: E501 - Markdown


def document() -> str:
    """The whole file."""
    return _HEAD + "".join(row(name) + "\n" for name in zoo.NAMES)


def row(name: str) -> str:
    """One architecture's line."""
    own = zoo.built(name)
    family = Found(own.model)
    proof = prove(own.model, family, zoo.prompts(own))
    stops = ("capture leaves logits alone", "greedy answers are stock", "cold samples are greedy")
    assert all(proof.checks[check] == PASSED for check in stops)
    adapters = ", ".join(f"`{name}`" for name in adapters_of(own.model.config.model_type))
    special = " ".join([*(RECIPES[name].__doc__ or "").split(), *_versions(name)])
    cells = [
        name,
        adapters,
        _rows(proof.checks[_ROWS]),
        _maps(own, family, proof.lacks.get("attention")),
        "yes" if "attribution" not in proof.lacks else f"INVALID: {proof.lacks['attribution']}",
        _interventions(own, family),
        special,
    ]
    return "| " + " | ".join(cells) + " |"


def _versions(name: str) -> list[str]:
    versions, why = ONLY.get(name, ("", ""))
    return [f"Needs transformers {versions}: {why}."] if versions else []


def _maps(own: zoo.Built, family: Found, why: str | None) -> str:
    family.lacks = {} if why is None else {"attention": why}
    found = geometry_of(own.model, family, own.processor, shapes=SHAPES)
    if found.complaint is not None:
        return f"INVALID: {found.complaint}"
    return "yes" if found.layouts is None else "yes, over several pictures"


def _interventions(own: zoo.Built, family: Found) -> str:
    complaint = branching_complaint(own.model, family, own.processor)
    if complaint is not None:
        return f"refused: {complaint}"
    refused = SweepSettings().refused(own.model, family)
    return f"yes, but {', '.join(f'`{name}`' for name in refused)}" if refused else "yes"


def _rows(said: str) -> str:
    if said.startswith(f"{PASSED} in all"):
        return "all layers"
    return said.removeprefix(f"{PASSED} in ").split(";")[0]
