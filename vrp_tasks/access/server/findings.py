"""What a server can do, found out by asking it before the run."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from vrp_tasks.access.server.replies import Choice, choices_of
from vrp_tasks.capture.settings import CaptureSettings
from vrp_tasks.errors import ReplyError, SetupError

Send = Callable[..., Any]  # the client's ``create``

PROMPT = "Write a random sequence of twenty letters, and nothing else."
LENGTH = 32  # tokens of a reply to it
# servers differ in how many of the likeliest tokens they list
_LOGPROBS: tuple[dict[str, Any], ...] = (
    {"logprobs": True, "top_logprobs": 20},
    {"logprobs": True, "top_logprobs": 5},
    {"logprobs": True},
)
# a checkpoint's generation config narrows what some servers sample from; where they know these
# fields, it no longer does
_WIDE = {"extra_body": {"top_k": -1, "min_p": 0.0}}
_SHIFT = 0.05  # in a probability, beyond what a batch's rounding does
_REFUSED = (400, 422)


@dataclass
class Findings:
    """What one server can do, and so how it is asked.

    Attributes
    ----------
    model : str or None
        The name of the model that answered, as the server states it.
    fingerprint : str or None
        What the server says of its own version.
    answer_options : dict
        Sent with each request for an answer.
    no_logprobs, no_samples : str or None
        Why log-probabilities, and samples, are not to be had.
    sample_options : dict
        Sent with each request for samples: temperature, top_p, and what else it takes.
    no_sample_logprobs : str or None
        Why samples come without log-probabilities, where they can be had.
    several : str or None
        Why one request brings one sample only; None where it brings K.
    seeded : str or None
        Why samples are drawn without a seed of ours; None where one is sent.
    wide : bool
        Whether a checkpoint's own top-k and min-p are switched off for samples.
    varies : bool or None
        Whether samples differ; None where no text came to tell it by.
    repeats : bool or None
        Whether the same seed gave the same sample again.
    raw : bool or None
        Whether an answer's log-probabilities are those of a sample's first position too, whatever
        the temperature; None where that is not told.
    greedy : str
        How answers are decoded.
    n_requests : int
        Requests that finding this out took.
    """

    model: str | None = None
    fingerprint: str | None = None
    answer_options: dict[str, Any] = field(default_factory=dict)
    no_logprobs: str | None = None
    no_samples: str | None = None
    sample_options: dict[str, Any] = field(default_factory=dict)
    no_sample_logprobs: str | None = None
    several: str | None = None
    seeded: str | None = None
    wide: bool = False
    varies: bool | None = None
    repeats: bool | None = None
    raw: bool | None = None
    greedy: str = "greedy"
    n_requests: int = 0

    def described(self) -> dict[str, Any]:
        """For the manifest."""
        sampling = self.no_samples or ("varies" if self.varies else "not told")
        return {
            "fingerprint": self.fingerprint,
            "logprobs": self.no_logprobs or "given",
            "top_logprobs": self.answer_options.get("top_logprobs"),
            "logprobs_are_raw": self.raw,
            "sampling": sampling,
            "samples_per_request": self.several or "all",
            "seed": self.seeded or "sent",
            "same_seed_same_sample": self.repeats,
            "top_k_off": self.wide,
            "answers": self.greedy,
        }


def is_refusal(error: Exception) -> bool:
    """Whether a server refused what it was asked, rather than failing at it."""
    return getattr(error, "status_code", None) in _REFUSED or isinstance(error, TypeError)


def _is_beyond(error: Exception) -> bool:
    """Whether what was asked is beyond a server that is there: refused, failed at, or garbled."""
    fails = (getattr(error, "status_code", None) or 0) >= 500
    return fails or is_refusal(error) or isinstance(error, ReplyError)


def words_of(error: Exception) -> str:
    """An error as a part of one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


