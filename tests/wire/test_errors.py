"""Errors: each carries its facts and prints as one safe line."""

import errno

import pytest

from chatapp.wire.errors import (
    AddressRefused,
    ChatAppError,
    DecodeError,
    NameRefused,
    PortInUse,
    SealError,
    TextTooLong,
    WireError,
)
from chatapp.wire.text import sanitize


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (DecodeError("frame", "0 bytes"), "frame does not decode: 0 bytes"),
        (SealError("replayed"), "seal refused: replayed"),
        (TextTooLong(70_000, 65_536), "70,000 bytes are too long; a message has at most 65,536"),
        (NameRefused("b@b", "no"), '"b@b" is not a name: no'),
        (AddressRefused("port", "x", "is not a port"), 'port: "x" is not a port'),
        (PortInUse(5000), "Port 5000 is already in use"),
    ],
)
def test_each_says_its_facts(error: ChatAppError, line: str) -> None:
    assert str(error) == line


@pytest.mark.parametrize(
    "error",
    [
        DecodeError("frame", "\x1b[2J\n" + "x" * 5_000),
        NameRefused("\x1b]0;owned\x07" + "\n" * 5_000, "no"),
        AddressRefused("port", "\u202e" * 5_000, "no"),
    ],
)
def test_what_others_wrote_is_quoted_short_and_clean(error: ChatAppError) -> None:
    assert sanitize(str(error)) == str(error)
    assert len(str(error)) < 200


def test_what_came_over_the_wire_can_be_caught_as_one() -> None:
    assert all(issubclass(one, WireError) for one in (DecodeError, SealError, TextTooLong))
    assert not any(
        issubclass(one, WireError | OSError) for one in (NameRefused, AddressRefused, PortInUse)
    )


def test_only_a_taken_port_is_called_taken() -> None:
    taken = PortInUse.when_taken(5000, OSError(errno.EADDRINUSE, "in use"))
    assert isinstance(taken, PortInUse)
    assert taken.port == 5000
    other = PermissionError(errno.EACCES, "no")
    assert PortInUse.when_taken(80, other) is other
