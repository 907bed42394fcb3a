"""What our adapters share: one local model and its processor, in lmms-eval's form."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from accelerate import Accelerator
from lmms_eval.api.model import lmms
from transformers import PreTrainedModel

from vrp_tasks.capture.answers import AnswerRule


class LocalModel(lmms):
    """A model of transformers that answers from prepared tensors, in one call per batch.

    Parameters
    ----------
    device, device_map : str
        As in lmms-eval's other Hugging Face adapters; one process per GPU overrides them.
    batch_size : int or str
        Prompts per ``generate`` call.
    max_new_tokens : int
        Used where the task sets none.
    """

    processor: Any

    def __init__(
        self, *, device: str, device_map: str, batch_size: int | str, max_new_tokens: int
    ) -> None:
        super().__init__()
        accelerator = Accelerator()
        if accelerator.num_processes > 1 and torch.cuda.is_available():
            device = device_map = f"cuda:{accelerator.local_process_index}"
        self._device, self.device_map = torch.device(device), device_map
        self.batch_size_per_gpu = int(batch_size)
        self.max_new_tokens = max_new_tokens
        self.accelerator = accelerator
        self._rank, self._world_size = accelerator.process_index, accelerator.num_processes

    def _hold(self, model: PreTrainedModel, processor: Any) -> None:
        """Take a loaded model; prompts are padded on the left."""
        self._model, self.processor = model.eval(), processor
        processor.tokenizer.padding_side = "left"

    @property
    def model(self) -> PreTrainedModel:
        """The model."""
        return self._model

    @property
    def tokenizer(self) -> Any:
        """The processor's tokenizer."""
        return self.processor.tokenizer

    @property
    def batch_size(self) -> int:
        """Prompts per `generate` call."""
        return self.batch_size_per_gpu

    @property
    def device(self) -> torch.device:
        """Where inputs go."""
        return self._device

    def loglikelihood(self, requests: list[Any]) -> list[tuple[float, bool]]:
        """Not offered: the tasks of this model generate."""
        raise NotImplementedError(f"{type(self).__name__} answers generate_until tasks only.")

    def generate_until_multi_round(self, requests: list[Any]) -> list[str]:
        """Not offered: one question, one answer."""
        raise NotImplementedError(f"{type(self).__name__} has no multi-round format.")

    def _collate(self, arguments: tuple[Any, ...]) -> tuple[int, str]:
        """Longest prompts first."""
        return -len(self.tokenizer.encode(arguments[0])), arguments[0]

    def _generated(self, inputs: Any, settings: dict[str, Any]) -> list[str]:
        """Answers to prepared prompts; those that the model ends, and the task's stop strings."""
        temperature = settings.get("temperature") or 0
        output = self.model.generate(
            **inputs,
            do_sample=temperature > 0,
            temperature=temperature if temperature > 0 else None,
            top_p=settings.get("top_p"),
            num_beams=settings.get("num_beams", 1),
            max_new_tokens=settings.get("max_new_tokens", self.max_new_tokens),
        )
        generated = output[:, inputs["input_ids"].shape[1] :]
        rule = AnswerRule.until(
            partial(self.tokenizer.batch_decode, skip_special_tokens=True), settings.get("until")
        )
        return rule.texts(list(generated))


def refuse_unknown(adapter: str, unknown: dict[str, Any]) -> None:
    """Raise ValueError for model arguments that an adapter does not have."""
    if unknown:
        names = ", ".join(sorted(unknown))
        raise ValueError(f"{adapter}: unexpected model argument(s) {names}.")
