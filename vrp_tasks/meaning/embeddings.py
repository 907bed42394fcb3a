"""How alike answers are by the cosine of their embeddings."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import torch
from torch.nn import functional
from transformers import AutoModel

from vrp_tasks.errors import SetupError
from vrp_tasks.meaning.answers import Answers
from vrp_tasks.meaning.checkpoints import fitting, loaded
from vrp_tasks.meaning.entailment import Row

WHAT = "a model for embeddings"


class Embeddings:
    """Any encoder: mean over the tokens of its last layer, or the first where it says so.

    Parameters
    ----------
    name : str
        Folder or hub id of the checkpoint.
    batch_size : int
        Texts at once.

    Raises
    ------
    SetupError
        If it cannot be loaded.
    """

    def __init__(self, name: str, *, batch_size: int) -> None:
        self._name, self._batch_size = name, batch_size
        self._model, self._tokenizer = loaded(
            AutoModel, name, what=WHAT, may_lack=lambda key: "pooler" in key
        )
        self._options = fitting(self._model, self._tokenizer)
        self._tokenizer.padding_side = "right"
        self._first_token = _takes_first_token(Path(name))

    def rows(self, answers: Answers) -> Iterator[Row]:
        """Similarity of every two texts of a question: cosine, no less than 0."""
        pairs = list(itertools.combinations(answers.texts, 2))
        shortened = answers.shortened()
        texts = list(dict.fromkeys(text for pair in (*pairs, *shortened) for text in pair))
        if not texts:
            return
        embedded = self._embedded([answers.asked(text) for text in texts])
        place = {text: number for number, text in enumerate(texts)}
        cosines = (embedded @ embedded.T).clamp(0, 1).tolist()
        for kind, own in (("similarity", pairs), ("relevance", shortened)):
            for first, second in own:
                yield kind, first, second, cosines[place[first]][place[second]]

    @torch.inference_mode()
    def _embedded(self, texts: list[str]) -> torch.Tensor:
        parts = []
        for start in range(0, len(texts), self._batch_size):
            inputs = self._tokenizer(texts[start : start + self._batch_size], **self._options)
            inputs = inputs.to(self._model.device)
            try:
                states = self._model(**inputs).last_hidden_state.float()
            except (AttributeError, TypeError, ValueError) as error:
                words = " ".join(str(error).split())[:160]
                raise SetupError(f"{self._name} is not {WHAT}: {words}.") from error
            mask = inputs["attention_mask"][..., None]
            mean = (states * mask).sum(dim=1) / mask.sum(dim=1)
            parts.append(states[:, 0] if self._first_token else mean)
        return functional.normalize(torch.cat(parts), dim=-1)


def _takes_first_token(folder: Path) -> bool:
    """Whether a checkpoint of sentence-transformers asks for its first token."""
    file = folder / "1_Pooling" / "config.json"
    try:
        return bool(json.loads(file.read_text("utf-8")).get("pooling_mode_cls_token"))
    except (OSError, ValueError, AttributeError):
        return False
