"""Model arguments that the adapter would refuse in its own words, once it is being loaded."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import torch

from vrp_tasks.errors import SetupError
from vrp_tasks.families.adapters import ADAPTERS
from vrp_tasks.seam.model_arguments import parts
from vrp_tasks.settings.run_settings import NAMES

_DTYPES = ("dtype", "torch_dtype")


def check_form(asked: Mapping[str, Any]) -> None:
    """Raise SetupError unless what is a list of ``name=value`` reads as one."""
    for option in ("model_args", "gen_kwargs"):
        for part in parts(asked.get(option)):
            if "=" not in part:
                path = option == "model_args"
                hint = f" For a checkpoint write pretrained={part}." if path else ""
                raise SetupError(f"--{option}: {part!r} is no name=value.{hint}")


def check_arguments(
    model: str, adapter: type, arguments: Mapping[str, Any], asked: Mapping[str, Any]
) -> None:
    """Check names and values of an adapter that is known to us.

    Parameters
    ----------
    model : str
        Model id; of another one than ours and the stock ones that we look into, nothing is known.
    adapter : type
        The class behind it.
    arguments : mapping
        Model arguments without those that are ours.
    asked : mapping
        Arguments of ``simple_evaluate``.

    Raises
    ------
    SetupError
        With what is wrong and what is legal.
    """
    if model not in ADAPTERS:
        return
    _check_names(model, accepted(adapter), arguments)
    for name in _DTYPES:
        if name in arguments:
            _check_dtype(name, arguments[name])
    for name, given in (("device=", arguments.get("device")), ("--device ", asked.get("device"))):
        if given is not None:
            _check_device(name, given)
    size = asked.get("batch_size")
    if size is not None and not (str(size).isdecimal() and int(size) > 0):
        raise SetupError(
            f"--batch_size {size}: --model {model} takes a whole number of at least 1. Give "
            "--batch_size 1."
        )


def check_options(adapter: type, asked: Mapping[str, Any]) -> None:
    """Raise SetupError for an option of lmms-eval's that tasks or models of this kind lack."""
    if shots := asked.get("num_fewshot"):
        raise SetupError(
            f"--num_fewshot {shots}: tasks of ours ask without examples. Leave it out."
        )
    if asked.get("apply_chat_template") and not hasattr(adapter, "apply_chat_template"):
        raise SetupError(
            f"--apply_chat_template: {adapter.__name__} has none to apply; it writes prompts in "
            "its own way. Leave it out."
        )


def accepted(adapter: type) -> set[str]:
    """Names of what a class is made with, those that it hands on to its bases too."""
    names: set[str] = set()
    for cls in adapter.__mro__:
        if "__init__" not in vars(cls):
            continue
        parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]  # type: ignore[misc]  # of a class, not of an instance
        named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        names |= {p.name for p in parameters if p.kind in named}
        if not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters):
            break
    return names


def did_you_mean(word: str, words: Iterable[str], *, cutoff: float = 0.6) -> str:
    """A question to append, with a space before it; nothing where no word is like this one."""
    near = difflib.get_close_matches(word, list(words), n=1, cutoff=cutoff)
    return f" Did you mean {near[0]}?" if near else ""


def _check_names(model: str, legal: Collection[str], arguments: Mapping[str, Any]) -> None:
    for name in arguments:
        if name not in legal:
            takes = ", ".join(sorted(legal - {"batch_size", "max_batch_size"}))  # type: ignore[operator]
            raise SetupError(
                f"unknown model argument {name!r}.{did_you_mean(name, {*legal, *NAMES})} "
                f"--model {model} takes {takes}; of ours: {', '.join(NAMES)}."
            )


def _check_dtype(name: str, value: Any) -> None:
    if value in ("auto", None) or isinstance(value, torch.dtype):
        return
    if not isinstance(getattr(torch, str(value), None), torch.dtype):
        raise SetupError(
            f"model argument {name}={value} is no type of torch. Use auto, bfloat16, float16 or "
            "float32."
        )


def _check_device(name: str, value: Any) -> None:
    try:
        device = torch.device(value if isinstance(value, int) else str(value))
    except RuntimeError:
        raise SetupError(f"{name}{value} is no device of torch. Use cpu, cuda or cuda:0.") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise SetupError(
            f"{name}{value}: torch finds no CUDA device on this machine. Leave it out, or use cpu."
        )
