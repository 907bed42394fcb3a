"""One call of a stock adapter's engine becomes one for answers and samples together."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

from PIL import Image

from vrp_tasks.access.engine.findings import EngineFindings
from vrp_tasks.access.engine.outputs import choice_of
from vrp_tasks.access.prompts import hash_of_tokens
from vrp_tasks.access.server.asking import Answered, CarryingText, seed_of
from vrp_tasks.access.server.replies import Choice, Usage
from vrp_tasks.capture.settings import CaptureSettings
from vrp_tasks.errors import CaptureError


class AskingEngine:
    """Stands in for a ``vllm.LLM`` while requests are observed.

    Each call of ``chat`` or ``generate`` goes on as one call: every prompt once for the answer and
    once for K samples, which find the prompt's keys and values in the engine's prefix cache.

    Parameters
    ----------
    engine : vllm.LLM
        The stock adapter's.
    findings : EngineFindings
        What it can do.
    capture : CaptureSettings
        How many samples, and how they are drawn.
    """

    def __init__(self, engine: Any, findings: EngineFindings, capture: CaptureSettings) -> None:
        self._engine, self._findings, self._capture = engine, findings, capture

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def chat(self, messages: Sequence[Any], sampling_params: Any, **options: Any) -> list[Any]:
        """Answer dialogues as the engine does, each text carrying the rest."""
        return self._answered(self._engine.chat, messages, sampling_params, options)

    def generate(self, prompts: Sequence[Any], sampling_params: Any, **options: Any) -> list[Any]:
        """Answer prompts as the engine does, each text carrying the rest."""
        return self._answered(self._engine.generate, prompts, sampling_params, options)

    def _answered(
        self, call: Callable[..., list[Any]], prompts: Sequence[Any], params: Any, options: Any
    ) -> list[Any]:
        given = list(params) if isinstance(params, Sequence) else [params] * len(prompts)
        answers = [changed(own, **self._findings.answer_options) for own in given]
        rows, asked, n = list(prompts), answers, len(prompts)
        if self._capture.k and self._findings.no_samples is None:
            rows = rows * 2
            asked = [*answers, *map(self._sampled, given, prompts)]
        found = call(rows, sampling_params=asked, use_tqdm=False, **options)
        if len(found) < len(rows):
            raise CaptureError(
                f"the engine gave {len(found)} outputs to {len(rows)} prompts; they cannot be "
                "paired."
            )
        found = found[-len(rows) :]  # before them come what an earlier call that failed had left
        samples = found[n:] or [None] * n
        return [self._carrying(*pair) for pair in zip(found[:n], samples, strict=True)]

    def _sampled(self, params: Any, prompt: Any) -> Any:
        capture = self._capture
        seed = None
        if self._findings.seeded is None:
            seed = seed_of(capture.seed, _hash_of(prompt))
        return changed(
            params,
            n=capture.k,
            temperature=capture.temperature,
            top_p=capture.top_p,
            top_k=0,
            min_p=0.0,
            seed=seed,
            logprobs=0 if self._findings.no_logprobs is None else None,
        )

    def _carrying(self, answer: Any, sampled: Any) -> Any:
        choice = Choice(None, None, "the engine gave no text")
        if answer.outputs:
            choice = choice_of(answer.outputs[0], vocabulary=self._findings.vocabulary)
        drawn = () if sampled is None else tuple(map(choice_of, sampled.outputs))
        reason = next((own.reason for own in drawn if own.text is None), None)
        if sampled is None:
            reason = self._findings.no_samples
        elif len(drawn) != self._capture.k:
            reason = f"the engine gave {len(drawn)} of {self._capture.k} samples"
        answered = Answered(
            choice=choice,
            samples=() if reason else drawn,
            no_samples=reason,
            prompt=hash_of_tokens(answer.prompt_token_ids),
            usage=_usage(answer) + (Usage() if sampled is None else _usage(sampled)),
        )
        return SimpleNamespace(outputs=[SimpleNamespace(text=CarryingText.of(answered))])


def changed(params: Any, **changes: Any) -> Any:
    """A copy of vLLM's ``SamplingParams`` in which some are others, checked like any."""
    new = params.clone()
    for name, value in changes.items():
        setattr(new, name, value)
    new.__post_init__()
    return new


def _usage(output: Any) -> Usage:
    """A prompt's tokens once, however many were generated from it, and those generated."""
    generated = sum(len(own.token_ids) for own in output.outputs)
    cached = getattr(output, "num_cached_tokens", None) or 0
    return Usage(len(output.prompt_token_ids), generated, cached=cached)


def _hash_of(prompt: Any) -> str:
    """SHA-256 of what an adapter hands over, pictures by their pixels."""
    body = json.dumps(prompt, sort_keys=True, default=_plain)
    return hashlib.sha256(body.encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, Image.Image):
        return [value.mode, value.size, hashlib.sha256(value.tobytes()).hexdigest()]
    return str(value)
