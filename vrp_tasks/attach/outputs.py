"""What a task's scorer returns per sample, read off its source: no data set, no answer needed.

lmms-eval declares metrics, not the values behind them: ``process_results`` may return a number, or
a mapping of which only the aggregation knows what counts. So the keys and kinds of values are read
from the function's syntax tree. What cannot be told is `ANY`, and the first sample decides.
"""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

ELSEWHERE = "*"  # stands for keys that are computed
_DEPTH = 4  # calls followed from function to function
_NUMERIC_CALLS = ("float", "int", "bool", "round", "sum", "len", "abs", "all", "any")
_TEXT_METHODS = ("strip", "lower", "upper", "join", "format", "replace", "split", "dumps", "title")


@dataclass(frozen=True)
class Shape:
    """What is known of a value.

    Attributes
    ----------
    kind : {"number", "mapping", "other", "any"}
    fields : dict of str to Shape
        Of a mapping; `ELSEWHERE` for computed keys.
    source : str
        The expression, to tell values that are the same by construction.
    """

    kind: str
    fields: dict[str, Shape] = field(default_factory=dict)
    source: str = ""


ANY, NUMBER, OTHER = Shape("any"), Shape("number"), Shape("other")


def outputs_of(scorer: Callable[..., Any]) -> dict[str, Shape]:
    """Keys of what a scorer returns, and what stands there; empty if its source says nothing.

    Parameters
    ----------
    scorer : callable
        A task's ``process_results``.
    """
    shape = _returned(_plain(scorer), _DEPTH)
    return shape.fields if shape.kind == "mapping" else {}


def _plain(function: Any) -> Any:
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.unwrap(function) if callable(function) else function


def _returned(function: Any, depth: int) -> Shape:
    """Union of what a function returns."""
    tree = _tree(function) if depth and isinstance(function, FunctionType) else None
    if tree is None:
        return ANY
    reader = _Reader(tree, function.__globals__, depth)
    returns = [node.value for node in reader.nodes if isinstance(node, ast.Return) and node.value]
    return _union(reader.shape(value) for value in returns)


@functools.lru_cache(maxsize=4096)
def _tree(function: FunctionType) -> ast.AST | None:
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    except (OSError, TypeError, SyntaxError, IndexError):
        return None


def _union(shapes: Iterable[Shape]) -> Shape:
    """What is known of a value that is one of these."""
    found = [shape for shape in shapes if shape is not None]
    if not found:
        return ANY
    kinds = {shape.kind for shape in found}
    if len(kinds) > 1:
        return ANY
    names = dict.fromkeys(name for shape in found for name in shape.fields)
    fields = {
        name: _union(shape.fields[name] for shape in found if name in shape.fields)
        for name in names
    }
    sources = {shape.source for shape in found}
    return Shape(found[0].kind, fields, sources.pop() if len(sources) == 1 else "")


