"""Incoming messages: stored before they are acknowledged or shown, and shown once, in order."""

import pytest

from chatapp.peer.core.records import IncomingAdded
from chatapp.wire.messages.direct import DeliveryFrame, Floor, Gap, Part
from chatapp.wire.messages.mail import TakeMail
from tests.peer.core.cast import POLICY
from tests.peer.core.receiver_driver import BOB, CAROL, ReceiverDriver, letter, part, said

# --- stored before acknowledged


def test_nothing_is_acknowledged_or_shown_before_it_is_stored() -> None:
    """Clause 6.4."""
    driver = ReceiverDriver()
    driver.hears(Floor(5), part(5))
    assert IncomingAdded(BOB.id, 5, 5_000, "hi", False, id=1) in driver.out.records
    assert (driver.acked(), driver.shown()) == ([], [])
    driver.store()
    assert (driver.acked(), driver.shown()) == ([5], ["hi"])


def test_a_repeat_is_acknowledged_again_and_not_shown() -> None:
    driver = ReceiverDriver()
    for _ in range(3):
        driver.hears(Floor(5), part(5))
        driver.store()
    assert (driver.acked(), driver.shown()) == ([5], ["hi"])
    driver.hears(part(5))
    assert (driver.acked(), driver.shown()) == ([5], [])


def test_a_copy_that_comes_while_the_first_is_being_stored_is_one_message() -> None:
    driver = ReceiverDriver()
    driver.gets(letter(5))
    driver.hears(part(5))
    assert sum(isinstance(record, IncomingAdded) for record in driver.out.records) == 1
    driver.store()
    assert (driver.acked(), driver.shown()) == ([5], ["hi"])
    assert driver.out.requests == [TakeMail([1])]


def test_the_same_number_of_two_senders_is_two_messages() -> None:
    """Clause 6.2."""
    driver = ReceiverDriver()
    driver.hears(Floor(5), part(5, "from bob"), by=BOB)
    driver.hears(Floor(5), part(5, "from carol"), by=CAROL)
    driver.gets(letter(5, "from bob"))
    driver.store()
    assert driver.shown() == ["from bob", "from carol"]


def test_a_body_that_is_none_is_never_acknowledged() -> None:
    driver = ReceiverDriver()
    driver.hears(Floor(5), Part(5, 0, 1, b"\xc1"))
    assert driver.malformed == 1
    driver.store()
    assert driver.acked() == []
    driver.hears(part(5))  # and does not stand in the way of a good one
    driver.store()
    assert driver.shown() == ["hi"]


@pytest.mark.parametrize("settles", [Floor(9), Gap(0, 9)])
def test_what_is_settled_in_the_datagram_that_brings_it_does_not_wait_for_ever(
    settles: DeliveryFrame,
) -> None:
    """No honest sender sends this; a dishonest one must not make us store it."""
    driver = ReceiverDriver()
    driver.hears(part(5), settles)
    driver.store()
    driver.acked()
    contact = driver.contacts.by_identity(BOB.id)
    assert contact is not None
    assert driver.direct_receiver.conversation(contact).delivery.is_idle


# --- order


def test_messages_wait_for_an_earlier_one_and_not_for_ever() -> None:
    """Clause 6.7."""
    driver = ReceiverDriver()
    driver.hears(Floor(4), part(6, "third"), part(5, "second"))
    driver.store()
    assert (driver.acked(), driver.shown()) == ([5], [])
    assert driver.streams.next_timer() == driver.now + POLICY.hold_span
    driver.hears(part(4, "first"))
    driver.store()
    assert driver.shown() == ["first", "second", "third"]
    assert driver.streams.next_timer() is None
    driver.hears(part(9, "ninth"))
    driver.store()
    driver.now += POLICY.hold_span
    driver.streams.handle_timer(now=driver.now)
    assert driver.shown() == ["ninth"]
    driver.hears(part(8, "late"))
    driver.store()
    assert driver.shown() == ["late"]


def test_who_leaves_out_numbers_does_not_fill_our_memory_with_what_comes_behind_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Clause 6.7: whoever has most of what waits is shown out of order; nothing of it is lost, and
    others wait on."""
    monkeypatch.setattr("chatapp.peer.core.inbox.HELD_TEXTS_MAX", 10_000)
    driver = ReceiverDriver()
    driver.hears(Floor(4), part(5, "second of carol"), by=CAROL)
    shown: list[str] = []
    for number in range(5, 105):
        driver.hears(Floor(4), part(number, f"{number:03}" + "x" * 997), by=BOB)
        driver.store()
        shown += driver.shown()
        held = sum(stream.size for stream in map(driver.streams.__getitem__, (BOB.id, CAROL.id)))
        assert held <= 10_000
    assert [text[:3] for text in shown] == [f"{number:03}" for number in range(5, 105)][
        : len(shown)
    ]
    assert len(shown) > 90
    driver.hears(part(4, "first of carol"), by=CAROL)
    driver.store()
    assert driver.shown() == ["first of carol", "second of carol"]
    driver.hears(part(4, "late"), by=BOB)
    driver.store()
    assert "late" in driver.shown()


@pytest.mark.parametrize("news", [Floor(6), Gap(5, 1)])
def test_what_will_never_come_is_not_waited_for(news: DeliveryFrame) -> None:
    """Clause 6.3."""
    driver = ReceiverDriver()
    driver.hears(Floor(5), part(6))
    driver.store()
    assert driver.shown() == []
    driver.hears(news)
    assert driver.shown() == ["hi"]


def test_a_letter_says_what_need_not_be_waited_for() -> None:
    """Clause 7.1."""
    driver = ReceiverDriver()
    driver.gets(letter(9, "later", floor=5, since=6, serial=2))
    driver.store()
    assert driver.shown() == []
    driver.gets(letter(5, "earlier", floor=5, serial=1))
    driver.store()
    assert driver.shown() == ["earlier", "later"]


# --- over a restart


def test_stored_and_not_shown_is_shown_once_after_a_restart() -> None:
    first = ReceiverDriver()
    first.hears(Floor(5), part(5, "direct"))
    first.relayed(1, said(6, "channel"))
    first.store()  # and then the program is killed
    second = ReceiverDriver(first.disk)
    assert sorted(second.shown()) == ["channel", "direct"]
    second.store()
    assert ReceiverDriver(first.disk).shown() == []


def test_a_repeat_after_a_restart_is_acknowledged_and_not_shown() -> None:
    first = ReceiverDriver()
    first.hears(Floor(5), part(5))
    first.store()
    first.shown()
    first.store()
    second = ReceiverDriver(first.disk)
    second.hears(Floor(5), part(5))
    second.gets(letter(5))
    second.store()
    assert (second.acked(), second.shown()) == ([5], [])
    assert second.out.requests == [TakeMail([1])]


def test_what_never_came_is_new_after_a_restart_too() -> None:
    """A lost state of bob's folder has left it with the registry; his floor has passed it (clause
    6.3)."""
    first = ReceiverDriver()
    first.hears(Floor(9), part(9, "later"))
    first.store()
    assert first.shown() == ["later"]
    first.store()
    for expected in (["left behind"], []):
        again = ReceiverDriver(first.disk)
        again.gets(letter(5, "left behind"))
        again.store()
        assert again.shown() == expected
        again.store()


def test_what_was_held_before_a_restart_is_still_in_order_after_it() -> None:
    first = ReceiverDriver()
    first.hears(Floor(5), part(6, "second"))
    first.store()
    second = ReceiverDriver(first.disk)
    assert second.shown() == []
    second.hears(part(5, "first"))
    second.store()
    assert second.shown() == ["first", "second"]
