"""Around lmms-eval's command line: what it finds wrong before a run begins ends ours like a run.

lmms-eval prints a traceback there and exits with 0. A command without tasks of ours passes straight
through.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

from vrp_tasks.attach.names import PREFIX
from vrp_tasks.errors import SetupError
from vrp_tasks.run.exits import errors_in_one_line
from vrp_tasks.seam.command_line import asked_of, runs_inside

_SAYS_OURS = re.compile(r"\bvrp(_\w|[\"']?\s*:)")  # a name of ours, or the key in metadata
_NAMED = re.compile(r"^\s*(?:task|group|tag)\s*:\s*[\"']?([\w.-]+)", re.MULTILINE)


def run_command(
    module: ModuleType, stock: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Call ``cli_evaluate``; what ends a command that asks for tasks of ours is one line."""
    given = inspect.signature(stock).bind(*args, **kwargs).arguments.get("args")
    cli = asked_of(module, given)
    failed: list[str] = []
    # a rank that went on alone would wait for the others
    goes_on = bool(cli.config) and int(os.environ.get("WORLD_SIZE", "1")) == 1
    run = partial(_noted, failed) if goes_on else _run
    with _ours_in_one_line(cli, with_config=True), runs_inside(module, run):
        found = stock(*args, **kwargs)
    if failed:
        raise SystemExit(1)
    return found


def _run(stock: Callable[..., Any], cli: Namespace) -> Any:
    with _ours_in_one_line(cli):
        return stock(cli)


def _noted(failed: list[str], stock: Callable[..., Any], cli: Namespace) -> Any:
    """One of a config file's runs: as in stock, one that fails keeps no other from being run."""
    try:
        return _run(stock, cli)
    except SystemExit as ended:
        if not isinstance(ended.code, str):  # stopped by the user, or nothing was to be run
            raise
        sys.stderr.write(f"{ended.code}\n")
        failed.append(ended.code)
        return None, None  # no results, no samples


@contextmanager
def _ours_in_one_line(cli: Namespace, *, with_config: bool = False) -> Iterator[None]:
    """Whose a command is is asked when it ends early: looking for that takes time."""
    try:
        yield
    except (Exception, KeyboardInterrupt) as ended:
        of_config = with_config and _SAYS_OURS.search(_text_of(cli.config))
        if not (of_config or asks_for_ours(cli)):
            raise
        with errors_in_one_line(cli):
            if isinstance(ended, yaml.MarkedYAMLError):
                raise SetupError(f"{_where(ended)} is no YAML: {ended.problem}.") from ended
            raise


def _where(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark
    return "a file" if mark is None else f"{mark.name}, line {mark.line + 1},"


def asks_for_ours(cli: Namespace) -> bool:
    """Whether a command's tasks are ours, as far as names and texts of YAML files say.

    No file is parsed: one that cannot be may be what the command ends with.
    """
    names = [name for name in str(cli.tasks or "").split(",") if name]
    if any(name.startswith(PREFIX) for name in names):
        return True
    if any(_SAYS_OURS.search(_text_of(name)) for name in names):
        return True
    folders = cli.include_path or []
    for folder in [folders] if isinstance(folders, str) else folders:
        for path in Path(folder).rglob("*.yaml"):
            text = _text_of(path)
            there = _NAMED.findall(text)
            if _SAYS_OURS.search(text) and any(fnmatch(t, n) for t in there for n in names):
                return True
    return False


def _text_of(path: Any) -> str:
    """Of a file; empty where there is none that can be read."""
    try:
        return Path(path).read_text("utf-8") if path else ""
    except (OSError, ValueError):
        return ""
