"""Black box: any lmms-eval model, local or remote, of which only answers are seen."""

from __future__ import annotations

from typing import Any

from loguru import logger

from metrics.record.channels import CHANNELS, Perturbed, Samples
from metrics.record.observation import Absent
from vrp_tasks.access.base import Access, Asked, Seen
from vrp_tasks.errors import CaptureError
from vrp_tasks.seam.failed_request import NOT_ASKED, failure_in
from vrp_tasks.seam.requests import clone_request

_NOT_OFFERED = "access to text alone does not offer it"
_GIVEN = (Samples, Perturbed)
_NAMES = ("model_version", "model_name", "pretrained", "model")  # where adapters keep their model


class TextAccess(Access):
    """The answer, and K sampled answers by K further requests."""

    level = "text"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._refusal: str | None = None  # once refused, sampling is not tried again

    @classmethod
    def complaint(cls, lm: Any) -> str | None:
        """Serves every model that answers."""
        return None

    def describe(self) -> dict[str, Any]:
        """What the adapter says of itself."""
        return self.described_by_name(_name_of(self.lm))

    def observe(self, asked: Asked) -> list[Seen]:
        """Ask once for the answers, then K times for a sample of each."""
        answers = self.answers(asked.requests)
        drawn = self._samples(asked.requests)
        absent = self.never()
        return [
            self._seen(answer, samples, absent)
            for answer, samples in zip(answers, drawn, strict=True)
        ]

    def never(self) -> dict[str, Absent]:
        """Everything but answers, and samples too once they were refused."""
        absent = {c.name: Absent(_NOT_OFFERED, "not offered") for c in CHANNELS if c not in _GIVEN}
        if self._refusal is not None:
            absent[Samples.name] = Absent(self._refusal, "not offered")
        return super().never() | absent

    def _seen(self, answer: str, samples: list[str], absent: dict[str, Absent]) -> Seen:
        """An answer and its samples, as far as the adapter's requests did not fail."""
        failure = failure_in(answer)
        if failure is not None:
            return Seen.failed(failure, absent, excused=failure == NOT_ASKED)
        failed = next(filter(None, map(failure_in, samples)), None)
        if failed is not None:
            return Seen(answer, {}, absent | {Samples.name: Absent(f"sampling failed: {failed}")})
        return Seen(answer, {}, absent, samples)

    def _samples(self, requests: list[Any]) -> list[list[str]]:
        """K sampled answers of each request; none once the model has refused to sample."""
        drawn: list[list[str]] = [[] for _ in requests]
        for _ in range(0 if self._refusal else self.settings.capture.k):
            try:
                texts = self._sampled(requests)
            except CaptureError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever an adapter raises on temperature
                words = " ".join(str(error).split())[:200]
                self._refusal = f"the model refused to sample ({type(error).__name__}: {words})"
                logger.warning(f"No consistency signals: {self._refusal}.")
                return [[] for _ in requests]
            for own, text in zip(drawn, texts, strict=True):
                own.append(text)
        return drawn

    def _sampled(self, requests: list[Any]) -> list[str]:
        capture = self.settings.capture
        changed = {
            "do_sample": True,
            "temperature": capture.temperature,
            "top_p": capture.top_p,
            "num_beams": 1,
        }
        return self.answers([clone_request(request, **changed) for request in requests])


def _name_of(lm: Any) -> str:
    for name in _NAMES:
        value = getattr(lm, name, None)
        if isinstance(value, str) and value:
            return value
    config = getattr(getattr(lm, "model", None), "config", None)
    return str(getattr(config, "_name_or_path", "") or type(lm).__name__)