class _Reader:
    """Reads expressions of one function."""

    def __init__(self, tree: ast.AST, namespace: dict[str, Any], depth: int) -> None:
        self.namespace, self.depth = namespace, depth
        self.nodes = list(_own_nodes(tree))
        self.values: dict[str, list[ast.expr]] = {}
        self.items: dict[str, list[tuple[ast.expr, ast.expr]]] = {}
        self.open: set[str] = set()
        for node in self.nodes:
            self._note(node)

    def _note(self, node: ast.AST) -> None:
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, ast.AnnAssign | ast.AugAssign) and node.value is not None:
            targets, value = [node.target], node.value
        else:
            return
        for target in targets:
            if isinstance(target, ast.Name):
                self.values.setdefault(target.id, []).append(value)
            elif isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
                self.items.setdefault(target.value.id, []).append((target.slice, value))

    def shape(self, node: ast.expr) -> Shape:
        """What is known of an expression."""
        read = getattr(self, f"_read_{type(node).__name__.lower()}", None)
        return read(node) if read else ANY

    def _read_constant(self, node: ast.Constant) -> Shape:
        number = isinstance(node.value, bool | int | float)
        return Shape("number" if number else "other", source=ast.dump(node))

    def _read_compare(self, node: ast.Compare) -> Shape:
        return Shape("number", source=ast.dump(node))

    def _read_boolop(self, node: ast.BoolOp) -> Shape:
        return _union(self.shape(value) for value in node.values)

    def _read_unaryop(self, node: ast.UnaryOp) -> Shape:
        return NUMBER if isinstance(node.op, ast.Not) else self.shape(node.operand)

    def _read_binop(self, node: ast.BinOp) -> Shape:
        left, right = self.shape(node.left), self.shape(node.right)
        if isinstance(node.op, ast.BitOr) and left.kind == right.kind == "mapping":
            return Shape("mapping", {**left.fields, **right.fields})
        if OTHER.kind in (left.kind, right.kind):
            return OTHER
        division = isinstance(node.op, ast.Div | ast.FloorDiv | ast.Sub | ast.Pow)
        return NUMBER if division or NUMBER.kind in (left.kind, right.kind) else ANY

    def _read_ifexp(self, node: ast.IfExp) -> Shape:
        return _union((self.shape(node.body), self.shape(node.orelse)))

    def _read_joinedstr(self, _node: ast.JoinedStr) -> Shape:
        return OTHER

    def _read_list(self, _node: ast.List) -> Shape:
        return OTHER

    _read_tuple = _read_listcomp = _read_set = _read_list

    def _read_dict(self, node: ast.Dict) -> Shape:
        fields: dict[str, Shape] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            shape = self.shape(value)
            if key is None:
                fields |= shape.fields if shape.kind == "mapping" else {ELSEWHERE: ANY}
                continue
            for name in self._names(key):
                fields[name] = shape
        return Shape("mapping", fields, ast.dump(node))

    def _read_dictcomp(self, node: ast.DictComp) -> Shape:
        return Shape("mapping", {name: self.shape(node.value) for name in self._names(node.key)})

    def _read_name(self, node: ast.Name) -> Shape:
        name = node.id
        if name in self.open or name not in self.values:
            return ANY
        self.open.add(name)
        try:
            shape = _union(self.shape(value) for value in self.values[name])
            for key, value in self.items.get(name, ()):
                if shape.kind == "mapping":
                    own = self.shape(value)
                    shape = Shape(
                        "mapping", {**shape.fields, **dict.fromkeys(self._names(key), own)}
                    )
        finally:
            self.open.discard(name)
        return Shape(shape.kind, shape.fields, f"name {name}")

    def _read_call(self, node: ast.Call) -> Shape:
        called = node.func
        if isinstance(called, ast.Attribute):
            return OTHER if called.attr in _TEXT_METHODS else ANY
        if not isinstance(called, ast.Name):
            return ANY
        if called.id in _NUMERIC_CALLS:
            return Shape("number", source=ast.dump(node))
        if called.id in ("str", "list", "tuple", "repr", "sorted"):
            return OTHER
        if called.id == "dict":
            keywords = {k.arg: self.shape(k.value) for k in node.keywords if k.arg}
            return Shape("mapping", keywords or {ELSEWHERE: ANY})
        return _returned(_plain(self.namespace.get(called.id)), self.depth - 1)

    def _names(self, key: ast.expr) -> list[str]:
        """The keys that an expression may stand for."""
        if isinstance(key, ast.Constant):
            return [str(key.value)]
        if isinstance(key, ast.IfExp):
            return [*self._names(key.body), *self._names(key.orelse)]
        if isinstance(key, ast.Name):
            named = self.namespace.get(key.id)
            if isinstance(named, str):
                return [named]
            names = [n for value in self.values.get(key.id, ()) for n in self._names(value)]
            return list(dict.fromkeys(names)) or [ELSEWHERE]
        return [ELSEWHERE]


def _own_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Nodes of a function without those of functions inside it."""
    inner = (ast.FunctionDef, ast.Lambda, ast.AsyncFunctionDef, ast.ClassDef)
    waiting = list(ast.iter_child_nodes(tree))
    while waiting:
        node = waiting.pop(0)
        yield node
        if not isinstance(node, inner):
            waiting[:0] = ast.iter_child_nodes(node)
