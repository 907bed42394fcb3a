"""Captured rows, states and tokens against transformers' own eager outputs and plain `generate`."""

import copy
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy import stats
from transformers.cache_utils import DynamicLayer

from metrics.record.channels import ImageMaps
from metrics.second_pass.supervised import supervised_signals
from tests.leaderboard.helpers.golden import make_records
from tests.vrp_tasks.helpers.observed import record_of
from tests.vrp_tasks.helpers.random_models import (
    FAMILIES,
    batch_of,
    mixed_batch,
    random_architecture,
)
from vrp_tasks.capture import CaptureSettings, geometry, probed_generate
from vrp_tasks.capture.attention import NAME, attention_row, capturing_attention
from vrp_tasks.capture.cache import RoomyLayer
from vrp_tasks.capture.geometry import check_geometry
from vrp_tasks.capture.recorder import Recorder
from vrp_tasks.capture.sampling import SampleStreams, draw, warpers
from vrp_tasks.errors import CaptureError, SetupError
from vrp_tasks.families import family_of

GREEDY = {"do_sample": False, "max_new_tokens": 5}
SETTINGS = CaptureSettings(k=3)


def run(family, inputs=None, settings=SETTINGS, **options):
    architecture = random_architecture(family)
    inputs = batch_of(architecture) if inputs is None else inputs
    names = [f"sample-{i}" for i in range(len(inputs["input_ids"]))]
    with capturing_attention(architecture.model):
        return probed_generate(
            architecture.model,
            family_of(architecture.model.config),
            inputs,
            identities=names,
            settings=settings,
            blank={n: v * 0 if n == "pixel_values" else v for n, v in inputs.items()},
            **{**GREEDY, **options},
        )


def eager(family, **options):
    model = random_architecture(family).model
    before = model.config._attn_implementation
    model.set_attn_implementation("eager")
    try:
        return model.generate(
            **batch_of(random_architecture(family)),
            **{**GREEDY, **options},
            return_dict_in_generate=True,
            output_attentions=True,
            output_hidden_states=True,
            output_logits=True,
        )
    finally:
        model.set_attn_implementation(before)


def eos_that_ends_early(family):
    """A token that some rows produce after a step or two, to stand in for end-of-sequence."""
    architecture = random_architecture(family)
    tokens = architecture.model.generate(**batch_of(architecture), **GREEDY)[:, -5:]
    return int(tokens[0, 2])


@pytest.mark.parametrize("family", FAMILIES)
def test_greedy_answers_equal_plain_generate(family):
    architecture = random_architecture(family)
    plain = architecture.model.generate(**batch_of(architecture), **GREEDY)
    sequences, _ = run(family)
    assert torch.equal(sequences, plain)


@pytest.mark.parametrize("family", FAMILIES)
def test_greedy_answers_equal_plain_generate_when_rows_end_early(family):
    architecture = random_architecture(family)
    eos = eos_that_ends_early(family)
    options = {"eos_token_id": eos, "max_new_tokens": 9}
    plain = architecture.model.generate(**batch_of(architecture), **{**GREEDY, **options})
    sequences, captured = run(family, **options)
    assert torch.equal(sequences, plain)
    prompt_length = batch_of(architecture)["input_ids"].shape[1]
    for row, item in zip(plain[:, prompt_length:].tolist(), captured, strict=True):
        assert item.tokens == (row[: row.index(eos)] if eos in row else row)
        assert len(item.logprobs) == len(item.entropies) == len(item.tokens)
    assert len(captured[0].tokens) < 9


def reference_maps(family, output, index):
    """Mean over heads and answer-side positions of eager attention to the image, per layer."""
    architecture = random_architecture(family)
    inputs = batch_of(architecture)
    is_image = inputs["input_ids"][index] == architecture.model.config.image_token_id
    length = inputs["input_ids"].shape[1]
    n_answer = len(output.attentions)  # every step's token is an answer token here
    steps = [output.attentions[step] for step in range(n_answer)]
    per_layer = []
    for layer in range(len(steps[0])):
        rows = [step[layer][index, :, -1, :length].float().mean(dim=0)[is_image] for step in steps]
        per_layer.append(torch.stack(rows).mean(dim=0))
    return torch.stack(per_layer).numpy()


