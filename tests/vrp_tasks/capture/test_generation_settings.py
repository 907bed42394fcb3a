"""Settings of `generate`: samples pass the answer's processors, the rest is served or refused."""

import json

import pytest
import torch
from transformers import (
    EncoderNoRepeatNGramLogitsProcessor,
    EncoderRepetitionPenaltyLogitsProcessor,
    GenerationConfig,
    LogitsProcessorList,
    MinLengthLogitsProcessor,
    NoRepeatNGramLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
)

from tests.vrp_tasks.helpers.random_models import FAMILIES, batch_of, random_architecture
from tests.vrp_tasks.helpers.versions import has, since
from vrp_tasks.capture import CaptureSettings, probed_generate
from vrp_tasks.capture.attention import capturing_attention
from vrp_tasks.capture.decode_state import DecodeState
from vrp_tasks.capture.forced import generate_and_score
from vrp_tasks.capture.generation_settings import check_generation_config, processors_of
from vrp_tasks.capture.processors import RowProcessors
from vrp_tasks.capture.sampling import draw
from vrp_tasks.errors import SetupError
from vrp_tasks.families import family_of
from vrp_tasks.interventions.branches import branched_generate

N_TOKENS = 6
SETTINGS = CaptureSettings(k=3, temperature=1.3, top_p=0.95)
PROCESSORS = {
    "repetition_penalty": {"repetition_penalty": 1.8},
    "min_new_tokens": {"min_new_tokens": 4},
    "no_repeat_ngram_size": {"no_repeat_ngram_size": 2},
    "bans": {"bad_words_ids": [[5], [6, 7], [9]], "suppress_tokens": [11, 12]},
    "begin_suppress_tokens": {"begin_suppress_tokens": [20, 21, 22]},
    "sequence_bias": {"sequence_bias": [[[30], 5.0], [[31, 32], -2.0]]},
    "prompt's own": {"encoder_repetition_penalty": 1.5, "encoder_no_repeat_ngram_size": 1},
    "ends": {"forced_eos_token_id": 3, "exponential_decay_length_penalty": (2, 1.5)},
    "renormalize_logits": {"renormalize_logits": True, "repetition_penalty": 1.8},
}
ENDS_AS_GENERATE = since("5.19", "a forced end makes the penalty of length NaN, in generate too")


class Forced:
    """Stands for `torch.multinomial`: notes what is sampled from, and gives prepared tokens."""

    def __init__(self, tokens):
        self.tokens, self.seen = tokens, []

    def __call__(self, probabilities, **_):
        step = len(self.seen)
        self.seen.append(probabilities)
        return self.tokens[:, step : step + 1]


def run(family, model=None, inputs=None, settings=SETTINGS, **options):
    architecture = random_architecture(family)
    model = model or architecture.model
    inputs = batch_of(architecture) if inputs is None else inputs
    with capturing_attention(model):
        return probed_generate(
            model,
            family_of(model.config),
            inputs,
            identities=[str(index) for index in range(len(inputs["input_ids"]))],
            settings=settings,
            blank={**inputs, "pixel_values": torch.zeros_like(inputs["pixel_values"])},
            **{"do_sample": False, "max_new_tokens": N_TOKENS, **options},
        )


