"""How many files and functions of the product one event passes through: what a reader must follow
to understand it.

The counts are in `tests/guard/house.toml`. A change that lets them grow says why, or finds a
shorter way.
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import pytest

import chatapp
from chatapp.peer.api.events import Said
from chatapp.peer.faces.line.shell import LineFace
from chatapp.peer.node.driver import Driver
from chatapp.peer.node.storage import CommitQueue
from chatapp.peer.sdk.client import Peer
from chatapp.registry.edge.driver import EdgeDriver
from chatapp.wire.messages.rooms import RoomEntered
from chatapp.wire.names import name_key
from tests.house import kept
from tests.peer.faces.line.acting import Paper
from tests.peer.village import Village, next_of, village  # noqa: F401
from tests.registry.rig import Rig
from tests.support.nodes import node_of

KEPT = kept()


def most(path: str) -> tuple[int, int]:
    """How many files and functions a path may have."""
    return KEPT[f"{path}: files"], KEPT[f"{path}: functions"]


TURNS = 5
"""Turns of the event loop in which a peer has handled every datagram that was on its way."""

TOP = Path(chatapp.__file__).parent
PEER, REGISTRY, WIRE = (str(TOP / name) + os.sep for name in ("peer", "registry", "wire"))


class Passed:
    """The functions of the product that were entered, on behalf of some programs, while it
    watched."""

    def __init__(self, *programs: str) -> None:
        """`programs`: the folders of the programs; what they call in `wire` counts, and what tests
        call there does not."""
        self._programs = programs
        self._depth = 0
        self._functions: set[tuple[str, str]] = set()

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        sys.setprofile(self._note)
        try:
            yield
        finally:
            sys.setprofile(None)

    @property
    def files(self) -> int:
        return len({file for file, _ in self._functions})

    @property
    def functions(self) -> int:
        return len(self._functions)

    def _note(self, frame: FrameType, event: str, _: object) -> None:
        file = frame.f_code.co_filename
        is_program = file.startswith(self._programs)
        if event == "call":
            self._depth += is_program
            name = frame.f_code.co_qualname
            if self._depth and file.startswith((*self._programs, WIRE)) and not name.endswith(">"):
                self._functions.add((file, name))  # a comprehension is a part of its function
        elif event == "return":
            self._depth -= is_program and self._depth > 0


def check(passed: Passed, limits: tuple[int, int]) -> None:
    assert passed.files, "nothing was seen"
    found = (passed.files, passed.functions)
    assert all(one <= limit for one, limit in zip(found, limits, strict=True)), (
        f"{found} files, functions; {limits}"
    )


async def until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110
        await asyncio.sleep(0)


def knows(peer: Peer, name: str) -> bool:
    """Return whether a peer sees somebody online."""
    return any(one.name == name and one.online for one in peer.people())


async def hold_still(monkeypatch: pytest.MonkeyPatch, village: Village, *peers: Peer) -> None:  # noqa: F811
    """Let no timer ring and fill no index: which of that happens during a message depends on how
    fast the machine is."""
    monkeypatch.setattr(Driver, "_timer_rang", lambda _: None)
    monkeypatch.setattr(EdgeDriver, "_fire", lambda _: None)
    monkeypatch.setattr(CommitQueue, "file_if_due", lambda _, *, now: None)
    for timer in (village.registry_timer, *(node_of(peer).driver._timer for peer in peers)):
        assert timer is not None
        timer.cancel()
    for _ in range(TURNS):
        await asyncio.sleep(0)


async def test_a_first_message_from_the_typed_line_to_the_shown_receipt(
    village: Village,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alice, bob = village.peer("alice"), village.peer("bob")
    paper, passed = Paper(), Passed(PEER)
    async with asyncio.timeout(60):
        await bob.open()
        await bob.ready()
        await alice.open()
        face = asyncio.create_task(LineFace(alice.node, paper, stay=True).run())
        await until(lambda: knows(alice, "bob") and knows(bob, "alice"))
        assert all(node_of(peer).storage.file_all() for peer in (alice, bob))
        await hold_still(monkeypatch, village, alice, bob)
        with passed.watching():
            paper.type("send bob hi")
            assert (await next_of(bob, Said)).text == "hi"
            await until(lambda: "[Message received by bob.]" in paper.lines)
        face.cancel()
        await asyncio.gather(face, return_exceptions=True)
    check(passed, most("first message"))


async def test_a_room_line_from_the_typed_line_to_where_it_is_shown(
    village: Village,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alice, bob = village.peer("alice", rooms="lab"), village.peer("bob", rooms="lab")
    papers, passed = (Paper(), Paper()), Passed(PEER, REGISTRY)
    async with asyncio.timeout(60):
        for peer in (alice, bob):
            await peer.open()
        faces = [
            asyncio.create_task(LineFace(peer.node, paper, stay=True).run())
            for peer, paper in zip((alice, bob), papers, strict=True)
        ]
        await until(lambda: all(len(peer.members("lab")) == 2 for peer in (alice, bob)))
        assert all(node_of(peer).storage.file_all() for peer in (alice, bob))
        await hold_still(monkeypatch, village, alice, bob)
        with passed.watching():
            papers[0].type("hi")
            await until(lambda: "alice (in lab): hi" in papers[1].lines)
        for face in faces:
            face.cancel()
        await asyncio.gather(*faces, return_exceptions=True)
    check(passed, most("room line, key to screen"))


def test_a_registration_at_the_registry() -> None:
    rig, passed = Rig(), Passed(REGISTRY)
    rig.member("ann")
    name_key.cache_clear()  # bob is new to the registry, whatever an earlier test has called him
    with passed.watching():
        rig.member("bob")
    check(passed, most("REGISTER, at the registry"))


def test_a_room_line_at_the_registry() -> None:
    rig, passed = Rig(), Passed(REGISTRY)
    ann, bob = rig.member("ann"), rig.member("bob")
    for peer in (ann, bob):
        assert isinstance(peer.enter("lab"), RoomEntered)
        peer.take_all()
    with passed.watching():
        ann.say("hi")
    assert bob.relayed()
    check(passed, most("room line, at the registry"))
