"""This file is about the ladder: which way a message goes next, seen at its rungs. Couriers are real, the rest is played.

Time is a number; nobody answers unless the test says so.
"""

from collections.abc import Callable

import pytest

from peer.core.contact import RELAY_STICKS_FOR, Contact
from peer.core.conversation import Message, Rung
from peer.core.events import Delivered, Event, Expired, Kept, Refused, Saved, Unacknowledged
from peer.core.ladder import RETRY_SPAN, Ladder
from peer.core.letters import BYTES_IN_FLIGHT, LETTERS_IN_FLIGHT, Letters
from peer.core.outputs import Outputs
from peer.core.reach import Outlook, Reach
from peer.core.records import OutgoingChanged
from peer.core.rungs import Rungs
from peer.core.settling import Settling
from peer.core.standing import Standing
from peer.core.stored import StoredOutgoing, StoredStream
from peer.core.trail import Trails
from tests.peer.core.cast import POLICY, WALL, Someone
from wire.codec import decode_frames
from wire.delivery.events import Acknowledged, GaveUp
from wire.errors import SealError
from wire.messages.delivery import Ack, Floor, Part, Void
from wire.messages.mail import DepositMail

BOB = Someone("bob")


class Stairs:
    """Alice's ladder with one contact on it, bob, who answers only when told to."""

    def __init__(
        self, reach: Reach = Reach.UP, *, online: bool = True, stored: StoredStream | None = None
    ) -> None:
        self.now = 100.0
        self.out = Outputs()
        self.letter = b"letter"
        self.refuses_to_seal = False
        self.outlook, trails = Outlook(), Trails(self._wall)
        self.settling = Settling(self.out, trails, self.outlook)
        self.letters = Letters(self.out, self.settling, self._write)
        shared = POLICY, self.out, self.outlook, trails
        rungs = Rungs(*shared, letters=self.letters, settling=self.settling)
        self.ladder = Ladder(*shared, rungs=rungs, letters=self.letters, settling=self.settling)
        self.bob = BOB.contact(online=online, stored=stored)
        assert self.bob.conversation is not None
        self.talk = self.bob.conversation
        self.settling.adopt(self.bob)
        self.ladder.set_reach(reach, now=self.now)

    @staticmethod
    def _wall(now: float) -> float:
        return WALL + now - 100.0

    def _write(self, contact: Contact, message: Message) -> bytes:
        if self.refuses_to_seal:
            raise SealError("no")
        return self.letter

    # --- what happens

    def say(self, text: str = "hi") -> Message:
        return self.ladder.begin(self.bob, self.talk, text, wall=self._wall(self.now), now=self.now)

    def reach(self, reach: Reach) -> None:
        self.ladder.set_reach(reach, now=self.now)

    def row(self, *, online: bool) -> None:
        """The registry says that bob came or went."""
        self.bob.take_row(BOB.row(2, online=online))
        self.ladder.climb(self.bob, now=self.now)

    def saves(self) -> None:
        """The registry confirms every letter that it was given."""
        for letter in self.posted():
            self.letters.saved(letter.reference, now=self.now)

    def acks(self, *messages: Message, through_server: bool = False) -> None:
        """Bob has stored these."""
        for message in messages:
            self.talk.courier.receive(Ack(message.number, [1]), now=self.now)
        self._heed(through_server)

    def pass_time(self, span: float) -> None:
        """Everything that is due happens."""
        end = self.now + span
        self.sent()
        while (due := self._due()) is not None and due <= end:
            self.now = max(self.now, due)
            self.talk.courier.handle_timer(now=self.now)
            self._heed(through_server=False)
            self.ladder.handle_timer(now=self.now)
            self.sent()
        self.now = end

    def _due(self) -> float | None:
        dues = (self.talk.courier.next_timer(), self.ladder.next_timer())
        return min((due for due in dues if due is not None), default=None)

    def _heed(self, through_server: bool) -> None:
        for event in self.talk.courier.events():
            if isinstance(event, Acknowledged):
                self.settling.acknowledged(self.bob, [event], through_server=through_server, now=self.now)
            elif isinstance(event, GaveUp):
                self.ladder.gave_up(self.bob, event.number, now=self.now)

    # --- what comes of it

    def sent(self) -> list[int]:
        """The numbers of all parts that leave now."""
        frames = [
            frame for one in self.talk.courier.payloads_to_send(now=self.now) for frame in decode_frames(one)
        ]
        return [frame.number for frame in frames if isinstance(frame, Part)]

    def posted(self) -> list[DepositMail]:
        requests, self.out.requests = self.out.requests, []
        return [request for request in requests if isinstance(request, DepositMail)]

    def told(self) -> list[type[Event]]:
        """The kinds of what happened since."""
        return [type(event) for event in self.out.drain_events()]

    def standing(self) -> list[Standing]:
        """What was stored about messages since."""
        records = self.out.drain_records()
        return [record.standing for record in records if isinstance(record, OutgoingChanged)]


