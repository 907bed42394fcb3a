"""Interventions on models that nobody declared: as the naive way, or refused with the reason."""

from contextlib import ExitStack, contextmanager, nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tests.vrp_tasks.helpers import zoo
from vrp_tasks.capture.attention import capturing_attention
from vrp_tasks.capture.layouts import Layouts
from vrp_tasks.errors import SetupError
from vrp_tasks.families import Found
from vrp_tasks.interventions import trial
from vrp_tasks.interventions.ablation import ablated_units, bypassed
from vrp_tasks.interventions.blocking import blocked_attention
from vrp_tasks.interventions.branches import _Rows, branch_answers, branched_generate
from vrp_tasks.interventions.clean_pass import CleanPass
from vrp_tasks.interventions.companion import Robustness
from vrp_tasks.interventions.kinds.ablate_residual import AblateResidual
from vrp_tasks.interventions.kinds.base import Group, Prompt
from vrp_tasks.interventions.kinds.mask_attention import _tokens
from vrp_tasks.interventions.settings import SweepSettings
from vrp_tasks.interventions.trial import branching_complaint
from vrp_tasks.seam.cache_name import CACHE

# DeepStack, tiles, norms behind attention and MLP, experts, an image that enters between layers
BRANCHED = (
    "qwen3_vl", "internvl", "glm4v_moe", "granite4_vision", "qwen2_5_vl", "llava_next",
    "idefics3", "kimi_k25", "mistral3", "molmo2", "ovis2", "glm46v", "qwen3_vl_moe",
)  # fmt: skip
REFUSED = {
    "gemma3": "forgets positions",
    "qwen3_5": "forgets positions",
    "mllama": r"has no self_attn\.o_proj",
    "ernie4_5_vl": "cannot be run on their own",
}
OPTIONS = {"do_sample": False, "max_new_tokens": 4}
R = 2
CASES = [("residual", 0), ("residual", 1), ("mlp", 1), ("bypass", 1), ("blocked", 0)]


def every(names):
    return [
        pytest.param(name, marks=() if index < 3 else pytest.mark.families)
        for index, name in enumerate(names)
    ]


def drawn_units(n, seed):
    """Units of one row, and what stands there; none for the first row of each prompt."""
    generator = torch.Generator().manual_seed(seed)
    share = 0.0 if seed % R == 0 else 0.6
    return torch.rand(1, n, generator=generator) < share, torch.randn(1, n, generator=generator)


@contextmanager
def applied(model, family, which, layer, image, seed):
    """An intervention on one row of a batch, drawn by its number; row 0 of each prompt: none."""
    generator = torch.Generator().manual_seed(seed)
    share = 0.0 if seed % R == 0 else 0.6
    with ExitStack() as stack:
        if which in ("residual", "mlp"):
            decoder = family.decoder(model).layers[layer]
            n = model.config.get_text_config().hidden_size
            n = n if which == "residual" else decoder.mlp.down_proj.in_features
            units, fill = drawn_units(n, seed)
            stack.enter_context(ablated_units(model, family, layer, which, units, fill=fill))
        elif which == "bypass" and share:
            for half in ("mlp", "attention"):
                stack.enter_context(bypassed(model, family, layer, half))
        elif which == "blocked":
            drawn = torch.rand(int(image.sum()), generator=generator) < share
            hidden = torch.zeros_like(image)
            hidden[image] = drawn
            stack.enter_context(blocked_attention(model, family, hidden[None]))
        yield


@pytest.mark.parametrize("name", every(BRANCHED))
@pytest.mark.parametrize(("which", "layer"), CASES)
@torch.inference_mode()
def test_branches_are_what_hooked_generation_gives(name, which, layer):
    own = zoo.built(name)
    model, family = own.model, Found(own.model)
    if which == "mlp" and not hasattr(family.decoder(model).layers[layer].mlp, "down_proj"):
        assert "no single down projection" in SweepSettings().refused(model, family)["ablate_mlp"]
        return
    inputs = zoo.prompts(own, shown=(1,))
    image = family.image_tokens(model.config, inputs["input_ids"])[0]
    start = layer + 1 if which == "residual" else layer
    found, clean_answers = {}, []

    def work(clean, answers):
        clean_answers.extend(answers)
        for seed in range(2 * R):
            state = clean.inputs[start]
            if which == "residual":
                units, fill = drawn_units(state.shape[-1], seed)
                group = Group(AblateResidual(), layer, (None,))
                state = AblateResidual().entering(clean, group, state, units, fill)
            with applied(model, family, which, layer, image, seed):
                (found[seed],) = branch_answers(clean, start, state, lambda _: ExitStack(), answers)

    with capturing_attention(model):
        branched_generate(model, family, inputs, work, keep=[start], **OPTIONS)
        (clean,) = clean_answers
        changed = set()
        for seed, answer in found.items():
            with applied(model, family, which, layer, image, seed):
                out = model.generate(
                    **inputs, **OPTIONS, output_logits=True, return_dict_in_generate=True
                )
            tokens = out.sequences[0, inputs["input_ids"].shape[1] :].tolist()
            assert answer.tokens == tokens[: len(answer.tokens)]
            first = out.logits[0][0].float().log_softmax(-1)[clean.tokens[0]]
            assert answer.clean_logprobs[0] == pytest.approx(float(first), abs=5e-4)
            if seed % R:
                changed.add(answer.clean_logprobs[0] != pytest.approx(clean.clean_logprobs[0]))
    assert True in changed


