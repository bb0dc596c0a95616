"""Saved letters that expired while we were offline."""

import pytest

from chatapp.peer.core.context import RegistryReach
from chatapp.peer.core.direct.mail import GRACE, LOOK_SPAN
from chatapp.peer.core.events import MessageChanged, MessageReason, MessageState
from chatapp.peer.core.records import StoredOutgoing, StoredStream
from chatapp.wire.limits import MAIL_KEPT_FOR
from chatapp.wire.messages.mail import AskMail
from chatapp.wire.messages.table import Presence, Row
from tests.peer.core.cast import WALL
from tests.peer.core.stairs import BOB, Stairs

LONG = MAIL_KEPT_FOR + GRACE + 10.0


def asked(stairs: Stairs) -> list[AskMail]:
    """Return the letters for which the registry is asked."""
    requests, stairs.out.requests = stairs.out.requests, []
    return [request for request in requests if isinstance(request, AskMail)]


def stairs_with(age: float, *, away_for: float | None) -> Stairs:
    """Register with a letter that was saved so long ago; bob is online, or has been away for so long."""
    at_ms = int((WALL - age) * 1_000)
    saved = StoredOutgoing(5, at_ms, "hi", MessageState.SAVED)
    stairs = Stairs(RegistryReach.SEEKING, stored=StoredStream(last_sent=5, outgoing=(saved,)))
    since = int(WALL - (away_for or 0.0))
    stairs.bob.row = Row(BOB.card(), *BOB.home, Presence(away_for is None), since, 0, 1)
    stairs.reach(RegistryReach.UP)
    return stairs


def test_one_whose_reader_was_away_all_the_time_comes_back_to_its_sender() -> None:
    stairs = stairs_with(LONG, away_for=LONG + 60.0)
    assert asked(stairs) == [AskMail(BOB.id, [5])]
    stairs.settlement.expired(stairs.bob, 5, now=stairs.now)
    assert stairs.out.drain_events() == [
        MessageChanged(
            to="bob", number=5, state=MessageState.EXPIRED, text="hi", reason=MessageReason.NEVER_FETCHED
        )
    ]
    assert stairs.state() == [MessageState.EXPIRED]
    stairs.settlement.expired(stairs.bob, 5, now=stairs.now)
    assert stairs.told() == [], "told once, though it was asked for twice"


def test_one_that_the_registry_still_has_is_not_told_of_as_gone() -> None:
    """The registry was off for as long as we were, and keeps letters a day longer."""
    stairs = stairs_with(LONG, away_for=LONG + 60.0)
    asked(stairs)
    stairs.pass_time(LOOK_SPAN - 0.1)
    assert (stairs.told(), asked(stairs)) == ([], [])
    stairs.pass_time(0.1)
    assert (stairs.told(), asked(stairs)) == ([], [AskMail(BOB.id, [5])])


def test_no_more_are_asked_for_at_once_than_a_request_holds() -> None:
    saved = tuple(
        StoredOutgoing(n, int((WALL - LONG) * 1_000), "hi", MessageState.SAVED) for n in range(1, 301)
    )
    stairs = Stairs(RegistryReach.SEEKING, stored=StoredStream(last_sent=300, outgoing=saved))
    stairs.bob.row = Row(BOB.card(), *BOB.home, Presence.AWAY, int(WALL - LONG - 60), 0, 1)
    stairs.reach(RegistryReach.UP)
    assert asked(stairs) == [AskMail(BOB.id, list(range(1, 257)))]


@pytest.mark.parametrize(
    ("age", "away_for"),
    [(LONG - 20.0, LONG + 60.0), (LONG, LONG - 60.0), (0.0, 60.0)],
    ids=["not old enough", "they were there meanwhile and may have read it", "new"],
)
def test_of_others_nothing_is_said(age: float, away_for: float) -> None:
    stairs = stairs_with(age, away_for=away_for)
    assert (stairs.told(), asked(stairs)) == ([], [])


def test_one_that_may_have_been_read_is_asked_after_straight() -> None:
    """If the letter was fetched, the copy is a repeat, acknowledged and not shown; if not, it arrives after all."""
    stairs = stairs_with(LONG, away_for=None)
    assert stairs.sent() == [5]
    message = stairs.conversation.outgoing.messages[5]
    stairs.acks(message)
    assert stairs.told() == []  # who read "saved" need not hear of it again
    assert stairs.state() == [MessageState.DELIVERED]


def test_a_saved_one_in_its_time_waits_for_something_newer() -> None:
    assert stairs_with(60.0, away_for=None).sent() == []


def test_a_peer_that_stays_online_looks_again_now_and_then() -> None:
    stairs = stairs_with(LONG - 20.0, away_for=LONG + 60.0)
    assert asked(stairs) == []
    due = stairs.ladder.next_timer()
    assert due == stairs.now + LOOK_SPAN
    stairs.now = due
    stairs.ladder.handle_timer(now=due)
    assert asked(stairs) == [AskMail(BOB.id, [5])]
    stairs.settlement.expired(stairs.bob, 5, now=stairs.now)
    assert stairs.told() == [MessageState.EXPIRED]
    assert stairs.ladder.next_timer() is None
    assert MessageState.DELIVERED not in stairs.told()