@pytest.fixture
def state(monkeypatch):
    """The last decode's state, with what each step's samples were drawn from."""
    kept = {}
    stock = DecodeState.__init__

    def keeping(self, *args):
        stock(self, *args)
        kept["state"], kept["warped"] = self, []

    def drawing(logits, uniforms):
        kept["warped"].append(logits)
        return draw(logits, uniforms)

    monkeypatch.setattr(DecodeState, "__init__", keeping)
    monkeypatch.setattr("vrp_tasks.capture.decode_state.draw", drawing)
    return kept


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=ENDS_AS_GENERATE) if name == "ends" else name for name in PROCESSORS],
)
def test_samples_are_drawn_from_what_generate_samples_from(name, family, state, monkeypatch):
    """`generate` itself is made to choose each sample's tokens; its probabilities are compared."""
    architecture = random_architecture(family)
    plain = architecture.model.generate(
        **batch_of(architecture), do_sample=False, max_new_tokens=N_TOKENS, **PROCESSORS[name]
    )
    sequences, _ = run(family, **PROCESSORS[name])
    assert torch.equal(sequences, plain)  # the answer
    found, rows = state["state"], SETTINGS.k + 1
    ids = found.ids[:, found.prompt_length :].reshape(found.batch, rows, -1)[:, 1:]
    for k in range(SETTINGS.k):
        forced = Forced(ids[:, k])
        monkeypatch.setattr(torch, "multinomial", forced)
        architecture.model.generate(
            **batch_of(architecture), do_sample=True, max_new_tokens=N_TOKENS, top_k=0,
            temperature=SETTINGS.temperature, top_p=SETTINGS.top_p, **PROCESSORS[name],
        )  # fmt: skip
        ended = torch.zeros(found.batch, dtype=torch.bool)
        for step, probabilities in enumerate(forced.seen):
            warped = state["warped"][step].reshape(found.batch, SETTINGS.k, -1)[:, k]
            ours = warped.softmax(dim=-1)
            torch.testing.assert_close(ours[~ended], probabilities[~ended], atol=2e-5, rtol=1e-3)
            ended |= torch.isin(ids[:, k, step], found.eos)


@pytest.mark.parametrize("chosen", [[0, 1, 2], [0, 0, 1, 1, 2, 2], [0, 2, 2, 2], [1], [2, 0]])
def test_any_rows_of_prompts_are_processed_as_each_alone(chosen):
    """The first three processors keep something of each of the three prompts."""
    generator = torch.Generator().manual_seed(0)
    prompts = torch.randint(1, 50, (3, 6), generator=generator)
    paddings = torch.tensor([0, 2, 4])

    def chain(which):
        ignored = paddings[which] if has("5.23") else None  # it knew no padding before
        return LogitsProcessorList(
            [
                RepetitionPenaltyLogitsProcessor(2.0, prompt_ignore_length=ignored),
                EncoderRepetitionPenaltyLogitsProcessor(0.5, prompts[which]),
                EncoderNoRepeatNGramLogitsProcessor(1, prompts[which]),
                NoRepeatNGramLogitsProcessor(2),
                MinLengthLogitsProcessor(20, [7]),
            ]
        )

    rows = torch.tensor(chosen)
    ids = torch.cat([prompts[rows], torch.randint(1, 50, (len(rows), 3), generator=generator)], 1)
    logits = torch.randn(len(rows), 50, generator=generator)
    before = logits.clone()
    found = RowProcessors(chain([0, 1, 2]), rows, 3)(ids, logits)
    for place, prompt in enumerate(chosen):
        alone = chain([prompt])(ids[place : place + 1], before[place : place + 1].clone())
        torch.testing.assert_close(found[place : place + 1], alone)
    assert torch.equal(logits, before)
    assert RowProcessors(LogitsProcessorList(), rows, 3)(ids, logits) is logits


def test_confidences_know_no_processor():
    """They are of the raw distribution, at the tokens that were chosen."""
    options = {"repetition_penalty": 1.8, "min_new_tokens": 4}
    _, captured = run("llava", **options)
    architecture = random_architecture("llava")
    output = architecture.model.generate(
        **batch_of(architecture), do_sample=False, max_new_tokens=N_TOKENS, **options,
        return_dict_in_generate=True, output_logits=True,
    )  # fmt: skip
    for index, item in enumerate(captured):
        for step, token in enumerate(item.tokens):
            logprobs = output.logits[step][index].float().log_softmax(dim=-1)
            assert item.logprobs[step] == pytest.approx(float(logprobs[token]), abs=1e-4)


@pytest.fixture
def configured(monkeypatch):
    """A family's random model with settings in its checkpoint's generation config."""

    def configure(family, **settings):
        architecture = random_architecture(family)
        config = GenerationConfig(**{**architecture.model.generation_config.to_dict(), **settings})
        monkeypatch.setattr(architecture.model, "generation_config", config)
        return architecture.model

    return configure