@pytest.mark.parametrize("name", every(BRANCHED))
def test_the_trial_passes_what_branches_rightly(name):
    own = zoo.built(name)
    assert branching_complaint(own.model, Found(own.model), own.processor) is None


@pytest.mark.parametrize(("name", "reason"), REFUSED.items())
def test_what_cannot_branch_is_refused_before_the_sweep(name, reason):
    own = zoo.built(name)
    access = SimpleNamespace(
        model=own.model, family=Found(own.model), processing=lambda: own.processor
    )
    with pytest.raises(SetupError, match=reason):
        Robustness.check(access, "vrp_shapes_robustness", {"robustness": {}})


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_trial_sees_features_that_are_lost_between_layers(monkeypatch, dtype):
    own = zoo.built("qwen3_vl", dtype)
    assert branching_complaint(own.model, Found(own.model), own.processor) is None
    monkeypatch.setattr(CleanPass, "with_added", lambda self, index, output, rows: output)
    said = branching_complaint(own.model, Found(own.model), own.processor)
    assert "the whole model differ by" in said
    assert "in a logit" in said


def test_the_trial_sees_logits_that_are_not_what_the_head_gives():
    """Some models scale them, which bfloat16's step of the largest one would hide."""
    own = zoo.built("internvl", torch.bfloat16)

    def scaled(_module, _args, output):
        output.logits = output.logits * 0.75
        return output

    handle = own.model.register_forward_hook(scaled)
    try:
        said = branching_complaint(own.model, Found(own.model), own.processor)
    finally:
        handle.remove()
    assert "in a logit" in said


def test_the_trial_sees_later_tokens_that_are_read_off_another_cache(monkeypatch):
    own = zoo.built("internvl")
    feed = _Rows._feed

    def forgetful(self, tokens):
        for layer in self.kwargs[CACHE].layers:
            layer.values = torch.zeros_like(layer.values)
        feed(self, tokens)

    monkeypatch.setattr(_Rows, "_feed", forgetful)
    said = branching_complaint(own.model, Found(own.model), own.processor)
    assert "in a log-probability" in said


@pytest.mark.parametrize(
    ("edit", "said"),
    [("ablated_units", "half of the residual units"), ("bypassed", "the MLP of layer")],
)
def test_the_trial_sees_an_edit_that_branches_do_not_make(monkeypatch, edit, said):
    own, stock, entered = zoo.built("internvl"), getattr(trial, edit), []

    def once_left_out(*args, **options):
        entered.append(args)
        return stock(*args, **options) if len(entered) > 1 else nullcontext()

    monkeypatch.setattr(trial, edit, once_left_out)
    assert said in branching_complaint(own.model, Found(own.model), own.processor)


def test_pixels_of_tokens_are_not_known_and_the_rest_is_swept():
    model = zoo.built("qwen2_5_vl").model
    settings = SweepSettings()
    left = settings.offered(model, Found(model))
    assert set(settings.interventions) - set(left.interventions) == {"mask_pixels"}
    assert "known of llava" in settings.refused(model, Found(model))["mask_pixels"]
    with pytest.raises(SetupError, match="known of llava"):
        SweepSettings(interventions=("mask_pixels",)).offered(model, Found(model))


def test_tokens_are_hidden_with_the_cells_that_they_show():
    own = zoo.built("internvl")
    canvas = Layouts(own.model, Found(own.model), own.processor).canvas((48, 72))
    dense = canvas.overlap.toarray()
    prompt = Prompt("0", "", None, canvas.grid, canvas)
    cells = np.zeros(canvas.grid, bool)
    cells[:, : canvas.grid[1] // 2] = True
    hidden = _tokens(cells.ravel(), prompt)
    for token, own_cells in enumerate(dense):
        share = own_cells[cells.ravel()].sum() / own_cells.sum()
        assert hidden[token] == (share > 0.49)
    assert 0 < hidden.sum() < len(hidden)
    assert _tokens(np.ones(dense.shape[1], bool), prompt).all()
    assert not _tokens(np.zeros(dense.shape[1], bool), prompt).any()
