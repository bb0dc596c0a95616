"""The client's end of a connection: lines as long as the program tells them."""

import asyncio

import pytest

from chatapp.peer.api.events import Person
from chatapp.peer.api.state import PeerState, RoomState, State
from chatapp.peer.rpc.link import RpcLink
from chatapp.peer.rpc.protocol import LINE_MAX, TOLD_LINE_MAX
from chatapp.peer.rpc.ring import notice
from chatapp.wire.address import Address
from chatapp.wire.limits import ROOM_MEMBERS_MAX, ROOMS_EACH_MAX
from chatapp.wire.names import NAME_MAX

HERE = Address("192.0.2.1", 5000)
LONGEST = "\U0001d4d0" * NAME_MAX
PERSON = Person(name=LONGEST, online=True, since=1_700_000_000.5, host=":".join(["ffff"] * 8))
FULL = RoomState(name=LONGEST, members=(PERSON,) * ROOM_MEMBERS_MAX)
STATE = State(
    name=LONGEST, state=PeerState.ONLINE, server=HERE, address=HERE, folder="/home",
    rooms=(FULL,) * ROOMS_EACH_MAX,
)  # fmt: skip


@pytest.mark.parametrize(
    ("told", "is_taken"),
    [(notice("state", STATE), True), (b" " * TOLD_LINE_MAX + b"\n", False)],
)
def test_the_state_of_somebody_in_many_full_rooms_fits_a_line(
    told: bytes, *, is_taken: bool
) -> None:
    broken: list[object] = []

    class Transport(asyncio.Transport):
        def abort(self) -> None:
            broken.append(self)

    taken: list[str] = []
    link = RpcLink(lambda method, _: taken.append(method), lambda: None)
    link.connection_made(Transport())
    assert len(told) > LINE_MAX
    for at in range(0, len(told), 262_144):
        link.data_received(told[at : at + 262_144])
    assert (taken, bool(broken)) == ((["state"], False) if is_taken else ([], True))
