"""What is believed of a model is tried on the checkpoint itself, before the first sample.

Two failures stop a run, since then nothing that is captured is of the model that answers: logits
that change when the capture is on, and an answer that is not stock's. Any other makes exactly its
own signals INVALID, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from loguru import logger
from transformers import PreTrainedModel

from vrp_tasks.capture.attention import capturing_attention, editing
from vrp_tasks.capture.decode_state import DecodeState
from vrp_tasks.capture.generate import probed_generate
from vrp_tasks.capture.generation_settings import served_options
from vrp_tasks.capture.observer import Observer
from vrp_tasks.capture.recorder import Recorder
from vrp_tasks.capture.result import Captured
from vrp_tasks.capture.settings import CaptureSettings
from vrp_tasks.capture.trial import trial_inputs
from vrp_tasks.errors import CaptureError, SetupError
from vrp_tasks.families import Family, Found

PASSED = "passed"
_COLD = CaptureSettings(k=2, temperature=1e-6, top_p=1.0)
_N_TOKENS = 4
_STEPS = 8.0  # rounding of logits, in units of the dtype's step and of the largest of them


@dataclass(frozen=True)
class Proof:
    """Outcome of the checks.

    Attributes
    ----------
    checks : dict of str to str
        By name: ``passed`` (and on what), or what was found instead.
    lacks : dict of str to str
        What cannot be had, and why; keys as in `Captured.missing`.
    """

    checks: dict[str, str] = field(default_factory=dict)
    lacks: dict[str, str] = field(default_factory=dict)

    def note(self, name: str, complaint: str | None, *voids: str, said: str = PASSED) -> None:
        """Enter one outcome; a complaint voids what it is about."""
        self.checks[name] = said if complaint is None else complaint
        if complaint is not None:
            for void in voids:
                self.lacks.setdefault(void, complaint)


@torch.no_grad()
def prove(model: PreTrainedModel, family: Family, inputs: dict[str, torch.Tensor]) -> Proof:
    """Try a model on a left-padded batch, `trial_inputs` for one.

    Parameters
    ----------
    model : PreTrainedModel
    family : Family
        A found one learns here what its layers add.
    inputs : dict of tensor
        Two prompts or more, with images.

    Returns
    -------
    Proof

    Raises
    ------
    SetupError
        If the capture changes the model's logits, or its answer is not the stock one.
    """
    proof = Proof()
    if isinstance(family, Found):
        family.study(model, inputs)
    proof.lacks.update(family.lacks)
    watched = _Watched(model, family)
    with watched.attached():
        plain = model(**inputs).logits[:, -1].float()
    with capturing_attention(model):
        captured = model(**inputs).logits[:, -1].float()
    _check_logits(plain, captured, model.dtype)
    proof.note("capture leaves logits alone", None)
    seen = _check_answers(proof, model, family, inputs)
    _check_rows(proof, seen)
    _check_use(proof, model, family, inputs, plain)
    proof.note("image tokens hold the image", watched.complaint(inputs), "attention", "top_heads")
    _check_lens(proof, model, family, seen, plain)
    return proof


def proof_of(model: PreTrainedModel, family: Family, processor: Any) -> Proof:
    """`prove` on two prompts about noise; where there are none, nothing is proven, and it is said.

    Raises
    ------
    SetupError
        As `prove`.
    """
    try:
        proof = prove(model, family, trial_inputs(model, processor))
    except SetupError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a processor or model raises on noise
        why = f"not run on this checkpoint ({type(error).__name__}: {error})"
        proof = Proof({"trial": " ".join(why.split())}, dict(family.lacks))
    for name, said in proof.checks.items():
        if not said.startswith((PASSED, "no layer", "not run: the prompt")):
            logger.warning(f"Check at load, {name}: {said}.")
    return proof


def _slack(logits: torch.Tensor, dtype: torch.dtype) -> float:
    """What rounding explains of a difference between logits."""
    return _STEPS * max(torch.finfo(dtype).eps, 1e-6) * float(logits.abs().max())


def _check_logits(plain: torch.Tensor, captured: torch.Tensor, dtype: torch.dtype) -> None:
    apart = float((plain - captured).abs().max())
    if not apart <= _slack(plain, dtype):
        raise SetupError(
            f"with the capture on, this model's logits differ from stock by {apart:.2g}, so its "
            "answers would too. Report it with the checkpoint; access=text takes any model."
        )


class _Seen(Observer):
    """Keeps the recorder of a generation, and why its rows are not the model's."""

    recorder: Recorder
    misfit: str | None = None

    def collect(self, index: int, item: Captured, state: DecodeState) -> None:
        """Of each prompt."""
        self.recorder = self.context.recorder
        self.misfit = self.misfit or self.recorder.misfit_of(index)


