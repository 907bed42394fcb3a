"""Cheap branches against the naive way: one `generate` under hooks per variant."""

from contextlib import ExitStack, contextmanager

import pytest
import torch

from tests.vrp_tasks.helpers.random_models import FAMILIES, batch_of, random_architecture
from vrp_tasks.capture.attention import capturing_attention
from vrp_tasks.families import family_of
from vrp_tasks.interventions.ablation import ablated_units, bypassed, n_units
from vrp_tasks.interventions.blocking import blocked_attention
from vrp_tasks.interventions.branches import branch_answers, branched_generate
from vrp_tasks.interventions.pixels import replaced_pixels

R = 3
OPTIONS = {"do_sample": False, "max_new_tokens": 5}


def prepared(name):
    architecture = random_architecture(name)
    return architecture.model, family_of(architecture.model.config), batch_of(architecture)


def unit_rows(n):
    """(3 prompts × R variants, n): every row ablates something else, row 0 nothing."""
    generator = torch.Generator().manual_seed(3)
    rows = torch.rand(3 * R, n, generator=generator) < torch.linspace(0, 0.6, R).repeat(3)[:, None]
    fill = torch.randn(3 * R, n, generator=generator)
    return rows, fill


@contextmanager
def applied(model, family, inputs, which, layer, chosen):
    """The intervention on some of the rows; ``inputs`` may be of one prompt."""
    if which in ("residual", "mlp"):
        rows, fill = unit_rows(n_units(model, family, layer, which))
        with ablated_units(model, family, layer, which, rows[chosen], fill=fill[chosen]):
            yield
    elif which == "bypass":
        every = torch.tensor([False, True, True] * 3)
        with ExitStack() as stack:
            for half in ("mlp", "attention"):
                stack.enter_context(bypassed(model, family, layer, half, rows=every[chosen]))
            yield
    else:
        with blocked_attention(model, family, hidden_rows(model, family, inputs)[chosen]):
            yield


def hidden_rows(model, family, inputs):
    generator = torch.Generator().manual_seed(4)
    tokens = family.image_tokens(model.config, inputs["input_ids"]).repeat_interleave(R, dim=0)
    share = torch.linspace(0, 1, R).repeat(3)[:, None]
    return tokens & (torch.rand(tokens.shape, generator=generator) < share)


def repeated(inputs, model, times=R):
    """Every prompt ``times``, as one batch."""
    out = {}
    for key, value in inputs.items():
        if key == "pixel_values" and value.dim() == 2:  # Qwen2-VL: patches of all images in a row
            sizes = inputs["image_grid_thw"].prod(dim=1).tolist()
            out[key] = torch.cat([part for part in value.split(sizes) for _ in range(times)])
        else:
            out[key] = value.repeat_interleave(times, dim=0)
    return out


@torch.inference_mode()
def naive(model, inputs, references, **options):
    """Answers of a batch, and the clean answers' log-probabilities under teacher forcing."""
    eos = model.generation_config.eos_token_id
    length = inputs["input_ids"].shape[1]
    out = model.generate(**inputs, **OPTIONS, **options)[:, length:].tolist()
    answers = [row[: row.index(eos)] if eos in row else row for row in out]
    if not references:
        return answers, []
    longest = max(map(len, references))
    padded = [reference + [7] * longest for reference in references]
    forced = model.generate(
        **inputs, do_sample=False, max_new_tokens=longest, min_new_tokens=longest,
        output_logits=True, return_dict_in_generate=True,
        prefix_allowed_tokens_fn=lambda row, ids: [padded[row][len(ids) - length]],
    )  # fmt: skip
    logprobs = torch.stack(forced.logits).log_softmax(-1)
    return answers, [
        [float(logprobs[step, row, token]) for step, token in enumerate(reference)]
        for row, reference in enumerate(references)
    ]


CASES = [("residual", 2), ("residual", 5), ("mlp", 5), ("bypass", 4), ("blocked", 0)]
PROCESSORS = {"repetition_penalty": 1.8, "no_repeat_ngram_size": 1, "min_new_tokens": 4}


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize(
    ("which", "layer", "options"),
    [*((*case, {}) for case in CASES), ("residual", 2, PROCESSORS), ("mlp", 5, PROCESSORS)],
)
def test_branches_are_what_hooked_generation_gives(name, which, layer, options):
    model, family, inputs = prepared(name)
    start = layer + 1 if which == "residual" else layer
    found, clean_found = [], []

    def edits(chosen):
        return applied(model, family, inputs, which, layer, chosen)

    def work(clean, answers):
        clean_found.extend(answers)
        state = clean.inputs[start].repeat_interleave(R, dim=0)
        if which == "residual":
            rows, fill = unit_rows(state.shape[-1])
            state = torch.where(rows[:, None], fill[:, None], state)
        found.extend(branch_answers(clean, start, state, edits, answers))

    with torch.inference_mode(), capturing_attention(model):
        sequences = branched_generate(
            model, family, inputs, work, keep=[start], **OPTIONS, **options
        )
        assert torch.equal(sequences, model.generate(**inputs, **OPTIONS, **options))
        references = [a.tokens for a in clean_found for _ in range(R)]
        batch = repeated(inputs, model)
        with edits(torch.arange(3 * R)):
            answers, scores = naive(model, batch, references, **options)
    assert [a.tokens for a in found] == answers
    for own, expected in zip(found, scores, strict=True):
        assert own.clean_logprobs == pytest.approx(expected, abs=2e-4)
    # variant 0 does nothing; the others do something
    assert [a.tokens for a in found[::R]] == [a.tokens for a in clean_found]
    assert [a.clean_logprobs for a in clean_found] == [
        pytest.approx(a.clean_logprobs, abs=2e-4) for a in found[::R]
    ]
    changed = [
        a.clean_logprobs != pytest.approx(b.clean_logprobs, abs=1e-3)
        for variant in (1, 2)
        for a, b in zip(found[variant::R], found[::R], strict=True)
    ]
    assert all(changed)
    if which == "residual":
        assert answers[::R] != answers[2::R]


@pytest.mark.parametrize("name", FAMILIES)
def test_masked_pixels_branch_off_the_embedding(name):
    model, family, inputs = prepared(name)
    batch = repeated(inputs, model)
    generator = torch.Generator().manual_seed(5)
    cells = [
        torch.rand(family.image_grid(model.config, batch, i), generator=generator) < 0.4 * (i % R)
        for i in range(3 * R)
    ]
    edited = replaced_pixels(model.config, family, batch, cells)
    pixel_inputs = {key: edited[key] for key in family.image_inputs}
    found = []

    def work(clean, answers):
        state = clean.embedded(pixel_inputs, R)
        assert torch.allclose(state[::R], clean.inputs[0], atol=1e-5)
        nothing = lambda _: ExitStack()  # noqa: E731
        found.extend(branch_answers(clean, 0, state, nothing, answers))

    with torch.inference_mode(), capturing_attention(model):
        sequences = branched_generate(model, family, inputs, work, keep=[0], **OPTIONS)
        assert torch.equal(sequences, model.generate(**inputs, **OPTIONS))
        answers, _ = naive(model, edited, [])
    assert [a.tokens for a in found] == answers
