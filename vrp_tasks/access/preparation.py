"""What makes a prompt of a question, and an answer of a prompt, beside the weights: as hashes."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any

# attributes under which stock adapters of lmms-eval keep things
_PROCESSORS = ("processor", "_processor", "_image_processor", "image_processor")
_TOKENIZERS = ("tokenizer", "_tokenizer")
_MODELS = ("model", "_model")
# of a config: where it came from, and how it was loaded, which is told elsewhere
_NOT_OF_A_CONFIG = ("_name_or_path", "name_or_path", "transformers_version", "dtype", "torch_dtype")
# of a tokenizer: set by whoever called it last
_NOT_OF_A_TOKENIZER = ("padding", "truncation")
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def preparation_of(lm: Any) -> dict[str, str]:
    """Hashes of the tokenizer, processor, chat templates and configs that an adapter works with.

    As they are loaded, so model arguments that change them are in. What an adapter does not hold
    (one that asks a server, say) is left out.

    Parameters
    ----------
    lm : lmms-eval model
        Any.

    Returns
    -------
    dict of str to str
        ``tokenizer``, ``processor``, ``chat_template``, ``config``, ``generation_config``.
    """
    found: dict[str, list[Any]] = {}
    processors = list(_attributes(lm, _PROCESSORS))
    tokenizers = [
        *_attributes(lm, _TOKENIZERS),
        *(own for processor in processors for own in _attributes(processor, _TOKENIZERS)),
    ]
    for tokenizer in tokenizers:
        found.setdefault("tokenizer", []).append(_tokenizer(tokenizer))
    for processor in processors:
        found.setdefault("processor", []).append(_plain(processor))
    for holder in (lm, *processors, *tokenizers):
        for template in _attributes(holder, ("chat_template",)):
            found.setdefault("chat_template", []).append(template)
    for model in _attributes(lm, _MODELS):
        for name in ("config", "generation_config"):
            for config in _attributes(model, (name,)):
                found.setdefault(name, []).append(_plain(config))
    return {name: _hash(values) for name, values in sorted(found.items())}


def _attributes(holder: Any, names: tuple[str, ...]) -> Iterator[Any]:
    """What an object holds under some names, each once."""
    seen: list[Any] = []
    for name in names:
        own = getattr(holder, name, None)
        if own is not None and not any(own is other for other in seen):
            seen.append(own)
            yield own


def _tokenizer(tokenizer: Any) -> Any:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:
        whole = json.loads(backend.to_str())
        content = {n: own for n, own in whole.items() if n not in _NOT_OF_A_TOKENIZER}
    else:
        content = tokenizer.get_vocab() if hasattr(tokenizer, "get_vocab") else {}
    return [type(tokenizer).__name__, content, getattr(tokenizer, "special_tokens_map", None)]


def _plain(value: Any) -> Any:
    """A processor or config as what it says of itself."""
    if not hasattr(value, "to_dict"):
        return type(value).__name__
    content = {n: own for n, own in value.to_dict().items() if n not in _NOT_OF_A_CONFIG}
    return [type(value).__name__, content]


def _hash(values: list[Any]) -> str:
    text = json.dumps(values, sort_keys=True, default=_as_text)
    return hashlib.sha256(_ADDRESS.sub("", text).encode("utf-8", "surrogatepass")).hexdigest()


def _as_text(value: Any) -> Any:
    return _plain(value) if hasattr(value, "to_dict") else str(value)
