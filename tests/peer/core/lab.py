"""Alice in a room, for tests: bob and carol are in her table, the registry is played by hand."""

import pytest

from chatapp.wire.codec import Kind, decode_frames, decode_message_body, encode, join_frames
from chatapp.wire.errors import SealError
from chatapp.wire.messages.direct import DirectGroupLine, Floor, Part
from chatapp.wire.messages.mail import MailBatch
from chatapp.wire.messages.rooms import (
    CHANNEL,
    EnterRooms,
    GroupGranted,
    RoomEntered,
    RoomMember,
    RoomPresence,
)
from chatapp.wire.messages.table import FetchTable, Row, TablePage
from tests.peer.core.cast import Someone, raw
from tests.peer.core.core_driver import SENDER_INDEX, CoreDriver

BOB, CAROL = Someone("bob"), Someone("carol")
GONE, MAYBE, HERE = RoomPresence
LAB_KEY = b"l" * 32


@pytest.fixture
def node() -> CoreDriver:
    """Return Alice, registered and with a link; bob and carol are in the table."""
    node = CoreDriver()
    node.come_in(BOB.row(1, sender_index=7), CAROL.row(2, sender_index=8))
    node.asked(), node.saw()
    return node


def enter(
    node: CoreDriver, room: str = "lab", *, who: tuple[Someone, ...] = (BOB,), position: int = 10
) -> None:
    """Enter a room and read the answer."""
    node.core.rooms.enter(room, now=node.now)
    node.turn()
    let_in(node, room, who=who, position=position)


def let_in(
    node: CoreDriver, room: str, *, who: tuple[Someone, ...] = (BOB,), position: int = 10
) -> None:
    asked = [request for request in node.asked() if isinstance(request, EnterRooms)][-1]
    members = [RoomMember(one.id, HERE) for one in who]
    node.told(
        RoomEntered(asked.reference, f"#{room}", members, position, 0),
        GroupGranted(f"#{room}", 1, LAB_KEY, SENDER_INDEX, position),
    )


def link_again(node: CoreDriver, *rows: Row, version: int = 300) -> EnterRooms | None:
    """Register again, with a link and the table; returns the first request to enter rooms."""
    node.register()
    node.greet()
    node.told(GroupGranted(CHANNEL, 1, b"k" * 32, SENDER_INDEX, 0), MailBatch([], more=False))
    asked = node.asked()
    since = [request.since for request in asked if isinstance(request, FetchTable)]
    node.told(TablePage(since[-1], version, more=False, rows=raw(*rows)))
    return next((request for request in asked if isinstance(request, EnterRooms)), None)


def return_to_lab(node: CoreDriver) -> None:
    """Register again, and return to the lab, which has the next key."""
    asked = link_again(node, BOB.row(3, sender_index=7))
    assert asked is not None
    node.told(
        RoomEntered(asked.reference, "#lab", [RoomMember(BOB.id, HERE)], 10, 0),
        GroupGranted("#lab", 2, LAB_KEY, SENDER_INDEX, 10),
    )


def rooms_of(node: CoreDriver) -> list[str]:
    return [room.name for room in node.core.rooms.recipients.rooms()]


def lose_registry(node: CoreDriver) -> None:
    node.lose_link()
    node.pass_time(6.0)
    node.datagrams.clear()


def requests(node: CoreDriver, kind: type) -> list[object]:
    return [request for request in node.asked() if isinstance(request, kind)]


def fanout(node: CoreDriver, to: Someone) -> list[tuple[int, DirectGroupLine]]:
    """Drain the lines sent directly to a person, with their numbers in the direct stream."""
    session = to.session_with(node.alice)
    sent = [
        data
        for data, home in node.datagrams
        if home == to.home and data[0] in (Kind.OPENING, Kind.SEALED, Kind.ANSWER)
    ]
    node.datagrams.clear()
    lines = []
    for data in sent:
        try:
            payload = session.open(data)
        except SealError:  # sealed for somebody else behind the same address
            continue
        for frame in decode_frames(payload) if payload else ():
            if isinstance(frame, Part):
                body = decode_message_body(frame.body)
                assert isinstance(body, DirectGroupLine)
                lines.append((frame.number, body))
    return lines


def told(by: Someone, node: CoreDriver, line: DirectGroupLine) -> bytes:
    """Return a datagram with a direct group line."""
    frames = [encode(Floor(9)), encode(Part(9, 0, 1, encode(line)))]
    return by.session_with(node.alice).seal(join_frames(frames))
