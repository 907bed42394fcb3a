"""The model behind a server asked about its own answer, in further turns of the same dialogue."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from metrics.answers.stated_confidence import stated_confidence
from metrics.record.channels import (
    Channel,
    ConfidenceAfterwards,
    ConfidenceInTurn,
    ConfidenceOfProposal,
    TruthAsked,
    TruthAskedWithSamples,
)
from metrics.record.observation import Absent
from vrp_tasks.access.server.findings import Findings, words_of
from vrp_tasks.access.server.replies import choices_of
from vrp_tasks.capture.extras import BROUGHT, not_asked
from vrp_tasks.capture.proposal import PROPOSAL
from vrp_tasks.capture.self_evaluation import HOW_SURE, IS_TRUE, IS_TRUE_AMONG, UNREAD
from vrp_tasks.errors import CaptureError

ASKED = (*BROUGHT["ptrue"], *BROUGHT["verbalized"])
_OWN_TURN = "a server begins a turn of its own, it does not go on in that of the answer"
_NO_OTHERS = "the server lists no other tokens, among which True and False would be"
_MOST = 16  # tokens of a stated confidence
_LENGTHS = ("max_tokens", "max_completion_tokens")
Ask = Callable[[dict[str, Any], dict[str, Any]], Any]  # payload, more options -> reply


@dataclass(frozen=True)
class Further:
    """What further turns brought, and why others brought nothing."""

    channels: Mapping[str, Channel] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)


class FurtherTurns:
    """Asks about one answer after another.

    Parameters
    ----------
    findings : Findings
        What the server can do.
    extra : sequence of str
        The detectors that the run asks for.
    """

    def __init__(self, findings: Findings, extra: Sequence[str]) -> None:
        self._findings, self._extra = findings, extra

    def never(self, *, k: int) -> dict[str, Absent]:
        """What is not asked, and why."""
        found = self._findings
        never: dict[str, Absent] = {}
        for name in ("ptrue", "verbalized"):
            if name not in self._extra:
                never |= {channel.name: not_asked(name) for channel in BROUGHT[name]}
        why = found.no_logprobs
        if why is None and "top_logprobs" not in found.answer_options:
            why = _NO_OTHERS
        if "ptrue" in self._extra and why is not None:
            never |= {own.name: Absent(why, "not offered") for own in BROUGHT["ptrue"]}
        elif "ptrue" in self._extra and (k == 0 or found.no_samples is not None):
            why = found.no_samples or "no answers were asked for that could be shown (k=0)"
            never[TruthAskedWithSamples.name] = Absent(why, "not offered")
        if "verbalized" in self._extra:
            never[ConfidenceInTurn.name] = Absent(_OWN_TURN, "not offered")
        return never

    def about(
        self, payload: dict[str, Any], answer: str, samples: Sequence[str], ask: Ask
    ) -> Further:
        """Ask about one answer.

        Parameters
        ----------
        payload : dict
            Of the request that it answers.
        answer, samples
            As the server gave them.
        ask : callable
            Sends a payload with more options; a failure costs what was asked for, no more.
        """
        never = self.never(k=len(samples))
        said = {"role": "assistant", "content": answer}
        before = [*payload["messages"], said]
        shown = "\n".join(dict.fromkeys(" ".join(own.split()) for own in samples))
        among = IS_TRUE_AMONG.format(samples=shown, answer=" ".join(answer.split()))
        turns: dict[type[Channel], Callable[[], Channel]] = {
            TruthAsked: lambda: TruthAsked(self._truth(payload, [*before, _user(IS_TRUE)], ask)),
            TruthAskedWithSamples: lambda: TruthAskedWithSamples(
                self._truth(payload, [*before, _user(among)], ask)
            ),
            ConfidenceAfterwards: lambda: ConfidenceAfterwards(
                self._stated(payload, [*before, _user(HOW_SURE)], ask)
            ),
            ConfidenceOfProposal: lambda: ConfidenceOfProposal(
                self._stated(payload, _proposed(payload["messages"], answer), ask)
            ),
        }
        channels: dict[str, Channel] = {}
        reasons: dict[str, str] = {}
        for channel, make in turns.items():
            if channel.name in never:
                continue
            try:
                if not answer.strip():
                    raise CaptureError("the answer is empty")
                channels[channel.name] = make()
            except CaptureError as error:
                reasons[channel.name] = str(error)
            except Exception as error:  # noqa: BLE001 - whatever a client raises
                reasons[channel.name] = f"the server could not be asked ({words_of(error)})"
        return Further(channels, reasons)

    def _truth(self, payload: dict[str, Any], messages: list[Any], ask: Ask) -> np.ndarray:
        more = {**_shorter(payload, 1), **self._findings.answer_options, "messages": messages}
        masses = _masses(ask(payload, more))
        if not sum(masses):
            raise CaptureError("neither True nor False is among the likeliest tokens")
        return np.array(masses, np.float32)

    def _stated(self, payload: dict[str, Any], messages: list[Any], ask: Ask) -> np.ndarray:
        reply = ask(payload, {**_shorter(payload, _MOST), "messages": messages})
        text = choices_of(reply)[0].text or ""
        share = stated_confidence(text)
        if share is None:
            raise CaptureError(UNREAD.format(said=text[:60]))
        return np.array([share], np.float32)


def _user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "text", "text": text}]}


def _shorter(payload: Mapping[str, Any], most: int) -> dict[str, Any]:
    """The length limit of a request, under the name that it has there."""
    names = [name for name in _LENGTHS if name in payload] or [_LENGTHS[0]]
    return {names[0]: most}


def _proposed(messages: Sequence[Any], answer: str) -> list[Any]:
    """The question about an image replaced by one about its answer, in a fresh dialogue."""
    found = [dict(message) for message in messages]
    content = found[-1]["content"]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
    texts = [place for place, part in enumerate(parts) if part.get("type") == "text"]
    if len(texts) != 1:
        raise CaptureError("the prompt does not have its question in one text")
    text = PROPOSAL.format(question=parts[texts[0]]["text"].strip(), answer=answer.strip())
    parts[texts[0]] = {"type": "text", "text": text}
    found[-1]["content"] = parts
    return found


def _masses(reply: Any) -> list[float]:
    """Probability of the listed first tokens that begin "true", and that begin "false"."""
    content = getattr(getattr(reply.choices[0], "logprobs", None), "content", None)
    if not isinstance(content, list) or not content:
        raise CaptureError("the server gave no log-probabilities with this answer")
    listed = {
        str(getattr(own, "token", "")): float(own.logprob)
        for own in (content[0], *(getattr(content[0], "top_logprobs", None) or ()))
    }
    masses = [0.0, 0.0]
    for token, logprob in listed.items():
        word = token.strip().lower()
        for place, wanted in enumerate(("true", "false")):
            if word and wanted.startswith(word) and logprob <= 0.01:
                masses[place] += math.exp(min(logprob, 0.0))
    return [min(own, 1.0) for own in masses]