@pytest.mark.parametrize("family", FAMILIES)
def test_attention_rows_equal_eager(family):
    output = eager(family)
    _, captured = run(family)
    for index, item in enumerate(captured):
        expected = reference_maps(family, output, index)
        assert "attention" not in item.missing
        np.testing.assert_allclose(item.image_mass, expected.sum(axis=1), atol=1e-5)
        normalised = expected / expected.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(item.maps, normalised, atol=1e-5)
        assert item.maps.shape[1] == item.grid[0] * item.grid[1]


@pytest.mark.parametrize("family", FAMILIES)
def test_hidden_states_equal_output_hidden_states(family):
    output = eager(family, max_new_tokens=5)
    model = random_architecture(family).model
    norm = family_of(model.config).decoder(model).norm
    _, captured = run(family)
    # step s > 0 holds the states of the token generated at step s - 1
    for index, item in enumerate(captured):
        prompt = torch.stack([h[index, -1] for h in output.hidden_states[0]])
        fed = [torch.stack([h[index, -1] for h in step]) for step in output.hidden_states[1:]]
        np.testing.assert_allclose(item.hidden["last_prompt"][:-1], prompt[:-1], atol=1e-4)
        last = norm(torch.from_numpy(item.hidden["last_prompt"][-1])).detach()
        np.testing.assert_allclose(last, prompt[-1], atol=1e-4)  # transformers norms the last one
        # generate never feeds the fifth token; ours does, so compare the mean over the first four
        mean = item.hidden["mean_answer"] * len(item.tokens) - item.hidden["last_answer"]
        np.testing.assert_allclose(mean[:-1], sum(fed)[:-1], atol=1e-3)


@pytest.mark.parametrize("family", FAMILIES)
def test_last_answer_state_is_the_last_answer_tokens(family):
    architecture = random_architecture(family)
    inputs = batch_of(architecture)
    sequences, captured = run(family)
    longer = eager(family, max_new_tokens=6)
    assert torch.equal(longer.sequences[:, :-1], sequences)
    for index, item in enumerate(captured):
        states = torch.stack([h[index, -1] for h in longer.hidden_states[-1]])
        np.testing.assert_allclose(item.hidden["last_answer"][:-1], states[:-1], atol=1e-4)
        assert len(item.tokens) == sequences.shape[1] - inputs["input_ids"].shape[1]


