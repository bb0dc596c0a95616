"""Hails to everybody while the registry is away: in rounds, a few at a time, to those who need
them; and whose datagrams count."""

import itertools

import pytest

from chatapp.peer.core.contacts import Contacts
from chatapp.peer.core.direct.transport import (
    HAIL_AFTER_LOSS,
    HAIL_AGAIN_AFTER,
    HAIL_SPAN_AFTER_LOSS,
    HAILED_AT_ONCE,
    PeerTransport,
)
from chatapp.peer.core.records import OpeningTaken
from chatapp.wire.address import Address
from chatapp.wire.codec import Kind, join_frames, unpack_opening
from chatapp.wire.errors import SealError
from chatapp.wire.messages.direct import LastOpening, RelayDatagram, Typing, encode_frame
from chatapp.wire.sessions.session import ERASE_AFTER, OldOpening
from tests.peer.core.cast import POLICY, Someone
from tests.peer.core.core_driver import CoreDriver
from tests.peer.core.lab import BOB, node

__all__ = ["node"]

ALICE = Someone("alice")
CROWD = [Someone(f"p{number}") for number in range(HAILED_AT_ONCE + 10)]
ELSEWHERE = Address("6.6.6.6", 6)


class Crier:
    """Alice's transport, and the time."""

    def __init__(self, people: list[Someone]) -> None:
        self.alice = Someone("alice")
        ctx = ALICE.context()
        self.contacts, self.out, self.alarms = Contacts(), ctx.out, ctx.alarms
        self.transport = PeerTransport(ctx, self.contacts)
        for person in (ALICE, *people):
            self.contacts.take_row(person.row())
        self.now = 100.0

    def rounds(self, span: float) -> list[tuple[float, int]]:
        """Return when hails left, and how many."""
        sent = []
        began, end = self.now, self.now + span
        while (due := self.alarms.next_timer()) is not None and due <= end:
            self.now = max(self.now, due)
            self.alarms.ring(now=self.now)
            hails, self.transport.datagrams = self.transport.datagrams, []
            assert all(data[0] == Kind.OPENING for data, _ in hails)
            if hails:
                sent.append((round(self.now - began, 3), len(hails)))
        self.now = end
        return sent


def test_a_crowd_is_hailed_a_few_at_a_time() -> None:
    crier = Crier(CROWD)
    crier.transport.hail_all(was_registered=False, now=crier.now)
    assert crier.rounds(0.5) == [(0.0, HAILED_AT_ONCE), (0.1, 10)]


def test_a_crowd_that_has_lost_its_registry_is_hailed_later_and_more_slowly() -> None:
    """Clause 6.5: if everybody hailed everybody at once, 900 peers would agree on 400,000
    sessions."""
    crier = Crier(CROWD)
    crier.transport.hail_all(was_registered=True, now=crier.now)
    assert crier.rounds(HAIL_AFTER_LOSS + HAIL_SPAN_AFTER_LOSS) == [
        (HAIL_AFTER_LOSS, HAILED_AT_ONCE),
        (HAIL_AFTER_LOSS + HAIL_SPAN_AFTER_LOSS, 10),
    ]


def test_rounds_come_more_and_more_rarely() -> None:
    """Clause 6.5."""
    crier = Crier(CROWD[:3])
    crier.transport.hail_all(was_registered=False, now=crier.now)
    times = [at for at, _ in crier.rounds(120.0)]
    assert [later - before for before, later in itertools.pairwise(times)] == pytest.approx(
        [*HAIL_AGAIN_AFTER, HAIL_AGAIN_AFTER[-1], HAIL_AGAIN_AFTER[-1]][: len(times) - 1]
    )
    assert len(times) >= 6


def test_who_was_heard_need_not_be_hailed() -> None:
    crier = Crier(CROWD[:3])
    heard = CROWD[0].session_with(crier.alice).seal(b"\x90")
    crier.transport.open_run([heard], source=CROWD[0].home, now=crier.now)
    crier.transport.hail_all(was_registered=False, now=crier.now)
    assert crier.rounds(0.5) == [(0.0, 2)]


def test_hails_end_when_the_registry_is_back() -> None:
    crier = Crier(CROWD)
    crier.transport.hail_all(was_registered=False, now=crier.now)
    crier.rounds(0.05)
    crier.transport.stop_hailing()
    assert crier.rounds(60.0) == []


