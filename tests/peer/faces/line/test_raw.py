"""Raw mode of a terminal: keys arrive as pressed, and the terminal is restored afterwards."""

import os
import pty
import select
import termios
from collections.abc import Iterator

import pytest

from chatapp.peer.faces.line.raw import RawTerminal


@pytest.fixture
def ends() -> Iterator[tuple[int, int]]:
    master, slave = pty.openpty()
    yield master, slave
    os.close(master)
    os.close(slave)


def read(descriptor: int, count: int) -> bytes:
    """Read so many bytes. The two ends of a terminal pass them on in pieces of any size."""
    found = b""
    while len(found) < count:
        found += os.read(descriptor, count - len(found))
    return found


def test_keys_come_as_they_are_pressed_and_without_an_echo(ends: tuple[int, int]) -> None:
    master, slave = ends
    with RawTerminal(slave):
        os.write(master, b"a\x04\x03\r")
        assert read(slave, 4) == b"a\x04\x03\r"
        os.write(slave, b"line\n")
        assert read(master, 6) == b"line\r\n"
        assert select.select([master], [], [], 0)[0] == []  # no echo


def test_the_terminal_is_given_back_whatever_happens(
    ends: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    master, slave = ends
    monkeypatch.setattr(
        os, "tcgetpgrp", lambda descriptor: os.getpgrp()
    )  # as if it were our own terminal
    before = termios.tcgetattr(slave)

    def fail() -> None:
        with RawTerminal(slave):
            assert termios.tcgetattr(slave) != before
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert termios.tcgetattr(slave) == before
    os.write(master, b"x")
    assert os.read(master, 99) == b"x"  # echoed
    assert select.select([slave], [], [], 0)[0] == []  # no line yet


def test_a_terminal_that_another_program_has_is_left_alone(ends: tuple[int, int]) -> None:
    _, slave = ends
    with RawTerminal(slave):
        held = termios.tcgetattr(slave)
    assert termios.tcgetattr(slave) == held


def test_a_vanished_terminal_is_not_an_error() -> None:
    master, slave = pty.openpty()
    with RawTerminal(slave):
        os.close(master)
        os.close(slave)
