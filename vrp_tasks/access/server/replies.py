"""What a server's reply says, read without trust in its form."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metrics.answers.listed_entropy import entropy_at_least
from metrics.errors import UndefinedMetricError
from metrics.record.channels import (
    ALTERNATIVES,
    MOST_TOKENS,
    TOO_LONG,
    Channel,
    FirstTwo,
    ListedTokens,
    SampleScores,
    TokenAlternatives,
    TokenEntropies,
    TokenScores,
)
from metrics.record.observation import Absent
from vrp_tasks.errors import ReplyError

_OVER_ONE = 1e-2  # what rounding may add to a sum of probabilities


@dataclass(frozen=True)
class Token:
    """One generated token.

    Attributes
    ----------
    text : bytes
        A token may be a part of a character.
    logprob : float
        As the server states it, in nats.
    top : tuple of float
        Log-probabilities of the likeliest tokens at its position, the largest first.
    listed : tuple of str
        Their texts.
    entropy : float or None
        Of the whole vocabulary's distribution at its position, nats; None where only the likeliest
        tokens are told.
    """

    text: bytes
    logprob: float
    top: tuple[float, ...] = ()
    listed: tuple[str, ...] = ()
    entropy: float | None = None


@dataclass(frozen=True)
class Choice:
    """One generated text; None, with the reason, where the server gave none.

    ``tokens`` are None where it gave no log-probabilities; ``are_its_own`` says that they are the
    text's by their ids, so that their texts need not join to it.
    """

    text: str | None
    tokens: tuple[Token, ...] | None
    reason: str | None = None
    are_its_own: bool = False


@dataclass(frozen=True)
class Usage:
    """Tokens that requests took, as the server counts them; ``cached`` are among the prompt's."""

    prompt: int = 0
    completion: int = 0
    reasoning: int = 0
    cached: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt + other.prompt,
            self.completion + other.completion,
            self.reasoning + other.reasoning,
            self.cached + other.cached,
        )


def choices_of(reply: Any) -> list[Choice]:
    """The choices of a reply, in the order that their indices give.

    Raises
    ------
    ReplyError
        If there is none.
    """
    found = getattr(reply, "choices", None)
    if not isinstance(found, list) or not found:
        shown = " ".join(str(reply).split())[:120]
        raise ReplyError(f"the reply holds no choices: {shown}")
    indices = [getattr(choice, "index", None) for choice in found]
    if all(isinstance(index, int) for index in indices):
        found = [choice for _, choice in sorted(zip(indices, found, strict=True), key=_first)]
    return [_choice(choice) for choice in found]


def _first(pair: tuple[Any, Any]) -> Any:
    return pair[0]


def _choice(choice: Any) -> Choice:
    message = getattr(choice, "message", None)
    content = getattr(message, "content", None)
    if isinstance(content, str):
        return Choice(content, _tokens(choice))
    ended = getattr(choice, "finish_reason", None) or "not given"
    reason = f"the reply has no text (finish_reason: {ended})"
    if refusal := getattr(message, "refusal", None):
        reason = f"the model refused: {' '.join(str(refusal).split())[:160]}"
    elif getattr(message, "reasoning_content", None) or getattr(message, "reasoning", None):
        reason += "; the model was still thinking: give it more tokens (gen_kwargs)"
    return Choice(None, None, reason)


def _tokens(choice: Any) -> tuple[Token, ...] | None:
    content = getattr(getattr(choice, "logprobs", None), "content", None)
    if not isinstance(content, list):
        return None
    return tuple(_token(entry) for entry in content)


def _token(entry: Any) -> Token:
    own, logprob = _bytes(entry), _number(getattr(entry, "logprob", None))
    others = getattr(entry, "top_logprobs", None) or []
    told = [(_number(getattr(other, "logprob", None)), _bytes(other)) for other in others]
    if told and own not in (text for _, text in told):  # the chosen token is not always among them
        told.append((logprob, own))
    told.sort(key=_first, reverse=True)
    top, listed = tuple(one for one, _ in told), tuple(_shown(text) for _, text in told)
    return Token(own, logprob, top, listed)


def _bytes(entry: Any) -> bytes:
    own = getattr(entry, "bytes", None)
    if isinstance(own, list):
        return bytes(own)
    return str(getattr(entry, "token", "")).encode()


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def usage_of(reply: Any) -> Usage:
    """What a reply says it took; zeros where it does not say."""
    usage = getattr(reply, "usage", None)
    details = getattr(usage, "completion_tokens_details", None)
    return Usage(
        getattr(usage, "prompt_tokens", None) or 0,
        getattr(usage, "completion_tokens", None) or 0,
        getattr(details, "reasoning_tokens", None) or 0,
    )


