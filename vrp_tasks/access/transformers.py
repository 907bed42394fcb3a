"""White box: a stock adapter prepares and parses, its one call of ``model.generate`` is served."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import torch
from loguru import logger
from PIL import Image

from metrics.record.channels import Channel, ListedTokens, ProbeOpinion, Samples
from metrics.record.failures import QUESTION
from metrics.record.observation import Absent
from vrp_tasks.access.base import Access, Asked, Seen, model_name
from vrp_tasks.access.blank_images import Blanks, about_blanks, mean_colour
from vrp_tasks.access.identity import adapter_id, checkpoint_identity, last_parts
from vrp_tasks.access.memory import Room
from vrp_tasks.access.places import Places
from vrp_tasks.access.prompts import beyond_context, prompt_hashes
from vrp_tasks.access.serving import GenerateHandler, serve
from vrp_tasks.access.stock_adapters import stock_adapter_of
from vrp_tasks.access.tried import count_image_tokens, tried
from vrp_tasks.attach.documents import LOOKED_AT, first_visuals
from vrp_tasks.capture import Captured, probed_generate
from vrp_tasks.capture.answers import AnswerRule
from vrp_tasks.capture.attention import attention_of, capturing_attention
from vrp_tasks.capture.channels import EXACT, channels_of, states_not_offered, states_of
from vrp_tasks.capture.dialogue import render_of
from vrp_tasks.capture.extras import further_of
from vrp_tasks.capture.forced import generate_and_score
from vrp_tasks.capture.generate import STANDARD
from vrp_tasks.capture.generation_settings import (
    check_generation_config,
    processors_of,
    served_options,
)
from vrp_tasks.capture.observer import Subjects
from vrp_tasks.capture.trial import Processing
from vrp_tasks.capture.views import Canvas
from vrp_tasks.errors import CaptureError, SetupError
from vrp_tasks.families import Family, family_for
from vrp_tasks.families.adapters import adapters_of
from vrp_tasks.families.window import Window
from vrp_tasks.faults import ends_run, is_out_of_memory, reason_of
from vrp_tasks.seam.progress import silenced
from vrp_tasks.settings.probe_file import check_probe
from vrp_tasks.settings.run_settings import RunSettings

_NO_PROBE = "no probe of another run was given (probe=…)"
_UNCAPTURED = "this document could not be captured: "


class TransformersAccess(Access):
    """Every channel: attention, states, token probabilities, logit lens, samples."""

    level = "transformers"
    serves = "any that transformers loads for images and text, through the adapters below"
    needs_family = True
    companions: ClassVar[frozenset[str]] = frozenset({"robustness", "grounding"})
    sees_maps: ClassVar[bool] = True

    @classmethod
    def complaint(cls, lm: Any) -> str | None:
        """A local model behind an adapter that calls ``model.generate`` with tensors."""
        model: Any = getattr(lm, "model", None)
        kind = getattr(getattr(model, "config", None), "model_type", None)
        if kind is None or not hasattr(model, "generate"):
            return f"{type(lm).__name__} holds no Hugging Face model that generates"
        if adapter_id(lm) not in adapters_of(kind):
            return (
                f"{adapter_id(lm)} is no adapter that {kind} checkpoints are probed through; those "
                f"are: {', '.join(adapters_of(kind))}"
            )
        if not any(hasattr(processor, "image_processor") for processor in processors_of_lm(lm)):
            return f"{adapter_id(lm)} keeps no processor with an image processor"
        try:
            family_for(model)
        except SetupError as error:
            return str(error).rstrip(".")
        return None

    def __init__(self, lm: Any, settings: RunSettings, *args: Any) -> None:
        super().__init__(lm, settings, *args)
        self.model: Any = lm.model
        self.family: Family = family_for(lm.model)
        self.adapter = stock_adapter_of(lm)
        self.tokenizer: Any = self._processor().tokenizer
        self.task_dict: Any = lm.task_dict
        self._room = Room(self.batch_size, max(1, settings.capture.k))
        self._checks = tried(self.model, self.family, self._processor())
        self._places = Places(self.model, self.family, self.processing())
        self._probe = settings.probe
        if self._probe is not None:
            check_probe(self._probe, self.model.config)
        for unused in check_generation_config(self.model.generation_config):
            logger.warning(
                f"{unused} of the checkpoint's generation config is not used for probed answers: "
                "it makes decoding faster and leaves answers as they are."
            )

    @property
    def world_size(self) -> int:
        """Processes of the evaluation; lmms-eval tells some adapters only when it starts."""
        return int(self.lm.world_size)

    def describe(self) -> dict[str, Any]:
        """What is loaded."""
        model, text = self.model, self.model.config.get_text_config()
        pretrained = str(model.config._name_or_path)
        commit = getattr(model.config, "_commit_hash", None)
        return {
            "name": model_name(pretrained),
            "family": model.config.model_type,
            "pretrained": last_parts(pretrained, separator="/"),
            **checkpoint_identity(pretrained, commit),
            "adapter": f"{type(self.lm).__module__}.{type(self.lm).__name__}",
            "access": self.level,
            "dtype": str(model.dtype).removeprefix("torch."),
            "device": str(model.device),
            "attention": attention_of(model),
            "center_crop": self._places.center_crop(),
            "n_layers": len(self.family.decoder(model).layers),
            "d_model": text.hidden_size,
            "n_parameters": sum(p.numel() for p in model.parameters()),
        }

    def described_settings(self) -> dict[str, Any]:
        """With what narrows the samples: processors, which change the answer too, nothing else."""
        processors = processors_of(self.model.generation_config)
        return {**super().described_settings(), "top_k": None, "processors": processors}

    def checks(self) -> dict[str, str]:
        """What was tried at load."""
        return self._checks

    def geometry(self) -> str | None:
        """What the known-answer self-test of this checkpoint says."""
        return self._places.complaint

    def window(self, size: tuple[int, int]) -> Window:
        """By the processor and the family, or as measured."""
        return self._places.window(size)

    def canvas(self, asked: Asked, request: Any) -> Canvas | str | None:
        """Where the image of a request is looked at, if its tokens fill no single grid."""
        return self._places.canvas(lambda: asked.visuals(request) or [])

    def processing(self) -> Processing:
        """The processor as the stock adapter calls it."""
        return Processing(self._processor(), self.adapter.processing(self.lm))

    def frozen(self, samples: Iterable[Sequence[str]]) -> str | None:
        """Samples are drawn here, at the temperature asked for: equal ones are certainty."""
        return None

    def image_processor(self) -> Any:
        """The stock adapter's."""
        return self._processor().image_processor

    def image_tokens(self, images: list[Image.Image]) -> int:
        """By the processor and the family's grids."""
        return count_image_tokens(self.model, self.family, self.processing(), images)

    def n_neurons(self) -> int:
        """By the text model's config, where the run keeps what each contributes."""
        if "neurons" not in self.settings.capture.extra:
            return 0
        width = getattr(self.model.config.get_text_config(), "intermediate_size", None)
        n_layers = len(self.family.decoder(self.model).layers)
        return n_layers * width if isinstance(width, int) else 0

    def check_tasks(self, tasks: Any) -> None:
        """A task without images has nothing to look into."""
        for name, task in tasks.items():
            if first_visuals(task) is None:
                raise SetupError(
                    f"task {name} has no image in its first {LOOKED_AT} documents, so there is "
                    "nothing to probe. Check its doc_to_visual."
                )

    def order(self, requests: list[Any], indices: list[int]) -> list[int]:
        """Longest prompts first, as the stock adapters batch."""
        if self.batch_size == 1:
            return indices
        prompts = {i: requests[i].args[0] for i in indices}
        return sorted(indices, key=lambda i: (-len(self.tokenizer.encode(prompts[i])), prompts[i]))

    def observe(self, asked: Asked) -> list[Seen]:
        """Answers and everything beside them, from one prefill.

        Where memory runs out, fewer go at a time.
        """
        return self._room.fitted(
            lambda requests: self._together(replace(asked, requests=requests)), asked.requests
        )

    @property
    def at_once(self) -> int:
        """A batch: no more go through the model together, and one that fails costs no other."""
        return min(self.batch_size, self._room.batch)

    def after_failure(self, asked: Asked, reason: str) -> Seen:
        """Without its signals, the model may answer as it does in stock."""
        try:
            (text,) = self.answers_alone(asked)
        except Exception as error:
            if ends_run(error):
                raise
            return super().after_failure(asked, reason)
        return Seen.uncaptured(text, _UNCAPTURED + reason, self.never())

    def answers_alone(self, asked: Asked) -> list[str]:
        """Greedy answers as in stock."""

        def handler(
            inputs: dict[str, Any], options: dict[str, Any], _docs: list[str]
        ) -> torch.Tensor:
            rest = {name: value for name, value in inputs.items() if name != "input_ids"}
            sequences: torch.Tensor = self.model.generate(inputs["input_ids"], **rest, **options)
            return sequences

        return self.serve(asked, handler)

    def never(self) -> dict[str, Absent]:
        """What the settings leave out."""
        why = states_not_offered(
            dtype=self.settings.hidden_dtype, blank=self.settings.capture.blank_image
        )
        if self._probe is None:
            why[ProbeOpinion.name] = Absent(_NO_PROBE, "not offered")
        return super().never() | {ListedTokens.name: EXACT} | why

    def cost(self) -> dict[str, Any]:
        """Whether memory ran out, and what was done."""
        return self._room.described()

    def answer_rule(self, request: Any) -> AnswerRule:
        """What the stock adapter makes an answer by; the same for all requests of a task."""
        settings = next(part for part in request.args if isinstance(part, dict))
        return self.adapter.answer_rule(self.lm, settings)

    def serve(self, asked: Asked, handler: GenerateHandler) -> list[str]:
        """Requests through the stock adapter, each call of ``generate`` served by ``handler``."""
        texts: dict[int, str] = {}
        prepared = []
        for index, request in enumerate(asked.requests):
            if self.adapter.stands_apart(partial(asked.visuals, request)):
                texts[index] = self.adapter.answer_apart(self.lm, request, handler)
            else:
                prepared.append(index)
        if prepared:
            own = replace(asked, requests=[asked.requests[index] for index in prepared])
            with self.adapter.preparing(self.lm):
                answers = serve(self.lm, self.stock, own, handler)
            texts |= dict(zip(prepared, answers, strict=True))
        return [texts[index] for index in range(len(asked.requests))]

    def _together(self, asked: Asked) -> list[Seen]:
        questions = {str(request.doc_id): request.args[0] for request in asked.requests}
        # looked up before documents are recorded
        targets = {str(request.doc_id): asked.targets(request) for request in asked.requests}
        rule = self.answer_rule(asked.requests[0])
        caught: dict[str, Captured] = {}
        canvases = {str(request.doc_id): self.canvas(asked, request) for request in asked.requests}
        blanks = self._blanks(asked)
        prompts: dict[str, str] = {}
        beyond: dict[str, str | None] = {}

        def handler(
            inputs: dict[str, Any], options: dict[str, Any], docs: list[str]
        ) -> torch.Tensor:
            self._check_images(inputs)
            prompts.update(zip(docs, prompt_hashes(inputs), strict=True))
            sequences, captured = probed_generate(
                self.model,
                self.family,
                inputs,
                identities=[f"{asked.task}/{asked.split}/{doc}" for doc in docs],
                settings=self.settings.capture,
                subjects=Subjects(
                    questions=[questions[doc] for doc in docs],
                    targets=[targets[doc] for doc in docs],
                    tokenizer=self.tokenizer,
                    render=render_of(self._processor(), self.tokenizer),
                ),
                rule=rule,
                observers=[*STANDARD, *asked.observers],
                samples_at_once=self._room.samples,
                canvases=[canvases[doc] for doc in docs],
                blank=blanks.of(docs, inputs),
                **options,
            )
            caught.update(zip(docs, captured, strict=True))
            found = beyond_context(self.model.config, self.tokenizer, inputs)
            beyond.update(zip(docs, found, strict=True))
            return sequences

        texts = self.serve(asked, handler)
        items = [caught[str(request.doc_id)] for request in asked.requests]
        self._compare(asked.task, texts, rule.texts([item.tokens for item in items]))
        seen = [self._seen(text, item, rule) for text, item in zip(texts, items, strict=True)]
        docs = [str(request.doc_id) for request in asked.requests]
        return [
            replace(own, prompt=prompts[doc], absent={**own.absent, **_said_of(beyond[doc])})
            for own, doc in zip(seen, docs, strict=True)
        ]

    def _blanks(self, asked: Asked) -> Blanks:
        """The prompts about blank images, where a second pass is to read them."""
        if not self.settings.capture.blank_image:
            return Blanks("no second pass was asked for")
        if not all(
            isinstance(v, Image.Image) for r in asked.requests for v in asked.visuals(r) or []
        ):
            return Blanks("a document shows something other than pictures, which cannot be painted")
        began = time.perf_counter()
        blanks = Blanks()
        try:
            self.serve(about_blanks(asked, mean_colour(self.image_processor())), blanks)
        except Exception as error:
            if ends_run(error) or is_out_of_memory(error):
                raise
            return Blanks(f"blank images could not be prepared ({reason_of(error)})")
        self.took("blank", time.perf_counter() - began)
        return blanks

    def _compare(self, task: str, texts: list[str], shown: list[str]) -> None:
        """Say so if the adapter's answers are not made of the tokens that signals are of."""
        differ = sum(own != text.strip() for own, text in zip(shown, texts, strict=True))
        if differ:
            logger.warning(
                f"{task}: lmms-eval's adapter made {differ} of {len(texts)} answers of other "
                "tokens than their signals; its rule for ending them has changed."
            )

    def _check_images(self, inputs: dict[str, torch.Tensor]) -> None:
        """Raise CaptureError for image tokens without an image: a map over them is of nothing."""
        is_image = self.family.image_tokens(self.model.config, inputs["input_ids"])
        if "pixel_values" not in inputs and bool(is_image.any()):
            raise CaptureError("the prompt has image tokens, but the document shows no image")

    def _seen(self, text: str, item: Captured, rule: AnswerRule) -> Seen:
        if item.failed is not None:
            nothing = Seen.uncaptured(text, _UNCAPTURED + item.failed, self.never())
            return replace(nothing, tokens=item.tokens)
        channels, absent = channels_of(item)
        further, no_further = further_of(item, self.settings.capture)
        channels |= further
        absent |= no_further
        for name, seconds in item.seconds.items():
            self.took(name, seconds)
        states, no_states = states_of(item, dtype=self.settings.hidden_dtype)
        channels |= states
        absent |= no_states
        if self._probe is not None:
            opinion: Channel = ProbeOpinion(self._probe.probability(item.hidden))
            channels[opinion.name] = opinion
        else:
            absent[ProbeOpinion.name] = Absent(_NO_PROBE, "not offered")
        samples = rule.texts(item.sampled_tokens)
        if (why := self.family.lacks.get("samples")) is not None:
            samples, absent[Samples.name] = [], Absent(why)
        return Seen(text, channels, absent, samples, item.extra, item.tokens)

    def answer_again(
        self, asked: Asked, clean: Mapping[str, Sequence[int]]
    ) -> list[tuple[str, float | None]]:
        """Greedy answers, and the clean answers by teacher forcing."""
        logprobs: dict[str, float | None] = {}

        def handler(
            inputs: dict[str, Any], options: dict[str, Any], docs: list[str]
        ) -> torch.Tensor:
            references = [list(clean[doc]) for doc in docs]
            sequences, found = generate_and_score(self.model, inputs, options, references)
            logprobs.update(zip(docs, found, strict=True))
            return sequences

        texts = self.serve(asked, handler)
        docs = [str(request.doc_id) for request in asked.requests]
        return [(text, logprobs[doc]) for text, doc in zip(texts, docs, strict=True)]

    def answer_tokens(self, asked: Asked) -> dict[str, list[int]]:
        """Greedy answers' tokens, end-of-sequence and padding left out."""
        tokens: dict[str, list[int]] = {}
        rule = self.answer_rule(asked.requests[0])

        def handler(
            inputs: dict[str, Any], options: dict[str, Any], docs: list[str]
        ) -> torch.Tensor:
            rest = {name: value for name, value in inputs.items() if name != "input_ids"}
            ids = inputs["input_ids"]
            options = served_options(self.model, options)
            sequences: torch.Tensor = self.model.generate(ids, **rest, **options)
            stated = options.get("eos_token_id", self.model.generation_config.eos_token_id)
            ends = set(stated) if isinstance(stated, (list, tuple)) else {stated}
            for doc, row in zip(docs, sequences[:, ids.shape[1] :].tolist(), strict=True):
                stop = next((i for i, token in enumerate(row) if token in ends), len(row))
                tokens[doc] = row[: rule.length(row[:stop])]
            return sequences

        self.serve(asked, handler)
        return tokens

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Capture on, padding left, the stock progress bar (one per slice) off."""
        with ExitStack() as stack:
            stack.enter_context(capturing_attention(self.model))
            stack.enter_context(torch.inference_mode())
            for tokenizer in self._tokenizers():
                stack.callback(setattr, tokenizer, "padding_side", tokenizer.padding_side)
                tokenizer.padding_side = "left"
            stack.enter_context(silenced(self.lm))
            yield

    def _processor(self) -> Any:
        return next(p for p in processors_of_lm(self.lm) if hasattr(p, "image_processor"))

    def _tokenizers(self) -> list[Any]:
        found = [
            self.tokenizer,
            *(getattr(p, "tokenizer", None) for p in processors_of_lm(self.lm)),
        ]
        return [t for t in {id(t): t for t in found if t is not None}.values()]


def _said_of(beyond: str | None) -> dict[str, Absent]:
    return {} if beyond is None else {QUESTION: Absent(beyond)}


def processors_of_lm(lm: Any) -> list[Any]:
    """Whatever a stock adapter calls its processor."""
    names = ("processor", "_processor", "_image_processor")
    return [getattr(lm, name) for name in names if hasattr(lm, name)]
