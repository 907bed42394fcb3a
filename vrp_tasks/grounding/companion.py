"""The ``grounding`` key of a task's metadata: maps beside the capture, occlusion after it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from PIL import Image

from metrics.answers import normalize_answer
from metrics.records import GROUNDING_FILE, INTERVENTIONS_FILE, OCCLUSION
from vrp_tasks.capture.generation_settings import served_options
from vrp_tasks.capture.observer import ObserverFactory
from vrp_tasks.capture.result import Captured
from vrp_tasks.companions import Companion
from vrp_tasks.grounding.forced import generate_and_score
from vrp_tasks.grounding.geometry import region_on_grid, window_of
from vrp_tasks.grounding.observer import KEY, PromptMaps
from vrp_tasks.grounding.occlusion import elsewhere_pixels, occluded_request, region_pixels
from vrp_tasks.grounding.regions import Region, UnmappedError, region_of
from vrp_tasks.grounding.rows import grounding_rows, lost_rows
from vrp_tasks.grounding.settings import GroundingSettings, question_in, regions_of

CHOICES = ("region", "elsewhere")
_LOST = "the run was stopped between the capture of the sample and the scoring of its maps"
_SLICE = 64  # samples between two writes to the run folder


class Grounding(Companion):
    """Scores maps against regions, then asks again without the region and without another place."""

    def __init__(self, adapter: Any, session: Any, task: str, options: Any) -> None:
        super().__init__(adapter, session, task, options)
        config = session.tasks[task].config
        self.settings = GroundingSettings.of(options, task=task)
        self.annotate = regions_of(config.metadata["vrp"], task=task)
        self.prompts = session.tasks[task].lmms_eval_specific_kwargs or {}
        self.processor = adapter.stock_image_processor()
        self.tokens: dict[str, list[int]] = {}  # clean answers of this process
        self.identities: dict[str, dict[str, Any]] = {}
        self.n_examples = 0

    @classmethod
    def check(cls, model: Any, task: str, keys: Mapping[str, Any]) -> None:
        """The settings, and the function that annotates regions."""
        GroundingSettings.of(keys["grounding"], task=task)
        regions_of(keys, task=task)

    def observers(self) -> Sequence[ObserverFactory]:
        """The maps come from the one prefill."""
        return [partial(PromptMaps, words_of=self._words_of)]

    def _words_of(self, text: str) -> str:
        return question_in(text, self.settings, self.prompts)

    def after_slice(
        self, requests: list[Any], captured: list[Captured], payloads: list[dict[str, Any]]
    ) -> None:
        """Score the maps of some samples."""
        rows: list[dict[str, Any]] = []
        for request, item, payload in zip(requests, captured, payloads, strict=True):
            self.tokens[payload["doc_id"]] = item.tokens
            region = self._region_on_grid(self._doc(request), item.grid)
            keep = not isinstance(region, str) and self.n_examples < self.settings.examples
            self.n_examples += keep
            rows += grounding_rows(
                self._identity(request, payload), item.extra[KEY], region, item.grid,
                keep_cells=keep,
            )  # fmt: skip
        self.session.folder.add_rows(GROUNDING_FILE, rows)

    def after_task(self, requests: list[Any], payloads: list[dict[str, Any]]) -> None:
        """Note samples whose maps are gone, then occlude."""
        scored = self._done(GROUNDING_FILE)
        lost: list[dict[str, Any]] = []
        for request, payload in zip(requests, payloads, strict=True):
            if payload["doc_id"] not in scored:
                lost += lost_rows(self._identity(request, payload), _LOST)
        self.session.folder.add_rows(GROUNDING_FILE, lost)
        if self.settings.occlusion:
            refused: Counter[str] = Counter()
            for choice in CHOICES:
                self._occlude(choice, requests, payloads, refused)
            found = self.session.sweeps.setdefault(self.task, {})
            found["occlusion"] = {"refused": dict(refused), "seed": self.settings.seed}

    def _occlude(
        self,
        choice: str,
        requests: list[Any],
        payloads: list[dict[str, Any]],
        refused: Counter[str],
    ) -> None:
        """Answers with one place blanked, of the samples that have it and no row yet."""
        done = self._done(INTERVENTIONS_FILE, intervention=OCCLUSION, choice=choice)
        pixels = partial(self._pixels, choice)
        left: list[tuple[Any, dict[str, Any], float]] = []
        for request, payload in zip(requests, payloads, strict=True):
            try:
                share = float(pixels(self._doc(request), None).mean())
            except UnmappedError as unmapped:
                refused[f"{choice}: {unmapped}"] += 1
                continue
            if payload["doc_id"] not in done:
                left.append((request, payload, share))
        step = max(1, _SLICE // self.adapter.batch_size) * self.adapter.batch_size
        for start in range(0, len(left), step):
            part = left[start : start + step]
            self._complete_tokens([request for request, *_ in part])
            logprobs: dict[str, float | None] = {}
            changed = [occluded_request(request, pixels) for request, *_ in part]
            texts = self.adapter.serve(changed, partial(self._ask, logprobs=logprobs))
            rows = [
                self._intervention_row(choice, *entry, text, logprobs)
                for entry, text in zip(part, texts, strict=True)
            ]
            self.session.folder.add_rows(INTERVENTIONS_FILE, rows)

    def _ask(
        self,
        inputs: dict[str, torch.Tensor],
        options: dict[str, Any],
        docs: list[str],
        *,
        logprobs: dict[str, float | None],
    ) -> torch.Tensor:
        references = [self.tokens[doc] for doc in docs]
        sequences, found = generate_and_score(self.adapter.model, inputs, options, references)
        logprobs |= dict(zip(docs, found, strict=True))
        return sequences

    def _complete_tokens(self, requests: list[Any]) -> None:
        """Clean answers that an earlier, stopped process gave."""
        absent = [request for request in requests if str(request.doc_id) not in self.tokens]

        def handler(
            inputs: dict[str, torch.Tensor], options: dict[str, Any], docs: list[str]
        ) -> torch.Tensor:
            rest = {name: value for name, value in inputs.items() if name != "input_ids"}
            ids = inputs["input_ids"]
            model = self.adapter.model
            options = served_options(model, options)
            sequences: torch.Tensor = model.generate(ids, **rest, **options)
            ends = _ends(model, options)
            for doc, row in zip(docs, sequences[:, ids.shape[1] :].tolist(), strict=True):
                stop = next((i for i, token in enumerate(row) if token in ends), len(row))
                self.tokens[doc] = row[: rule.length(row[:stop])]
            return sequences

        if absent:
            rule = self.adapter.answer_rule(absent[0])
            self.adapter.serve(absent, handler)

    def _intervention_row(
        self,
        choice: str,
        request: Any,
        payload: dict[str, Any],
        share: float,
        answer: str,
        logprobs: dict[str, float | None],
    ) -> dict[str, Any]:
        identity = self._identity(request, payload)
        doc, clean, answer = self._doc(request), payload["answer"], answer.strip()
        return {
            **identity,
            "correct": self.session.correct_of(self.task, doc, answer),
            "clean_correct": identity["correct"],
            "intervention": OCCLUSION,
            "choice": choice,
            "fill": "mean",
            "layer": None,
            "dose": share,
            "unit": "share",
            "seed": self.settings.seed if choice == "elsewhere" else None,
            "answer": answer,
            "agrees": int(normalize_answer(answer) == normalize_answer(clean)),
            "logprob": logprobs[payload["doc_id"]],
            "clean_logprob": payload["signals"]["token_confidence"],
        }

    def _pixels(self, choice: str, doc: Any, image: Image.Image | None) -> np.ndarray:
        """What is blanked in a document's image; UnmappedError where nothing can be."""
        region = self._region(doc)
        window = window_of(self.processor, (region.width, region.height))
        if choice == "region":
            return region_pixels(region, window)
        return elsewhere_pixels(region, window, seed=self.settings.seed)

    def _region(self, doc: Any) -> Region:
        if self.annotate is None:
            raise UnmappedError("the task names no regions")
        visuals = self.session.tasks[self.task].doc_to_visual(doc) or []
        if len(visuals) != 1 or not isinstance(visuals[0], Image.Image):
            raise UnmappedError(f"the sample has {len(visuals)} visuals instead of one image")
        return region_of(self.annotate(doc), visuals[0].size)

    def _region_on_grid(self, doc: Any, grid: tuple[int, int] | None) -> np.ndarray | str:
        """Share of each cell inside the region, or why there is none."""
        try:
            region = self._region(doc)
            window = window_of(self.processor, (region.width, region.height))
            if self.session.geometry is not None:
                raise UnmappedError(f"the geometry self-test failed: {self.session.geometry}")
            if grid is None:
                raise UnmappedError("the sample has no grid of image tokens")
            return region_on_grid(region, window, grid)
        except UnmappedError as unmapped:
            return str(unmapped)

    def _identity(self, request: Any, payload: dict[str, Any]) -> dict[str, Any]:
        """Who a row is about, as the records have it; a judge is asked once."""
        known = self.identities.get(payload["doc_id"])
        if known is None:
            scored = self.session.tasks[self.task].process_results(
                self._doc(request), [payload["answer"]]
            )["accuracy"]
            known = {name: payload[name] for name in ("task", "split", "doc_id")}
            known |= {name: scored[name] for name in ("group", "correct")}
            self.identities[payload["doc_id"]] = known
        return known

    def _doc(self, request: Any) -> Any:
        return self.adapter.task_dict[request.args[4]][request.args[5]][request.doc_id]

    def _done(self, file: str, **wanted: str) -> set[str]:
        """Documents of this task that a table has rows of."""
        rows = self.session.folder.rows(file)
        wanted = {"task": self.task, **wanted}
        return {r["doc_id"] for r in rows if all(r[k] == v for k, v in wanted.items())}


def _ends(model: Any, options: dict[str, Any]) -> set[int | None]:
    stated = options.get("eos_token_id", model.generation_config.eos_token_id)
    return set(stated) if isinstance(stated, (list, tuple)) else {stated}
