"""What stands between an answer and a further turn, in the chat form that a model was asked in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_ANSWER, _NEXT = "§ANSWER§", "§NEXT§"
_AS_CODE = "'type': 'text'"  # of a template that takes strings, and prints parts as they are
# messages -> text of a prompt, up to where the assistant's turn begins
Render = Callable[[list[dict[str, Any]]], str]


@dataclass(frozen=True)
class Dialogue:
    """How a dialogue goes on after an answer.

    Attributes
    ----------
    before, after : str
        Around the text of a further turn: what ends the answer and begins the turn, what ends it
        and begins the next answer.
    is_chat : bool
        Whether the checkpoint has turns at all; without them lines stand for turns.
    """

    before: str = "\n"
    after: str = "\n"
    is_chat: bool = False

    @classmethod
    def of(cls, render: Render | None) -> Dialogue:
        """Read off a chat template, asked for a dialogue of three turns.

        Parameters
        ----------
        render : callable, optional
            The template; None for a checkpoint without.
        """
        for as_parts in ((True, True), (True, False), (False, False)) if render else ():
            try:
                text = render(_turns(*as_parts)) if render else ""
            except Exception:  # noqa: BLE001 - whatever a template raises on a form it has not
                continue
            if _AS_CODE not in text and text.count(_ANSWER) == text.count(_NEXT) == 1:
                between, after = text.split(_ANSWER)[1].split(_NEXT)
                return cls(between, after, is_chat=True)
        return cls()

    def turn(self, text: str) -> str:
        """What follows an answer where the next turn says ``text``."""
        return f"{self.before}{text}{self.after}"


def _turns(user_in_parts: bool, answer_in_parts: bool) -> list[dict[str, Any]]:
    told = (("user", "?", user_in_parts), ("assistant", _ANSWER, answer_in_parts),
            ("user", _NEXT, user_in_parts))  # fmt: skip
    return [
        {"role": role, "content": [{"type": "text", "text": text}] if in_parts else text}
        for role, text, in_parts in told
    ]


def render_of(processor: Any, tokenizer: Any) -> Render | None:
    """The chat template of a processor, else of its tokenizer; None where there is none."""
    for holder in (processor, tokenizer):
        if getattr(holder, "chat_template", None):
            return lambda messages, holder=holder: holder.apply_chat_template(  # type: ignore[misc]
                messages, tokenize=False, add_generation_prompt=True
            )
    return None
