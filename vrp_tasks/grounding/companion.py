"""The ``grounding`` key of a task's metadata: maps beside the capture, occlusion after it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from metrics.answers.normal_form import normalize_answer
from metrics.record.channels import ImageMaps
from metrics.record.failures import ANSWER, REGIONS
from metrics.record.records import (
    GROUNDING_FILE,
    INTERVENTIONS_FILE,
    OCCLUSION,
    REGION_MAP,
    SampleRecord,
)
from vrp_tasks.access.base import Seen
from vrp_tasks.access.isolation import isolated
from vrp_tasks.capture.observer import ObserverFactory
from vrp_tasks.companion import Companion
from vrp_tasks.errors import FailedRegionsError, UnmappedError
from vrp_tasks.families.window import Window
from vrp_tasks.faults import reason_of
from vrp_tasks.grounding.geometry import region_on_grid
from vrp_tasks.grounding.observer import KEY, PromptMaps
from vrp_tasks.grounding.occlusion import elsewhere_pixels, occluded_request, region_pixels
from vrp_tasks.grounding.regions import Region, region_of
from vrp_tasks.grounding.rows import grounding_rows, lost_rows
from vrp_tasks.grounding.settings import GroundingSettings, question_in, regions_of
from vrp_tasks.place import place_of

CHOICES = ("region", "elsewhere")
_LOST = "nothing was captured of the sample"
_SLICE = 64  # samples between two writes to the run folder


class Grounding(Companion):
    """Scores maps against regions, then asks again without the region and without another place."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        task = self.session.tasks[self.task]
        self.settings = GroundingSettings.of(self.options, task=self.task)
        self.annotate = regions_of(task.config.metadata["vrp"], task=self.task)
        self.prompts = task.lmms_eval_specific_kwargs or {}
        self.tokens: dict[str, list[int]] = {}  # clean answers of this process
        found = self.session.folder.rows(GROUNDING_FILE)
        self.n_examples = sum(r["task"] == self.task and r["map"] == REGION_MAP for r in found)

    @classmethod
    def check(cls, access: Any, task: str, keys: Mapping[str, Any]) -> None:
        """The settings, and the function that annotates regions."""
        GroundingSettings.of(keys["grounding"], task=task)
        regions_of(keys, task=task)

    def observers(self) -> Sequence[ObserverFactory]:
        """The maps come from the one prefill."""
        return [partial(PromptMaps, words_of=self._words_of)]

    def _words_of(self, text: str) -> str:
        return question_in(text, self.settings, self.prompts)

    def complaints(self, doc: Any) -> Mapping[str, str]:
        """That the task's ``regions`` function fails on a document."""
        try:
            self._annotation(doc)
        except FailedRegionsError as failed:
            return {REGIONS: str(failed)}
        except UnmappedError:
            pass
        return {}

    def _annotation(self, doc: Any) -> Mapping[str, Any] | None:
        """What the task's function says of a document; UnmappedError where it says nothing."""
        if self.annotate is None:
            raise UnmappedError("the task names no regions")
        try:
            return self.annotate(doc)
        except Exception as error:  # of the user's code
            raise FailedRegionsError(f"the regions function failed ({reason_of(error)})") from error

    def after_slice(
        self, requests: list[Any], seen: list[Seen], records: list[SampleRecord]
    ) -> None:
        """Score the maps of some samples."""
        rows: list[dict[str, Any]] = []
        for request, item, record in zip(requests, seen, records, strict=True):
            if KEY not in item.extra:  # this access sees no maps
                continue
            self.tokens[record.doc_id] = list(item.tokens or [])
            grid = _grid_of(item)
            region = self._region_on_grid(self._doc(request), grid)
            keep = not isinstance(region, str) and self.n_examples < self.settings.examples
            self.n_examples += keep
            rows += grounding_rows(
                _identity(record), item.extra[KEY], region, grid,
                keep_cells=keep,
            )  # fmt: skip
        self.session.folder.add_rows(GROUNDING_FILE, rows)

    def after_task(self, requests: list[Any], records: list[SampleRecord]) -> None:
        """Note samples whose maps are gone, then occlude."""
        scored = self._done(GROUNDING_FILE)
        lost: list[dict[str, Any]] = []
        for record in records:
            if record.doc_id not in scored:
                reason = record.missing.get("capture", _LOST)
                lost += lost_rows(_identity(record), reason)
        if self.access.sees_maps:
            self.session.folder.add_rows(GROUNDING_FILE, lost)
        if self.settings.occlusion:
            refused: Counter[str] = Counter()
            for choice in CHOICES:
                self._occlude(choice, requests, records, refused)
            found = self.session.sweeps.setdefault(self.task, {})
            found["occlusion"] = {"refused": dict(refused), "seed": self.settings.seed}

    def _occlude(
        self,
        choice: str,
        requests: list[Any],
        records: list[SampleRecord],
        refused: Counter[str],
    ) -> None:
        """Answers with one place blanked, of the samples that have it and no row yet."""
        done = self._done(INTERVENTIONS_FILE, intervention=OCCLUSION, choice=choice)
        pixels = partial(self._pixels, choice)
        left: list[tuple[Any, SampleRecord, float]] = []
        for request, record in zip(requests, records, strict=True):
            if ANSWER in record.missing:
                refused[f"{choice}: the sample has no answer"] += 1
                continue
            try:
                share = float(pixels(self._doc(request), None).mean())
            except UnmappedError as unmapped:
                refused[f"{choice}: {unmapped}"] += 1
                continue
            if record.doc_id not in done:
                left.append((request, record, share))
        step = max(1, _SLICE // self.access.batch_size) * self.access.batch_size
        for start in range(0, len(left), step):
            part = left[start : start + step]
            again = isolated(
                partial(self._answered_again, pixels),
                [request for request, *_ in part],
                at_once=self.access.at_once or len(part),
                lost=lambda _, reason: reason,
            )
            rows = []
            for entry, answer in zip(part, again, strict=True):
                if isinstance(answer, str):
                    refused[f"{choice}: not answered again ({answer})"] += 1
                else:
                    rows.append(self._intervention_row(choice, *entry, *answer))
            self.session.folder.add_rows(INTERVENTIONS_FILE, rows)

    def _answered_again(
        self, pixels: Callable[..., np.ndarray], requests: list[Any]
    ) -> list[tuple[str, float | None] | str]:
        """Answers with some pixels blanked, and how probable each clean answer is then."""
        absent = [request for request in requests if str(request.doc_id) not in self.tokens]
        if absent:  # clean answers that an earlier, stopped process gave
            self.tokens |= self.access.answer_tokens(self.asked(absent))
        changed = [occluded_request(request, pixels) for request in requests]
        return list(self.access.answer_again(self.asked(changed), self.tokens))

    def _intervention_row(
        self,
        choice: str,
        request: Any,
        record: SampleRecord,
        share: float,
        answer: str,
        logprob: float | None,
    ) -> dict[str, Any]:
        judged = self.session.judge(place_of(request), self._doc(request), answer)
        same = normalize_answer(judged.answer) == normalize_answer(record.answer)
        return {
            **_identity(record),
            "correct": judged.correct,
            "clean_correct": record.correct,
            "intervention": OCCLUSION,
            "choice": choice,
            "fill": "mean",
            "layer": None,
            "dose": share,
            "unit": "share",
            "seed": self.settings.seed if choice == "elsewhere" else None,
            "answer": judged.answer,
            "agrees": int(same),
            "logprob": logprob,
            "clean_logprob": record.signals.get("token_confidence"),
        }

    def _pixels(self, choice: str, doc: Any, image: Image.Image | None) -> np.ndarray:
        """What is blanked in a document's image; UnmappedError where nothing can be."""
        region = self._region(doc)
        window = self._window(region)
        if choice == "region":
            return region_pixels(region, window)
        return elsewhere_pixels(region, window, seed=self.settings.seed)

    def _region(self, doc: Any) -> Region:
        annotation = self._annotation(doc)
        visuals = self.session.tasks[self.task].doc_to_visual(doc) or []
        if len(visuals) != 1 or not isinstance(visuals[0], Image.Image):
            raise UnmappedError(f"the sample has {len(visuals)} visuals instead of one image")
        return region_of(annotation, visuals[0].size)

    def _window(self, region: Region) -> Window:
        """What the image tokens show of the image of a region."""
        found: Window = self.access.window((region.width, region.height))
        return found

    def _region_on_grid(self, doc: Any, grid: tuple[int, int] | None) -> np.ndarray | str:
        """Share of each cell inside the region, or why there is none."""
        try:
            region = self._region(doc)
            window = self._window(region)
            if self.session.geometry is not None:
                raise UnmappedError(f"the geometry self-test failed: {self.session.geometry}")
            if grid is None:
                raise UnmappedError("the sample has no grid of image tokens")
            return region_on_grid(region, window, grid)
        except UnmappedError as unmapped:
            return str(unmapped)

    def _doc(self, request: Any) -> Any:
        return self.access.lm.task_dict[request.args[4]][request.args[5]][request.doc_id]

    def _done(self, file: str, **wanted: str) -> set[str]:
        """Documents of this task that a table has rows of."""
        rows = self.session.folder.rows(file)
        wanted = {"task": self.task, **wanted}
        return {r["doc_id"] for r in rows if all(r[k] == v for k, v in wanted.items())}


def _identity(record: SampleRecord) -> dict[str, Any]:
    """Who a row is about, as the records have it."""
    names = ("task", "split", "doc_id", "group", "correct")
    return {name: getattr(record, name) for name in names}


def _grid_of(seen: Seen) -> tuple[int, int] | None:
    maps = seen.channels.get(ImageMaps.name)
    if not isinstance(maps, ImageMaps):
        return None
    height, width = maps.by_layer.shape[1:]
    return int(height), int(width)
