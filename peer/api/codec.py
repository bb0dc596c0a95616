"""Values of the SDK as JSON values and back (clause 2.5).

A shape is made of a type, once, and carries values of that type over. It knows structs, unions of
structs, enumerations, sequences, mappings with plain keys, bytes and plain values: what the SDK
takes and gives.
"""

import enum
import functools
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from chatapp.wire.errors import DecodeError

TYPE: Final = "type"
"""The field that tells the kind of a value of which there are several."""

_PLAIN: Final[Mapping[object, str]] = {str: "a string", bool: "true or false"}

_INTEGERS: Final = range(-(1 << 63), 1 << 63)
"""The integers of the interface: those that a database takes."""


class Shape(NamedTuple):
    """How values of one type are carried over. `decode` raises DecodeError for a value of another
    shape; its second argument names the value."""

    encode: Callable[[Any], Any]
    decode: Callable[[Any, str], Any]


@functools.cache
def shape_of(kind: Any) -> Shape:
    """Return the shape of a type. Raises TypeError for a type that is not carried over."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return _bounded(kind, shape_of(arguments[0]))
    if origin in (typing.Union, types.UnionType):
        return _union(arguments)
    if origin in (tuple, list, frozenset) or origin is typing.get_origin(typing.Sequence[int]):
        return _sequence(
            tuple if origin not in (list, frozenset) else origin, shape_of(arguments[0])
        )
    if origin in (dict, typing.get_origin(typing.Mapping[int, int])):
        return _mapping(arguments[0], shape_of(arguments[1]))
    if kind is type(None):
        return Shape(_same, lambda raw, name: _expected(raw is None, raw, name, "null"))
    if isinstance(kind, typing.NewType):
        return shape_of(kind.__supertype__)
    if kind in _PLAIN:
        return Shape(_same, lambda raw, name: _expected(type(raw) is kind, raw, name, _PLAIN[kind]))
    if kind is int:
        return Shape(_same, _integer)
    if kind is float:
        return Shape(_same, _number)
    if kind is bytes:
        return Shape(bytes.hex, _bytes)
    if kind is Path:
        return Shape(
            str, lambda raw, name: Path(_expected(isinstance(raw, str), raw, name, "a path"))
        )
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return _enumeration(kind)
    if isinstance(kind, type) and issubclass(kind, str):
        return Shape(
            str, lambda raw, name: kind(_expected(isinstance(raw, str), raw, name, "a string"))
        )
    if isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields"):
        hints = typing.get_type_hints(kind, include_extras=True)
        return _fields(kind, [(name, shape_of(hints[name]), True) for name in kind._fields])
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        fields = msgspec.structs.fields(kind)
        return _fields(
            kind, [(field.name, shape_of(field.type), field.required) for field in fields]
        )
    raise TypeError(f"{kind} is not carried over")


def encode(value: object, kind: Any) -> Any:
    """Return a value of this type as JSON values."""
    return shape_of(kind).encode(value)


def decode(raw: object, kind: Any, name: str) -> Any:
    """Return the value of this type that JSON values stand for. `name`: of the value, for
    DecodeError."""
    return shape_of(kind).decode(raw, name)


def _same(value: Any) -> Any:
    return value


def _expected(is_so: bool, raw: Any, name: str, wanted: str) -> Any:
    if not is_so:
        raise DecodeError(name, f"{wanted} is needed")
    return raw


def _integer(raw: Any, name: str) -> int:
    is_so = type(raw) is int and raw in _INTEGERS
    return int(_expected(is_so, raw, name, "an integer from -2**63 to 2**63 - 1"))


def _number(raw: Any, name: str) -> float:
    try:
        return float(_expected(type(raw) in (int, float), raw, name, "a number"))
    except OverflowError:
        raise DecodeError(name, "a smaller number is needed") from None


def _bytes(raw: Any, name: str) -> bytes:
    try:
        return bytes.fromhex(_expected(isinstance(raw, str), raw, name, "a hexadecimal string"))
    except ValueError:
        raise DecodeError(name, "a hexadecimal string is needed") from None


def _bounded(kind: Any, plain: Shape) -> Shape:
    """Return the shape of a type with bounds, such as a length."""

    def bounded(raw: Any, name: str) -> Any:
        value = plain.decode(raw, name)
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            raise DecodeError(name, str(error)) from None

    return Shape(plain.encode, bounded)


def _enumeration(kind: type[enum.Enum]) -> Shape:
    members = {one.name.lower(): one for one in kind}

    def member(raw: Any, name: str) -> enum.Enum:
        found = members.get(raw) if isinstance(raw, str) else None
        if found is None:
            raise DecodeError(name, f"one of these is needed: {', '.join(members)}")
        return found

    names = {one: word for word, one in members.items()}
    return Shape(names.__getitem__, member)


def _sequence(kind: Callable[[list[Any]], Any], item: Shape) -> Shape:
    def several(raw: Any, name: str) -> Any:
        _expected(isinstance(raw, list), raw, name, "an array")
        return kind([item.decode(one, name) for one in raw])

    return Shape(lambda value: [item.encode(one) for one in value], several)


def _mapping(key: Any, item: Shape) -> Shape:
    def mapping(raw: Any, name: str) -> Any:
        _expected(isinstance(raw, dict), raw, name, "an object")
        try:
            return {key(one): item.decode(value, name) for one, value in raw.items()}
        except ValueError:
            raise DecodeError(name, "a key has another type") from None

    return Shape(
        lambda value: {str(one): item.encode(more) for one, more in value.items()}, mapping
    )


def _fields(kind: Callable[..., Any], fields: list[tuple[str, Shape, bool]]) -> Shape:
    """Return the shape of something with fields. Of each: its name, its shape, whether it must be
    given."""

    def fields_of(value: Any) -> dict[str, Any]:
        return {name: shape.encode(getattr(value, name)) for name, shape, _ in fields}

    def struct(raw: Any, name: str) -> Any:
        _expected(isinstance(raw, dict), raw, name, "an object")
        found = {}
        for field, shape, is_required in fields:
            if field in raw:
                found[field] = shape.decode(raw[field], field)
            elif is_required:
                raise DecodeError(field, "it is missing")
        return kind(**found)

    return Shape(fields_of, struct)


def _union(members: tuple[Any, ...]) -> Shape:
    """Return the shape of a union: of structs, told apart by `TYPE`, of one other type, and of
    None."""
    structs = {
        one.__name__: (one, shape_of(one))
        for one in members
        if isinstance(one, type) and issubclass(one, msgspec.Struct)
    }
    others = [
        shape_of(one) for one in members if one is not type(None) and one not in _classes(structs)
    ]
    if len(structs) == 1 and not others:
        others, structs = [shape for _, shape in structs.values()], {}  # there is only one kind
    if len(others) > 1 or (others and structs):
        raise TypeError(f"{members} is not carried over")

    def encode_one(value: Any) -> Any:
        if value is None:
            return None
        if others:
            return others[0].encode(value)
        name = type(value).__name__
        return {TYPE: name, **structs[name][1].encode(value)}

    def one_of(raw: Any, name: str) -> Any:
        if raw is None and type(None) in members:
            return None
        if others:
            return others[0].decode(raw, name)
        _expected(isinstance(raw, dict), raw, name, "an object")
        named = raw.get(TYPE)
        if not isinstance(named, str) or named not in structs:
            raise DecodeError(f"{name}.{TYPE}", f"one of these is needed: {', '.join(structs)}")
        return structs[named][1].decode(raw, name)

    return Shape(encode_one, one_of)


def _classes(structs: Mapping[str, tuple[type, Shape]]) -> list[type]:
    return [one for one, _ in structs.values()]
