"""Our packages ``metrics`` and ``leaderboard`` where somebody else's hide them.

Both names are common ones, and Python prefers the current folder to what is installed: in a
research repository ``import metrics`` finds the repository's own. There our package is loaded from
its place beside this one under a name inside it (``vrp_tasks.metrics``), and our modules are
compiled with that name in their import statements. Whoever else writes ``import metrics`` gets what
he would get without us.
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import spec_from_file_location
from itertools import takewhile
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

_OURS = __name__.partition(".")[0]
_PLACE = Path(__file__).resolve().parent.parent


def make_importable() -> None:
    """See to it that our modules find our packages, whatever the current folder holds.

    Called before any of our modules is imported; safe to call again. Nothing is changed where
    the names are ours.
    """
    if any(isinstance(finder, _OwnFinder) for finder in sys.meta_path):
        return
    hidden = ["leaderboard"] if not _is_ours("leaderboard") else []
    if not _is_ours("metrics"):
        hidden = ["metrics", "leaderboard"]  # who imports it by its new name has a new name
    if hidden:
        sys.meta_path.insert(0, _OwnFinder(hidden))


def leaderboard() -> int:
    """``vrp-leaderboard``, the console script: as `leaderboard.cli.main`, in any folder.

    Returns
    -------
    int
        The exit code.
    """
    hidden = any("leaderboard" in f.hidden for f in sys.meta_path if isinstance(f, _OwnFinder))
    cli = importlib.import_module(f"{_OURS}.leaderboard.cli" if hidden else "leaderboard.cli")
    main: Callable[[], int] = cli.main
    return main()


def _is_ours(name: str) -> bool:
    """Whether a top-level name is our package, or would be for everybody."""
    module = sys.modules.get(name)
    if module is None:
        return _elsewhere(name) is None
    file = getattr(module, "__file__", None)
    return file is not None and Path(file).resolve().parent == _PLACE / name


def _elsewhere(name: str) -> ModuleSpec | None:
    """What of a name comes before ours on the path.

    A folder without ``__init__.py`` counts where it holds modules; others hold data.
    """
    before = takewhile(lambda entry: Path(entry).resolve() != _PLACE, sys.path)
    spec = PathFinder.find_spec(name, list(before))
    if spec is None or spec.loader is not None:
        return spec
    folders = spec.submodule_search_locations or ()
    return spec if any(any(Path(folder).glob("*.py")) for folder in folders) else None


class _OwnFinder(MetaPathFinder):
    """Finds hidden packages of ours below this one, and compiles all of it for their new names.

    Their usual names are left to those who hide them.
    """

    def __init__(self, hidden: Sequence[str]) -> None:
        self.hidden = frozenset(hidden)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of a module of ours, or of theirs of the same name; None for every other."""
        if fullname in self.hidden:
            return _elsewhere(fullname)
        room, _, name = fullname.partition(".")
        if room != _OURS:
            return None
        if name in self.hidden:
            place = _PLACE / name / "__init__.py"
            loader = _RenamingLoader(fullname, str(place), self.hidden)
            return spec_from_file_location(fullname, place, loader=loader)
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _RenamingLoader(fullname, spec.loader.path, self.hidden)
        return spec


class _RenamingLoader(SourceFileLoader):
    """Compiles a module so that it imports hidden packages by the names they have here.

    Kept as no bytecode: that of the same file is compiled for the usual names.
    """

    def __init__(self, fullname: str, path: str, hidden: frozenset[str]) -> None:
        super().__init__(fullname, path)
        self._hidden = hidden

    def get_code(self, fullname: str) -> CodeType:
        """The code of the module, compiled from its source."""
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)

    def source_to_code(  # type: ignore[override]  # typeshed's has a keyword of its own
        self, data: Any, path: Any, *, _optimize: int = -1
    ) -> CodeType:
        """Compile with imports of hidden packages renamed."""
        tree = ast.fix_missing_locations(_Renamed(self._hidden).visit(ast.parse(data, path)))
        code: CodeType = compile(tree, path, "exec", dont_inherit=True, optimize=_optimize)
        return code


class _Renamed(ast.NodeTransformer):
    """``metrics`` becomes ``vrp_tasks.metrics`` in import statements; what they bind stays."""

    def __init__(self, hidden: frozenset[str]) -> None:
        self._hidden = hidden

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom:
        """``from metrics.record import x``."""
        if not node.level and node.module and self._is_hidden(node.module):
            node.module = f"{_OURS}.{node.module}"
        return node

    def visit_Import(self, node: ast.Import) -> ast.Import:
        """``import metrics`` and ``import metrics.record as r``."""
        names = []
        for alias in node.names:
            if not self._is_hidden(alias.name):
                names.append(alias)
                continue
            top = alias.name.partition(".")[0]
            whole = ast.alias(f"{_OURS}.{alias.name}", alias.asname or "_")
            names += [whole] if alias.asname else [whole, ast.alias(f"{_OURS}.{top}", top)]
        node.names = names
        return node

    def _is_hidden(self, module: str) -> bool:
        return module.partition(".")[0] in self._hidden
