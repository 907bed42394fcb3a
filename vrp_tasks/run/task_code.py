"""The code that a task brings along: its functions' files, and what those import beside them."""

from __future__ import annotations

import ast
import contextlib
import functools
import inspect
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from vrp_tasks.attach.scorer import scorer_of
from vrp_tasks.attach.settings import function_at, given_keys
from vrp_tasks.hashing import sha256_of

_OURS = Path(__file__).parents[1]
# keys of `metadata.vrp` that may name a function ``module:name``
_FUNCTIONS = ("normalize", "score", "group", "kind", "target", "regions")
# folders of everybody's modules: what lies beside a file there has nothing to do with it
_COMMON = {Path(path).resolve() for path in sysconfig.get_paths().values()}


def code_of(task: Any) -> list[list[str]]:
    """Names and hashes of a task's files, those of this package left out.

    They are the files of the functions that it names, and of the modules that these import from
    their own folder, however often removed; imports are read, not followed at work, so what is
    imported by a name that is made up then is not among them.
    """
    files = {path for function in _functions_of(task) if (path := _file_of(function)) is not None}
    found = {
        own: own.relative_to(path.parent).as_posix()
        for path in files
        if _OURS not in path.parents
        for own in with_imported(path)
    }
    return sorted([name, sha256_of(path)] for path, name in found.items())


def _functions_of(task: Any) -> Iterator[Any]:
    config = task.config
    for name in ("process_results", "doc_to_visual", "doc_to_text", "doc_to_target"):
        yield getattr(config, name, None)
    yield getattr(config, "doc_to_messages", None)
    scorer = scorer_of(task)
    if scorer is not None:
        yield scorer.base.process_results
    keys = given_keys(config.metadata["vrp"])
    named = [keys.get(key) for key in _FUNCTIONS]
    for path in (own for own in named if isinstance(own, str) and ":" in own):
        # whoever needs it says so
        with contextlib.suppress(ImportError, AttributeError, ValueError):
            yield function_at(path)


def _file_of(function: Any) -> Path | None:
    """Where a function stands, or what is called like one; None for other values."""
    while isinstance(function, functools.partial):
        function = function.func
    for own in (lambda: inspect.unwrap(function), lambda: type(function).__call__):
        with contextlib.suppress(TypeError, AttributeError):  # nothing that has a source
            found = inspect.getsourcefile(own())
            return None if found is None else Path(found).resolve()
    return None


def with_imported(file: Path) -> set[Path]:
    """A file, and the modules of its own folder that it imports, directly or through others."""
    folder, found, waiting = file.parent, {file}, [file]
    if folder in _COMMON:
        return found
    while waiting:
        own = waiting.pop()
        new = {path for path in _imported(own, folder) if path.is_relative_to(folder)} - found
        found |= new
        waiting += new
    return found


def _imported(file: Path, folder: Path) -> Iterator[Path]:
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):  # whoever needs it says so
        return
    anywhere = (folder, _root_of(folder))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _modules(anywhere, alias.name)
        elif isinstance(node, ast.ImportFrom):
            below = anywhere if node.level == 0 else (file.parents[node.level - 1],)
            for alias in node.names:  # a module of a package, or what a module has
                yield from _modules(below, f"{node.module or ''}.{alias.name}".strip("."))


def _root_of(folder: Path) -> Path:
    """Where the package is found that a folder is a part of; the folder itself if of none."""
    while (folder / "__init__.py").is_file():
        folder = folder.parent
    return folder


def _modules(folders: Iterable[Path], name: str) -> Iterator[Path]:
    """Files that are executed where a dotted name is imported, as far as they are below folders."""
    for folder in folders:
        for part in name.split("."):
            if (module := folder / f"{part}.py").is_file():
                yield module
                break
            folder /= part
            if (package := folder / "__init__.py").is_file():
                yield package
