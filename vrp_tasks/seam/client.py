"""The client through which an adapter talks to a server, replaced on the adapter's instance."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import SimpleNamespace
from typing import Any

from lmms_eval.api.instance import Instance


@contextmanager
def standing_in(lm: Any, name: str, value: Any) -> Iterator[None]:
    """Give an attribute of an adapter's instance another value; the stock one is put back."""
    stock = getattr(lm, name)
    setattr(lm, name, value)
    try:
        yield
    finally:
        setattr(lm, name, stock)


def served_client(lm: Any, create: Callable[..., Any]) -> AbstractContextManager[None]:
    """Serve ``client.chat.completions.create``; the stock client is put back on leaving."""
    completions = SimpleNamespace(create=create)
    return standing_in(lm, "client", SimpleNamespace(chat=SimpleNamespace(completions=completions)))


def stock_payload(
    lm: Any, stock: Callable[[list[Any]], list[Any]], **prompt: Any
) -> dict[str, Any]:
    """What the adapter would send for a prompt; nothing is sent.

    Parameters
    ----------
    lm, stock
        The adapter's instance, and its own ``generate_until``.
    prompt
        As `ask_prompt` takes it.
    """
    sent: list[dict[str, Any]] = []

    def create(**payload: Any) -> Any:
        sent.append(payload)
        message = SimpleNamespace(content="-")
        usage = SimpleNamespace(prompt_tokens=0, completion_tokens=0)
        return SimpleNamespace(choices=[SimpleNamespace(message=message)], usage=usage)

    with served_client(lm, create):
        ask_prompt(lm, stock, **prompt)
    return sent[0]


def ask_prompt(
    lm: Any,
    stock: Callable[[list[Any]], list[Any]],
    *,
    text: str,
    images: list[Any],
    generation: dict[str, Any],
) -> None:
    """Have the adapter answer a prompt of no task.

    Parameters
    ----------
    lm, stock
        The adapter's instance, and its own ``generate_until``.
    text, images
        The prompt.
    generation : dict
        Generation settings as a task would have them.
    """
    place = ("-", "-")
    if lm.is_simple:
        arguments: tuple[Any, ...] = (text, generation, lambda _doc: images, 0, *place)
    else:
        content = [*({"type": "image", "url": image} for image in images)]
        content.append({"type": "text", "text": text})
        messages = [{"role": "user", "content": content}]
        arguments = (text, lambda _doc: messages, generation, 0, *place)
    request = Instance(
        request_type="generate_until",
        arguments=arguments,
        idx=0,
        metadata={"task": place[0], "doc_id": 0, "repeats": 1},
    )
    with standing_in(lm, "task_dict", {place[0]: {place[1]: [None]}}):
        stock([request])
