"""Events as JSON: for programs in other languages, and for logs.

An event is an object of its fields, with its class's name as `type`. Enums are their names in lower case, keys (bytes) are
hexadecimal, times are Unix seconds. `chatapp.events` offers both functions.
"""

import enum
import types
from functools import cache
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

import msgspec

from chatapp.peer.core import events as happened
from chatapp.peer.core.events import Event

TAG: Final = "type"
"""The field that says which event it is."""


def to_json(event: Event) -> dict[str, Any]:
    """Return an event as an object that `json.dumps` takes."""
    return _object(event)


def from_json(data: object) -> Event:
    """Return the event that `to_json` made into this object; fields that are unknown are ignored. Raises ValueError for what
    is none."""
    try:
        event: Event = _read(data, Event)
    except (msgspec.ValidationError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"not an event: {error}") from None
    return event


def _object(value: msgspec.Struct) -> dict[str, Any]:
    tag = value.__struct_config__.tag
    fields = {name: _plain(getattr(value, name)) for name in value.__struct_fields__}
    return fields if tag is None else {TAG: tag, **fields}


def _plain(value: object) -> object:
    match value:
        case msgspec.Struct():
            return _object(value)
        case enum.Enum():
            return value.name.lower()
        case bytes():
            return value.hex()
        case tuple():
            return [_plain(one) for one in value]
        case _:
            return value


def _read(data: Any, shape: Any) -> Any:
    if get_origin(shape) in (types.UnionType, Union):
        return _read_one_of(data, get_args(shape))
    if get_origin(shape) is tuple:
        if not isinstance(data, list):
            raise ValueError("a list is expected")
        return tuple(_read(one, get_args(shape)[0]) for one in data)
    if isinstance(shape, type) and issubclass(shape, msgspec.Struct):
        return shape(**{name: _read(data[name], one) for name, one in _fields(shape).items() if name in data})
    if isinstance(shape, type) and issubclass(shape, enum.Enum):
        return shape[data.upper()]
    return bytes.fromhex(data) if shape is bytes else msgspec.convert(data, shape)


def _read_one_of(data: Any, shapes: tuple[Any, ...]) -> Any:
    if data is None and type(None) in shapes:
        return None
    structs = {shape.__struct_config__.tag: shape for shape in shapes if issubclass(shape, msgspec.Struct)}
    if structs:
        return _read(data, structs[data[TAG]])
    (shape,) = (shape for shape in shapes if shape is not type(None))
    return _read(data, shape)


@cache
def _fields(shape: type[msgspec.Struct]) -> dict[str, Any]:
    return get_type_hints(shape, vars(happened))
