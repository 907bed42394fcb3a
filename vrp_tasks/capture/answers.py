"""Where an answer ends: what a stock adapter makes of generated tokens, and which of them count.

lmms-eval gives nearly every task stop strings; some adapters cut decoded answers there, some do
not. Answers, samples, token statistics, attention rows and states all end by the same rule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

_INCOMPLETE = "\ufffd"  # what a tokenizer shows of a character whose bytes are not all there


@dataclass(frozen=True)
class AnswerRule:
    """How an adapter turns generated tokens into an answer.

    Attributes
    ----------
    decode : callable
        Token lists without end-of-sequence -> texts.
    stops : tuple of str
        The answer ends where the first of them begins, wherever that is in the text.
    """

    decode: Callable[[list[list[int]]], list[str]]
    stops: tuple[str, ...] = ()

    @classmethod
    def until(
        cls, decode: Callable[[list[list[int]]], list[str]], stops: str | Sequence[str] | None
    ) -> AnswerRule:
        """A rule from what stands at ``until`` in a task's generation settings."""
        given = [stops] if isinstance(stops, str) else stops or []
        return cls(decode, tuple(stop for stop in given if stop))

    def texts(self, tokens: list[list[int]]) -> list[str]:
        """Answers."""
        if not tokens:  # of nothing, `batch_decode` makes one empty text
            return []
        return [self.cut(text) for text in self.decode(tokens)]

    def cut(self, text: str) -> str:
        """A decoded text up to the first stop string, without the space around it."""
        return text[: self.end(text)].strip()

    def end(self, text: str) -> int:
        """Where the first stop string begins in a decoded text; its length if there is none."""
        return min((text.index(stop) for stop in self.stops if stop in text), default=len(text))

    def length(self, tokens: Sequence[int]) -> int:
        """How many of the tokens are the answer.

        All of them where no stop string occurs; else the smallest number that decodes to the
        answer. None if the answer is empty.
        """
        (text,) = self.decode([list(tokens)])
        if self.end(text) == len(text):
            return len(tokens) if text.strip() else 0
        answer = AnswerEnd(self)
        for token in tokens:
            if answer.closed:
                break
            answer.add(token)
        return answer.length

    def certain(self, text: str) -> str:
        """What of an unfinished answer stays, whatever is generated after ``text``."""
        text = text.rstrip(_INCOMPLETE)
        end = min((_begun(text, stop) for stop in self.stops), default=len(text))
        return text[: min(end, self.end(text))].strip()


def _begun(text: str, stop: str) -> int:
    """Where an unfinished stop string begins at the end of a text; its length if none does."""
    lengths = range(min(len(stop) - 1, len(text)), 0, -1)
    return len(text) - next((n for n in lengths if text.endswith(stop[:n])), 0)


class AnswerEnd:
    """Follows one answer while it is generated.

    Parameters
    ----------
    rule : AnswerRule, optional
        Without one every token counts.

    Attributes
    ----------
    length : int
        Tokens of the answer if nothing followed: `AnswerRule.length` of what has been added.
    settled : int
        So many first tokens stay part of the answer, whatever follows.
    closed : bool
        Nothing that follows can change ``length``.
    """

    def __init__(self, rule: AnswerRule | None) -> None:
        self._rule = rule
        self.length = self.settled = 0
        self.closed = False
        self._tokens: list[int] = []
        self._answers = [""]  # after each number of tokens

    def add(self, token: int) -> None:
        """A token has been generated; not to be called once the answer is closed."""
        self._tokens.append(token)
        rule = self._rule
        if rule is None or (self.settled and not rule.stops):
            self.length = self.settled = len(self._tokens)
            return
        (text,) = rule.decode([self._tokens])
        answer, certain = rule.cut(text), rule.certain(text)
        self._answers.append(answer)
        stopped = rule.end(text) < len(text)
        first = self._answers.index(answer)
        self.length = first if stopped or not answer else len(self._tokens)
        enough = (n for n, known in enumerate(self._answers) if len(known) >= len(certain))
        self.settled = next(enough)
        self.closed = stopped and certain == answer