class Examination:
    """Asks a server what it can do.

    Parameters
    ----------
    send : callable
        The client's ``create``.
    payload : dict
        What the stock adapter would send for `PROMPT`.
    capture : CaptureSettings
        How samples will be asked for.
    """

    def __init__(self, send: Send, payload: dict[str, Any], capture: CaptureSettings) -> None:
        self._send, self._payload, self._capture = send, payload, capture
        self.found = Findings()
        self._first: Choice | None = None
        self._options: dict[str, Any] = {}

    def run(self) -> Findings:
        """Ask.

        Raises
        ------
        SetupError
            If no request is answered, with the server's words.
        """
        found = self.found
        if self._payload.get("temperature") != 0:
            found.greedy = "at the server's own temperature: this adapter sends this model none"
        self._answer()
        if self._capture.k:
            self._samples()
        return found

    def _ask(self, **more: Any) -> list[Choice]:
        self.found.n_requests += 1
        reply = self._send(**{**self._payload, **more})
        self.found.model = _text(reply, "model") or self.found.model
        self.found.fingerprint = _text(reply, "system_fingerprint") or self.found.fingerprint
        return choices_of(reply)

    def _answer(self) -> None:
        found, refused = self.found, None
        for options in (*_LOGPROBS, {}):
            try:
                self._first = self._ask(**options)[0]
            except Exception as error:
                if not _is_beyond(error) or not options:
                    raise SetupError(words_of(error)) from error
                refused = words_of(error)
                continue
            found.answer_options = options
            break
        assert self._first is not None
        if not found.answer_options:
            found.no_logprobs = f"the server refuses to give log-probabilities ({refused})"
        elif not self._first.tokens:
            found.answer_options = {}
            found.no_logprobs = (
                "the server gives no log-probabilities (asked for, and not returned)"
            )

    def _samples(self) -> None:
        found, capture = self.found, self._capture
        at = {"temperature": capture.temperature, "top_p": capture.top_p}
        try:
            sample = self._ask(**at, **found.answer_options)[0]
        except Exception as error:
            if not _is_beyond(error):
                raise SetupError(words_of(error)) from error
            found.no_samples = f"the server refuses to sample ({words_of(error)})"
            return
        self._compare_logprobs(sample)
        found.sample_options = dict(at)
        self._options = at
        if (hot := self._or_none(temperature=1.0, top_p=1.0)) is not None:
            self._options = {"temperature": 1.0, "top_p": 1.0}  # where samples differ most
        drawn = [sample, *(hot or [])[:1]]
        if (wide := self._or_none(**self._options, **_WIDE)) is not None:
            found.sample_options |= _WIDE
            self._options |= _WIDE
            found.wide = True
            drawn += wide[:1]
        drawn += self._seeded()
        self._scores()
        several = self._several()
        self._conclude([choice.text for choice in drawn if choice.text], several)

    def _or_none(self, **options: Any) -> list[Choice] | None:
        """Choices, or None where the server refuses these options."""
        try:
            return self._ask(**options)
        except Exception as error:
            if _is_beyond(error):
                return None
            raise SetupError(words_of(error)) from error

    def _seeded(self) -> list[Choice]:
        """Samples with seeds of their own; find out whether a seed is taken, and does anything."""
        found = self.found
        once = self._or_none(**self._options, seed=1)
        if once is None:
            found.seeded = "the server refuses a seed"
            return [choice for _ in range(2) for choice in (self._or_none(**self._options) or [])]
        again = self._or_none(**self._options, seed=1)
        found.repeats = again is not None and again[0].text == once[0].text
        return [*once[:1], *(self._or_none(**self._options, seed=2) or [])[:1]]

    def _scores(self) -> None:
        """Ask for samples' log-probabilities where those are known to be the raw ones."""
        found = self.found
        if found.raw:
            found.sample_options["logprobs"] = self._options["logprobs"] = True
        else:
            found.no_sample_logprobs = found.no_logprobs or (
                "it was not told whether a sample's log-probabilities are those before temperature"
            )

    def _several(self) -> list[str]:
        """Texts of the choices of one request that asks for K of them."""
        found, k = self.found, self._capture.k
        seed = {} if found.seeded else {"seed": 3}
        choices = self._or_none(**self._options, **seed, n=k)
        if choices is None:
            found.several = f"one: the server refuses n={k}"
        elif len(choices) < k:
            found.several = f"one: n={k} was asked for, {len(choices)} came"
        return [choice.text for choice in choices or [] if choice.text]

    def _conclude(self, single: list[str], several: list[str]) -> None:
        """Say what the texts of single requests, and of one request for K, show together."""
        found = self.found
        if single + several:
            found.varies = len({*single, *several}) > 1
        if found.varies is False:
            found.no_samples = (
                f"the server ignores the temperature: {len(single + several)} samples of a prompt "
                "that asks for random letters were equal"
            )
        elif len(several) > 1 and len(set(several)) == 1 and len(set(single)) > 2:
            found.several = f"one: the {len(several)} choices of one request are copies"

    def _compare_logprobs(self, sample: Choice) -> None:
        """See whether log-probabilities change with the temperature."""
        found, first = self.found, self._first
        if found.no_logprobs or first is None:
            return
        found.raw = logprobs_are_raw(first, sample)
        if found.raw is False:
            found.answer_options = {}
            found.no_logprobs = (
                "the server's log-probabilities are those after temperature and top-p (they change "
                "with them), not the model's; start vLLM with --logprobs-mode raw_logprobs"
            )


def logprobs_are_raw(answer: Choice, sample: Choice) -> bool | None:
    """Whether the first position's log-probabilities are the same at two temperatures.

    None where they do not tell: there are none, or one token is certain at any temperature.
    """
    if not answer.tokens or not sample.tokens:
        return None
    pairs = zip(answer.tokens[0].top, sample.tokens[0].top, strict=False)
    both = [(math.exp(one), math.exp(other)) for one, other in pairs]
    if not both or both[0][0] > 1 - _SHIFT < both[0][1]:
        return None
    return all(abs(one - other) < _SHIFT for one, other in both)


def _text(reply: Any, name: str) -> str | None:
    value = getattr(reply, name, None)
    return value if isinstance(value, str) else None
