"""The model asked about its own answer, as a continuation of the prompt that it has read.

Nothing is read twice and the answer is not generated again: its tokens are fed with those of the
question about it, in one forward pass on the prompt's cache.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from metrics.answers.stated_confidence import stated_confidence
from metrics.record.channels import (
    Channel,
    ConfidenceAfterwards,
    ConfidenceInTurn,
    ConfidenceOfProposal,
    TruthAsked,
    TruthAskedWithSamples,
)
from vrp_tasks.capture.continuation import Continuation, Prefilled
from vrp_tasks.capture.dialogue import Dialogue
from vrp_tasks.capture.first_tokens import first_tokens
from vrp_tasks.capture.observer import Subjects
from vrp_tasks.capture.proposal import proposed
from vrp_tasks.capture.result import Captured
from vrp_tasks.errors import CaptureError, NeverError

IS_TRUE = "Is this answer true? Say True or False and nothing else."
IS_TRUE_AMONG = (
    "These are possible answers to the question:\n{samples}\n"
    "Is the answer {answer} true? Say True or False and nothing else."
)
HOW_SURE = (
    "How sure are you that this answer is correct? Give a number from 0 (certainly wrong) to 100 "
    "(certainly correct) and nothing else."
)
IN_TURN = "\nConfidence that this answer is correct (0-100):"
_MOST = 16  # tokens of a stated confidence
UNREAD = "no confidence could be read from what the model said: {said!r}"
_SHOWN = 60  # characters of that


class SelfEvaluation:
    """Asks about the answers of a batch.

    Parameters
    ----------
    prompts : Prefilled
        The batch, as its prefill left it.
    subjects : Subjects
        Tokenizer, chat template and questions.
    decode : callable
        Token lists -> texts, as the adapter cuts answers.
    """

    def __init__(
        self,
        prompts: Prefilled,
        subjects: Subjects,
        decode: Callable[[list[list[int]]], list[str]],
    ) -> None:
        self._prompts, self._subjects, self._decode = prompts, subjects, decode
        self._tokenizer = subjects.tokenizer
        self._dialogue = Dialogue.of(subjects.render)

    def truth(self, index: int, item: Captured) -> None:
        """P(True), alone and with the samples shown."""

        def alone() -> Channel:
            return TruthAsked(self._truth(index, item, IS_TRUE))

        def among() -> Channel:
            samples = dict.fromkeys(self._said(item.sampled_tokens))
            (answer,) = self._said([item.tokens])
            text = IS_TRUE_AMONG.format(samples="\n".join(samples), answer=answer)
            return TruthAskedWithSamples(self._truth(index, item, text))

        _try(item, TruthAsked, alone)
        if item.sampled_tokens:
            _try(item, TruthAskedWithSamples, among)

    def confidence(self, index: int, item: Captured) -> None:
        """What the model states: in the turn of its answer, in a further one, of a proposal."""

        def in_turn() -> Channel:
            return ConfidenceInTurn(self._stated(self._after(index, item, IN_TURN)))

        def afterwards() -> Channel:
            turn = self._dialogue.turn(HOW_SURE)
            return ConfidenceAfterwards(self._stated(self._after(index, item, turn)))

        def of_proposal() -> Channel:
            (answer,) = self._said([item.tokens])
            question = self._subjects.questions[index]
            cut, tokens = proposed(self._prompts, index, self._tokenizer, question, answer)
            return ConfidenceOfProposal(
                self._stated(self._prompts.upto(cut).continued(index, tokens))
            )

        _try(item, ConfidenceInTurn, in_turn)
        _try(item, ConfidenceAfterwards, afterwards)
        _try(item, ConfidenceOfProposal, of_proposal)

    def _said(self, tokens: list[list[int]]) -> list[str]:
        """Answers in one line each, without what would be read as markers of the dialogue."""
        texts = self._decode(tokens)
        for token in self._tokenizer.added_tokens_decoder.values():
            if token.special:
                texts = [text.replace(token.content, " ") for text in texts]
        return [" ".join(text.split()) for text in texts]

    def _after(self, index: int, item: Captured, text: str) -> Continuation:
        """The prompt, its answer, and a text behind it."""
        if self._tokenizer is None:
            raise NeverError("the model has no tokenizer to ask it further with")
        told = self._tokenizer.encode(text, add_special_tokens=False)
        return self._prompts.continued(index, [*item.tokens, *told])

    def _truth(self, index: int, item: Captured, question: str) -> np.ndarray:
        turn = self._dialogue.turn(question)
        probabilities = self._after(index, item, turn).logits[-1].softmax(dim=-1)
        words = first_tokens(self._tokenizer, ("True", "False"))
        if not all(words):
            raise NeverError("this tokenizer has no token that tells True from False")
        masses = [float(probabilities[own].sum()) for own in words]
        return np.array(masses, np.float32)

    def _stated(self, continuation: Continuation) -> np.ndarray:
        tokens = continuation.greedy(self._prompts, most=_MOST)
        said = self._tokenizer.decode(tokens, skip_special_tokens=True)
        share = stated_confidence(said)
        if share is None:
            raise CaptureError(UNREAD.format(said=said[:_SHOWN]))
        return np.array([share], np.float32)


def _try(item: Captured, channel: type[Channel], make: Callable[[], Channel]) -> None:
    """Add a channel to an item, or the reason why it has none: it never costs the answer."""
    if not item.tokens:
        item.missing[channel.name] = "the answer is empty"
        return
    try:
        item.further[channel.name] = make()
    except NeverError as error:
        item.never[channel.name] = str(error)
    except CaptureError as error:
        item.missing[channel.name] = str(error)
    except torch.OutOfMemoryError:
        item.missing[channel.name] = "there was not enough memory to go on from the prompt"
    except Exception as error:  # noqa: BLE001 - whatever a model raises where it is continued
        words = " ".join(str(error).split())[:200]
        item.missing[channel.name] = (
            f"the prompt could not be continued ({type(error).__name__}: {words})"
        )
