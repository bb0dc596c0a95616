"""Arbitrary messages: for each kind of message, a strategy that gives every valid value.

Strategies are derived from the types, so a new kind of message or a new bound is tested without a
change here.
"""

import enum
import importlib
import pkgutil
from collections.abc import Callable
from typing import Any, Final

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from msgspec import inspect

import chatapp.wire.messages
from chatapp.wire import codec
from chatapp.wire.messages.direct import DirectBody, DirectGroupLine
from chatapp.wire.messages.files import (
    AskChunk,
    AskHave,
    AskPage,
    DropKept,
    FileKept,
    GivePage,
    Have,
    KeepFile,
    NotServed,
    PageGiven,
    WantChunk,
    WantPage,
)
from chatapp.wire.messages.link import AttachFiles, PeerRequest, RegistryNotice
from chatapp.wire.messages.mail import LetterBody, SignedLetter
from chatapp.wire.messages.registration import Cookie, Hello, Refused, Register, Welcome
from chatapp.wire.messages.rooms import GroupBody
from chatapp.wire.messages.table import Card, Row

Message = msgspec.Struct
Decode = Callable[[bytes], object]

FRAMES: Final[tuple[type[Message], ...]] = codec.DatagramFrame.__args__
REQUESTS: Final[tuple[type[Message], ...]] = PeerRequest.__args__
NOTICES: Final[tuple[type[Message], ...]] = RegistryNotice.__args__

ALONE: Final[dict[type[Message], Decode]] = {
    Hello: codec.decode_hello,
    Cookie: codec.decode_cookie,
    Register: codec.decode_register,
    Welcome: codec.decode_welcome,
    Refused: codec.decode_refused,
    Card: codec.decode_card,
    Row: codec.decode_row,
    DirectBody: codec.decode_message_body,
    DirectGroupLine: codec.decode_message_body,
    SignedLetter: codec.decode_signed_letter,
    LetterBody: codec.decode_letter_body,
    GroupBody: codec.decode_group_body,
    AskPage: codec.decode_file_request,
    AskChunk: codec.decode_file_request,
    AskHave: codec.decode_file_request,
    PageGiven: codec.decode_file_notice,
    NotServed: codec.decode_file_notice,
    Have: codec.decode_file_notice,
    AttachFiles: codec.decode_attachment,
    KeepFile: codec.decode_keeper_request,
    DropKept: codec.decode_keeper_request,
    GivePage: codec.decode_keeper_request,
    FileKept: codec.decode_keeper_notice,
    WantPage: codec.decode_keeper_notice,
    WantChunk: codec.decode_keeper_notice,
}
"""Messages that are sent alone, with their decoders."""

DECODERS: Final[tuple[Decode, ...]] = (
    *ALONE.values(),
    codec.decode_frames,
    codec.decode_request,
    codec.decode_notice,
)
"""Every decoder of the protocol."""

FEW: Final = settings(max_examples=max(10, settings().max_examples // 8))
"""Settings for properties that run once for each kind of message: together they have enough
examples."""

_LONG: Final = 24
"""Texts, byte strings and lists are generated up to about this length; examples test their
limits."""


def all_shapes() -> frozenset[type[Message]]:
    """Every struct that `wire.messages` defines, but for those that others are made from."""
    modules = [
        importlib.import_module(found.name)
        for found in pkgutil.walk_packages(
            chatapp.wire.messages.__path__, prefix="chatapp.wire.messages."
        )
    ]
    found = {
        value for module in modules for value in vars(module).values() if isinstance(value, type)
    }
    return frozenset(one for one in found if issubclass(one, Message) and not one.__subclasses__())


def messages(shape: type[Message]) -> st.SearchStrategy[Message]:
    """A strategy for all messages of one kind."""
    found = inspect.type_info(shape)
    assert isinstance(found, inspect.StructType)
    return _struct(found)


def encoded(shape: type[Message]) -> st.SearchStrategy[bytes]:
    """A strategy for all messages of one kind, as the bytes that their decoder takes."""
    return messages(shape).map(lambda message: bytes_of(message))


def bytes_of(message: Message) -> bytes:
    """Return a message as the bytes that its decoder takes."""
    if isinstance(message, Hello):
        return codec.encode_hello(message)
    if isinstance(message, FRAMES):
        return codec.join_frames([codec.encode(message)])
    return codec.encode(message)


def any_message() -> st.SearchStrategy[bytes]:
    """A strategy for the bytes of any message that a program may receive."""
    return st.sampled_from([*ALONE, *FRAMES, *REQUESTS, *NOTICES]).flatmap(encoded)


# --- from types to strategies


def _struct(found: inspect.StructType) -> st.SearchStrategy[Message]:
    fields = {field.name: _of(field.type) for field in found.fields}
    return st.builds(found.cls, **fields)


def _of(found: inspect.Type) -> st.SearchStrategy[Any]:
    match found:
        case inspect.BoolType():
            return st.booleans()
        case inspect.IntType():
            return _integers(found.ge, found.le)
        case inspect.StrType():
            least, most = _sizes(found.min_length, found.max_length)
            return st.text(st.characters(exclude_categories=["Cs"]), min_size=least, max_size=most)
        case inspect.BytesType():
            least, most = _sizes(found.min_length, found.max_length)
            return st.binary(min_size=least, max_size=most)
        case inspect.ListType() | inspect.VarTupleType():
            least, most = _sizes(found.min_length, found.max_length)
            items = st.lists(_of(found.item_type), min_size=least, max_size=most)
            return items if isinstance(found, inspect.ListType) else items.map(tuple)
        case inspect.RawType():
            return encoded(Row).map(msgspec.Raw)
        case inspect.EnumType():
            members: list[enum.Enum] = list(found.cls)
            return st.sampled_from(members)
        case inspect.StructType():
            return _struct(found)
        case inspect.UnionType():
            return st.one_of([_of(one) for one in found.types])
        case inspect.NoneType():
            return st.none()
    raise NotImplementedError(f"no strategy for {found}")


def _integers(least: int | None, most: int | None) -> st.SearchStrategy[int]:
    assert least is not None and most is not None, "a number on the wire has bounds"
    return st.integers(least, most) | st.sampled_from([least, most])


def _sizes(least: int | None, most: int | None) -> tuple[int, int]:
    least = least or 0
    return least, max(least, min(most or _LONG, _LONG))
