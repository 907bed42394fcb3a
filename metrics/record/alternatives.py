"""What else an answer's tokens could have been, and what another model says of that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from metrics.errors import RecordError
from metrics.record.channel import Array, Channel

ALTERNATIVES = 10  # so many of the likeliest tokens are kept at each answer token
MOST_TOKENS = 512  # of an answer: another model reads ten texts a token
TOO_LONG = f"the answer has more than {MOST_TOKENS} tokens"
_MOST_BYTES = 2**17  # of their texts
MOST_OF_SAMPLES = 2**15  # tokens
TOO_LONG_SAMPLE = f"a sample has more than {MOST_TOKENS} tokens"
TOO_LONG_SAMPLES = f"the samples have more than {MOST_OF_SAMPLES} tokens together"
_BEFORE = (
    400  # characters of the answer that a claim begins with: what a reader of 512 tokens takes
)
_BETWEEN = "\0"


@dataclass(frozen=True)
class TokenAlternatives(Channel):
    """The likeliest tokens at each answer token, where they were asked for.

    ``logprobs`` (nats), shape (n_answer_tokens, m), m at most 10, falling, under the raw
    distribution; −inf where fewer are told. ``texts``, uint8: UTF-8 of each answer token's own text
    and those of its m alternatives, token after token, NUL between.
    """

    name = "token_alternatives"
    depth = "log-probabilities"
    logprobs: Array
    texts: Array

    @classmethod
    def of(cls, logprobs: Array, pieces: Sequence[Sequence[str]]) -> Self:
        """From each token's own text with those of its alternatives behind it."""
        return cls(logprobs.astype(np.float32), _packed([text for own in pieces for text in own]))

    def pieces(self) -> list[list[str]]:
        """Each token's own text with those of its alternatives behind it.

        Raises RecordError for a channel that does not hold as many.
        """
        if self.logprobs.ndim != 2:
            raise RecordError(f"{self.name}.logprobs must have two axes.")
        n, m = self.logprobs.shape
        if n > MOST_TOKENS or m > ALTERNATIVES or self.texts.size > _MOST_BYTES:
            raise RecordError(f"{self.name} holds more than an answer's tokens can have.")
        found = _unpacked(self.texts)
        if len(found) != n * (m + 1):
            raise RecordError(f"{self.name} has {len(found)} texts, {n * (m + 1)} are needed.")
        return [found[start : start + m + 1] for start in range(0, len(found), m + 1)]

    def claims(self) -> list[list[str]]:
        """The answer up to each token: as it is, and with each alternative in its place.

        Of a long one the last 400 characters before the token.
        """
        before, found = "", []
        for own, *others in self.pieces():
            found.append([(before + piece).strip() for piece in (own, *others)])
            before = (before + own)[-_BEFORE:]
        return found

    def shortened(self) -> tuple[str, list[str]]:
        """The whole answer, and the answer without each of its tokens."""
        return _shortened([pieces[0] for pieces in self.pieces()])


@dataclass(frozen=True)
class SampleTokens(Channel):
    """The tokens of the K samples, where they were asked for.

    ``logprobs`` (nats), shape (n_tokens,): of all tokens of all samples, sample after sample, under
    the raw distribution. ``lengths``, shape (K,): tokens of each. ``texts``, uint8: UTF-8 of each
    token's text, NUL between.
    """

    name = "sample_tokens"
    depth = "log-probabilities"
    logprobs: Array
    lengths: Array
    texts: Array

    @classmethod
    def of(cls, logprobs: Sequence[Array], pieces: Sequence[Sequence[str]]) -> Self:
        """From each sample's log-probabilities and its tokens' texts."""
        return cls(
            np.concatenate([np.zeros(0), *logprobs]).astype(np.float32),
            np.array([len(own) for own in pieces], np.int32),
            _packed([text for own in pieces for text in own]),
        )

    def by_sample(self) -> list[Array]:
        """Log-probabilities of each sample's tokens; RecordError where numbers do not fit."""
        lengths = np.asarray(self.lengths, np.int64)
        n = self.logprobs.size
        fits = self.logprobs.ndim == 1 and lengths.ndim == 1 and (lengths >= 0).all()
        if not fits or n > MOST_OF_SAMPLES or lengths.sum() != n:
            raise RecordError(f"{self.name}: lengths and log-probabilities do not fit.")
        return np.split(self.logprobs, np.cumsum(lengths)[:-1])

    def shortened(self) -> list[tuple[str, list[str]]]:
        """Each sample, and the sample without each of its tokens."""
        counts = [own.size for own in self.by_sample()]
        n = sum(counts)
        found = _unpacked(self.texts) if n else []
        if len(found) != n or max(counts, default=0) > MOST_TOKENS:
            raise RecordError(f"{self.name} has {len(found)} texts, {n} are needed.")
        rest = iter(found)
        return [_shortened([next(rest) for _ in range(own)]) for own in counts]


def _packed(texts: Sequence[str]) -> Array:
    plain = (text.replace(_BETWEEN, "") for text in texts)
    return np.frombuffer(_BETWEEN.join(plain).encode("utf-8", "replace"), np.uint8)


def _unpacked(texts: Array) -> list[str]:
    return np.asarray(texts, np.uint8).tobytes().decode("utf-8", "replace").split(_BETWEEN)


def _shortened(own: list[str]) -> tuple[str, list[str]]:
    without = ["".join(own[:t] + own[t + 1 :]).strip() for t in range(len(own))]
    return "".join(own).strip(), without


@dataclass(frozen=True)
class ClaimsEntailed(Channel):
    """What a model for entailment says of the answer with one token replaced.

    ``entails`` and ``contradicts``, shape (n_answer_tokens, m): probability that the answer up to a
    token, with an alternative in its place, entails or contradicts it as it is.
    """

    name = "claims_entailed"
    kept = False
    depth = "log-probabilities"
    entails: Array
    contradicts: Array


@dataclass(frozen=True)
class TokenRelevance(Channel):
    """How much an answer changes without one of its tokens.

    ``similarity``, shape (n_answer_tokens,), in [0, 1]: how alike the answer without the token is.
    """

    name = "token_relevance"
    kept = False
    depth = "log-probabilities"
    similarity: Array


@dataclass(frozen=True)
class SamplesRelevance(Channel):
    """How much each sample changes without one of its tokens.

    ``similarity``, shape (n_tokens,), in [0, 1]: as `TokenRelevance`, of the tokens of
    `SampleTokens`.
    """

    name = "samples_relevance"
    kept = False
    depth = "log-probabilities"
    similarity: Array