def answer_tokens(tokens: Sequence[Token], text: str) -> list[Token] | None:
    """The first tokens that make up a text; None where they do not join to it.

    Servers differ in whether the end-of-sequence token is listed, and in whether white space at
    the text's ends is kept: neither counts against them.
    """
    wanted = text.encode()
    joined, ends = b"", [b""]
    for token in tokens:
        joined += token.text
        ends.append(joined)
    bare = [end.strip() for end in ends]
    for shown, sought in ((ends, wanted), (bare, wanted.strip())):
        if sought in shown:
            return list(tokens[: shown.index(sought)])
    return None


def channels_of(choice: Choice) -> tuple[dict[str, Channel], dict[str, Absent]]:
    """Token channels of an answer, or why they are not there."""
    try:
        own, logprobs = _scored(choice, "answer")
    except ReplyError as error:
        return {}, _absent(str(error))
    scores: Channel = TokenScores(logprobs)
    listed = listed_tokens(own)
    channels = {scores.name: scores}
    absent = {}
    exact = [token.entropy for token in own if token.entropy is not None]
    if len(exact) == len(own):
        entropies = TokenEntropies(np.array(exact, np.float32))
        channels[entropies.name] = entropies
    else:
        absent[TokenEntropies.name] = Absent("the whole distribution is not told at every token")
    if isinstance(listed, Absent):
        absent[ListedTokens.name] = listed
    else:
        channels[listed.name] = listed
    if not own and not choice.tokens:
        return channels, absent
    largest = np.exp(np.array(own[0].top[:2])) if own else np.zeros(0)
    if largest.size < 2 or not largest.sum() <= 1 + _OVER_ONE:
        absent[FirstTwo.name] = Absent("the two likeliest first tokens are not both told")
        return channels, absent
    two: Channel = FirstTwo(np.minimum(largest, 1.0))
    return channels | {two.name: two}, absent


def listed_tokens(tokens: Sequence[Token]) -> ListedTokens | Absent:
    """What the listed tokens tell of each position; why nothing, if one position tells nothing."""
    try:
        told = [entropy_at_least(token.top) for token in tokens]
    except (UndefinedMetricError, ValueError):
        return Absent("the likeliest tokens are not told at every answer token")
    entropies, seen = np.array(told, np.float32).reshape(-1, 2).T
    return ListedTokens(entropies, seen)


def alternatives_of(choice: Choice) -> TokenAlternatives | Absent:
    """What else the answer's tokens could have been, as far as it is listed."""
    try:
        own, _ = _scored(choice, "answer")
    except ReplyError as error:
        return Absent(str(error))
    if not own or not all(token.listed for token in own):
        return Absent("the likeliest tokens are not told at every answer token")
    if len(own) > MOST_TOKENS:
        return Absent(TOO_LONG)
    most = min(ALTERNATIVES, max(len(token.listed) for token in own))
    logprobs = np.full((len(own), most), -np.inf)
    pieces = []
    for row, token in zip(logprobs, own, strict=True):
        texts = token.listed[:most]
        row[: len(texts)] = token.top[:most]
        pieces.append([_shown(token.text), *texts, *[""] * (most - len(texts))])
    return TokenAlternatives.of(logprobs, pieces)


def _shown(text: bytes) -> str:
    return text.decode("utf-8", "replace")


def sample_scores(choices: Sequence[Choice]) -> SampleScores | Absent:
    """Log-probability and length of each sample; why there are none if one of them has none."""
    try:
        scored = [_scored(choice, "sample")[1] for choice in choices]
    except ReplyError as error:
        return Absent(str(error))
    sums = np.array([own.sum() for own in scored], np.float32)
    return SampleScores(sums, np.array([own.size for own in scored], np.int32))


def _scored(choice: Choice, what: str) -> tuple[list[Token], np.ndarray]:
    """The tokens of a text, end-of-sequence left out, and their log-probabilities.

    Raises
    ------
    ReplyError
        If the server gave none, or none that can be the text's.
    """
    if choice.tokens is None or (choice.text and not choice.tokens):
        raise ReplyError(f"the server gave no log-probabilities with this {what}")
    own = list(choice.tokens)
    if not choice.are_its_own:
        joined = answer_tokens(choice.tokens, choice.text or "")
        if joined is None:
            raise ReplyError(f"the tokens of the log-probabilities do not join to the {what}")
        own = joined
    logprobs = np.array([token.logprob for token in own])
    if not np.isfinite(logprobs).all() or (logprobs > _OVER_ONE).any():
        raise ReplyError("the server gave log-probabilities that are none")
    return own, np.minimum(logprobs, 0.0)


def _absent(reason: str) -> dict[str, Absent]:
    told = (TokenScores, TokenEntropies, FirstTwo, ListedTokens)
    return {channel.name: Absent(reason) for channel in told}
