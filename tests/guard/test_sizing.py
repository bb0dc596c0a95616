"""The load that measures registries: it is spread over several of them, waits for a slow machine,
and a size that cannot be measured takes no other with it."""

import socket
import sys
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bench import sizing
from bench.crowd import Crowd
from bench.machine import Failed
from bench.members import Member
from bench.presence import Changing


def test_a_size_that_fails_is_named_beside_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def needs_at(people: int) -> dict[str, float]:
        if people == 1_000:
            raise ConnectionResetError("connection reset")
        return dict.fromkeys(sizing.ROWS, float(people))

    document = tmp_path / "registry.md"
    document.write_text("<!-- sizing -->\n<!-- /sizing -->\n", "utf-8")
    monkeypatch.setattr(sizing, "needs_at", needs_at)
    monkeypatch.setattr(sizing, "allow_descriptors", lambda: None)
    monkeypatch.setattr(sys, "argv", ["sizing", "--sizes", "10,1000,20", "--into", str(document)])
    assert sizing.main() == 1
    written = document.read_text("utf-8")
    assert "| | 10 online | 20 online |" in written
    assert "1,000 online could not be measured: connection reset." in written


def test_a_crowd_is_spread_over_its_registries() -> None:
    members = [Member(index, counter=1) for index in range(4)]
    with ExitStack() as stack:
        ends = [
            stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(2)
        ]
        for end in ends:
            end.bind(("127.0.0.1", 0))
            end.settimeout(5.0)
        with Crowd([end.getsockname() for end in ends], members) as crowd:
            for member in members:
                crowd.send(member, bytes((member.index,)))
        assert [[end.recv(9) for _ in range(2)] for end in ends] == [[b"\0", b"\2"], [b"\1", b"\3"]]


class StandIn:
    """A person of the crowd, its link, and somebody who comes and goes."""

    spoke_at = 0.0

    def __init__(self) -> None:
        self.link = self

    def line(self) -> bytes:
        return b"line"

    def ping(self) -> list[bytes]:
        return [b"ping"]

    def sendall(self, _: bytes) -> None:
        pass

    def change(self) -> None:
        pass


class StandInCrowd:
    """A crowd whose registry answers everything, or no line."""

    datagrams_heard = broadcasts_heard = 0

    def __init__(self, clock: SimpleNamespace, *, hears_lines: bool) -> None:
        self._clock = clock
        self._hears_lines = hears_lines
        self.town: Any = None

    def send(self, _: object, *datagrams: bytes) -> None:
        self.datagrams_heard += len(datagrams)

    def turn(self, patience: float) -> None:
        self._clock.now += max(patience, 0.001)
        self.broadcasts_heard += 1_000
        self.datagrams_heard += 1_000
        if self._hears_lines:
            self.town.heard += self.town.unheard


@pytest.mark.parametrize("hears_lines", [True, False])
def test_the_timetable_waits_for_what_is_under_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, hears_lines: bool
) -> None:
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(sizing, "time", SimpleNamespace(monotonic=lambda: clock.now))
    crowd = StandInCrowd(clock, hears_lines=hears_lines)
    people = cast(list[sizing.Talker], [StandIn() for _ in range(600)])
    town = sizing.Town(cast(Crowd, crowd), people, cast(list[Changing], [StandIn()]), tmp_path)
    crowd.town = town
    town.plan()
    if hears_lines:
        assert town.chat(10.0) < 12.0
        assert town.said == 600 * 10 // 60
    else:
        with pytest.raises(Failed, match="did not arrive"):
            town.chat(10.0)
        assert town.said <= 600 // 60 + 2, "more than a second's lines were under way"
