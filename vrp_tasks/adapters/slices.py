"""Some requests of one task, answered and captured; a document that cannot be costs only itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from loguru import logger
from tqdm import tqdm

from vrp_tasks.capture import Captured, CaptureSettings, probed_generate
from vrp_tasks.capture.generate import STANDARD
from vrp_tasks.capture.observer import Subjects
from vrp_tasks.companions import Companion
from vrp_tasks.errors import CaptureError
from vrp_tasks.families import family_of
from vrp_tasks.session import Session


@dataclass(frozen=True)
class Slices:
    """Captures requests through an adapter.

    Attributes
    ----------
    adapter : ProbedAdapter
        Serves the requests.
    session : Session
        Of the run; with it, what was captured before.
    settings : CaptureSettings
    companions : sequence of Companion
        Of the task; they observe.
    bar : tqdm
        Moves with the documents.
    """

    adapter: Any
    session: Session
    settings: CaptureSettings
    companions: Sequence[Companion]
    bar: tqdm

    def capture(self, requests: list[Any]) -> list[tuple[str, Captured | str]]:
        """Answers in the order of the requests, each with its capture or why there is none.

        Raises
        ------
        CaptureError
            If no document of the run could be captured: then it is no document's fault.
        """
        began = self.bar.n
        try:
            return list(self._together(requests))
        except CaptureError as error:
            self.bar.update(began - self.bar.n)
            found = [self._alone(request) for request in requests]
            if all(isinstance(item, str) for _, item in found) and not self._any_signals():
                raise
            logger.warning(f"{requests[0].task_name}: some documents have no signals: {error}")
            return found

    def _alone(self, request: Any) -> tuple[str, Captured | str]:
        """One request; without its signals, the model answers as it does in stock."""
        try:
            return self._together([request])[0]
        except CaptureError as error:
            reason = f"this document could not be captured: {error}"

        def handler(inputs: dict, options: dict, _docs: list[str]) -> torch.Tensor:
            rest = {name: value for name, value in inputs.items() if name != "input_ids"}
            sequences: torch.Tensor = self.adapter.model.generate(
                inputs["input_ids"], **rest, **options
            )
            return sequences

        (text,) = self.adapter.serve([request], handler)
        self.bar.update(1)
        return text, reason

    def _together(self, requests: list[Any]) -> list[tuple[str, Captured]]:
        task, split = requests[0].args[4], requests[0].args[5]
        model, tokenizer = self.adapter.model, self.adapter.tokenizer
        family = family_of(model.config)
        questions = {str(request.doc_id): request.args[0] for request in requests}
        targets = {str(request.doc_id): self._targets(request) for request in requests}
        caught: dict[str, Captured] = {}
        observers = [*STANDARD, *(make for own in self.companions for make in own.observers())]

        def handler(inputs: dict, options: dict, docs: list[str]) -> torch.Tensor:
            _check_images(family.image_tokens(model.config, inputs["input_ids"]), inputs)
            sequences, captured = probed_generate(
                model,
                family,
                inputs,
                identities=[f"{task}/{split}/{doc}" for doc in docs],
                settings=self.settings,
                subjects=Subjects(
                    questions=[questions[doc] for doc in docs],
                    targets=[targets[doc] for doc in docs],
                    tokenizer=tokenizer,
                ),
                observers=observers,
                **options,
            )
            caught.update(zip(docs, captured, strict=True))
            self.bar.update(len(docs))
            return sequences

        texts = self.adapter.serve(requests, handler)
        return [(t, caught[str(r.doc_id)]) for t, r in zip(texts, requests, strict=True)]

    def _targets(self, request: Any) -> list[str]:
        """The reference answers of a document, for oracle measurements only."""
        task = self.session.tasks[request.task_name]
        target = task.doc_to_target(self.adapter.doc(request))
        answers = target if isinstance(target, (list, tuple)) else [target]
        return [str(answer) for answer in answers if isinstance(answer, (str, int, float))]

    def _any_signals(self) -> bool:
        return any(payload["signals"] for payload in self.session.folder.captured())


def _check_images(is_image: torch.Tensor, inputs: dict[str, torch.Tensor]) -> None:
    """Raise CaptureError for image tokens without an image: a map over them would be of nothing."""
    if "pixel_values" not in inputs and bool(is_image.any()):
        raise CaptureError("the prompt has image tokens, but the document shows no image")
