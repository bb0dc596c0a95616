"""Group lines while the registry is away: sent directly to each member, and again to the registry
later."""

import contextlib

from chatapp.peer.api import events
from chatapp.peer.api.conversations import EVERYBODY, room
from chatapp.peer.core.contacts import Contact
from chatapp.peer.core.records import NumberUsed
from chatapp.wire.codec import (
    Kind,
    decode_frames,
    decode_group_body,
    encode,
    join_frames,
    pack_relayed,
    unpack_group,
)
from chatapp.wire.errors import SealError
from chatapp.wire.messages.direct import Ack, DeliveryFrame, DirectGroupLine, Floor, Gap, Part
from chatapp.wire.messages.rooms import (
    GroupAccepted,
    GroupBody,
    GroupGranted,
    RoomEntered,
    RoomMember,
)
from chatapp.wire.sealing import GroupKey
from tests.peer.core.cast import POLICY, WALL, Someone
from tests.peer.core.core_driver import SENDER_INDEX, CoreDriver
from tests.peer.core.lab import (
    BOB,
    CAROL,
    HERE,
    LAB_KEY,
    enter,
    fanout,
    link_again,
    lose_registry,
    node,
    told,
)

__all__ = ["node"]


def test_a_line_goes_straight_to_members_and_once_more_to_the_registry_when_it_is_back(
    node: CoreDriver,
) -> None:
    """Clause 6.9: the same number on both ways."""
    enter(node)
    lose_registry(node)
    node.saw()
    begun = node.core.rooms.say("lab", "hi", now=node.now)
    assert begun is not None
    node.turn()
    assert node.saw() == [
        events.MessageChanged(conversation=room("lab"), id=begun.id, state=events.MessageState.KEPT)
    ]
    (_, line), *_ = fanout(node, BOB)
    assert (line.group, line.number, line.floor, line.text) == (
        "#lab",
        begun.number,
        begun.number,
        "hi",
    )
    asked = link_again(node)
    assert asked is not None
    assert node.lines() == []  # no key for the room yet
    node.told(
        RoomEntered(asked.reference, "#lab", [RoomMember(BOB.id, HERE)], 10, 0),
        GroupGranted("#lab", 1, LAB_KEY, SENDER_INDEX, 10),
    )
    (frame,) = node.lines()
    body = decode_group_body(GroupKey("#lab", epoch=1, key=LAB_KEY).open(frame))
    assert (body.number, body.text) == (begun.number, "hi")
    node.saw()
    header = unpack_group(frame)
    node.told(GroupAccepted("#lab", header.epoch, header.counter, 11))
    assert node.saw() == [
        events.MessageChanged(
            conversation=room("lab"), id=begun.id, state=events.MessageState.SAVED
        )
    ]


def test_a_member_who_does_not_answer_is_sent_the_newest_line_only(node: CoreDriver) -> None:
    enter(node)
    lose_registry(node)
    for text in ("one", "two"):
        node.core.rooms.say("lab", text, now=node.now)
        node.turn()
        node.pass_time(3.0)
    assert node.core.rooms.recipients.rooms()[0].in_reach == 0
    assert node.core.is_settled
    node.datagrams.clear()
    node.core.rooms.say("lab", "three", now=node.now)
    node.turn()
    lines = fanout(node, BOB)
    assert [line.text for _, line in lines] == ["three"]
    session = BOB.session_with(node.alice)
    node.hears(session.seal(join_frames([encode(Ack(lines[0][0], [1]))])), BOB.home)
    assert [line.text for _, line in fanout(node, BOB)] == ["one", "two"]
    assert node.core.rooms.recipients.rooms()[0].in_reach == 1


def test_a_line_from_a_non_member_is_acknowledged_and_not_shown(node: CoreDriver) -> None:
    enter(node)
    node.saw()
    for one in (BOB, CAROL):
        said = DirectGroupLine("#lab", 5, 5, 5, 0, int(WALL * 1_000), f"from {one.name}")
        node.hears(
            one.session_with(node.alice).seal(
                join_frames([encode(Floor(9)), encode(Part(9, 0, 1, encode(said)))])
            ),
            one.home,
        )
    assert [event.text for event in node.saw() if isinstance(event, events.Said)] == ["from bob"]


def test_a_line_that_came_straight_is_not_shown_again_out_of_the_log(node: CoreDriver) -> None:
    enter(node)
    node.saw()
    said = DirectGroupLine("#lab", 5, 5, 5, 0, int(WALL * 1_000), "hi")
    node.hears(told(BOB, node, said), BOB.home)
    body = encode(GroupBody(number=5, floor=5, at=said.at, text="hi"))
    node.frames(pack_relayed(11, GroupKey("#lab", epoch=1, key=LAB_KEY).seal(7, body)))
    assert len([event for event in node.saw() if isinstance(event, events.Said)]) == 1
    assert node.disk.load().groups["#lab"].cursor == 11


def test_the_channel_goes_straight_to_everybody_who_was_online(node: CoreDriver) -> None:
    lose_registry(node)
    node.saw()
    begun = node.core.rooms.say_to_all("hi", now=node.now)
    node.turn()
    assert node.saw() == [
        events.MessageChanged(conversation=EVERYBODY, id=begun.id, state=events.MessageState.KEPT)
    ]
    kept = list(node.datagrams)
    for one in (BOB, CAROL):
        node.datagrams = list(kept)
        assert {line.number for _, line in fanout(node, one)} == {begun.number}


