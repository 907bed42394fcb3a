"""The confidence that a model states in words, read from what it says."""

from __future__ import annotations

import re

from metrics.core.checks import refuse

_SCALE = re.compile(
    r"(?<![\d.])0\s*%?\s*(?:-|–|to|and)\s*(?:100\s*%?|1)(?![\d.])"
)  # as it was asked
_DECIMAL_COMMA = re.compile(r"(?<=\d),(?=\d{1,2}(?!\d))")
_RANGE = re.compile(r"(?<![\d.])(\d+(?:\.\d+)?)\s*%?\s*(?:-|–|to)\s*(\d+(?:\.\d+)?)\s*(%?)")
_BETWEEN = re.compile(r"between\s+([\d.]+\s*%?)\s+and\s+(?=\d)")
_PARTS = re.compile(r"(?<![\d.])(\d+(?:\.\d+)?)\s*(?:/|out of)\s*(\d+(?:\.\d+)?)")
_NUMBER = re.compile(
    r"(?<![\w.-])(\d+(?:\.\d+)?|\.\d+)(\s*(?:%|percent\b|per cent\b))?(?![\d.]*\w)"
)


def stated_confidence(text: str) -> float | None:
    r"""Read a confidence from an answer to "how sure are you, from 0 to 100?".

    A percentage ("85 %", "I am 85 percent sure"), a share with a decimal point ("0.85"), a part of
    a whole ("85/100", "8 out of 10"), a range, of which the middle counts ("80-90%"), or a whole
    number on the scale that was asked for ("85"). Of several numbers those with a percent sign
    count; where two of them differ, or none can be told from the others, nothing is read.

    No direction: what a text says. Range: :math:`[0, 1]`.

    Parameters
    ----------
    text : str
        As generated.

    Returns
    -------
    float or None
        None where no confidence can be read: never a guess.

    Raises
    ------
    ValueError
        If ``text`` is not a string.

    References
    ----------
    Tian et al. (2023), arXiv 2305.14975, ask for a probability in words; the reading is ours.

    Examples
    --------
    >>> stated_confidence("I am 85% sure."), stated_confidence("0.85"), stated_confidence("9/10")
    (0.85, 0.85, 0.9)
    >>> stated_confidence("very sure"), stated_confidence("150"), stated_confidence("-5")
    (None, None, None)
    """
    if not isinstance(text, str):
        raise refuse("stated_confidence", "text", "a string", repr(text))
    text = _BETWEEN.sub(r"\1 to ", _DECIMAL_COMMA.sub(".", _SCALE.sub(" ", text)))
    if parts := _PARTS.findall(text):
        found = {float(part) / float(whole) for part, whole in parts if float(whole)}
        return _only(found)
    ranges = [own for own in _RANGE.findall(text) if own[2] or "%" not in text]
    if ranges:
        middles = {(float(a) + float(b)) / 2 / _whole(a, b, sign) for a, b, sign in ranges}
        return _only(middles)
    numbers = _NUMBER.findall(text)
    chosen = [own for own in numbers if own[1]] or numbers
    return _only({float(number) / _whole(number, number, sign) for number, sign in chosen})


def _whole(low: str, high: str, sign: str) -> float:
    """What a number is a part of: 1 for a share with a decimal point, else 100."""
    is_share = "." in low and "." in high and float(high) <= 1 and not sign.strip()
    return 1.0 if is_share else 100.0


def _only(found: set[float]) -> float | None:
    """The one value there is, if it is a share."""
    if len(found) != 1:
        return None
    (value,) = found
    return value if 0 <= value <= 1 else None
