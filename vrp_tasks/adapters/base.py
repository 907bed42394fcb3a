"""The mixin that turns a stock lmms-eval adapter into a probed one.

The stock adapter prepares prompts and images and parses the output. For tasks of ours its call of
``model.generate``, which arrives with every tensor prepared, is served by `probed_generate`;
requests of other tasks go to the stock code untouched.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from typing import Any, ClassVar

import torch
from lmms_eval.api.model import lmms
from loguru import logger
from tqdm import tqdm

from vrp_tasks.adapters.serving import GenerateHandler, serve
from vrp_tasks.adapters.stock import silent, with_device
from vrp_tasks.capture import Captured, probed_generate
from vrp_tasks.capture.attention import capturing_attention
from vrp_tasks.capture.generate import STANDARD
from vrp_tasks.capture.geometry import check_geometry
from vrp_tasks.capture.observer import Subjects
from vrp_tasks.companions import Companion, companions_for
from vrp_tasks.families import family_of
from vrp_tasks.preflight import check_probe, probe_from, settings_from
from vrp_tasks.probe_file import SEEN, LoadedProbe
from vrp_tasks.provenance import center_crop
from vrp_tasks.run_options import run_options_from
from vrp_tasks.session import Session
from vrp_tasks.session_state import active_session, session_or_none
from vrp_tasks.signals import capture_arrays, capture_payload

_SLICE = 64  # requests between two writes to the run folder


class ProbedAdapter(lmms):
    """Mixin in front of a stock adapter class.

    Model arguments beside the stock ones: ``k``, ``sample_temperature``, ``sample_top_p``,
    ``sample_seed``, ``top_heads``, ``blank_image`` (see `CaptureSettings`), ``hidden_dtype``
    (float16, float32 or none), ``probe``, the folder of a fitted probe, and those of `RunOptions`.
    """

    family_type: ClassVar[str]

    def __init__(self, **kwargs: Any) -> None:
        self._capture, self._hidden_dtype = settings_from(kwargs)
        self.options = run_options_from(kwargs)
        self.loaded_probe = probe_from(kwargs)
        super().__init__(**with_device(kwargs))
        if self.loaded_probe is not None:
            check_probe(self.loaded_probe, self.model.config)
        self.pretrained = kwargs.get("pretrained", self.default_checkpoint())

    @classmethod
    def default_checkpoint(cls) -> str:
        """The stock adapter's default for ``pretrained``."""
        for base in cls.__mro__:
            if not issubclass(base, ProbedAdapter) and "__init__" in vars(base):
                return inspect.signature(base).parameters["pretrained"].default
        raise TypeError(f"{cls.__name__} has no stock adapter behind it")

    def vrp_settings(self) -> dict[str, Any]:
        """Capture settings, for the manifest."""
        sampling = {"top_k": None, "repetition_penalty": None}  # never applied to the samples
        loaded = self.loaded_probe
        return {
            **asdict(self._capture),
            **sampling,
            "hidden_dtype": self._hidden_dtype,
            **asdict(self.options),
            "probe": None if loaded is None else f"{loaded.task} on {loaded.model}",
        }

    def check_geometry(self) -> str | None:
        """Why attention maps of this checkpoint cannot be trusted, or None."""
        processor = next(p for p in self._processors() if hasattr(p, "image_processor"))
        return check_geometry(self.model, family_of(self.model.config), processor)

    def center_crop(self) -> float | None:
        """What `vrp_tasks.provenance.center_crop` says of the stock adapter's processor."""
        return center_crop(self.stock_image_processor())

    def stock_image_processor(self) -> Any:
        """What turns images into pixel values."""
        processor = next(p for p in self._processors() if hasattr(p, "image_processor"))
        return processor.image_processor

    def generate_until(self, requests: list[Any]) -> list[Any]:
        """Probe the requests of our tasks; hand all others to the stock adapter."""
        session = session_or_none()
        if session is None:
            return super().generate_until(requests)
        mine = [i for i, r in enumerate(requests) if _probed(session, r)]
        if not mine:
            return super().generate_until(requests)
        results: list[Any] = [None] * len(requests)
        rest = sorted(set(range(len(requests))) - set(mine))
        if rest:
            others = super().generate_until([requests[i] for i in rest])
            for index, result in zip(rest, others, strict=True):
                results[index] = result
        # the stock adapters take a whole batch to be of its first request's task
        for task in dict.fromkeys(requests[i].task_name for i in mine):
            own = [i for i in mine if requests[i].task_name == task]
            answers = self._probe(session, [requests[i] for i in own])
            for index, result in zip(own, answers, strict=True):
                results[index] = result
        return results

    def _probe(self, session: Session, requests: list[Any]) -> list[list[str]]:
        """Answers with payloads of one task's requests, written to the run folder as they come."""
        done = {(p["task"], p["split"], p["doc_id"]): p for p in session.folder.captured()}
        results: dict[int, dict[str, Any]] = {}
        for index, request in enumerate(requests):
            payload = done.get(_identity(request))
            if payload is not None and payload["prompt"] == request.args[0]:
                results[index] = payload
        task = requests[0].task_name
        if results:
            logger.info(f"{task}: resuming, {len(results)} of {len(requests)} samples are there.")
        order = self._stock_order(requests, [i for i in range(len(requests)) if i not in results])
        step = max(1, _SLICE // self.batch_size) * self.batch_size
        bar = tqdm(
            total=len(requests),
            initial=len(results),
            desc=f"{task} + signals",
            disable=not session.is_main,
        )
        companions = companions_for(self, session, task)
        with self._probing():
            for start in range(0, len(order), step):
                chosen = order[start : start + step]
                own = [requests[i] for i in chosen]
                with session.timed():
                    captured = self._capture_slice(own, bar, companions)
                payloads = self._store(session, own, captured)
                for companion in companions:
                    companion.after_slice(own, [item for _, item in captured], payloads)
                results |= dict(zip(chosen, payloads, strict=True))
            bar.close()
            for companion in companions:
                companion.after_task(requests, [results[i] for i in range(len(requests))])
        return [
            [results[i]["answer"], json.dumps(results[i], allow_nan=False)]
            for i in range(len(requests))
        ]

    def _stock_order(self, requests: list[Any], indices: list[int]) -> list[int]:
        """The order in which the stock adapter would batch, so that batches have its members."""
        if self.batch_size == 1:
            return indices
        prompts = {i: requests[i].args[0] for i in indices}
        return sorted(indices, key=lambda i: (-len(self.tokenizer.encode(prompts[i])), prompts[i]))

    def serve(self, requests: list[Any], handler: GenerateHandler) -> list[str]:
        """What `vrp_tasks.adapters.serving.serve` says, with this stock adapter."""
        visuals = active_session().tasks[requests[0].task_name].doc_to_visual
        return serve(self, super().generate_until, requests, handler, visuals)

    def _capture_slice(
        self, requests: list[Any], bar: tqdm, companions: list[Companion]
    ) -> list[tuple[str, Captured]]:
        """Answers and captures of some requests of one task, in their order."""
        task, split = requests[0].args[4], requests[0].args[5]
        questions = {str(request.doc_id): request.args[0] for request in requests}
        targets = {str(request.doc_id): self._targets(request) for request in requests}
        caught: dict[str, Captured] = {}
        observers = [*STANDARD, *(make for own in companions for make in own.observers())]

        def handler(inputs: dict, options: dict, docs: list[str]) -> torch.Tensor:
            sequences, captured = probed_generate(
                self.model,
                family_of(self.model.config),
                inputs,
                identities=[f"{task}/{split}/{doc}" for doc in docs],
                settings=self._capture,
                subjects=Subjects(
                    questions=[questions[doc] for doc in docs],
                    targets=[targets[doc] for doc in docs],
                    tokenizer=self.tokenizer,
                ),
                observers=observers,
                **options,
            )
            caught.update(zip(docs, captured, strict=True))
            bar.update(len(docs))
            return sequences

        texts = self.serve(requests, handler)
        return [(t, caught[str(r.doc_id)]) for t, r in zip(texts, requests, strict=True)]

    def _doc(self, request: Any) -> Any:
        return self.task_dict[request.args[4]][request.args[5]][request.doc_id]

    def _targets(self, request: Any) -> list[str]:
        """The reference answers of a document, for oracle measurements only."""
        target = active_session().tasks[request.task_name].doc_to_target(self._doc(request))
        answers = target if isinstance(target, (list, tuple)) else [target]
        return [str(answer) for answer in answers if isinstance(answer, (str, int, float))]

    def _store(
        self, session: Session, requests: list[Any], captured: list[tuple[str, Captured]]
    ) -> list[dict[str, Any]]:
        """Write captures to the run folder; their payloads are what goes through lmms-eval."""
        payloads, arrays = [], []
        images = session.keep_images(requests[0].task_name, [self._doc(r) for r in requests])
        for request, (text, item), image in zip(requests, captured, images, strict=True):
            own, missing = capture_arrays(item, hidden_dtype=self._hidden_dtype)
            missing |= session.storage.trim(request.args[4], str(request.doc_id), own)
            payload = {
                "task": request.args[4],
                "split": request.args[5],
                "doc_id": str(request.doc_id),
                "run": session.folder.path.name,
                "prompt": request.args[0],
                "answer": text,
                "samples": self.texts(item.sampled_tokens),
                "image": image,
                **capture_payload(item),
            }
            payload["missing"] |= missing
            if self.loaded_probe is not None:
                self._score_by_loaded(self.loaded_probe, session, request, item, payload)
            payloads.append(payload)
            arrays.append(own)
        session.folder.add(payloads, arrays)
        session.n_generated += len(payloads)
        return payloads

    def _score_by_loaded(
        self,
        loaded: LoadedProbe,
        session: Session,
        request: Any,
        item: Captured,
        payload: dict[str, Any],
    ) -> None:
        """Add what the given probe says of an answer, unless it was fitted on its image."""
        task = session.tasks[request.task_name]
        seen = loaded.has_seen(task, self._doc(request))
        payload["signals"]["loaded_probe"] = None if seen else loaded.probability(item.hidden)
        if seen:
            payload["missing"]["loaded_probe"] = SEEN

    def texts(self, tokens: list[list[int]]) -> list[str]:
        """Decoded answers."""
        if not tokens:  # of nothing, `batch_decode` makes one empty text
            return []
        return [t.strip() for t in self.tokenizer.batch_decode(tokens, skip_special_tokens=True)]

    @contextmanager
    def _probing(self) -> Iterator[None]:
        """Capture on, padding left, the stock progress bar (one per slice) off."""
        with ExitStack() as stack:
            stack.enter_context(capturing_attention(self.model))
            stack.enter_context(torch.inference_mode())
            for tokenizer in self._tokenizers():
                stack.callback(setattr, tokenizer, "padding_side", tokenizer.padding_side)
                tokenizer.padding_side = "left"
            for module in self._stock_modules():
                stack.callback(setattr, module, "tqdm", module.tqdm)
                module.tqdm = silent(module.tqdm)
            yield

    def _processors(self) -> list[Any]:
        """Whatever the stock adapter calls its processor."""
        names = ("processor", "_processor", "_image_processor")
        return [getattr(self, name) for name in names if hasattr(self, name)]

    def _tokenizers(self) -> list[Any]:
        found = [self.tokenizer, *(getattr(p, "tokenizer", None) for p in self._processors())]
        return [t for t in {id(t): t for t in found if t is not None}.values()]

    def _stock_modules(self) -> list[Any]:
        modules = [sys.modules[base.__module__] for base in type(self).__mro__]
        return [m for m in modules if hasattr(m, "tqdm") and m.__name__ != __name__]


def _probed(session: Session, request: Any) -> bool:
    return session.owns(request.task_name) and not request.metadata.get("__padding_only__")


def _identity(request: Any) -> tuple[str, str, str]:
    return request.args[4], request.args[5], str(request.doc_id)
