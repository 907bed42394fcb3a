"""Continuations of the cached prompt against transformers' own `generate` and fresh prompts."""

import numpy as np
import pytest
import torch
from transformers import LogitsProcessor, LogitsProcessorList

from metrics.answers.core_information import core_of
from metrics.answers.stated_confidence import stated_confidence
from metrics.record.channels import (
    ConfidenceOfProposal,
    CoreHidden,
    TruthAsked,
    TruthAskedWithSamples,
)
from metrics.record.observation import Absent
from tests.vrp_tasks.helpers import zoo
from tests.vrp_tasks.helpers.random_models import (
    FAMILIES,
    QUESTIONS,
    batch_of,
    mixed_batch,
    random_architecture,
)
from vrp_tasks.capture import CaptureSettings, probed_generate
from vrp_tasks.capture.attention import capturing_attention
from vrp_tasks.capture.continuation import Prefilled
from vrp_tasks.capture.dialogue import Dialogue, render_of
from vrp_tasks.capture.extras import further_of
from vrp_tasks.capture.first_tokens import first_tokens
from vrp_tasks.capture.observer import Subjects
from vrp_tasks.capture.proposal import PROPOSAL
from vrp_tasks.capture.self_evaluation import IS_TRUE, IS_TRUE_AMONG
from vrp_tasks.families import family_of
from vrp_tasks.families.found import Found

GREEDY = {"do_sample": False, "max_new_tokens": 4}
TAIL = [5, 40, 17, 9, 28, 21]


class Forcing(LogitsProcessor):
    def __init__(self, tokens, length):
        self.tokens, self.length = tokens, length

    def __call__(self, input_ids, scores):
        token = self.tokens[input_ids.shape[1] - self.length]
        return torch.full_like(scores, -torch.inf).index_fill(1, torch.tensor([token]), 0.0)


def one_row(family, index):
    """Row ``index`` of the batch as a batch of its own, without padding."""
    architecture = random_architecture(family)
    if family == "qwen2_vl":
        return mixed_batch(index)
    inputs = batch_of(architecture)
    keep = inputs["attention_mask"][index].bool()
    return {
        name: value[index : index + 1] if name == "pixel_values" else value[index, keep][None]
        for name, value in inputs.items()
    }


def forced_logits(model, inputs, tokens, *, row=0):
    """What stock `generate` sees before each of the tokens, and after the last."""
    length = inputs["input_ids"].shape[1]
    found = model.generate(
        **inputs,
        do_sample=False,
        max_new_tokens=len(tokens) + 1,
        min_new_tokens=len(tokens) + 1,
        eos_token_id=None,
        logits_processor=LogitsProcessorList([Forcing([*tokens, 0], length)]),
        output_logits=True,
        return_dict_in_generate=True,
    )
    return torch.stack(found.logits)[:, row]


def prefilled(family, inputs):
    architecture, found = random_architecture(family), []

    def read(model, input_ids, *, generation_config, logits_processor, stopping_criteria, **kwargs):
        prepared = model.prepare_inputs_for_generation(input_ids, is_first_iteration=True, **kwargs)
        model(**prepared)
        kind = family_of(model.config)
        found.append(Prefilled.of(model, kind, input_ids, kwargs, generation_config))
        return input_ids

    architecture.model.generate(**inputs, **GREEDY, custom_generate=read)
    return found[0]


def captured(family, inputs, *, questions=QUESTIONS, **settings):
    architecture = random_architecture(family)
    tokenizer, n = architecture.processor.tokenizer, len(inputs["input_ids"])
    subjects = Subjects(
        list(questions)[:n], [[]] * n, tokenizer, render_of(architecture.processor, tokenizer)
    )
    with capturing_attention(architecture.model), torch.inference_mode():
        return probed_generate(
            architecture.model,
            family_of(architecture.model.config),
            inputs,
            identities=[str(row) for row in range(n)],
            settings=CaptureSettings(**settings),
            subjects=subjects,
            **GREEDY,
        )


