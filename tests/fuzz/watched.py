"""What reading a stranger's file must not do: write elsewhere, start a program, unpickle, call."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FORBIDDEN = ("os.system", "os.exec", "os.posix_spawn", "subprocess.Popen", "pickle.find_class",
             "socket.connect", "os.symlink")  # fmt: skip
CHANGES = ("shutil.rmtree", "os.chmod", "os.remove", "os.rename", "os.rmdir")
_allowed: list[Path] = []


class Escaped(Exception):
    """Reading did what it must not."""


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if not _allowed:
        return
    if event in FORBIDDEN:
        raise Escaped(f"{event} {arguments}")
    if event in ("os.remove", "os.rmdir") and arguments[1] != -1:
        return  # below a folder that is open already: shutil.rmtree, whose own event has the path
    changes = event in CHANGES or (event == "open" and _writes(arguments))
    if changes and isinstance(arguments[0], str | os.PathLike):
        path = Path(os.path.realpath(arguments[0]))
        if "__pycache__" not in path.parts and not any(map(path.is_relative_to, _allowed)):
            raise Escaped(f"{event} {path}")


def _writes(arguments: tuple[object, ...]) -> bool:
    mode, flags = arguments[1], arguments[2]
    if isinstance(mode, str):
        return any(letter in mode for letter in "wax+")
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR))


@contextmanager
def only_within(folder: Path) -> Iterator[None]:
    """Raise Escaped where the block writes outside the folder, or runs anything."""
    if not getattr(sys, "_vrp_fuzz_hook", False):
        sys.addaudithook(_hook)  # there is no way to take one out again
        sys._vrp_fuzz_hook = True  # type: ignore[attr-defined]
    _allowed.append(Path(os.path.realpath(folder)))
    try:
        yield
    finally:
        _allowed.pop()
