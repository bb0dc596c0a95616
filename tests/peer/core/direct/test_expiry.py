"""Saved letters that expired while we were offline."""

import pytest

from chatapp.peer.api.conversations import person
from chatapp.peer.api.events import MessageChanged, MessageReason, MessageState
from chatapp.peer.core.context import RegistryReach
from chatapp.peer.core.direct.mail import GRACE, LOOK_SPAN
from chatapp.peer.core.records import StoredOutgoing, StoredStream
from chatapp.wire.limits import MAIL_KEPT_FOR
from chatapp.wire.messages.mail import AskMail
from chatapp.wire.messages.table import Presence, Row
from tests.peer.core.cast import WALL
from tests.peer.core.ladder_driver import BOB, LadderDriver

LONG = MAIL_KEPT_FOR + GRACE + 10.0


def asked(driver: LadderDriver) -> list[AskMail]:
    """Return the letters for which the registry is asked."""
    requests, driver.out.requests = driver.out.requests, []
    return [request for request in requests if isinstance(request, AskMail)]


def driver_with(age: float, *, away_for: float | None) -> LadderDriver:
    """Register with a letter that was saved so long ago; bob is online, or has been away for so
    long."""
    at_ms = int((WALL - age) * 1_000)
    saved = StoredOutgoing(5, at_ms, "hi", MessageState.SAVED)
    driver = LadderDriver(
        RegistryReach.SEEKING, stored=StoredStream(last_sent=5, outgoing=(saved,))
    )
    since = int(WALL - (away_for or 0.0))
    driver.bob.row = Row(BOB.card(), *BOB.home, Presence(away_for is None), since, 0, 1)
    driver.reach(RegistryReach.UP)
    return driver


def test_one_whose_reader_was_away_all_the_time_comes_back_to_its_sender() -> None:
    driver = driver_with(LONG, away_for=LONG + 60.0)
    assert asked(driver) == [AskMail(BOB.id, [5])]
    driver.settlement.expired(driver.bob, 5, now=driver.now)
    assert driver.out.drain_events() == [
        MessageChanged(
            conversation=person("bob"),
            id=0,
            state=MessageState.EXPIRED,
            text="hi",
            reason=MessageReason.NEVER_FETCHED,
        )
    ]
    assert driver.state() == [MessageState.EXPIRED]
    driver.settlement.expired(driver.bob, 5, now=driver.now)
    assert driver.told() == [], "told once, though it was asked for twice"


def test_one_that_the_registry_still_has_is_not_told_of_as_gone() -> None:
    """The registry was off for as long as we were, and keeps letters a day longer."""
    driver = driver_with(LONG, away_for=LONG + 60.0)
    asked(driver)
    driver.pass_time(LOOK_SPAN - 0.1)
    assert (driver.told(), asked(driver)) == ([], [])
    driver.pass_time(0.1)
    assert (driver.told(), asked(driver)) == ([], [AskMail(BOB.id, [5])])


def test_no_more_are_asked_for_at_once_than_a_request_holds() -> None:
    saved = tuple(
        StoredOutgoing(n, int((WALL - LONG) * 1_000), "hi", MessageState.SAVED)
        for n in range(1, 301)
    )
    driver = LadderDriver(RegistryReach.SEEKING, stored=StoredStream(last_sent=300, outgoing=saved))
    driver.bob.row = Row(BOB.card(), *BOB.home, Presence.AWAY, int(WALL - LONG - 60), 0, 1)
    driver.reach(RegistryReach.UP)
    assert asked(driver) == [AskMail(BOB.id, list(range(1, 257)))]


@pytest.mark.parametrize(
    ("age", "away_for"),
    [(LONG - 20.0, LONG + 60.0), (LONG, LONG - 60.0), (0.0, 60.0)],
    ids=["not old enough", "they were there meanwhile and may have read it", "new"],
)
def test_of_others_nothing_is_said(age: float, away_for: float) -> None:
    driver = driver_with(age, away_for=away_for)
    assert (driver.told(), asked(driver)) == ([], [])


def test_one_that_may_have_been_read_is_asked_after_straight() -> None:
    """If the letter was fetched, the copy is a repeat, acknowledged and not shown; if not, it
    arrives after all."""
    driver = driver_with(LONG, away_for=None)
    assert driver.sent() == [5]
    message = driver.conversation.outgoing.messages[5]
    driver.acks(message)
    (told,) = driver.out.drain_events()
    assert told == MessageChanged(
        conversation=person("bob"), id=0, state=MessageState.DELIVERED, was_saved=True
    )
    assert driver.state() == [MessageState.DELIVERED]


def test_a_saved_one_in_its_time_waits_for_something_newer() -> None:
    assert driver_with(60.0, away_for=None).sent() == []


def test_one_that_a_restarted_registry_may_have_lost_goes_straight_once_its_reader_is_there() -> (
    None
):
    """The registry may have been restored from a backup that was made before the letter came."""
    driver = driver_with(60.0, away_for=60.0)
    driver.ladder.registry_restarted()
    driver.row(online=False)
    assert driver.sent() == [], "its reader is away"
    driver.row(online=True)
    assert driver.sent() == [], "the registry hands it over first, if it has it"
    driver.now = driver.ladder.next_timer() or 0.0
    driver.ladder.handle_timer(now=driver.now)
    assert driver.sent() == [5]
    driver.acks(driver.conversation.outgoing.messages[5])
    assert driver.state() == [MessageState.DELIVERED]


def test_a_peer_that_stays_online_looks_again_now_and_then() -> None:
    driver = driver_with(LONG - 20.0, away_for=LONG + 60.0)
    assert asked(driver) == []
    due = driver.ladder.next_timer()
    assert due == driver.now + LOOK_SPAN
    driver.now = due
    driver.ladder.handle_timer(now=due)
    assert asked(driver) == [AskMail(BOB.id, [5])]
    driver.settlement.expired(driver.bob, 5, now=driver.now)
    assert driver.told() == [MessageState.EXPIRED]
    assert driver.ladder.next_timer() is None
    assert MessageState.DELIVERED not in driver.told()
