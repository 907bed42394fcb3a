"""What an engine in this process can do: what its settings say, and what it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from vrp_tasks.access.engine.outputs import choice_of
from vrp_tasks.access.server.findings import LENGTH, logprobs_are_raw
from vrp_tasks.access.server.replies import Choice
from vrp_tasks.capture.settings import CaptureSettings

LISTED = 20  # of the likeliest tokens, where the whole vocabulary is not asked for
_RAW = "raw_logprobs"
_ALL = -1
_HOT = 2.0  # the highest temperature that vLLM takes: where samples differ most


@dataclass
class EngineFindings:
    """What one engine can do, and so how it is asked.

    Attributes
    ----------
    logprobs_mode : str or None
        As its settings have it; None where they do not say.
    no_logprobs, no_samples : str or None
        Why log-probabilities, and samples, are not to be had.
    vocabulary : int or None
        How many tokens there are, where each answer token brings the log-probabilities of all.
    answer_options : dict
        What is changed in an answer's sampling parameters; none of it changes the answer.
    raw : bool or None
        Whether log-probabilities were seen not to change with the temperature; None where one
        token is certain, which does not tell.
    seeded : str or None
        Why samples are drawn without a seed of ours; None where one is given.
    varies, repeats : bool or None
        Whether samples differ, and whether the same seed brings the same; None where not tried.
    caches : bool or None
        Whether a prompt's samples find it computed.
    """

    logprobs_mode: str | None = None
    no_logprobs: str | None = None
    no_samples: str | None = None
    vocabulary: int | None = None
    answer_options: dict[str, Any] = field(default_factory=dict)
    raw: bool | None = None
    seeded: str | None = None
    varies: bool | None = None
    repeats: bool | None = None
    caches: bool | None = None

    @property
    def is_whole(self) -> bool:
        """Whether each answer token brings the whole vocabulary's log-probabilities."""
        return self.vocabulary is not None

    def described(self) -> dict[str, Any]:
        """For the manifest."""
        sampling = self.no_samples or ("varies" if self.varies else "not told")
        return {
            "logprobs": self.no_logprobs or "given",
            "logprobs_mode": self.logprobs_mode,
            "logprobs_are_raw": self.raw,
            "top_logprobs": "all" if self.is_whole else self.answer_options.get("logprobs"),
            "sampling": sampling,
            "seed": self.seeded or "given",
            "same_seed_same_sample": self.repeats,
            "prefix_caching": self.caches,
        }


def findings_of(engine: Any) -> EngineFindings:
    """What an engine's settings say of it."""
    found = EngineFindings()
    model = engine.llm_engine.model_config
    whole = getattr(engine.llm_engine, "vllm_config", None)
    mode = getattr(model, "logprobs_mode", None)
    found.logprobs_mode = None if mode is None else str(mode)
    if found.logprobs_mode not in (None, _RAW):
        found.no_logprobs = (
            f"the engine's log-probabilities are not the model's own (logprobs_mode="
            f"{found.logprobs_mode}); leave that model argument out, or give {_RAW}"
        )
    else:
        most = getattr(model, "max_logprobs", LISTED)
        size = model.get_vocab_size()
        found.vocabulary = size if most == _ALL or most >= size else None
        found.answer_options = {"logprobs": _ALL if found.is_whole else min(most, LISTED)}
        if found.is_whole:
            found.answer_options["flat_logprobs"] = True  # a hundred thousand objects a token, else
    found.caches = getattr(getattr(whole, "cache_config", None), "enable_prefix_caching", None)
    device = str(getattr(getattr(whole, "device_config", None), "device", ""))
    scheduler = getattr(whole, "scheduler_config", None)
    if device == "cpu" and getattr(scheduler, "enable_chunked_prefill", False):
        found.seeded = (
            "vLLM fails at a seed on a CPU where it prefills in chunks (model arguments "
            "enable_chunked_prefill=False,max_num_batched_tokens=4096 turn that off)"
        )
    return found


def examined(
    found: EngineFindings,
    ask: Callable[[list[dict[str, Any]]], list[Any]],
    capture: CaptureSettings,
) -> EngineFindings:
    """Complete findings by one call of the engine.

    Parameters
    ----------
    found : EngineFindings
        What its settings say; changed.
    ask : callable
        Changes of the sampling parameters of one prompt -> an output of each.
    capture : CaptureSettings
        How samples will be asked for.
    """
    once = {"max_tokens": LENGTH, **found.answer_options}
    seed = [{"seed": own} if found.seeded is None else {} for own in (1, 1, 2)]
    drawn = {"temperature": capture.temperature, "top_p": capture.top_p, **once}
    hot = {"temperature": _HOT, "top_p": 1.0, "max_tokens": LENGTH, "n": max(8, capture.k)}
    asked = [once]
    if capture.k:
        asked += [drawn | seed[0], drawn | seed[1], hot | seed[2]]
    outputs = ask(asked)
    first = choice_of(outputs[0].outputs[0])
    if not capture.k:
        return found
    one, again = (choice_of(own.outputs[0]) for own in outputs[1:3])
    texts = [choice_of(own).text for own in outputs[3].outputs]
    found.varies = len(set(texts)) > 1
    if not found.varies:
        found.no_samples = (
            f"the engine ignores the temperature: {len(texts)} samples of a prompt that asks for "
            "random letters were equal"
        )
    if found.seeded is None:
        found.repeats = one.text == again.text
    _compare(found, first, one)
    return found


def _compare(found: EngineFindings, answer: Choice, sample: Choice) -> None:
    """See whether the first position's log-probabilities change with the temperature."""
    if found.no_logprobs is not None:
        return
    found.raw = logprobs_are_raw(answer, sample)
    if found.raw is False:
        found.answer_options = {}
        found.vocabulary = None
        found.no_logprobs = (
            "the engine's log-probabilities change with the temperature, so they are not the "
            "model's own"
        )
