"""Requests of a person whose earlier request waits for the disk: they queue, and nobody else's
do."""

from collections.abc import Callable

import pytest

from chatapp.registry.edge.edge import Edge
from chatapp.registry.rules.effects import DropReason
from chatapp.wire.limits import REQUESTS_QUEUED_MAX
from chatapp.wire.messages.link import PeerRequest
from chatapp.wire.messages.mail import DepositMail, MailSaved
from chatapp.wire.messages.registration import RefusalReason, Rename, RenameAccepted, RenameRefused
from chatapp.wire.messages.rooms import (
    EnterRooms,
    LeaveRoom,
    RoomEntered,
    RoomLeft,
    RoomRefusal,
    RoomRefused,
)
from chatapp.wire.messages.table import Card
from tests.registry.linked_peer import LinkedPeer
from tests.registry.rig import Rig


def letter(to: LinkedPeer, number: int) -> DepositMail:
    return DepositMail(reference=number, recipient=to.id, number=number, letter=b"sealed")


def card(peer: LinkedPeer, name: str) -> Card:
    peer.counter += 1
    return peer.make_card(name=name)


def enter_and_leave(_: LinkedPeer) -> tuple[PeerRequest, PeerRequest, PeerRequest]:
    return EnterRooms(1, ["tea"]), LeaveRoom(2, "tea"), EnterRooms(3, ["milk"])


def rename_thrice(peer: LinkedPeer) -> tuple[PeerRequest, PeerRequest, PeerRequest]:
    return (
        Rename(1, card(peer, "one")),
        Rename(2, card(peer, "two")),
        Rename(3, card(peer, "three")),
    )


@pytest.mark.parametrize("requests", [enter_and_leave, rename_thrice])
def test_a_sync_of_a_part_of_what_is_on_its_way_harms_nobody(
    rig: Rig,
    ann: LinkedPeer,
    bob: LinkedPeer,
    requests: Callable[[LinkedPeer], tuple[PeerRequest, PeerRequest, PeerRequest]],
) -> None:
    """One sync covers the first request, the next one covers the second and the third together."""
    rig.auto_commit = False
    first, second, third = requests(ann)
    ann.send(first)
    rig.hand_over()
    bob.send(letter(ann, 1))
    ann.send(second)
    rig.sync_ends()
    ann.send(third)
    bob.send(letter(ann, 2))
    rig.commit()
    assert [one for one in bob.notices() if isinstance(one, MailSaved)] == [
        MailSaved(1),
        MailSaved(2),
    ]
    answers = [
        one.reference
        for one in ann.notices()
        if isinstance(one, RoomEntered | RoomLeft | RenameAccepted | RenameRefused)
    ]
    assert answers == [1, 2, 3], "each is answered, in the order in which they were asked"


def test_a_room_request_that_finds_too_many_before_it_is_refused(rig: Rig, ann: LinkedPeer) -> None:
    rig.auto_commit = False
    ann.send(*(EnterRooms(number, ["tea"]) for number in range(REQUESTS_QUEUED_MAX + 1)))
    assert ann.ask(EnterRooms(77, ["tea"])) == [RoomRefused(77, "", RoomRefusal.TOO_OFTEN)]
    assert ann.ask(LeaveRoom(78, "tea")) == []
    assert rig.core.dropped[DropReason.REQUEST_QUEUE_FULL] == 1
    rig.commit()
    answers = [one.reference for one in ann.notices() if isinstance(one, RoomEntered)]
    assert answers == list(range(REQUESTS_QUEUED_MAX + 1))


def test_a_rename_that_finds_too_many_before_it_is_refused(rig: Rig, ann: LinkedPeer) -> None:
    rig.auto_commit = False
    first = card(ann, "anna")
    ann.send(*(Rename(number, first) for number in range(REQUESTS_QUEUED_MAX + 1)))
    assert ann.ask(Rename(77, first)) == [RenameRefused(77, RefusalReason.FULL)]
    rig.commit()
    assert ann.notices() == [RenameAccepted(number) for number in range(REQUESTS_QUEUED_MAX + 1)]


def test_what_waits_while_its_link_breaks_is_served(
    rig: Rig, ann: LinkedPeer, bob: LinkedPeer
) -> None:
    """A peer that gave up going elsewhere took that back in time: it misses no line of its room."""
    for peer in (ann, bob):
        peer.enter("tea")
    rig.auto_commit = False
    ann.send(EnterRooms(1, ["milk"]), LeaveRoom(2, "milk"))
    ann.drop_link()
    rig.commit()
    rig.commit()
    rig.auto_commit = True
    assert [kept.group for kept in rig.store.load().members] == ["#tea", "#tea"]
    bob.say("while ann is away")
    ann.attach()
    back = ann.ask(EnterRooms(3, ["tea"], is_return=True))
    assert [one.missed for one in back if isinstance(one, RoomEntered)] == [1]


@pytest.mark.parametrize("late", [EnterRooms(2, ["cocoa"]), LeaveRoom(2, "tea")])
def test_what_waits_behind_a_request_of_a_newer_link_is_dropped(
    rig: Rig, ann: LinkedPeer, late: PeerRequest
) -> None:
    rig.auto_commit = False
    ann.send(EnterRooms(1, ["tea"]), late)
    ann.drop_link()
    ann.attach()
    rig.commit()
    rig.commit()
    assert rig.core.dropped[DropReason.ROOM_REQUEST_FROM_OLD_LINK] == 1
    assert [kept.group for kept in rig.store.load().members] == ["#tea"]


def test_a_fault_in_one_effect_costs_no_other(
    rig: Rig, ann: LinkedPeer, bob: LinkedPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.faults_allowed = True
    rig.auto_commit = False
    send = Edge.push

    def push(self: Edge, link: int, payload: bytes) -> None:
        assert link != ann.link, "a fault of ours"
        send(self, link, payload)

    ann.send(letter(bob, 1))
    bob.send(letter(ann, 1))
    with monkeypatch.context() as patch:
        patch.setattr(Edge, "push", push)
        rig.commit()
    assert MailSaved(1) in bob.notices()
    assert rig.core.dropped[DropReason.FAULT]
    shown = rig.take_event_lines()
    assert any(
        "a fault of ours" in line and "test_waiting_for_the_disk.py" in line for line in shown
    )