def test_leaving_a_room_takes_its_lines_back_and_leaves_those_of_the_channel(
    node: CoreDriver,
) -> None:
    enter(node)
    lose_registry(node)
    node.core.rooms.say("lab", "to the room", now=node.now)
    node.core.rooms.say_to_all("to all", now=node.now)
    node.turn()
    assert {line.text for _, line in fanout(node, BOB)} == {"to the room", "to all"}
    node.core.rooms.leave("lab", now=node.now)
    node.pass_time(POLICY.give_up_after - 0.1)
    again = fanout(node, BOB)
    assert {line.text for _, line in again} == {"to all"}
    (number,) = {number for number, _ in again}
    answer = join_frames([encode(Ack(number, [1]))])
    node.hears(BOB.session_with(node.alice).seal(answer), BOB.home)
    node.pass_time(1.0)
    assert fanout(node, BOB) == []


def frames_to(node: CoreDriver, to: Someone) -> list[DeliveryFrame]:
    """Drain all frames that went directly to somebody."""
    session = to.session_with(node.alice)
    kinds = (Kind.OPENING, Kind.SEALED, Kind.ANSWER)
    sent = [data for data, home in node.datagrams if home == to.home and data[0] in kinds]
    node.datagrams.clear()
    frames: list[DeliveryFrame] = []
    for data in sent:
        with contextlib.suppress(SealError):  # sealed for somebody else behind the same address
            payload = session.open(data)
            frames += decode_frames(payload) if payload else []  # type: ignore[arg-type]
    return frames


def test_a_line_has_a_number_of_the_stream_to_the_member_that_is_never_used_again(
    node: CoreDriver,
) -> None:
    enter(node)
    lose_registry(node)
    node.core.rooms.say("lab", "hi", now=node.now)
    node.turn()
    (part,) = {
        frame.number: frame for frame in frames_to(node, BOB) if isinstance(frame, Part)
    }.values()
    assert NumberUsed(BOB.id, part.number) in node.records
    assert node.disk.load().streams[BOB.id].last_sent == part.number


def test_nobody_waits_for_a_line_that_was_taken_back(node: CoreDriver) -> None:
    """The first line is the floor of the direct stream to bob; it does not hold up a message behind
    it."""
    enter(node)
    lose_registry(node)
    node.core.rooms.say("lab", "to the room", now=node.now)
    node.turn()
    said = frames_to(node, BOB)
    (line,) = [frame.number for frame in said if isinstance(frame, Part)]
    assert Floor(line) in said
    node.core.direct.send("bob", "to bob", now=node.now)
    node.turn()
    frames_to(node, BOB)
    node.core.rooms.leave("lab", now=node.now)
    node.pass_time(0.6)
    again = frames_to(node, BOB)
    assert {frame.number for frame in again if isinstance(frame, Part)} == {line + 1}
    assert Floor(line + 1) in again


def test_nobody_waits_for_a_line_that_they_had_in_an_earlier_run(node: CoreDriver) -> None:
    """Clause 6.9: a reader keeps no number of it, and an earlier message holds the floor."""
    enter(node)
    lose_registry(node)
    node.core.direct.send("bob", "to bob", now=node.now)
    node.core.rooms.say("lab", "to the room", now=node.now)
    node.turn()
    line = max(frame.number for frame in frames_to(node, BOB) if isinstance(frame, Part))
    answer = join_frames([encode(Ack(line, [1]))])
    node.hears(BOB.session_with(node.alice).seal(answer), BOB.home)
    node.pass_time(0.6)
    again = frames_to(node, BOB)
    assert {frame.number for frame in again if isinstance(frame, Part)} == {line - 1}
    assert Gap(line, 1) in again


def test_an_offline_peer_sends_nothing_directly_and_everything_later(node: CoreDriver) -> None:
    enter(node)
    lose_registry(node)
    node.core.rooms.say("lab", "hi", now=node.now)
    node.turn()
    first = fanout(node, BOB)
    assert [line.text for _, line in first] == ["hi"]
    node.core.leave(now=node.now)
    node.pass_time(5.0)
    assert fanout(node, BOB) == []
    node.core.start(now=node.now)
    node.pass_time(5.0)
    node.datagrams.clear()
    node.core.rooms.say("lab", "again", now=node.now)
    node.turn()
    assert {line.text for _, line in fanout(node, BOB)} == {"hi", "again"}


def contact_of(node: CoreDriver, one: Someone) -> Contact:
    return next(contact for contact in node.core.roster.contacts if contact.identity == one.id)


def test_a_key_that_nobody_goes_by_any_more_is_told_nothing_and_all_when_it_is_back(
    node: CoreDriver,
) -> None:
    enter(node)
    lose_registry(node)
    node.core.rooms.say("lab", "one", now=node.now)
    node.turn()
    assert [line.text for _, line in fanout(node, BOB)] == ["one"]
    contact, rooms = contact_of(node, BOB), node.core.rooms
    rooms.replace(contact)
    node.pass_time(POLICY.give_up_after)
    assert fanout(node, BOB) == []
    rooms._outbox.catch_up(contact, now=node.now)
    node.turn()
    assert [line.text for _, line in fanout(node, BOB)] == ["one"]


def test_the_silence_of_a_key_is_forgotten_with_it(node: CoreDriver) -> None:
    enter(node)
    lose_registry(node)
    node.core.rooms.say("lab", "one", now=node.now)
    node.pass_time(POLICY.give_up_after + 0.1)
    node.datagrams.clear()
    node.core.rooms.replace(contact_of(node, BOB))
    node.core.rooms.say("lab", "two", now=node.now)
    node.turn()
    assert [line.text for _, line in fanout(node, BOB)] == ["one", "two"]
