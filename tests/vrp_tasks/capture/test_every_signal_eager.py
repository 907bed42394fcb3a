"""Every captured signal from the model's own attention, states and logits in float64.

Stock transformers, eager, one prompt at a time; `plain_signals` makes the signals of them. What
the capture does in one batched prefill and decode has to give the same.
"""

from functools import cache

import numpy as np
import pytest
import torch

from tests.vrp_tasks.helpers.eager_reading import Reader, Sampling
from tests.vrp_tasks.helpers.plain_signals import FORMULAS, Probe
from tests.vrp_tasks.helpers.produced_signals import produced
from tests.vrp_tasks.helpers.random_models import FAMILIES, QUESTIONS, batch_of, random_architecture
from vrp_tasks.capture import CaptureSettings, probed_generate, visual_tokens
from vrp_tasks.capture.attention import capturing_attention
from vrp_tasks.capture.observer import Subjects
from vrp_tasks.families import family_of

TARGETS = (["yes"], ["3", "three"], ["no"])
SAMPLING = Sampling(k=5, seed=7, temperature=0.7, top_p=0.9)
TOP_HEADS = 4
SINK_RATIO = 2.5  # 128 dimensions cannot reach the 20 of real models, so the threshold comes down
LENGTH = 4
SCALE = 1e-4  # of a value, since the capture computes in float32
COUNTS = ("cluster_count", "component_count", "cluster_count_top_heads", "distinct_answers")


def lively(family):
    """Answers of different tokens, so that the first is not the last."""
    return random_architecture(family, spread=0.2)


def normalize(text):
    """Random texts never agree; their lengths modulo 3 do."""
    return str(len(text) % 3)


def probe_of(d_model):
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(3, d_model)) / [[1.0], [1.0], [d_model**0.5]]
    mean, scale, weight = (tuple(v.tolist()) for v in vectors)
    return Probe(3, mean, tuple(abs(s) for s in scale), weight, 0.3, 0.7, -0.2)


def prompt_alone(family, index):
    """One prompt of `batch_of`, without the padding that its batch needs."""
    from PIL import Image

    from vrp_tasks.tiny.world import draw_scene

    architecture = lively(family)
    image = Image.fromarray(draw_scene(index).image)
    if family == "qwen2_vl" and index == 1:
        image = image.resize((168, 84))
    nested = [image] if family == "qwen2_vl" else [[image]]
    inputs = dict(
        architecture.processor(
            text=[architecture.prompt(QUESTIONS[index])], images=nested, return_tensors="pt"
        )
    )
    inputs.pop("labels", None)
    return inputs


def grid_of(family, inputs):
    """Written out: patches of the image over what the model merges."""
    config = lively(family).model.config
    if family == "qwen2_vl":
        _, height, width = inputs["image_grid_thw"][0].tolist()
        merge = config.vision_config.spatial_merge_size
        return height // merge, width // merge
    side = config.vision_config.image_size // config.vision_config.patch_size
    return side, side


def end_of(family, ends):
    """The model's own, out of reach, or a token that ends an answer early and begins none."""
    architecture = lively(family)
    if not ends:
        return architecture.model.generation_config.eos_token_id
    options = {"do_sample": False, "max_new_tokens": LENGTH}
    answers = architecture.model.generate(**batch_of(architecture), **options)[:, -LENGTH:].tolist()
    first = {answer[0] for answer in answers}
    return next(t for answer in answers for t in answer[2:] if t not in first)


@cache
def both(family, ends):
    """[(signals of the product, of the plain formulas, tokens, sampled tokens)] of each prompt."""
    architecture = lively(family)
    eos = end_of(family, ends)
    options = {"max_new_tokens": LENGTH, **({"eos_token_id": eos} if ends else {})}
    n = len(QUESTIONS)
    names = [f"task/test/{i}" for i in range(n)]
    settings = CaptureSettings(
        k=SAMPLING.k, temperature=SAMPLING.temperature, top_p=SAMPLING.top_p, seed=SAMPLING.seed,
        top_heads=TOP_HEADS,
    )  # fmt: skip
    before, visual_tokens.SINK_RATIO = visual_tokens.SINK_RATIO, SINK_RATIO
    try:
        with capturing_attention(architecture.model), torch.no_grad():
            _, captured = probed_generate(
                architecture.model,
                family_of(architecture.model.config),
                batch_of(architecture, n),
                identities=names,
                settings=settings,
                subjects=Subjects(QUESTIONS, TARGETS, architecture.processor.tokenizer),
                do_sample=False,
                **options,
            )
    finally:
        visual_tokens.SINK_RATIO = before
    reader = Reader(architecture.model, architecture.processor.tokenizer)
    probe = probe_of(captured[0].hidden["last_prompt"].shape[1])
    found = []
    for index, item in enumerate(captured):
        inputs = prompt_alone(family, index)
        seen, sampled = reader.seen(
            inputs, grid=grid_of(family, inputs), targets=TARGETS[index], identity=names[index],
            sampling=SAMPLING, normalize=normalize, top_heads=TOP_HEADS, sink_ratio=SINK_RATIO,
            probe=probe, eos=eos, **options,
        )  # fmt: skip
        signals, missing = produced(
            item, answer=reader.texts([item.tokens])[0], samples=reader.texts(item.sampled_tokens),
            probe=probe, normalize=normalize,
        )  # fmt: skip
        assert missing == {}
        found.append((signals, seen, item, sampled))
    return found


RUNS = [(family, ends) for family in FAMILIES for ends in (False, True)]


@pytest.mark.parametrize(("family", "ends"), RUNS)
def test_answers_and_samples_are_those_of_the_stock_model(family, ends):
    lengths = set()
    for _, seen, item, sampled in both(family, ends):
        assert item.tokens == list(seen.tokens)
        assert item.sampled_tokens == sampled
        lengths.add(len(item.tokens))
    assert (min(lengths) < LENGTH) == ends


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize(("family", "ends"), RUNS)
def test_a_signal_is_its_formula_on_what_the_stock_model_shows(family, ends, name):
    for signals, seen, _, _ in both(family, ends):
        expected = FORMULAS[name](seen)
        if name in COUNTS:
            assert signals[name] == expected
        else:
            assert signals[name] == pytest.approx(expected, rel=SCALE, abs=SCALE)


@pytest.mark.parametrize("name", FORMULAS)
def test_the_answers_differ_in_every_signal(name):
    """A signal that is the same everywhere could be any constant."""
    values = {round(FORMULAS[name](seen), 3) for run in RUNS for _, seen, _, _ in both(*run)}
    assert len(values) > 1


@pytest.mark.parametrize("family", FAMILIES)
def test_some_tokens_are_sinks_and_some_are_not(family):
    marks = {s for _, seen, _, _ in both(family, False) for own in seen.sinks for s in own}
    assert marks == {True, False}
