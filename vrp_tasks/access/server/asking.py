"""One request of a stock adapter becomes several: the answer, and K samples beside it."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from vrp_tasks.access.server.findings import Findings, Send, is_refusal, words_of
from vrp_tasks.access.server.further import Further, FurtherTurns
from vrp_tasks.access.server.replies import Choice, Usage, choices_of, usage_of
from vrp_tasks.capture.settings import CaptureSettings
from vrp_tasks.errors import NoTextError

SEEDS = 2**31  # servers take seeds below it


@dataclass(frozen=True)
class Answered:
    """What a server said to one prompt.

    Attributes
    ----------
    choice : Choice
        The answer.
    samples : tuple of Choice
        K of them, each with a text, or none, with the reason in ``no_samples``.
    prompt : str
        Which prompt it was, ``<of what>:<SHA-256>``.
    further : Further
        What the model said of its own answer, where a run asks for that.
    usage : Usage
        What all this took, where that is counted by prompt.
    """

    choice: Choice
    samples: tuple[Choice, ...]
    no_samples: str | None
    prompt: str
    further: Further = field(default_factory=Further)
    usage: Usage = field(default_factory=Usage)


class CarryingText(str):
    """An answer that carries what was seen beside it.

    So answers and what was seen stay paired whatever order, thread or queue the stock adapter hands
    them on in; a request that failed comes back as a plain string.
    """

    answered: Answered

    @classmethod
    def of(cls, answered: Answered) -> CarryingText:
        """The text of an answer; empty where the server gave none."""
        new = cls(answered.choice.text or "")
        new.answered = answered
        return new


@dataclass
class _Turn:
    """What the tries of one request have brought; nothing is paid for twice."""

    messages: Any  # held, so that no other request's messages take its place in memory
    tries: int = 0
    reply: Any = None
    choice: Choice | None = None
    samples: list[Choice] = field(default_factory=list)


class Asking:
    """Stands in for a client's ``create`` while requests are observed.

    An error is the stock adapter's to deal with: it waits and calls again. At its last try samples
    that fail no longer cost the answer.

    Parameters
    ----------
    send : callable
        The client's ``create``.
    findings : Findings
        What the server can do.
    capture : CaptureSettings
        How many samples, and their seed.
    tries : int
        How often the stock adapter calls for one request.
    account : callable
        Told what each request for samples took.
    """

    def __init__(
        self,
        send: Send,
        findings: Findings,
        capture: CaptureSettings,
        *,
        tries: int,
        account: Callable[[Usage], None] = lambda usage: None,
    ) -> None:
        self._send, self._findings, self._capture = send, findings, capture
        self._tries, self._account = tries, account
        self._further = FurtherTurns(findings, capture.extra)
        self._turns: dict[int, _Turn] = {}
        self._lock = threading.Lock()
        self.usage = Usage()
        self.n_requests = self.n_failed = 0
        self.further_seconds = 0.0

    def create(self, **payload: Any) -> Any:
        """Answer one request as the stock client would, its text carrying the rest."""
        messages = payload["messages"]
        with self._lock:
            turn = self._turns.setdefault(id(messages), _Turn(messages))
        turn.tries += 1
        if turn.choice is None:
            turn.reply = self._ask(payload, self._findings.answer_options)
            turn.choice = choices_of(turn.reply)[0]
        prompt = prompt_hash(messages)
        reason = self._findings.no_samples
        if reason is None and turn.choice.text is not None:
            reason = self._draw(payload, turn, prompt)
        with self._lock:
            del self._turns[id(messages)]
        samples = () if reason else tuple(turn.samples)
        texts = tuple(sample.text or "" for sample in samples)
        further = self._ask_further(payload, turn.choice.text, texts)
        asked = f"messages:{prompt}"
        text = CarryingText.of(Answered(turn.choice, samples, reason, asked, further))
        message = SimpleNamespace(content=text)
        usage = getattr(turn.reply, "usage", None)
        return SimpleNamespace(choices=[SimpleNamespace(message=message)], usage=usage)

    def _ask(self, payload: dict[str, Any], more: dict[str, Any]) -> Any:
        extra = {**(payload.get("extra_body") or {}), **more.get("extra_body", {})}
        body = {**payload, **more} | ({"extra_body": extra} if extra else {})
        try:
            reply = self._send(**body)
            choices_of(reply)
        except Exception:
            with self._lock:
                self.n_requests += 1
                self.n_failed += 1
            raise
        with self._lock:
            self.n_requests += 1
            self.usage += usage_of(reply)
        return reply

    def _ask_further(
        self, payload: dict[str, Any], answer: str | None, samples: tuple[str, ...]
    ) -> Further:
        """What the model says of its answer; tokens are accounted for like those of samples."""
        if answer is None or not {"ptrue", "verbalized"}.intersection(self._capture.extra):
            return Further()

        def ask(payload: dict[str, Any], more: dict[str, Any]) -> Any:
            reply = self._ask(payload, more)
            self._account(usage_of(reply))
            return reply

        began = time.perf_counter()
        found = self._further.about(payload, answer, samples, ask)
        with self._lock:
            self.further_seconds += time.perf_counter() - began
        return found

    def _draw(self, payload: dict[str, Any], turn: _Turn, prompt: str) -> str | None:
        """Fill up a turn's samples; why there are none, if that is how it ends."""
        try:
            while len(turn.samples) < self._capture.k:
                self._draw_some(payload, turn, prompt)
        except Exception as error:
            final = is_refusal(error) or isinstance(error, NoTextError)
            if not final and turn.tries < self._tries:
                raise
            return f"sampling failed ({words_of(error)})"
        return None

    def _draw_some(self, payload: dict[str, Any], turn: _Turn, prompt: str) -> None:
        found, missing = self._findings, self._capture.k - len(turn.samples)
        more = dict(found.sample_options)
        if found.seeded is None:
            first = seed_of(self._capture.seed, prompt)
            more["seed"] = (first + len(turn.samples)) % SEEDS
        if found.several is None and missing > 1 and not turn.samples:
            more["n"] = missing
        reply = self._ask(payload, more)
        self._account(usage_of(reply))
        for choice in choices_of(reply)[:missing]:
            if choice.text is None:
                raise NoTextError(choice.reason)
            turn.samples.append(choice)


def prompt_hash(messages: Any) -> str:
    """SHA-256 of a prompt as it is sent, images included."""
    body = json.dumps(messages, sort_keys=True, default=str)
    return hashlib.sha256(body.encode()).hexdigest()


def seed_of(seed: int, prompt: str) -> int:
    """One seed per prompt, whatever order requests go out in."""
    digest = hashlib.sha256(f"{seed}/{prompt}".encode()).digest()
    return int.from_bytes(digest[:4], "little") % SEEDS
