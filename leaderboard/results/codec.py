"""Frozen dataclasses as JSON and back, by their annotations: plain data, never a pickle."""

from __future__ import annotations

import base64
import types
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from numbers import Integral
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from leaderboard.errors import CodecError

_T = TypeVar("_T")
Decoder = Callable[[Any], Any]


def encode(value: object) -> Any:  # noqa: ANN401 -- any JSON type
    """Turn dataclasses, tuples, mappings, bytes and scalars into JSON types.

    Parameters
    ----------
    value : object
        A dataclass whose fields are of these kinds, at any depth.

    Returns
    -------
    object
        A dataclass becomes the list of its fields, bytes become base64.

    Raises
    ------
    CodecError
        If something else is in it; names the type.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Integral):
        return int(value)
    if is_dataclass(value) and not isinstance(value, type):
        return [encode(getattr(value, field.name)) for field in fields(value)]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, (list, tuple)):
        return [encode(item) for item in value]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: encode(item) for key, item in value.items()}
    raise CodecError(f"{type(value).__name__} cannot be stored.")


def decode(kind: type[_T], data: object) -> _T:
    """Rebuild a value of ``kind`` from what `encode` made of it.

    Parameters
    ----------
    kind : type
        The dataclass, or another annotation of the kinds that `encode` knows.
    data : object
        Parsed JSON.

    Returns
    -------
    object of that type

    Raises
    ------
    CodecError
        If the data is not of the type, or an annotation is of no known kind.
    """
    return cast(_T, _decoder(cast(Hashable, kind))(data))


@cache
def _decoder(kind: Any) -> Decoder:  # noqa: ANN401 -- an annotation
    origin, arguments = get_origin(kind), get_args(kind)
    if is_dataclass(kind):
        return _dataclass_decoder(cast(type, kind))
    if origin in (Union, types.UnionType):
        return _union_decoder(arguments)
    if origin in (tuple, list):
        return _sequence_decoder(origin, arguments)
    if origin in (dict, Mapping):
        item = _decoder(arguments[1])
        return lambda data: {key: item(value) for key, value in _expect(dict, data).items()}
    if origin is Literal:
        return _literal_decoder(arguments)
    return _scalar_decoder(kind)


def _dataclass_decoder(kind: type) -> Decoder:
    hints = get_type_hints(kind)
    names = [field.name for field in fields(kind)]
    made: list[Decoder] = []  # filled at first use: a dataclass may hold itself

    def decode_fields(data: object) -> object:
        if not made:
            made.extend(_decoder(hints[name]) for name in names)
        values = _expect(list, data)
        if len(values) != len(names):
            raise CodecError(f"{kind.__name__} has {len(names)} fields, got {len(values)}.")
        return kind(*(item(value) for item, value in zip(made, values, strict=True)))

    return decode_fields


def _union_decoder(arguments: Sequence[Any]) -> Decoder:
    others = [argument for argument in arguments if argument is not type(None)]
    if len(others) != 1:
        raise CodecError(f"a union of {len(others)} types cannot be told apart.")
    item = _decoder(others[0])
    return lambda data: None if data is None else item(data)


def _sequence_decoder(origin: type, arguments: Sequence[Any]) -> Decoder:
    if origin is list or arguments[-1] is Ellipsis:
        item = _decoder(arguments[0])
        return lambda data: origin(map(item, _expect(list, data)))
    items = [_decoder(argument) for argument in arguments]

    def decode_items(data: object) -> tuple[Any, ...]:
        values = _expect(list, data)
        if len(values) != len(items):
            raise CodecError(f"expected {len(items)} items, got {len(values)}.")
        return tuple(item(value) for item, value in zip(items, values, strict=True))

    return decode_items


def _literal_decoder(legal: Sequence[Any]) -> Decoder:
    def decode_literal(data: object) -> object:
        if data not in legal:
            raise CodecError(f"{data!r} is not one of {legal}.")
        return data

    return decode_literal


def _scalar_decoder(kind: Any) -> Decoder:  # noqa: ANN401 -- an annotation
    if kind is Any:  # as it was encoded: who knows its type decodes it
        return lambda data: data
    if kind is bytes:
        return lambda data: base64.b64decode(_expect(str, data), validate=True)
    if kind is float:
        return lambda data: float(_expect((float, int), data))
    if kind in (str, bool, int):
        return lambda data: _expect(kind, data)
    raise CodecError(f"{kind} is no type that can be stored.")


def _expect(kind: type | tuple[type, ...], data: object) -> Any:  # noqa: ANN401 -- of that type
    is_wrong_bool = isinstance(data, bool) and kind is not bool
    if not isinstance(data, kind) or is_wrong_bool:
        raise CodecError(f"expected {kind}, got {type(data).__name__}.")
    return data
