"""What vLLM says of one generated text."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vrp_tasks.access.server.replies import Choice, Token

_KEPT = 20  # of the likeliest tokens, by name; of a whole vocabulary the entropy is kept beside
_NEAR_ONE = 1e-3  # from which probabilities are those of a whole vocabulary
_GIVEN_UP = ("abort", "error")


def choice_of(output: Any, *, vocabulary: int | None = None) -> Choice:
    """A ``CompletionOutput`` as a choice.

    Parameters
    ----------
    output
        With its token ids, and the log-probabilities that were asked for.
    vocabulary : int, optional
        How many tokens there are, where those of the whole vocabulary were: of fewer there is no
        entropy, however near to one they add up.

    Returns
    -------
    Choice
        Its tokens without the one that ended it, as everywhere; none where some are not told.
    """
    ended = output.finish_reason
    if ended in _GIVEN_UP:
        return Choice(None, None, f"the engine gave the request up (finish_reason: {ended})")
    own = list(output.token_ids)
    if ended == "stop" and own and not isinstance(output.stop_reason, str):
        own.pop()
    if output.logprobs is None:
        return Choice(output.text, None)
    try:
        told = (_told(output.logprobs, position) for position in range(len(own)))
        tokens = tuple(_token(*pair, vocabulary) for pair in zip(own, told, strict=True))
    except (AttributeError, LookupError, TypeError):  # the text stands all the same
        return Choice(output.text, None)
    # the text ends before a stop string, whose tokens are listed
    return Choice(output.text, tokens, are_its_own=not isinstance(output.stop_reason, str))


# token id -> its log-probability and text
_Told = dict[int, tuple[float, str]]


def _told(logprobs: Any, position: int) -> _Told:
    """What is told of one position; the chosen token may be listed twice."""
    if hasattr(logprobs, "start_indices"):  # FlatLogprobs
        part = slice(logprobs.start_indices[position], logprobs.end_indices[position])
        found = zip(logprobs.logprobs[part], logprobs.decoded_tokens[part], strict=True)
        return dict(zip(logprobs.token_ids[part], found, strict=True))
    return {token: (told.logprob, told.decoded_token) for token, told in logprobs[position].items()}


def _token(token: int, told: _Told, vocabulary: int | None) -> Token:
    logprob, text = told[token]
    values = np.array([own for own, _ in told.values()])
    top: list[int] = []
    if len(told) > 1:  # more than the chosen one
        top = np.argsort(-values, kind="stable")[:_KEPT].tolist()
    texts = [own for _, own in told.values()]
    return Token(
        text=(text or "").encode(),
        logprob=float(logprob),
        top=tuple(float(values[i]) for i in top),
        listed=tuple(texts[i] or "" for i in top),
        entropy=_entropy(values) if vocabulary and len(told) >= vocabulary else None,
    )


def _entropy(logprobs: np.ndarray) -> float | None:
    """Of a distribution, nats; None where the probabilities do not add up to one."""
    known = logprobs[np.isfinite(logprobs)]
    probabilities = np.exp(known)
    if not math.isclose(probabilities.sum(), 1.0, abs_tol=_NEAR_ONE):
        return None
    return max(0.0, float(-(probabilities * known).sum()))
