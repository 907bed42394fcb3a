"""Whether a checkpoint's folder holds what loading it reads, found without loading it."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open

from vrp_tasks.errors import SetupError

_PROCESSOR = ("processor_config.json", "preprocessor_config.json")
_TOKENIZER = ("tokenizer*", "vocab*", "*.model", "*.tiktoken", "*tekken*")
_WEIGHTS = ("*.safetensors", "*.bin", "*.safetensors.index.json", "*.bin.index.json")


def check_files(folder: Path) -> None:
    """See that processor, tokenizer and weights are there, and that weights are whole.

    Of a safetensors file the header and the size are read, of others nothing.

    Raises
    ------
    SetupError
        With what is missing or cut short.
    """
    what = f"pretrained={folder}"
    if not any((folder / name).is_file() for name in _PROCESSOR):
        raise SetupError(
            f"{what} has no image processor ({' or '.join(_PROCESSOR)}). Copy it there from "
            "the checkpoint that this one was made from."
        )
    if not _any(folder, _TOKENIZER):
        raise SetupError(
            f"{what} has no tokenizer (tokenizer.json, tokenizer.model or vocab.json). Copy it "
            "there from the checkpoint that this one was made from."
        )
    if not _any(folder, _WEIGHTS):
        raise SetupError(
            f"{what} has no weights (model.safetensors, or an index and its shards). Give the "
            "folder that save_pretrained wrote, or copy them there."
        )
    for path in _shards(folder):
        if not path.is_file():
            raise SetupError(
                f"{what}: the index of its weights names {path.name}, which is not there. Copy the "
                "checkpoint anew."
            )
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, framework="numpy"):
                pass
        except (SafetensorError, OSError) as error:
            raise SetupError(
                f"{what}: {path.name} is damaged or cut short ({error}). Copy the checkpoint anew."
            ) from error


def _any(folder: Path, patterns: tuple[str, ...]) -> bool:
    return any(path.is_file() for pattern in patterns for path in folder.glob(pattern))


def _shards(folder: Path) -> list[Path]:
    """The files that the index of a checkpoint names; none where there is no readable index."""
    try:
        index = json.loads((folder / "model.safetensors.index.json").read_text("utf-8"))
        return [folder / str(name) for name in sorted(set(index["weight_map"].values()))]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []
