"""Prompt-side maps against eager attention, activation maps against slow loops, planted models."""

import functools
import math

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from metrics.maps.grounding import mass_inside, peak_weighted_iou, pointing_game
from tests.vrp_tasks.helpers.random_models import FAMILIES, QUESTIONS, batch_of, random_architecture
from vrp_tasks.capture import CaptureSettings, probed_generate
from vrp_tasks.capture.attention import Attended, capturing_attention, editing
from vrp_tasks.capture.channels import channels_of
from vrp_tasks.capture.observer import Subjects
from vrp_tasks.families import family_of
from vrp_tasks.grounding.attention import Readers, attention_to_image
from vrp_tasks.grounding.maps import GroundingMaps
from vrp_tasks.grounding.observer import KEY, PromptMaps
from vrp_tasks.grounding.words import align_words

PROMPT_SIDE = ("attention.prompt", "attention.prompt.filtered")


def capture(family, inputs, questions=QUESTIONS, words_of=str, max_new_tokens=3):
    architecture = random_architecture(family)
    n = len(inputs["input_ids"])
    with capturing_attention(architecture.model), torch.inference_mode():
        _, items = probed_generate(
            architecture.model,
            family_of(architecture.model.config),
            inputs,
            identities=[f"sample-{i}" for i in range(n)],
            settings=CaptureSettings(k=0),
            subjects=Subjects(list(questions)[:n], [[]] * n, architecture.processor.tokenizer),
            observers=[functools.partial(PromptMaps, words_of=words_of)],
            do_sample=False,
            max_new_tokens=max_new_tokens,
        )
    return items


@functools.cache
def eager(family, n):
    """Attentions and last states of the prompts, by transformers' own eager path."""
    model = random_architecture(family).model
    before = model.config._attn_implementation
    model.set_attn_implementation("eager")
    try:
        with torch.inference_mode():
            out = model(
                **batch_of(random_architecture(family), n),
                output_attentions=True,
                output_hidden_states=True,
            )
    finally:
        model.set_attn_implementation(before)
    return [a.mean(dim=1).double().numpy() for a in out.attentions], out.hidden_states[-1]


def places(family, inputs, index):
    """Word positions, boundary positions, image positions, spelled out."""
    architecture = random_architecture(family)
    tokenizer = architecture.processor.tokenizer
    ids = inputs["input_ids"][index].tolist()
    image = [i for i, t in enumerate(ids) if t == architecture.model.config.image_token_id]
    known = family_of(architecture.model.config).boundary_ids(tokenizer)
    markers = [i for i in range(image[-1] + 1, len(ids) - 1) if ids[i] in known]
    words = [list(w.positions) for w in align_words(tokenizer, ids, QUESTIONS[index])]
    return words, markers, image


def normalised(rows):
    return rows / rows.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("n", [1, 2])
def test_prompt_side_attention_equals_eager(family, n):
    inputs = batch_of(random_architecture(family), n)
    items = capture(family, inputs)
    attentions, _ = eager(family, n)
    for index, item in enumerate(items):
        words, markers, image = places(family, inputs, index)
        assert len(markers) > 0
        plain, filtered, boundary = [], [], []
        for layer in attentions:
            own = layer[index][:, image]
            rows = [np.mean([own[p] for p in positions], axis=0) for positions in words]
            p = normalised(np.mean(rows, axis=0))
            q = normalised(np.mean([own[m] for m in markers], axis=0))
            plain.append(p)
            boundary.append(q)
            filtered.append(np.clip(p - (p @ q) / (q @ q) * q, 0, None))
        found = item.extra[KEY]
        assert found.missing == {k: v for k, v in found.missing.items() if "activation" in k}
        expected = np.mean(plain, axis=0).reshape(item.grid)
        np.testing.assert_allclose(found.maps["attention.prompt"], expected, atol=1e-6)
        expected = normalised(np.sum(filtered, axis=0)).reshape(item.grid)
        np.testing.assert_allclose(found.maps["attention.prompt.filtered"], expected, atol=1e-4)
        kept, _ = channels_of(item)
        np.testing.assert_allclose(
            kept["question_maps"].by_layer.reshape(len(plain), -1), plain, atol=1e-4
        )
        np.testing.assert_allclose(
            kept["boundary_maps"].by_layer.reshape(len(boundary), -1), boundary, atol=1e-4
        )
        answer = item.maps.mean(axis=0).reshape(item.grid)
        np.testing.assert_allclose(found.maps["attention.answer"], answer, atol=1e-6)