# --- one message, one way: what is done to the stairs, where it ends, what the user reads

Way = tuple[Callable[[], Stairs], list[Callable[[Stairs], object]], Rung, list[type[Event]]]


def acked(stairs: Stairs) -> None:
    stairs.sent()
    stairs.acks(*stairs.talk.outgoing)


def relayed_ack(stairs: Stairs) -> None:
    stairs.acks(*stairs.talk.outgoing, through_server=True)


def tried(stairs: Stairs) -> None:
    stairs.pass_time(POLICY.give_up_after)


def relaying(stairs: Stairs) -> None:
    stairs.pass_time(2 * POLICY.ack_timeout)


def relay_fails(stairs: Stairs) -> None:
    stairs.ladder.relay_failed(stairs.bob, now=stairs.now)


def saved(stairs: Stairs) -> None:
    stairs.saves()


def refused(stairs: Stairs) -> None:
    stairs.letters.refused(stairs.posted()[0].reference, "the mailbox is full", now=stairs.now)


def goes(stairs: Stairs) -> None:
    stairs.row(online=False)


def comes(stairs: Stairs) -> None:
    stairs.row(online=True)


def lost(stairs: Stairs) -> None:
    stairs.reach(Reach.LOST)


def sought(stairs: Stairs) -> None:
    stairs.reach(Reach.SEEKING)


def found(stairs: Stairs) -> None:
    stairs.reach(Reach.UP)


def offline(stairs: Stairs) -> None:
    stairs.reach(Reach.NONE)


def up() -> Stairs:
    return Stairs()


def away() -> Stairs:
    return Stairs(online=False)


def alone() -> Stairs:
    return Stairs(Reach.LOST)


def seeking() -> Stairs:
    return Stairs(Reach.SEEKING)


WAYS: dict[str, Way] = {
    "straight": (up, [acked], Rung.WAITING, [Delivered]),
    "under way": (up, [], Rung.STRAIGHT, []),
    "relayed after five tries": (up, [tried], Rung.RELAYED, []),
    "delivered through the server": (up, [tried, relayed_ack], Rung.WAITING, [Delivered]),
    "mail after both": (up, [tried, relaying], Rung.MAIL, [Unacknowledged]),
    "saved": (up, [tried, relaying, saved], Rung.WAITING, [Unacknowledged, Saved]),
    "mail when nobody can relay": (up, [tried, relay_fails], Rung.MAIL, [Unacknowledged]),
    "mail at once to one who is away": (away, [], Rung.MAIL, [Unacknowledged]),
    "mail at once when they go": (up, [goes], Rung.MAIL, [Unacknowledged]),
    "refused": (away, [refused], Rung.WAITING, [Unacknowledged, Refused]),
    "kept after five tries": (alone, [tried], Rung.WAITING, [Kept]),
    "straight without a registry": (alone, [acked], Rung.WAITING, [Delivered]),
    "kept when the registry is lost in between": (seeking, [tried, lost], Rung.WAITING, [Kept]),
    "not kept as long as it is sought": (seeking, [tried], Rung.WAITING, []),
    "straight anew when it is found": (seeking, [tried, found], Rung.STRAIGHT, []),
    "kept is mail when the registry is back": (
        alone,
        [tried, goes, found],
        Rung.MAIL,
        [Kept, Unacknowledged],
    ),
    "kept is tried when the registry is back": (alone, [tried, found], Rung.STRAIGHT, [Kept]),
    "kept is tried when they come": (alone, [tried, comes], Rung.STRAIGHT, [Kept]),
    "link lost while the letter is posted": (away, [sought], Rung.STRAIGHT, [Unacknowledged]),
    "and then mail again": (away, [sought, found], Rung.MAIL, [Unacknowledged, Unacknowledged]),
    "nothing while we are offline": (up, [offline], Rung.WAITING, []),
    "on again when we are back": (up, [offline, sought], Rung.STRAIGHT, []),
}