def test_a_hail_is_answered_and_shows_where_somebody_is() -> None:
    """Clause 6.5."""
    crier = Crier(CROWD[:1])
    bob = CROWD[0].session_with(crier.alice)
    (hail,) = bob.sessions.hail(ALICE.id, now=0.0)
    came = crier.transport.open_run([hail], source=ELSEWHERE, now=crier.now)
    assert (came.contact.identity, came.payloads, came.is_return) == (CROWD[0].id, [b""], True)
    assert came.contact.address == ELSEWHERE
    ((answer, to),) = crier.transport.datagrams
    assert to == ELSEWHERE
    assert bob.open(answer) == b""
    (taken,) = crier.out.drain_records()
    assert isinstance(taken, OpeningTaken)
    again = Crier(CROWD[:1])
    again.transport.sessions.restore(taken.identity, taken.number)
    with pytest.raises(SealError):  # what was recorded moves nobody, after a restart either
        again.transport.open_run([hail], source=ELSEWHERE, now=crier.now)


def test_whoever_replays_an_opening_gets_nothing_and_its_author_is_told_now_and_then() -> None:
    """Clause 5.2: "to the address at which it knows that sender ... at most every 3 seconds by each
    way"."""
    crier = Crier(CROWD[:1])
    bob = CROWD[0].session_with(crier.alice)
    opening = bob.seal(b"\x90")
    crier.transport.open_run([opening], source=CROWD[0].home, now=crier.now)
    crier.transport.sessions.handle_timer(now=crier.now + ERASE_AFTER)
    told: list[float] = []
    for tick in range(100):
        now = crier.now + ERASE_AFTER + tick / 10
        with pytest.raises(OldOpening):
            crier.transport.open_run([opening], source=ELSEWHERE, now=now)
        for data, to in crier.transport.datagrams:
            assert to == CROWD[0].home
            assert bob.open(data, now=now) == join_frames(
                [encode_frame(LastOpening(unpack_opening(opening).number))]
            )
            told.append(tick / 10)
        crier.transport.datagrams.clear()
    assert told == [0.0, 3.0, 6.0, 9.0]
    with pytest.raises(OldOpening):
        crier.transport.open_run(
            [opening], source=None, now=crier.now + 200.0, relayed_by=CROWD[0].id
        )
    assert [type(request) for request in crier.out.requests] == [RelayDatagram]


def test_what_somebody_else_hands_on_is_not_even_opened() -> None:
    """Clause 6.8: "The recipient must find that the session's other end is the sender that the
    registry names"."""
    crier = Crier(CROWD[:2])
    datagram = CROWD[0].session_with(crier.alice).seal(b"\x90")
    with pytest.raises(SealError, match="somebody else"):
        crier.transport.open_run([datagram], source=None, now=crier.now, relayed_by=CROWD[1].id)
    assert crier.transport.open_run(
        [datagram], source=None, now=crier.now, relayed_by=CROWD[0].id
    ).payloads == [b"\x90"]


def test_a_dropped_contact_shares_nothing_with_us() -> None:
    crier = Crier(CROWD[:1])
    bob = CROWD[0].session_with(crier.alice)
    contact = crier.transport.open_run(
        [bob.seal(b"\x90")], source=CROWD[0].home, now=crier.now
    ).contact
    crier.contacts.let_go(contact)
    crier.transport.let_go(contact)
    assert len(crier.transport.sessions) == 0
    with pytest.raises(SealError):
        crier.transport.open_run([bob.seal(b"\x90")], source=CROWD[0].home, now=crier.now)


def test_who_does_not_answer_is_tried_at_both_addresses_in_turn(node: CoreDriver) -> None:
    """Clause 5.5: a stranger was the first to bring a datagram of bob's, from elsewhere."""
    node.hears(BOB.session_with(node.alice).seal(join_frames([encode_frame(Typing())])), ELSEWHERE)
    node.datagrams.clear()
    node.core.direct.send("bob", "hi", now=node.now)
    tried: list[Address] = []
    for _ in range(5):
        node.turn()
        tried += [to for _, to in node.datagrams if to in (BOB.home, ELSEWHERE)]
        node.datagrams.clear()
        node.pass_time(POLICY.ack_timeout)
    assert [to for to, _ in itertools.groupby(tried)] == [ELSEWHERE, BOB.home, ELSEWHERE, BOB.home]