def slow_activation(states, unembedding, ids, token, position, context, image, grid):
    """A token activation map cell by cell, as the paper describes it."""

    def logit(place, word):
        return max(0.0, float(states[place].double() @ unembedding[word].double()))

    own = [logit(i, token) for i in image]
    earlier = [c for c in context if c < position and ids[c] != token]
    relevance = {c: logit(c, token) for c in earlier}
    total = sum(relevance.values())
    if total > 0:
        inherited = [sum(relevance[c] / total * logit(i, ids[c]) for c in earlier) for i in image]
        square = sum(v * v for v in inherited)
        scale = sum(a * b for a, b in zip(own, inherited, strict=True)) / square if square else 0.0
        own = [max(0.0, a - scale * b) for a, b in zip(own, inherited, strict=True)]
    table = np.reshape(own, grid)
    smooth = np.zeros(grid)
    padded = np.pad(table, 1, mode="reflect")
    for y in range(grid[0]):
        for x in range(grid[1]):
            window = sorted(padded[y : y + 3, x : x + 3].ravel())
            mean, spread = np.mean(window), np.std(window)
            if spread <= 1e-12 * mean:
                smooth[y, x] = mean
                continue
            kernel = [math.exp(-((r - 4) ** 2) / (2 * (spread / mean) ** 2)) for r in range(9)]
            smooth[y, x] = np.dot(kernel, window) / sum(kernel)
    return smooth


@pytest.mark.parametrize("family", FAMILIES)
def test_activation_maps_equal_slow_loops(family):
    model = random_architecture(family).model
    inputs = batch_of(random_architecture(family), 2)
    items = capture(family, inputs)
    _, states = eager(family, 2)
    unembedding = model.get_output_embeddings().weight.detach()
    compared = 0
    for index, item in enumerate(items):
        words, markers, image = places(family, inputs, index)
        ids = inputs["input_ids"][index].tolist()
        known = {ids[m] for m in markers} | {ids[-1]}
        context = [c for c in range(image[-1] + 1, len(ids)) if ids[c] not in known]
        slow = functools.partial(
            slow_activation, states[index], unembedding, ids, context=context, image=image,
            grid=item.grid,
        )  # fmt: skip
        found = item.extra[KEY]
        answer = slow(token=item.tokens[0], position=len(ids))
        per_word = [
            np.mean([slow(token=ids[p], position=p) for p in positions], axis=0)
            for positions in words
        ]
        per_word = [m / m.sum() for m in per_word if m.any()]
        for side, expected in (
            ("activation.answer", answer),
            ("activation.prompt", np.mean(per_word, axis=0) if per_word else np.zeros(item.grid)),
        ):
            if expected.any():
                compared += 1
                scaled = expected / expected.sum()
                np.testing.assert_allclose(found.maps[side], scaled, atol=1e-4)
            else:
                assert "no image token activates it" in found.missing[side]
    assert compared >= 2


class OneCell:
    """Makes a model attend to a single cell of the image."""

    def __init__(self, image, cell):
        self.blocked = image.clone()
        for row in self.blocked:
            row[torch.nonzero(row)[cell, 0]] = False

    def edited_mask(self, layer, query, key, mask):
        n = key.shape[2]
        if mask is None:
            mask = torch.ones(1, 1, query.shape[2], n, dtype=torch.bool).tril(n - query.shape[2])
        blocked = torch.zeros(len(self.blocked), n, dtype=torch.bool)
        blocked[:, : self.blocked.shape[1]] = self.blocked
        allowed = mask if mask.dtype == torch.bool else mask >= 0
        return allowed & ~blocked[:, None, None]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_that_attends_to_one_cell_is_scored_exactly(family):
    inputs = batch_of(random_architecture(family), 1)
    image = inputs["input_ids"] == random_architecture(family).model.config.image_token_id
    with editing(OneCell(image, 19)):
        (item,) = capture(family, inputs)
    maps = item.extra[KEY].maps
    region = np.zeros((8, 8))
    region[2, 3] = 1.0  # cell 19 of an 8 x 8 grid
    for name in ("attention.answer", "attention.prompt"):
        for score in (pointing_game, mass_inside, peak_weighted_iou):
            assert score(maps[name], region) == 1.0
            assert score(maps[name], np.roll(region, 1, axis=0)) == 0.0
    # the boundary markers look there too: nothing is left of the map, and nothing is made up
    assert "explain all" in item.extra[KEY].missing["attention.prompt.filtered"]