@pytest.mark.parametrize("name", WAYS)
def test_way(name: str) -> None:
    begin, happens, rung, told = WAYS[name]
    stairs = begin()
    message = stairs.say()
    for happen in happens:
        happen(stairs)
    assert message.rung is rung
    assert stairs.told() == told


def test_delivered_through_the_server_is_said_so() -> None:
    for through_server in (False, True):
        stairs = Stairs()
        message = stairs.say()
        stairs.sent()
        stairs.acks(message, through_server=through_server)
        assert stairs.out.drain_events() == [
            Delivered(to="bob", number=message.number, through_server=through_server)
        ]


def test_what_could_not_go_straight_lately_goes_both_ways_at_once() -> None:
    """Clause 6.8: for a minute, then straight again."""
    stairs = Stairs()
    first = stairs.say()
    stairs.pass_time(POLICY.give_up_after)
    stairs.acks(first, through_server=True)
    assert stairs.say().rung is Rung.RELAYED
    relay_fails(stairs)
    assert stairs.say().rung is Rung.STRAIGHT
    stairs.bob.relay_until = stairs.now + RELAY_STICKS_FOR
    stairs.now += RELAY_STICKS_FOR
    assert stairs.say().rung is Rung.STRAIGHT


# --- letters


def test_letters_are_posted_a_few_at_a_time() -> None:
    stairs = Stairs(online=False)
    for _ in range(LETTERS_IN_FLIGHT + 1):
        stairs.say()
    first, *others = stairs.posted()
    assert len(others) == LETTERS_IN_FLIGHT - 1
    stairs.letters.saved(first.reference, now=stairs.now)
    assert len(stairs.posted()) == 1


def test_long_letters_are_posted_one_by_one() -> None:
    stairs = Stairs(online=False)
    stairs.letter = bytes(BYTES_IN_FLIGHT)
    for _ in range(3):
        stairs.say()
    for _ in range(3):
        (letter,) = stairs.posted()
        stairs.letters.saved(letter.reference, now=stairs.now)


def test_letters_go_in_the_order_of_their_numbers() -> None:
    stairs = Stairs()
    numbers = [stairs.say().number for _ in range(5)]
    goes(stairs)
    assert [letter.number for letter in stairs.posted()] == numbers


def test_an_answer_from_an_earlier_link_settles_nothing() -> None:
    stairs = Stairs(online=False)
    stairs.say()
    (before,) = stairs.posted()
    sought(stairs)
    stairs.letters.saved(before.reference, now=stairs.now)
    assert stairs.standing() == []
    found(stairs)
    (again,) = stairs.posted()
    assert again.number == before.number
    stairs.letters.saved(again.reference, now=stairs.now)
    assert stairs.standing() == [Standing.SAVED]


@pytest.mark.parametrize("answer", ["saved", "refused"])
def test_what_was_acknowledged_late_is_not_also_saved_or_refused(answer: str) -> None:
    """The acknowledgement and the answer to the letter cross: delivered is delivered."""
    stairs = Stairs()
    message = stairs.say()
    stairs.pass_time(POLICY.give_up_after - 0.01)
    stairs.bob.take_row(BOB.row(3, online=False))
    stairs.pass_time(0.01)
    (letter,) = stairs.posted()
    stairs.acks(message)
    stairs.standing()
    assert stairs.told() == [Unacknowledged, Delivered]
    if answer == "saved":
        stairs.letters.saved(letter.reference, now=stairs.now)
    else:
        stairs.letters.refused(letter.reference, "the mailbox is full", now=stairs.now)
    assert (stairs.told(), stairs.standing()) == ([], [])
    assert stairs.ladder.is_settled


