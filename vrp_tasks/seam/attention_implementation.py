"""Which attention function parts of a model use, changed part by part and put back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

_NAME = "_attn_implementation_internal"


def attention_configs(modules: Iterable[Any]) -> list[Any]:
    """The configs by which modules choose their attention function, each once."""
    configs = {id(m.config): m.config for m in modules if hasattr(m, "config")}
    return [config for config in configs.values() if hasattr(config, _NAME)]


@contextmanager
def attending_with(name: str, configs: Iterable[Any]) -> Iterator[None]:
    """Let configs name another registered function inside the block.

    `set_attn_implementation` takes whole models, and refuses names for some decoders.
    """
    before = [(config, getattr(config, _NAME)) for config in configs]
    try:
        for config, _ in before:
            setattr(config, _NAME, name)
        yield
    finally:
        for config, implementation in before:
            setattr(config, _NAME, implementation)