@pytest.mark.parametrize("family", FAMILIES)
def test_confidences_are_those_of_the_raw_distribution(family):
    output = eager(family)
    _, captured = run(family)
    for index, item in enumerate(captured):
        for step, token in enumerate(item.tokens):
            logprobs = output.logits[step][index].float().log_softmax(dim=-1)
            assert item.logprobs[step] == pytest.approx(float(logprobs[token]), abs=1e-4)
            entropy = float(-(logprobs.exp() * logprobs).sum())
            assert item.entropies[step] == pytest.approx(entropy, abs=1e-4)
        top = output.logits[0][index].float().softmax(dim=-1).topk(2).values
        np.testing.assert_allclose(item.first_probabilities, top, atol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_sampled_tokens_equal_a_cacheless_replay_of_the_same_streams(family):
    architecture = random_architecture(family)
    inputs = batch_of(architecture, n=1)
    _, captured = run(family, inputs=inputs)
    warp = warpers(temperature=SETTINGS.temperature, top_p=SETTINGS.top_p)
    for k, tokens in enumerate(captured[0].sampled_tokens):
        streams = SampleStreams(["sample-0"], samples=range(SETTINGS.k), seed=SETTINGS.seed)
        ids, extra = inputs["input_ids"], {}
        for name in ("token_type_ids", "mm_token_type_ids"):
            if name in inputs:
                extra[name] = inputs[name]
        for token in tokens:
            with torch.no_grad():
                logits = architecture.model(
                    **{**inputs, **extra, "input_ids": ids, "attention_mask": torch.ones_like(ids)}
                ).logits[:, -1]
            drawn = draw(warp(ids, logits.float()), streams.next()[k : k + 1])
            assert int(drawn) == token
            ids = torch.cat([ids, drawn[:, None]], dim=1)
            # a generated token belongs to the causal suffix of a prefix-LM, and is text for M-RoPE
            fill = {"token_type_ids": 1, "mm_token_type_ids": 0}
            extra = {
                name: torch.cat([value, torch.full((1, 1), fill[name])], dim=1)
                for name, value in extra.items()
            }


def test_sampling_does_not_depend_on_the_batch():
    architecture = random_architecture("qwen2_vl")
    _, together = run("qwen2_vl")
    inputs = batch_of(architecture, n=1)
    _, alone = run("qwen2_vl", inputs=inputs)
    assert together[0].sampled_tokens == alone[0].sampled_tokens
    assert together[0].sampled_tokens != together[1].sampled_tokens


def test_warped_logits_equal_those_of_generate_with_do_sample():
    architecture = random_architecture("llava")
    output = architecture.model.generate(
        **batch_of(architecture),
        do_sample=True,
        temperature=0.7,
        top_p=0.9,
        top_k=0,
        max_new_tokens=1,
        return_dict_in_generate=True,
        output_scores=True,
        output_logits=True,
    )
    ours = warpers(temperature=0.7, top_p=0.9)(output.sequences, output.logits[0])
    assert torch.equal(ours, output.scores[0])


def test_draws_follow_the_distribution():
    logits = torch.log(torch.tensor([0.5, 0.0, 0.3, 0.15, 0.05]))
    n = 20_000
    uniforms = np.random.default_rng(3).random(n)
    counts = np.bincount(draw(logits.expand(n, -1), uniforms), minlength=5)
    assert counts[1] == 0
    expected = n * np.array([0.5, 0.3, 0.15, 0.05])
    assert stats.chisquare(counts[[0, 2, 3, 4]], expected).pvalue > 1e-3
    edge = draw(torch.log(torch.tensor([[0.25, 0.75, 0.0]])), np.array([np.nextafter(1.0, 0.0)]))
    assert edge.item() == 1


def test_attention_row_with_float_mask_and_grouped_queries_equals_a_slow_loop():
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(1, 4, 8, generator=generator)
    key = torch.randn(1, 2, 6, 8, generator=generator)
    mask = torch.zeros(1, 1, 6)
    mask[..., 0] = torch.finfo(torch.float32).min
    row = attention_row(query, key, mask, 0.5)
    for head in range(4):
        scores = [0.5 * float(query[0, head] @ key[0, head // 2, t]) for t in range(6)]
        weights = np.exp([-np.inf, *scores[1:]])
        np.testing.assert_allclose(row[0, head], weights / weights.sum(), atol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_attention_implementation_is_restored(family):
    model = random_architecture(family).model
    decoder = family_of(model.config).decoder(model)
    before = (model.config._attn_implementation, decoder.config._attn_implementation)
    with capturing_attention(model):
        assert decoder.config._attn_implementation == NAME
    assert (model.config._attn_implementation, decoder.config._attn_implementation) == before


def test_no_samples_leaves_everything_else_the_same():
    _, with_samples = run("llava")
    _, without = run("llava", settings=CaptureSettings(k=0))
    assert without[0].sampled_tokens == []
    np.testing.assert_allclose(without[1].maps, with_samples[1].maps, atol=1e-6)


def test_a_hook_that_never_fires_is_an_error():
    decoder = family_of(random_architecture("llava").model.config).decoder(
        random_architecture("llava").model
    )
    recorder = Recorder(decoder, batch_size=1, prompt_length=4)
    with pytest.raises(CaptureError, match=r"layer\(s\) \[0, 1, 2, 3, 4, 5, 6\]"):
        recorder.take_prompt()


def test_rows_that_are_no_distribution_are_a_complaint_about_their_prompt():
    decoder = family_of(random_architecture("llava").model.config).decoder(
        random_architecture("llava").model
    )
    recorder = Recorder(decoder, batch_size=3, prompt_length=4)
    recorder.check_sums(torch.ones(3, 3))
    assert [recorder.complaint(index) for index in range(3)] == [None] * 3
    nan = float("nan")
    recorder.check_sums(torch.tensor([[1.0, 1.0, 1.0], [1.0, 1.0, nan], [1.0, 0.5, 1.0]]))
    assert recorder.complaint(0) is None
    assert "layer 2 sum to 1 ± 0.5;" in recorder.complaint(1)
    assert "layer 1 sum to 1 ± nan;" in recorder.complaint(2)


def test_a_prompt_with_two_images_has_no_map_and_says_why():
    architecture = random_architecture("llava")
    inputs = batch_of(architecture, n=2)
    text = [architecture.prompt("?").replace("<image>", "<image><image>")]
    images = [[*map(_image, range(2))]]
    inputs = dict(architecture.processor(text=text, images=images, return_tensors="pt"))
    _, captured = run("llava", inputs=inputs)
    assert captured[0].maps is None
    assert captured[0].missing["attention"].startswith("128 image tokens do not fill one 8 x 8")
    by_head = captured[0].further["head_masses"].shares[..., 0].astype(float)
    np.testing.assert_allclose(captured[0].image_mass, by_head.mean(axis=1), atol=1e-3)


def test_images_of_a_mixed_batch_go_to_their_prompts():
    settings = CaptureSettings(k=2, blank_image=True)
    _, together = run("qwen2_vl", mixed_batch(), settings)
    assert [item.grid for item in together] == [None, None, (6, 12), (12, 6)]
    assert [len(item.extra.get("sinks", [[]])[0]) for item in together] == [144, 0, 72, 72]
    assert together[0].missing["attention"].startswith("144 image tokens do not fill one 6 x 12")
    assert together[1].missing["attention"] == "the prompt has no image tokens"
    assert ["blank" in item.hidden for item in together] == [True, False, True, True]
    for row, item in enumerate(together):
        _, (alone,) = run("qwen2_vl", mixed_batch(row), settings)
        assert (alone.grid, alone.tokens) == (item.grid, item.tokens)
        assert alone.hidden.keys() == item.hidden.keys()
        for name, state in alone.hidden.items():
            np.testing.assert_allclose(state, item.hidden[name], atol=2e-4, err_msg=name)
        if alone.maps is not None:
            np.testing.assert_allclose(alone.maps, item.maps, atol=1e-5)


def _image(seed):
    from PIL import Image

    from vrp_tasks.tiny.world import draw_scene

    return Image.fromarray(draw_scene(seed).image)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_beams": 3}, "num_beams=3"),
        ({"do_sample": True}, "greedy scored answer"),
        ({"use_cache": False}, "need the KV cache"),
    ],
)
def test_options_under_which_signals_would_mean_something_else_are_refused(options, message):
    with pytest.raises(SetupError, match=message):
        run("llava", **options)


def test_right_padding_is_refused():
    inputs = batch_of(random_architecture("llava"))
    inputs["attention_mask"] = inputs["attention_mask"].clone()
    inputs["attention_mask"][0, -1] = 0
    with pytest.raises(SetupError, match="padded on the right"):
        run("llava", inputs=inputs)


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"k": 1}, "got 1"), ({"temperature": 0}, "got 0"), ({"top_p": 1.5}, "got 1.5")],
)
def test_settings_are_checked(settings, message):
    with pytest.raises(SetupError, match=message):
        CaptureSettings(**settings)


