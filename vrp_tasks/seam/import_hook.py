"""Modules of lmms-eval, patched now or once they are imported.

Our entry point runs while ``lmms_eval.evaluator`` is half imported, and importing
``lmms_eval.tasks`` there would make every command wait for it.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType

Patches = Mapping[str, Callable[[ModuleType], None]]


def patch_when_imported(patches: Patches) -> None:
    """Apply each patch to its module, once it has been executed; safe to call again.

    Every patch must bear being applied to the same module again.
    """
    for name, patch in patches.items():
        module = sys.modules.get(name)
        if module is not None:
            patch(module)
    if not any(isinstance(finder, _PatchingFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _PatchingFinder(patches))


class _PatchingFinder(importlib.abc.MetaPathFinder):
    """Lets the regular finders find some modules and patches them after execution."""

    def __init__(self, patches: Patches) -> None:
        self._patches = patches

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The regular spec, its loader made to patch; None for every other module."""
        if fullname not in self._patches:
            return None
        others = [finder for finder in sys.meta_path if finder is not self]
        specs = (finder.find_spec(fullname, path, target) for finder in others)
        spec = next((found for found in specs if found is not None), None)
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            self._patches[fullname](module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
