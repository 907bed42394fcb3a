"""What one document was asked, as hashes: an answer is taken over only where they are the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from PIL import Image

_UNREADABLE = "unreadable"
_KEPT = {True: "kept", False: "not kept"}


@dataclass(frozen=True)
class RequestIdentity:
    """Hashes of what one document was asked; a run's own identity has what is common to all.

    Attributes
    ----------
    image : str
        Of the pixels that it shows.
    prompt : str
        Of the text, or the messages, that lmms-eval built.
    target : str
        Of the reference answers.
    generation : str
        Of the generation settings.
    states : {"kept", "not kept"}
        Whether hidden states are asked for (``hidden_max``).
    """

    image: str
    prompt: str
    target: str
    generation: str
    states: str

    def changed(self, now: RequestIdentity) -> list[str]:
        """Names of what is another in ``now``."""
        new = asdict(now)
        return [name for name, value in asdict(self).items() if new[name] != value]


def identity_of(
    request: Any, read: Callable[[], Any], target: Callable[[], Any], *, keeps_states: bool
) -> RequestIdentity:
    """The identity of a request of lmms-eval, simple or chat.

    Parameters
    ----------
    request : Instance
        Of lmms-eval: text, generation settings, and a function that makes images or messages of a
        document.
    read : callable
        Gives the document.
    target : callable
        Gives its reference answers.
    keeps_states : bool
        Whether its hidden states are to be stored.

    Notes
    -----
    What cannot be read counts as one and the same: such a document is asked again when it can be.
    """
    texts: list[str] = [str(request.args[0])]
    images = hashlib.sha256()
    try:
        doc = read()
        for make in (part for part in request.args if callable(part)):
            for part in _parts(make(doc)):
                if isinstance(part, bytes):
                    images.update(part)
                else:
                    texts.append(part)
        image = images.hexdigest()[:32]
    except Exception:  # noqa: BLE001 -- whatever a data set raises; who answers it says so
        image = _UNREADABLE
    try:
        references = repr(target())
    except Exception:  # noqa: BLE001 -- likewise
        references = _UNREADABLE
    generation = [part for part in request.args if isinstance(part, dict)]
    return RequestIdentity(
        image=image,
        prompt=_hash(json.dumps(texts)),
        target=_hash(references),
        generation=_hash(json.dumps(generation, sort_keys=True, default=str)),
        states=_KEPT[keeps_states],
    )


def _parts(value: Any) -> Iterator[str | bytes]:
    """Images and arrays as bytes, everything else as text, in order."""
    if hasattr(value, "model_dump"):  # messages of lmms-eval
        value = value.model_dump()
    if isinstance(value, (dict, list, tuple)):
        for part in _flat(value):
            yield from _parts(part)
    elif isinstance(value, (Image.Image, np.ndarray)):
        yield from _pixels(value)
    elif value is None or isinstance(value, (bytes, str, int, float)):
        yield value if isinstance(value, bytes) else str(value)
    else:  # its text may hold an address in memory
        yield type(value).__name__


def _flat(value: dict[Any, Any] | Sequence[Any]) -> Iterator[Any]:
    if not isinstance(value, dict):
        yield from value
        return
    for name in sorted(value, key=str):
        yield str(name)
        yield value[name]


def _pixels(value: Image.Image | np.ndarray) -> Iterator[bytes]:
    if isinstance(value, Image.Image):
        shown = value.convert("RGBA" if value.has_transparency_data else "RGB")
        yield f"{shown.mode}{shown.size}".encode()
        yield shown.tobytes()
    else:
        yield f"{value.dtype}{value.shape}".encode()
        yield value.tobytes()


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", errors="surrogatepass")).hexdigest()[:32]