def test_the_cache_grows_past_its_room_without_changing_answers(monkeypatch):
    _, roomy = run("qwen2_vl", max_new_tokens=9)
    monkeypatch.setattr("vrp_tasks.capture.decode_state._ROOM", 2)
    _, tight = run("qwen2_vl", max_new_tokens=9)
    assert [item.sampled_tokens for item in tight] == [item.sampled_tokens for item in roomy]
    assert [item.tokens for item in tight] == [item.tokens for item in roomy]


@pytest.mark.parametrize("together", [1, 3])
def test_a_growing_layer_copies_what_it_holds_a_few_times_only(together):
    """Doubled, 300 tokens in a room for 2 take 8 moves; grown to fit, they took one each step."""
    generator = torch.Generator().manual_seed(0)
    prompt = DynamicLayer()
    states = torch.randn(2, 2, 1, 5, 4, generator=generator)
    prompt.update(*states)
    expected = states.repeat_interleave(3, dim=1)
    layer = RoomyLayer(prompt, rows=3, room=2)
    moves, place = 0, layer.keys.data_ptr()
    for _ in range(300 // together):
        new = torch.randn(2, 6, 1, together, 4, generator=generator)
        layer.update(*new)
        expected = torch.cat([expected, new], dim=3)
        moves, place = moves + (layer.keys.data_ptr() != place), layer.keys.data_ptr()
    assert torch.equal(layer.keys, expected[0])
    assert torch.equal(layer.values, expected[1])
    assert layer.get_seq_length() == 305
    assert moves <= 8


def test_a_layer_without_room_grows_too():
    prompt = DynamicLayer()
    prompt.update(*torch.ones(2, 1, 1, 3, 2))
    layer = RoomyLayer(prompt, rows=1, room=0)
    for length in range(4, 9):
        keys, _ = layer.update(*torch.full((2, 1, 1, 1, 2), float(length)))
        assert keys[0, 0, :, 0].tolist() == [1, 1, 1, *range(4, length + 1)]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_decoder_of_one_layer_has_what_needs_no_second_one(family):
    model = copy.deepcopy(random_architecture(family).model)
    decoder = family_of(model.config).decoder(model)
    decoder.layers = decoder.layers[:1]
    model.config.get_text_config().num_hidden_layers = 1
    inputs = batch_of(random_architecture(family))
    with capturing_attention(model):
        sequences, captured = probed_generate(
            model, family_of(model.config), inputs, identities=["a", "b", "c"],
            settings=SETTINGS, **GREEDY,
        )  # fmt: skip
    assert torch.equal(sequences, model.generate(**inputs, **GREEDY))
    record = record_of(captured[0])
    undefined = {name for name, value in record.signals.items() if value is None}
    assert undefined == {
        "entropy_evolution",
        "final_diffusion",
        "truth_margin",
        "truth_margin_peak",
    }
    for name in ("entropy_evolution", "final_diffusion"):
        assert record.missing[name] == "attention evolution needs two layers, got 1"
    assert len(record.layers["spatial_entropy"]) == 1
    assert len(record.layers["answer_margin"]) == 2


def test_features_of_a_decoder_of_one_layer_are_undefined_with_the_reason():
    maps = np.random.default_rng(0).random((60, 1, 4, 4))
    store = SimpleNamespace(
        stacked=lambda *_: None,
        where=lambda channel, *_: np.full(60, channel is ImageMaps),
        array=lambda channel, *_: list(maps) if channel is ImageMaps else [None] * 60,
    )
    records = [
        replace(
            record, correct=i % 2, group=str(i), kind="all", normal_answer="yes",
            signals={"image_attention_mass": 0.2},
        )
        for i, record in enumerate(make_records(60))
    ]  # fmt: skip
    found = supervised_signals(store, records, task="one-layer")
    assert found.reasons["attention_features"] == "attention evolution needs two layers, got 1"
    assert np.isfinite(found.scores["attention_mlp"]).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_painting_a_cell_changes_its_own_token(family):
    architecture = random_architecture(family)
    model = architecture.model
    assert check_geometry(model, family_of(model.config), architecture.processor) is None


@pytest.mark.parametrize("family", FAMILIES)
def test_a_transposed_grid_is_found_out(family, monkeypatch):
    architecture = random_architecture(family)
    model, kind = architecture.model, type(family_of(architecture.model.config))
    stock = geometry._image_tokens

    def transposed(*args):
        tokens, (height, width) = stock(*args)
        return tokens.reshape(height, width, -1).transpose(0, 1).flatten(0, 1), (height, width)

    monkeypatch.setattr(geometry, "_image_tokens", transposed)
    said = check_geometry(model, kind(), architecture.processor)
    assert said.startswith("painting grid cell (0, 1) changed the token of cell ")


def test_a_grid_of_another_size_is_found_out(monkeypatch):
    architecture = random_architecture("qwen2_vl")
    family = family_of(architecture.model.config)
    monkeypatch.setattr(type(family), "image_grid", lambda *_: (12, 8))
    said = check_geometry(architecture.model, family, architecture.processor)
    assert said == "a 168 x 112 image became 96 tokens on a 12 x 8 grid instead of 8 x 12"


def test_the_geometry_test_grows_with_the_least_image_size_of_the_processor():
    architecture = random_architecture("qwen2_vl")
    model, family = architecture.model, family_of(architecture.model.config)
    processor = copy.deepcopy(architecture.processor)
    processor.image_processor.size["shortest_edge"] = 60_000
    assert family.self_test_grid(model.config, processor.image_processor) == ((16, 24), 14)
    assert check_geometry(model, family, processor) is None
