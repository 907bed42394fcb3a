"""Checkpoints that compare texts, loaded as they are: no weights are made up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

from vrp_tasks.errors import SetupError


def loaded(
    kind: type[AutoModel | AutoModelForSequenceClassification],
    name: str,
    *,
    what: str,
    may_lack: Callable[[str], bool] = lambda key: False,
) -> tuple[Any, Any]:
    """A model and its tokenizer.

    Parameters
    ----------
    kind : auto class
        Of transformers.
    name : str
        Folder or hub id.
    what : str
        What the checkpoint is to be, for people.
    may_lack : callable
        Whether weights of a name may be missing: they are not used.

    Raises
    ------
    SetupError
        If there is no such checkpoint, or it is of another kind.
    """
    looks_like_path = name.startswith((".", "/", "~")) or name.count("/") > 1
    if looks_like_path and not Path(name).is_dir():
        raise SetupError(f"{name} is not a folder. Check the path, or give a hub id.")
    try:
        tokenizer = AutoTokenizer.from_pretrained(name)
        model, info = kind.from_pretrained(name, output_loading_info=True)
    except Exception as error:
        words = " ".join(str(error).split())[:200]
        raise SetupError(
            f"{name}: no checkpoint that can be loaded as {what} ({type(error).__name__}: {words})."
        ) from error
    absent = sorted(key for key in info["missing_keys"] if not may_lack(key))
    if absent:
        raise SetupError(f"{name} is not {what}: it has no weights for {absent[0]}.")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
        model.config.pad_token_id = tokenizer.pad_token_id
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return model.eval().to(device), tokenizer


def fitting(model: Any, tokenizer: Any) -> dict[str, Any]:
    """Options of the tokenizer under which no text is longer than the model takes."""
    stated = getattr(model.config, "max_position_embeddings", None)
    most = min(tokenizer.model_max_length, (stated or 10_000) - 2)
    return {"padding": True, "truncation": True, "max_length": most, "return_tensors": "pt"}
