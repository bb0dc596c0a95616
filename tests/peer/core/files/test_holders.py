"""Who is asked for a file next."""

import random

import pytest

from chatapp.peer.api.files import FileTrouble
from chatapp.peer.core.files.holders import GIVES_WITHIN, TRIES_AGAIN_WITHIN, Holders

ORIGIN, BOB, CAROL, DAVE = (bytes([number]) * 32 for number in range(4))
ALL = (DAVE, CAROL, BOB, ORIGIN)


def holders_of(seed: int = 1) -> Holders:
    return Holders(ORIGIN, random.Random(seed))


def ask(holders: Holders, *, given: int = 0, now: float = 0.0) -> bytes | None:
    """Ask whoever is next, who gives so many chunks, and say who that was."""
    identity = holders.next(ALL, now=now)
    if identity is not None:
        holders.begin(identity, now=now).given += given
    return identity


def test_who_offers_it_is_asked_first() -> None:
    holders = holders_of()
    holders.note((BOB, CAROL))
    assert ask(holders) == ORIGIN


@pytest.mark.parametrize("seed", range(5))
def test_of_those_who_have_some_the_one_who_gave_least_is_next(seed: int) -> None:
    holders = holders_of(seed)
    holders.note((BOB, CAROL))
    for identity, given in ((ORIGIN, 9), (BOB, 3), (CAROL, 1)):
        holders.begin(identity, now=0.0).given = given
        holders.end(holders.begin(identity, now=0.0), has_given=True, now=0.0)
    assert [ask(holders, now=10.0) for _ in range(4)] == [CAROL, BOB, ORIGIN, None]


def test_a_cable_comes_before_wi_fi() -> None:
    holders = holders_of()
    holders.note((BOB, CAROL))
    for identity, given in ((ORIGIN, 1), (BOB, 9), (CAROL, 2)):
        holder = holders.begin(identity, now=0.0)
        holder.given, holder.is_wireless = given, identity != BOB
        holders.end(holder, has_given=True, now=0.0)
    assert [ask(holders, now=10.0) for _ in range(4)] == [BOB, ORIGIN, CAROL, None]


def test_others_are_asked_only_while_nobody_gives_any() -> None:
    holders = holders_of()
    assert ask(holders) == ORIGIN
    assert ask(holders) is None
    assert ask(holders, now=GIVES_WITHIN) in (BOB, CAROL, DAVE)
    holders = holders_of()
    assert ask(holders, given=1) == ORIGIN
    assert ask(holders, now=GIVES_WITHIN) is None


def test_who_is_not_there_is_not_asked() -> None:
    holders = holders_of()
    holders.note((BOB,))
    assert holders.next((), now=0.0) is None
    assert holders.next((BOB,), now=0.0) == BOB


def test_who_gave_nothing_is_asked_ever_later() -> None:
    holders, now, spans = holders_of(), 0.0, list[float]()
    for _ in range(10):
        holder, began = holders.begin(ORIGIN, now=0.0), now
        holders.end(holder, has_given=False, now=now)
        while holders.next((ORIGIN,), now=now) is None:
            now += 0.5
        spans.append(now - began)
    assert spans[:4] == [1.0, 2.0, 4.0, 8.0]
    assert max(spans) == TRIES_AGAIN_WITHIN
    holders.end(holders.begin(ORIGIN, now=0.0), has_given=True, now=now)
    assert holders.next((ORIGIN,), now=now + 1.0) == ORIGIN


def test_who_is_left_is_asked_no_more() -> None:
    holders = holders_of()
    holders.begin(ORIGIN, now=0.0).trouble = FileTrouble.CHANGED
    holders.end(holders.begin(ORIGIN, now=0.0), has_given=False, now=0.0)
    holders.begin_again()
    assert holders.next((ORIGIN,), now=1_000.0) is None
    assert holders.trouble is FileTrouble.CHANGED
