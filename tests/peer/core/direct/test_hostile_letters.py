"""Letters whose numbers lie far apart on purpose: what they make their reader keep has a bound, and
nothing is lost."""

from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatapp.peer.core.inbox import Stream
from chatapp.wire.delivery.dedup import HOLES_MAX
from chatapp.wire.limits import HELD_MESSAGE_COST
from chatapp.wire.messages.mail import Letter
from tests.peer.core.cast import POLICY
from tests.peer.core.receiver_driver import BOB, CAROL, ReceiverDriver, letter, part

RANGES_MAX: Final = 32
HELD: Final = 8
"""How many messages may wait in all tests here."""
APART: Final = 1_000_000


@pytest.fixture(autouse=True)
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatapp.wire.delivery.dedup.RANGES_MAX", RANGES_MAX)
    monkeypatch.setattr("chatapp.peer.core.inbox.HELD_TEXTS_MAX", HELD * (HELD_MESSAGE_COST + 100))


def far_apart(count: int) -> list[Letter]:
    """Return Bob's letters, each far behind the one before, which name no floor and no gap."""
    return [
        letter(APART * at, f"bob {at}", floor=1, since=APART * at, serial=at)
        for at in range(1, count + 1)
    ]


def check_bounds(stream: Stream) -> None:
    inbox = stream.inbox
    assert inbox.range_count <= RANGES_MAX
    assert max(inbox.held_count, len(stream.texts), len(stream.behind)) <= HELD + 1
    assert inbox._holes.count <= HOLES_MAX
    assert len(inbox._gaps) + len(inbox.storing_aside) == 0
    assert stream.size == sum(
        len(text) + HELD_MESSAGE_COST for _, text, *_ in stream.texts.values()
    )


@pytest.mark.parametrize("span", [0.0, 1.0], ids=["at once", "in a while"])
def test_letters_with_numbers_far_apart_do_not_fill_our_memory(span: float) -> None:
    """Clause 6.7. Those of an honest sender beside them are all shown, in order."""
    driver = ReceiverDriver()
    shown: list[str] = []
    for number, hostile in enumerate(far_apart(300), 1):
        driver.gets(hostile, letter(number, f"carol {number}", by=CAROL, serial=number))
        driver.store()
        check_bounds(driver.streams[BOB.id])
        driver.now += span
        driver.streams.handle_timer(now=driver.now)
        shown += driver.shown()
    driver.now += POLICY.hold_span
    driver.streams.handle_timer(now=driver.now)
    driver.catch_up.release()
    shown += driver.shown()
    for author in ("bob", "carol"):
        assert [text for text in shown if text.startswith(author)] == [
            f"{author} {n}" for n in range(1, 301)
        ]
    assert driver.streams[BOB.id].inbox.range_count <= RANGES_MAX


def test_they_do_not_after_a_restart_and_none_is_shown_twice() -> None:
    driver = ReceiverDriver()
    letters = far_apart(200)
    shown: list[str] = []
    for one in letters:
        driver.gets(one)
        driver.store()
        shown += driver.shown()
    driver.store()
    later = ReceiverDriver(driver.disk)
    later.gets(*letters[-RANGES_MAX // 2 :])
    later.gets(letter(APART * 201, "bob 201", floor=1, since=APART * 201, serial=201))
    later.store()
    assert later.streams[BOB.id].inbox.range_count <= RANGES_MAX
    later.now += POLICY.hold_span
    later.streams.handle_timer(now=later.now)
    assert shown + later.shown() == [f"bob {at}" for at in range(1, 202)]


@settings(max_examples=20)
@given(st.permutations(range(1, 2 * RANGES_MAX)), st.sets(st.integers(1, 2 * RANGES_MAX)))
def test_an_honest_sender_notices_nothing(order: list[int], direct: set[int]) -> None:
    """Each number comes once as a letter or by datagram, in any order."""
    driver = ReceiverDriver()
    shown: list[str] = []
    for number in order:
        if number in direct:
            driver.hears(part(number, str(number)))
        else:
            driver.gets(letter(number, str(number), floor=1, since=number, serial=number))
        driver.store()
        shown += driver.shown()
        check_bounds(driver.streams[BOB.id])
    assert sorted(map(int, shown)) == sorted(order)


def test_letters_that_never_end_are_shown_before_the_last_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They are gathered, to be shown together with what else was missed."""
    monkeypatch.setattr("chatapp.peer.core.inbox.TEXTS_WAITING_MAX", HELD * HELD_MESSAGE_COST)
    driver = ReceiverDriver()
    driver.catch_up.begin()
    for number in range(1, 101):
        driver.gets(letter(number, f"bob {number}", serial=number), more=True)
        driver.store()
        assert len(driver.catch_up._lines) <= HELD
    driver.gets()
    driver.store()
    assert driver.shown() == [f"bob {number}" for number in range(1, 101)]
