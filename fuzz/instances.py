"""Random messages: for each kind of message, valid values including the limits.

They resemble `tests.support.strategies` at a hundredth of the time, without shrinking.
"""

import enum
from random import Random
from typing import Any, Final

import msgspec
from msgspec import inspect

from chatapp.wire.messages.table import Row
from tests.support.strategies import Message, bytes_of

_LONG: Final = 24
_LETTERS: Final = "abz 0-9éß名\u0301\u202e\x1b\U0001f642"


def instance(shape: type[Message], chance: Random) -> Message:
    """Return one random message."""
    found = inspect.type_info(shape)
    assert isinstance(found, inspect.StructType)
    made = _of(found, chance)
    assert isinstance(made, msgspec.Struct)
    return made


def _of(found: inspect.Type, chance: Random) -> Any:
    match found:
        case inspect.UnionType():
            return _of(chance.choice(found.types), chance)
        case inspect.NoneType():
            return None
        case inspect.BoolType():
            return chance.random() < 0.5
        case inspect.IntType():
            assert found.ge is not None
            assert found.le is not None
            return chance.choice(
                (
                    found.ge,
                    found.le,
                    min(found.ge + 1, found.le),
                    chance.randint(found.ge, found.le),
                )
            )
        case inspect.StrType():
            return "".join(
                chance.choices(_LETTERS, k=_size(found.min_length, found.max_length, chance))
            )
        case inspect.BytesType():
            return chance.randbytes(_size(found.min_length, found.max_length, chance))
        case inspect.ListType():
            size = _size(found.min_length, found.max_length, chance)
            return [_of(found.item_type, chance) for _ in range(size)]
        case inspect.VarTupleType():
            size = _size(found.min_length, found.max_length, chance)
            return tuple(_of(found.item_type, chance) for _ in range(size))
        case inspect.RawType():
            return msgspec.Raw(bytes_of(instance(Row, chance)))
        case inspect.EnumType():
            members: list[enum.Enum] = list(found.cls)
            return chance.choice(members)
        case inspect.StructType():
            return found.cls(**{field.name: _of(field.type, chance) for field in found.fields})
    raise NotImplementedError(f"nothing of {found}")


def _size(least: int | None, most: int | None, chance: Random) -> int:
    least = least or 0
    most = max(least, min(_LONG if most is None else most, _LONG))
    return chance.choice((least, most, chance.randint(least, most)))