@pytest.mark.parametrize("family", FAMILIES)
def test_tokens_fed_at_once_see_what_generate_sees_one_by_one(family):
    model = random_architecture(family).model
    inputs = mixed_batch() if family == "qwen2_vl" else batch_of(random_architecture(family))
    with capturing_attention(model), torch.inference_mode():
        prompts = prefilled(family, inputs)
        for index in range(len(inputs["input_ids"])):
            own = prompts.continued(index, TAIL).logits
            again = prompts.continued(index, TAIL[:2])
            assert torch.equal(again.logits, prompts.continued(index, TAIL[:2]).logits)
            again.feed(TAIL[2:])
            stock = forced_logits(model, one_row(family, index), TAIL)[1:]
            torch.testing.assert_close(own, stock, atol=2e-4, rtol=1e-4)
            torch.testing.assert_close(again.logits, stock[2:], atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_answer_and_the_samples_are_those_of_a_run_without_extras(family):
    inputs = batch_of(random_architecture(family))
    plain = captured(family, inputs, k=3)
    asked = captured(family, inputs, k=3, extra=("ptrue", "verbalized", "vauq"))
    assert torch.equal(plain[0], asked[0])
    for one, other in zip(plain[1], asked[1], strict=True):
        assert one.sampled_tokens == other.sampled_tokens
        np.testing.assert_array_equal(one.logprobs, other.logprobs)
        np.testing.assert_array_equal(one.hidden["last_answer"], other.hidden["last_answer"])


@pytest.mark.parametrize("family", FAMILIES)
def test_truth_is_asked_in_the_dialogue_that_the_model_is_in(family):
    architecture = random_architecture(family)
    tokenizer, model = architecture.processor.tokenizer, architecture.model
    items = captured(family, batch_of(architecture), k=3, extra=("ptrue",))[1]
    item = items[0]
    text = tokenizer.decode(item.tokens).strip()
    samples = dict.fromkeys(tokenizer.batch_decode(item.sampled_tokens, skip_special_tokens=True))
    shown = "\n".join(" ".join(own.split()) for own in samples)
    among = IS_TRUE_AMONG.format(samples=shown, answer=" ".join(text.split()))
    words = first_tokens(tokenizer, ("True", "False"))
    for channel, question in ((TruthAsked, IS_TRUE), (TruthAskedWithSamples, among)):
        further = f"\n{question}\n"
        if family != "paligemma":
            before = architecture.processor.apply_chat_template(
                turns(family, "Q", "A"), tokenize=False, add_generation_prompt=False
            )
            whole = architecture.processor.apply_chat_template(
                [*turns(family, "Q", "A"), *turns(family, question)],
                tokenize=False,
                add_generation_prompt=True,
            )
            assert whole.startswith(before)
            further = before.rsplit("A", 1)[1] + whole[len(before) :]
        tokens = [*item.tokens, *tokenizer.encode(further, add_special_tokens=False)]
        with torch.inference_mode():
            last = forced_logits(model, one_row_of_batch(family), tokens)[-1].softmax(dim=-1)
        masses = item.further[channel.name].masses
        np.testing.assert_allclose(masses, [float(last[own].sum()) for own in words], rtol=2e-3)


def one_row_of_batch(family):
    """The first prompt of `batch_of` alone."""
    if family != "qwen2_vl":
        return one_row(family, 0)
    return batch_of(random_architecture(family), n=1)


def turns(family, *texts):
    said = []
    for role, text in zip(("user", "assistant"), texts, strict=False):
        plain = family == "llava" and role == "assistant"
        said.append({"role": role, "content": text if plain else [{"type": "text", "text": text}]})
    return said


def test_a_proposal_is_asked_about_on_the_image_that_was_read():
    for family in ("llava", "qwen2_vl"):
        architecture = random_architecture(family)
        inputs = batch_of(architecture)
        item = captured(family, inputs, k=0, extra=("verbalized",))[1][1]
        tokenizer = architecture.processor.tokenizer
        asked = PROPOSAL.format(question=QUESTIONS[1], answer=tokenizer.decode(item.tokens).strip())
        text = architecture.prompt(asked)
        batch = batch_of(architecture)
        pixels = {"pixel_values": batch["pixel_values"][1:2]}
        if family == "qwen2_vl":
            first, second = (int(grid.prod()) for grid in batch["image_grid_thw"][:2])
            pixels = {
                "pixel_values": batch["pixel_values"][first : first + second],
                "image_grid_thw": batch["image_grid_thw"][1:2],
            }
            marker = "<|image_pad|>"
            text = text.replace(marker, marker * (second // 4))
        else:
            text = text.replace("<image>", "<image>" * 64)
        ids = tokenizer(text, return_tensors="pt")
        fresh = {**ids, **pixels}
        if "mm_token_type_ids" in batch:
            is_image = fresh["input_ids"] == architecture.model.config.image_token_id
            fresh["mm_token_type_ids"] = is_image.long()
        with torch.inference_mode():
            out = architecture.model.generate(**fresh, do_sample=False, max_new_tokens=16)
        said = tokenizer.decode(out[0, fresh["input_ids"].shape[1] :], skip_special_tokens=True)
        name = ConfidenceOfProposal.name
        if name in item.further:
            assert float(item.further[name].share[0]) == pytest.approx(stated_confidence(said))
        else:
            assert repr(said[:60]) in item.missing[name]


def test_what_no_prompt_of_a_model_can_have_is_not_offered():
    inputs = batch_of(random_architecture("paligemma"), n=1)
    settings = CaptureSettings(k=0, extra=("ptrue", "verbalized"))
    item = captured("paligemma", inputs, k=0, extra=settings.extra)[1][0]
    _, absent = further_of(item, settings)
    assert absent["confidence_of_proposal"].state == "not offered"
    assert absent["confidence_of_proposal"].reason.startswith("this model reads its image with")
    assert absent["truth_asked_with_samples"] == Absent(
        "no answers were asked for that could be shown (k=0)", "not offered"
    )
    assert absent["core_hidden"] == Absent("it was not asked for (extra=vauq)", "not offered")


@pytest.mark.parametrize("family", FAMILIES)
def test_the_core_is_hidden_from_everything(family):
    """Against one eager forward pass whose 4D mask lacks the core's columns."""
    architecture = random_architecture(family)
    model, inputs = architecture.model, one_row_of_batch(family)
    item = captured(family, inputs, k=0, extra=("vauq",))[1][0]
    core = core_of(item.maps * item.image_mass[:, None])
    assert core.sum() == int(core.size * 0.6)
    columns = (inputs["input_ids"][0] == model.config.image_token_id).nonzero()[:, 0][core]
    ids = torch.cat([inputs["input_ids"], torch.tensor([item.tokens[:-1]], dtype=torch.long)], 1)
    prompt, length = inputs["input_ids"].shape[1], ids.shape[1]
    allowed = torch.ones(length, length, dtype=torch.bool).tril()
    if family == "paligemma":
        allowed[:prompt, :prompt] = True
    allowed[:, columns] = False
    allowed |= torch.eye(length, dtype=torch.bool) & ~allowed.any(dim=1, keepdim=True)
    mask = torch.zeros(length, length).masked_fill(~allowed, torch.finfo(torch.float32).min)
    with torch.inference_mode():
        clean = {**inputs, "input_ids": ids, "attention_mask": torch.ones_like(ids)}
        for name in ("token_type_ids", "mm_token_type_ids"):
            if name in inputs:
                more = torch.zeros(1, length - prompt, dtype=torch.long)
                clean[name] = torch.cat([inputs[name], more], dim=1)
        logits = with_mask(model, clean, mask[None, None])
    steps = logits[0, prompt - 1 :].double()
    p = steps.softmax(dim=-1)
    entropies = -(p * p.log()).sum(dim=-1)
    found = item.further[CoreHidden.name].entropies
    np.testing.assert_allclose(found, entropies.numpy(), atol=2e-4)
    assert np.abs(found - item.entropies).max() > 1e-4


def with_mask(model, inputs, mask):
    """Logits with one mask in every decoder layer."""

    def replace(_module, args, kwargs):
        return args, {**kwargs, "attention_mask": mask}

    layers = family_of(model.config).decoder(model).layers
    handles = [own.register_forward_pre_hook(replace, with_kwargs=True) for own in layers]
    before = model.config._attn_implementation
    model.set_attn_implementation("eager")
    try:
        return model(**inputs).logits
    finally:
        model.set_attn_implementation(before)
        for handle in handles:
            handle.remove()


def test_a_model_without_maps_has_no_core_and_that_is_no_fault_of_a_prompt():
    own = zoo.built("mllama")
    settings = CaptureSettings(k=0, extra=("vauq",))
    with capturing_attention(own.model), torch.inference_mode():
        _, items = probed_generate(
            own.model, Found(own.model), zoo.prompts(own), identities=["a", "b"],
            settings=settings, **GREEDY,
        )  # fmt: skip
    for item in items:
        assert further_of(item, settings)[1]["core_hidden"].state == "not offered"


def test_a_template_is_read_in_whatever_form_it_takes():
    def strings_only(messages):
        return "".join(f"<{m['role']}>{m['content']}</s>" for m in messages) + "<assistant>"

    def broken(messages):
        raise TypeError("no third turn")

    assert Dialogue.of(strings_only).turn("Q") == "</s><user>Q</s><assistant>"
    assert Dialogue.of(broken) == Dialogue.of(None) == Dialogue()
    assert not Dialogue().is_chat


def test_a_model_that_cannot_be_continued_says_so_and_keeps_its_answer(monkeypatch):
    def fail(*_args, **_kwargs):
        raise RuntimeError("no such\nkernel")

    monkeypatch.setattr(Prefilled, "continued", fail)
    inputs = batch_of(random_architecture("llava"), n=1)
    item = captured("llava", inputs, k=0, extra=("ptrue",))[1][0]
    assert item.tokens
    assert item.missing["truth_asked"] == (
        "the prompt could not be continued (RuntimeError: no such kernel)"
    )


# sliding windows, linear attention, convolutions, cross-attention, both ways over the image
@pytest.mark.parametrize(
    "name", ["gemma3", "gemma4", "lfm2_vl", "llava_gpt_oss", "mllama", "paligemma2", "qwen3_5"]
)
def test_prompts_of_other_caches_are_continued_as_generate_does(name):
    own = zoo.built(name)
    inputs, found = zoo.prompts(own), []
    family = Found(own.model)

    def read(model, input_ids, *, generation_config, logits_processor, stopping_criteria, **kwargs):
        prepared = model.prepare_inputs_for_generation(input_ids, is_first_iteration=True, **kwargs)
        model(**prepared)
        found.append(Prefilled.of(model, family, input_ids, kwargs, generation_config))
        return input_ids

    with torch.inference_mode(), capturing_attention(own.model):
        own.model.generate(**inputs, **GREEDY, custom_generate=read)
        stock = forced_logits(own.model, inputs, TAIL, row=slice(None))[1:]
        for _ in range(2):  # continuing leaves the prompt as it was
            for index in range(len(inputs["input_ids"])):
                logits = found[0].continued(index, TAIL).logits
                scale = float(stock[:, index].abs().max())
                torch.testing.assert_close(
                    logits / scale, stock[:, index].float() / scale, atol=1e-5, rtol=0
                )