def _check_answers(
    proof: Proof, model: PreTrainedModel, family: Family, inputs: dict[str, torch.Tensor]
) -> _Seen:
    options: dict[str, Any] = {"do_sample": False, "num_beams": 1, "max_new_tokens": _N_TOKENS}
    options = served_options(model, options)
    stock = model.generate(**inputs, **options, return_dict_in_generate=True, output_logits=True)
    watchers: list[_Seen] = []

    def watch(context: Any) -> Observer:
        watchers.append(_Seen(context))
        return watchers[0]

    names = [str(row) for row in range(len(inputs["input_ids"]))]
    try:
        with capturing_attention(model):
            ours, items = probed_generate(
                model, family, inputs, identities=names, settings=_COLD, observers=[watch],
                **options,
            )  # fmt: skip
    except CaptureError as error:
        raise SetupError(f"this model cannot be captured: {error}") from error
    length = inputs["input_ids"].shape[1]
    new = stock.sequences[:, length:].tolist()
    for row, tokens in enumerate(ours[:, length:].tolist()):
        if not _same(new[row], tokens, stock.logits, row, model.dtype):
            raise SetupError(
                f"a captured answer ({tokens}) is not the one that generate gives ({new[row]}). "
                "Report it with the checkpoint; access=text takes any model."
            )
    proof.note("greedy answers are stock", None)
    warm = sum(
        not _same(new[row][: len(sample)], sample, stock.logits, row, model.dtype)
        for row, item in enumerate(items)
        for sample in item.sampled_tokens
    )
    complaint = f"{warm} samples drawn at no temperature are not the greedy answer"
    proof.note("cold samples are greedy", complaint if warm else None, "samples")
    return watchers[0]


def _same(wanted: list[int], found: list[int], logits: Any, row: int, dtype: torch.dtype) -> bool:
    """Whether two answers agree up to their first tie."""
    for step, (one, other) in enumerate(zip(wanted, found, strict=False)):
        if one != other:
            own = logits[step][row].float()
            return float(own[one] - own[other]) <= _slack(own, dtype)
    return True


def _check_rows(proof: Proof, seen: _Seen) -> None:
    recorder = seen.recorder
    n_layers, attending = len(recorder.layers), recorder.attending
    said = f"{PASSED} in all {n_layers} layers"
    if len(attending) < n_layers:
        said = f"{PASSED} in layers {', '.join(map(str, attending))}; no other has such rows"
    proof.note(
        "attention rows are those that layers used", seen.misfit, "attention", "top_heads",
        said=said if attending else "no layer has such rows",
    )  # fmt: skip


class _Blind:
    """The last position does not see the image."""

    def __init__(self, image: torch.Tensor) -> None:
        self.image = image

    def edited_mask(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, mask: torch.Tensor | None
    ) -> torch.Tensor | None:
        """The mask less the image, for the last query."""
        n_queries, n_keys = query.shape[2], key.shape[2]
        if n_keys != self.image.shape[1]:
            return mask
        if mask is None:
            place = torch.arange(n_keys, device=query.device)
            mask = (place[n_keys - n_queries :, None] >= place)[None, None]
        mask = mask[..., :n_keys].expand(len(query), -1, n_queries, n_keys).clone()
        least = False if mask.dtype == torch.bool else torch.finfo(mask.dtype).min
        hidden = self.image.to(mask.device)[:, None]
        mask[:, :, -1] = mask[:, :, -1].masked_fill(hidden, least)
        return mask


def _check_use(
    proof: Proof,
    model: PreTrainedModel,
    family: Family,
    inputs: dict[str, torch.Tensor],
    plain: torch.Tensor,
) -> None:
    name = "logits follow the rows"
    image = family.image_tokens(model.config, inputs["input_ids"])
    if not bool(image.any()):
        proof.checks[name] = "not run: the prompt has no image tokens"
        return
    with capturing_attention(model), editing(_Blind(image)):
        blind = model(**inputs).logits[:, -1].float()
    complaint = None
    if torch.equal(blind, plain):
        complaint = "hiding the image from the last position changes no logit"
    proof.note(name, complaint, "attention", "top_heads")


class _Watched:
    """Where the decoder's input is not the embedding of the prompt's token."""

    def __init__(self, model: PreTrainedModel, family: Family) -> None:
        self.model, self.family = model, family
        self.embedded: torch.Tensor | None = None

    @contextmanager
    def attached(self) -> Iterator[None]:
        decoder = self.family.decoder(self.model)
        module = getattr(decoder, "module", decoder)
        handle = module.register_forward_pre_hook(self._on_input, with_kwargs=True)
        try:
            yield
        finally:
            handle.remove()

    def _on_input(self, _module: Any, _args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.embedded = kwargs.get("inputs_embeds")

    def complaint(self, inputs: dict[str, torch.Tensor]) -> str | None:
        """Why image tokens are not where the image is, or None."""
        image = self.family.image_tokens(self.model.config, inputs["input_ids"])
        if self.embedded is None or not bool(image.any()):
            return None
        table = self.model.get_input_embeddings()
        ids = inputs["input_ids"].clamp(max=len(table.weight) - 1)
        if (plain := table(ids)).shape != self.embedded.shape:
            return None
        alike = (plain == self.embedded).all(dim=-1) & image
        if bool(alike.any()):
            return f"{int(alike.sum())} image tokens reach the decoder as the word that they spell"
        return None


def _check_lens(
    proof: Proof, model: PreTrainedModel, family: Family, seen: _Seen, plain: torch.Tensor
) -> None:
    """That the head reads the last state through the final norm, up to a map that keeps order."""
    norm = family.decoder(model).norm
    states = seen.recorder.last_prompt[-1]
    head = model.get_output_embeddings()
    read = head(norm(states.to(plain.device, model.dtype))).float()
    order = read.argsort(dim=-1)
    falls = -plain.gather(1, order).diff(dim=-1).amin()
    complaint = None
    if not float(falls) <= 4 * _slack(plain, model.dtype):  # two logits, by two other products
        complaint = "the unembedding of the normed last state is not what the model's logits are"
    proof.note("the lens ends in the logits", complaint, "lens")
    shares = family.lacks.get("attribution")
    proof.note("attention and MLP sum to what layers add", shares, "attribution")
