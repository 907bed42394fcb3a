"""Which tokens of a prompt are the content words of its question.

Words are found in what the tokens decode to, not by tokenizing words on their own: a tokenizer
splits a word differently inside a sentence.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Any

from vrp_tasks.errors import UnalignedError

# Words that name nothing to look for. Spatial words (left, above, …), numbers and names stay.
_FUNCTION_WORDS = """
    a an the this that these those some any each every either neither no not nor all both such
    i me my you your he him his she her it its we us our they them their one ones
    who whom whose which what when where why how many much
    am is are was were be been being do does did done have has had having can could may might must
    shall should will would there here
    and or but if then than so as of at by for from in into on onto to with about too very also just
"""
# Words for the picture itself: every cell is part of it.
_PICTURE_WORDS = "image images picture pictures photo photos photograph scene"
# of "won't", "ain't", "can't", "shan't", "let's"
_CONTRACTED = frozenset(["wo", "ai", "ca", "sha", "let"])
STOP_WORDS = frozenset(_FUNCTION_WORDS.split() + _PICTURE_WORDS.split())

_WORD = re.compile(r"\w+(?:['’]\w+)*")
_UNDECODED = "\ufffd"
_LONGEST_SPLIT = 4  # tokens that one character may be spread over


@dataclass(frozen=True)
class Word:
    """A content word and the positions of its tokens in the prompt."""

    text: str
    positions: tuple[int, ...]


def content_words(question: str) -> list[tuple[str, int, int]]:
    """Words that name something, with their place: (lower-case word, start, end)."""
    return [
        (match.group().lower(), match.start(), match.end())
        for match in _WORD.finditer(question)
        if not _is_stop_word(match.group().lower())
    ]


def _is_stop_word(word: str) -> bool:
    """Contractions too: "what's", "isn't", "let's"."""
    stem = re.split("['’]", word)[0]
    stem = stem.removesuffix("n") if re.search("n['’]t$", word) else stem
    return word in STOP_WORDS or (stem != word and stem in STOP_WORDS | _CONTRACTED)


def align_words(tokenizer: Any, ids: list[int], question: str) -> list[Word]:
    """Find the content words of a question among the tokens of a prompt.

    Parameters
    ----------
    tokenizer
        Of the processor.
    ids : list of int
        The prompt, as the model gets it.
    question : str
        Stands in the prompt; of several places the last one counts. White space may differ.

    Returns
    -------
    list of Word
        At least one. A token that holds parts of two words belongs to both.

    Raises
    ------
    UnalignedError
        If the question has no content word, or does not stand in the prompt.
    """
    wanted = content_words(question)
    if not wanted:
        raise UnalignedError("the question has no content word")
    text, owners = _decoded(tokenizer, ids)
    needle = "".join(map(_plain, question))
    start = text.rfind(needle)
    if start < 0:
        raise UnalignedError("the question was not found in what the prompt's tokens decode to")
    words = []
    for word, first, last in wanted:
        begin = start + len("".join(map(_plain, question[:first])))
        end = begin + len("".join(map(_plain, question[first:last])))
        positions = sorted({p for char in range(begin, end) for p in owners[char]})
        words.append(Word(word, tuple(positions)))
    return words


def _plain(char: str) -> str:
    """A character in compatibility form, nothing for white space."""
    return "".join(unicodedata.normalize("NFKC", char).split())


def _decoded(tokenizer: Any, ids: list[int]) -> tuple[str, list[tuple[int, ...]]]:
    """Text of a prompt without white space, and the positions that each character comes from."""
    characters: list[str] = []
    owners: list[tuple[int, ...]] = []
    position = 0
    while position < len(ids):
        width, piece = _piece(tokenizer, ids, position)
        plain = "".join(map(_plain, piece))
        characters.append(plain)
        owners += [tuple(range(position, position + width))] * len(plain)
        position += width
    return "".join(characters), owners


def _piece(tokenizer: Any, ids: list[int], position: int) -> tuple[int, str]:
    """The fewest tokens from ``position`` on that decode to whole characters, and their text."""
    for width in range(1, _LONGEST_SPLIT + 1):
        piece = tokenizer.decode(ids[position : position + width])
        if _UNDECODED not in piece:
            return width, piece
    return 1, ""