REFUSED = {
    "stop_strings": ["."],
    "penalty_alpha": 0.6,
    "dola_layers": "high",
    "guidance_scale": 1.5,
    "max_time": 10.0,
    "token_healing": True,
    "num_return_sequences": 2,
    "force_words_ids": [[5]],
    "cache_implementation": "quantized",
    "watermarking_config": {"greenlist_ratio": 0.25, "bias": 2.0},
}


@pytest.mark.parametrize("name", REFUSED)
def test_settings_that_would_be_ignored_or_crash_are_refused_by_name(name, configured):
    allowed = {"do_sample": True} if name == "num_return_sequences" else {}
    model = configured("llava", **{name: REFUSED[name]}, **allowed)
    with pytest.raises(SetupError, match=f"generation_config.json asks for {name}=") as refused:
        check_generation_config(model.generation_config)
    assert "\n" not in str(refused.value)
    with pytest.raises(SetupError, match=f"generation_config.json asks for {name}="):
        run("llava")
    with pytest.raises(SetupError, match=f"generation_config.json asks for {name}="):
        branched_generate(model, family_of(model.config), batch_of(random_architecture("llava")),
                          lambda *_: None, keep=())  # fmt: skip


def test_settings_that_adapters_override_are_no_matter_of_the_checkpoint(configured):
    model = configured("llava", do_sample=True, temperature=0.01, num_beams=4, use_cache=False)
    assert check_generation_config(model.generation_config) == []
    run("llava", num_beams=1, use_cache=True)
    with pytest.raises(SetupError, match="num_beams=4"):
        run("llava", use_cache=True)


SAME_ANSWER = [
    {"cache_implementation": "static"},
    {"cache_implementation": "offloaded_static"},
    {"cache_implementation": "offloaded"},
    {"prompt_lookup_num_tokens": 3},
]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("settings", SAME_ANSWER)
def test_caches_and_speed_ups_that_change_no_answer_are_served_without(
    settings, family, configured
):
    inputs = batch_of(random_architecture(family))
    plain, expected = run(family)
    model = configured(family, **settings)
    blank = CaptureSettings(k=3, temperature=1.3, top_p=0.95, blank_image=True)
    sequences, captured = run(family, settings=blank)
    assert torch.equal(sequences, plain)
    for ours, other in zip(captured, expected, strict=True):
        assert ours.tokens == other.tokens
        assert ours.sampled_tokens == other.sampled_tokens
        assert (ours.maps == other.maps).all()
        assert "blank" in ours.hidden
    found = []
    options = {"do_sample": False, "max_new_tokens": N_TOKENS}
    with torch.inference_mode(), capturing_attention(model):
        again = branched_generate(
            model, family_of(model.config), inputs, lambda _, answers: found.extend(answers),
            keep=(), **options,
        )  # fmt: skip
        occluded, scores = generate_and_score(
            model, inputs, options, [item.tokens for item in expected]
        )
    assert torch.equal(again, plain)
    assert torch.equal(occluded, plain)
    assert scores == pytest.approx([item.logprobs.mean() for item in expected], abs=1e-4)


def test_speed_ups_are_named():
    assert check_generation_config(GenerationConfig(prompt_lookup_num_tokens=3)) == [
        "prompt_lookup_num_tokens"
    ]
    assert check_generation_config(GenerationConfig()) == []


def test_the_manifest_names_the_processors():
    config = GenerationConfig(
        repetition_penalty=1.05, min_new_tokens=0, suppress_tokens=[3], top_k=5, temperature=0.1,
        sequence_bias={(3, 4): 2.0},
    )  # fmt: skip
    found = processors_of(config)
    assert found.keys() == {"repetition_penalty", "suppress_tokens", "sequence_bias"}
    assert json.loads(json.dumps(found))["repetition_penalty"] == 1.05
    assert processors_of(GenerationConfig(repetition_penalty=1.0)) == {}