def test_plain_causal_attention_needs_no_mask():
    generator = torch.Generator().manual_seed(0)
    query, key = (torch.randn(2, 6, 4, generator=generator) for _ in range(2))
    image = torch.tensor([False, True, True, False, False, False])
    readers = Readers(torch.tensor([1, 4]), torch.tensor([[0.5, 0.5], [0.0, 1.0]]), image)
    causal = torch.ones(6, 8).tril().bool()
    output = functional.scaled_dot_product_attention(query, key, key, is_causal=True, scale=0.5)
    read = [
        attention_to_image(
            readers,
            Attended(0, query[None], key[None], key[None], mask, 0.5, output[None].transpose(1, 2)),
        )
        for mask in (None, causal[None, None])
    ]
    (found, worst), (masked, _) = read
    torch.testing.assert_close(masked, found)
    assert float(worst) <= 1
    rows = (query @ key.transpose(1, 2) * 0.5).masked_fill(~causal[:, :6], -torch.inf)
    rows = rows.softmax(dim=-1).mean(dim=0)[:, 1:3]
    torch.testing.assert_close(found, torch.stack([(rows[1] + rows[4]) / 2, rows[4]]))


def missing_of(item):
    found = item.extra[KEY]
    assert not set(found.maps) & set(found.missing)
    assert len(found.maps) + len(found.missing) == 8
    return found.missing


def test_questions_that_cannot_be_aligned_say_why():
    inputs = batch_of(random_architecture("llava"), 2)
    items = capture("llava", inputs, questions=["Is there a zebra?", None])
    for item, reason in zip(items, ("was not found", "is not known"), strict=True):
        for name in (*PROMPT_SIDE, "activation.prompt", "activation.prompt.filtered"):
            assert reason in missing_of(item)[name]
        assert "attention.answer" in item.extra[KEY].maps
        assert "map_prompt" not in item.extra["arrays"]


def test_only_the_chosen_part_of_the_text_counts():
    inputs = batch_of(random_architecture("llava"), 1)
    (whole,) = capture("llava", inputs)
    (part,) = capture("llava", inputs, words_of=lambda text: text.split(" in ")[0])
    np.testing.assert_allclose(
        part.extra[KEY].maps["attention.prompt"], whole.extra[KEY].maps["attention.prompt"]
    )
    (star,) = capture("llava", inputs, words_of=lambda text: "star")
    difference = star.extra[KEY].maps["attention.prompt"] - part.extra[KEY].maps["attention.prompt"]
    assert np.abs(difference).max() > 1e-5


def question_first(family):
    """The prompt with its image behind everything but the last token."""
    inputs = dict(batch_of(random_architecture(family), 1))
    ids = inputs["input_ids"][0]
    image = ids == random_architecture(family).model.config.image_token_id
    last = torch.zeros_like(image)
    last[-1] = True
    order = torch.cat([torch.nonzero(part)[:, 0] for part in (~image & ~last, image, last)])
    return {
        name: value[:, order] if value.shape == inputs["input_ids"].shape else value
        for name, value in inputs.items()
    }


def test_a_question_before_the_image_is_blind_in_a_causal_model():
    (item,) = capture("llava", question_first("llava"))
    assert "stands before the image" in missing_of(item)["attention.prompt"]
    assert "stands before the image" in missing_of(item)["activation.prompt"]
    assert "attention.answer" in item.extra[KEY].maps
    assert "no structural token" in missing_of(item)["attention.answer.filtered"]


def test_a_question_before_the_image_sees_it_in_a_prefix_lm():
    (item,) = capture("paligemma", question_first("paligemma"))
    assert "attention.prompt" in item.extra[KEY].maps


def test_a_prompt_with_two_images_has_no_maps():
    architecture = random_architecture("llava")
    text = [architecture.prompt(QUESTIONS[0]).replace("<image>", "<image><image>")]
    images = [[Image.new("RGB", (112, 112))] * 2]
    inputs = dict(architecture.processor(text=text, images=images, return_tensors="pt"))
    (item,) = capture("llava", inputs)
    assert not item.extra[KEY].maps
    assert all("several images" in reason for reason in missing_of(item).values())


def test_maps_that_are_no_maps():
    found = GroundingMaps()
    found.add("a", np.array([[1.0, np.nan]]), "none", (1, 2))
    found.add("b", np.array([[1.0, 1.0], [0.0, 0.0]]), "none", (1, 2))
    found.add("c", np.array([[1.0, 3.0]]), np.array([[0.0, 0.0]]), (1, 2))
    assert list(found.maps) == ["c"]
    assert "not finite" in found.missing["a"]
    assert "sums to zero" in found.missing["b.filtered"]
    assert "cannot be filtered" in found.missing["c.filtered"]
