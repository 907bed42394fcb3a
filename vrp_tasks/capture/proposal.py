"""A fresh question about the same image, of which the answer is proposed.

The image has been read; only what follows it in the prompt is replaced, so what the image's tokens
hold must not depend on the question.
"""

from __future__ import annotations

from typing import Any

from vrp_tasks.capture.continuation import Prefilled
from vrp_tasks.errors import CaptureError, NeverError

PROPOSAL = (
    "Question: {question}\nProposed answer: {answer}\nHow likely is it that the proposed answer is "
    "correct? Give a number from 0 to 100 and nothing else."
)


def proposed(
    prompts: Prefilled, index: int, tokenizer: Any, question: str | None, answer: str
) -> tuple[int, list[int]]:
    """Where a prompt is cut, and what is fed from there on instead of its question.

    Parameters
    ----------
    prompts : Prefilled
    index : int
        Of the batch.
    tokenizer
        Of the processor.
    question : str or None
        The task's text, as it stands in the prompt.
    answer : str
        What is proposed.

    Returns
    -------
    cut : int
        So many positions of the prompt stay, the image's and what stands before it.
    tokens : list of int

    Raises
    ------
    CaptureError
        If the prompt does not have its question, once, behind its image.
    NeverError
        If the model cannot be asked so at all.
    """
    if tokenizer is None or not question:
        raise CaptureError("it is not known where the question stands in the prompt")
    if prompts.reads_backwards:
        raise NeverError("this model reads its image with the question, so another needs a pass")
    if not prompts.can_be_cut:
        raise NeverError("this model's cache cannot be cut back to the image")
    shown = prompts.is_image[index].nonzero()
    if not len(shown):
        raise CaptureError("the prompt has no image")
    cut = int(shown[-1]) + 1
    if prompts.places_images:  # text goes on behind them with the next token
        cut += 1
    rest = tokenizer.decode(prompts.input_ids[index, cut:].tolist(), skip_special_tokens=False)
    if rest.count(question) != 1:
        raise CaptureError("the prompt does not have its question, once, behind its image")
    asked = rest.replace(question, PROPOSAL.format(question=question, answer=answer))
    tokens: list[int] = tokenizer.encode(asked, add_special_tokens=False)
    return cut, tokens