def test_a_recipient_whose_card_is_forged_gets_no_letter_and_the_sender_is_told() -> None:
    stairs = Stairs(online=False)
    stairs.refuses_to_seal = True
    stairs.say()
    assert stairs.told() == [Unacknowledged, Refused]
    assert stairs.standing() == [Standing.REFUSED]
    assert stairs.ladder.is_settled


def test_a_letter_that_expired_is_told_and_goes_nowhere() -> None:
    stairs = Stairs(online=False)
    message = stairs.say()
    stairs.saves()
    stairs.told()
    stairs.settling.expired(stairs.bob, message.number, now=stairs.now)
    stairs.settling.expired(stairs.bob, message.number, now=stairs.now)
    assert stairs.out.drain_events() == [Expired(to="bob", number=message.number, text="hi")]
    comes(stairs)
    stairs.say()
    assert message.number not in stairs.sent()


# --- saved ones


def test_a_saved_message_stays_a_letter_when_its_reader_is_back() -> None:
    stairs = Stairs(online=False)
    message = stairs.say()
    stairs.saves()
    comes(stairs)
    assert message.rung is Rung.WAITING
    assert stairs.sent() == []


def test_saved_messages_go_again_before_a_newer_one() -> None:
    """So that order holds, whichever way is faster."""
    stairs = Stairs(online=False)
    older = [stairs.say(), stairs.say()]
    stairs.saves()
    comes(stairs)
    newer = stairs.say()
    assert stairs.sent() == [message.number for message in (*older, newer)]
    stairs.told()
    stairs.acks(*older, newer)
    assert stairs.told() == [Delivered]  # whoever read "saved" need not hear of it again
    assert stairs.ladder.is_settled
    assert stairs.talk.outgoing.floor == newer.number + 1


def test_a_saved_message_whose_second_copy_is_not_answered_is_still_saved() -> None:
    stairs = Stairs(online=False)
    older = stairs.say()
    stairs.saves()
    stairs.row(online=True)
    stairs.say()
    stairs.pass_time(POLICY.give_up_after)
    assert (older.standing, older.rung) == (Standing.SAVED, Rung.WAITING)
    assert stairs.posted() == []


# --- kept ones


def test_kept_is_said_once_however_often_it_is_tried() -> None:
    stairs = Stairs(Reach.LOST)
    message = stairs.say()
    stairs.pass_time(4 * RETRY_SPAN)
    assert stairs.told() == [Kept]
    assert stairs.standing() == [Standing.KEPT]
    stairs.acks(message)
    assert stairs.told() == [Delivered]


def test_kept_messages_of_an_earlier_life_go_out_in_order() -> None:
    texts = [StoredOutgoing(number, 0, "hi", Standing.KEPT) for number in (5, 6)]
    stairs = Stairs(Reach.SEEKING, stored=StoredStream(last_sent=6, outgoing=tuple(texts)))
    assert stairs.sent() == []
    found(stairs)
    assert stairs.sent() == [5, 6]


# --- what the recipient is told beside


def test_the_floor_is_the_lowest_that_is_not_settled_and_refused_ones_are_void() -> None:
    """Clause 6.3."""
    stairs = Stairs(online=False)
    first, second = stairs.say(), stairs.say()
    one, two = stairs.posted()
    stairs.letters.saved(one.reference, now=stairs.now)
    stairs.letters.refused(two.reference, "the mailbox is full", now=stairs.now)
    comes(stairs)
    third = stairs.say()
    payloads = stairs.talk.courier.payloads_to_send(now=stairs.now)
    frames = [frame for payload in payloads for frame in decode_frames(payload)]
    assert Floor(first.number) in frames
    assert Void(second.number, 1) in frames
    assert third.number == second.number + 1


def test_offline_by_our_own_wish_counts_as_settled() -> None:
    """What waits does so in our outbox until we are back: whoever waits for the end would wait for ever."""
    stairs = Stairs()
    stairs.say()
    assert not stairs.ladder.is_settled
    offline(stairs)
    assert stairs.ladder.is_settled
