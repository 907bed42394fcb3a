"""Answers as text: one form for equal answers, and yes or no where it can be read."""

from __future__ import annotations

import re
import unicodedata

from metrics.core.checks import refuse

_NUMBER_WORDS = {
    word: str(value)
    for value, word in enumerate(
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    )
} | {"none": "0"}  # fmt: skip
_ARTICLES = frozenset(("a", "an", "the"))
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_APOSTROPHES = re.compile(r"['’‘`´]")
# a point between digits and a minus before a digit are part of a number
_PUNCTUATION = re.compile(r"[;:/\[\]\"“”{}()=+\\_><@,?!*|~]|\.(?!\d)|(?<!\S)-(?!\d)|(?<=\S)-")

_REFUSALS = re.compile(r"^(no (idea|clue|way)|(yes|no) (or|and) (yes|no))\b")
_FIRST_WORD = re.compile(r"^(yes|no|yeah|yep|nope)\b")
_STATED = re.compile(r"\banswer (?:is |would be |to \S+ question is )?(yes|no)\b")
_ABSENT = re.compile(
    r"\bthere (?:is|are) (?:no|not)\b(?! (?:idea|way|doubt))|\bthere (?:isnt|arent)\b"
)


def normalize_answer(text: str) -> str:
    """Bring an answer to the form in which equal answers are equal strings.

    Lower case, one line, punctuation removed, number words zero … ten (and none) as digits,
    articles removed, single spaces. Thousands separators go ("1,000" is "1000"), decimal points
    and a leading minus stay, and so does an article that is all there is: "A" is an option.

    Parameters
    ----------
    text : str
        An answer as generated or annotated.

    Returns
    -------
    str
        The normalised answer; empty if it held no word.

    Raises
    ------
    ValueError
        If ``text`` is not a string.

    References
    ----------
    VQA evaluation code (Antol et al. 2015, ``vqaEval.py``). Differs: apostrophes are dropped
    instead of restored from a table, "-3" keeps its sign, "none" is 0 there too, a lone article
    stays, and Unicode is brought to NFKC first.

    Examples
    --------
    >>> normalize_answer(" The Two dogs. ")
    '2 dogs'
    >>> normalize_answer("1,000.5"), normalize_answer("(A)")
    ('1000.5', 'a')
    """
    if not isinstance(text, str):
        raise refuse("normalize_answer", "text", "a string", repr(text))
    plain = unicodedata.normalize("NFKC", text).lower()
    plain = _APOSTROPHES.sub("", _THOUSANDS.sub("", plain))
    words = _PUNCTUATION.sub(" ", plain).split()
    kept = [word for word in words if word not in _ARTICLES]
    return " ".join(_NUMBER_WORDS.get(word, word) for word in kept or words)


def parse_yes_no(text: str) -> str | None:
    """Read a yes or a no from an answer, or say that there is none.

    The first word decides; else a stated "answer is yes", else "there is no …" / "there are not …".
    Everything else, "no idea" and "yes or no" included, is unparseable: the caller counts it.

    Parameters
    ----------
    text : str
        An answer as generated.

    Returns
    -------
    {"yes", "no", None}
        None if neither can be read.

    Raises
    ------
    ValueError
        If ``text`` is not a string.

    References
    ----------
    Method §1 (ours). lmms-eval's POPE scorer compares exactly and counts "Yes." as wrong; the
    original POPE script reads everything without a "no" or "not" as yes.

    Examples
    --------
    >>> parse_yes_no("Yes, no doubt."), parse_yes_no("There are no cats"), parse_yes_no("?")
    ('yes', 'no', None)
    """
    plain = normalize_answer(text)
    if _REFUSALS.match(plain):
        return None
    first = _FIRST_WORD.match(plain)
    if first:
        return "yes" if first[1].startswith("ye") else "no"
    stated = _STATED.findall(plain)
    if stated:
        return str(stated[-1]) if len(set(stated)) == 1 else None
    return "no" if _ABSENT.search(plain) else None
