"""This file is about cards sent to everybody while the registry is away: in rounds, a few at a time, to who needs them."""

import itertools

import pytest

from peer.core.contacts import Contacts
from peer.core.outputs import Outputs
from peer.core.post import ANNOUNCE_AGAIN_AFTER, ANNOUNCED_AT_ONCE, Post
from tests.peer.core.cast import Someone
from wire.codec import decode_card
from wire.header import Kind

ALICE = Someone("alice")
CROWD = [Someone(f"p{number}") for number in range(ANNOUNCED_AT_ONCE + 10)]


class Crier:
    """Alice's post, and the time."""

    def __init__(self, people: list[Someone]) -> None:
        self.contacts = Contacts()
        self.post = Post(ALICE.identity, self.contacts, Outputs())
        self.post.use_lives([ALICE.live], ALICE.card())
        for person in (ALICE, *people):
            self.contacts.take_row(person.row())
        self.now = 100.0

    def rounds(self, span: float) -> list[tuple[float, int]]:
        """When cards left, and how many."""
        sent = []
        began, end = self.now, self.now + span
        while (due := self.post.next_timer()) is not None and due <= end:
            self.now = max(self.now, due)
            self.post.handle_timer(now=self.now)
            cards = self.post.datagrams_to_send()
            assert all(data[0] == Kind.CARD and decode_card(data[1:]) == ALICE.card() for data, _ in cards)
            sent.append((round(self.now - began, 3), len(cards)))
        self.now = end
        return sent


def test_a_crowd_is_told_a_few_at_a_time() -> None:
    crier = Crier(CROWD)
    crier.post.announce_to_all(now=crier.now)
    assert crier.rounds(0.5) == [(0.0, ANNOUNCED_AT_ONCE), (0.1, 10)]


def test_rounds_come_more_and_more_rarely() -> None:
    """Clause 6.5."""
    crier = Crier(CROWD[:3])
    crier.post.announce_to_all(now=crier.now)
    times = [at for at, _ in crier.rounds(120.0)]
    assert [later - before for before, later in itertools.pairwise(times)] == pytest.approx(
        [*ANNOUNCE_AGAIN_AFTER, ANNOUNCE_AGAIN_AFTER[-1], ANNOUNCE_AGAIN_AFTER[-1]][: len(times) - 1]
    )
    assert len(times) >= 6


def test_who_was_heard_need_not_be_told() -> None:
    crier = Crier(CROWD[:3])
    heard = CROWD[0].session_with(ALICE).seal(b"\x90")
    crier.post.open(heard, source=CROWD[0].home, now=crier.now)
    crier.post.announce_to_all(now=crier.now)
    assert crier.rounds(0.5) == [(0.0, 2)]


def test_nobody_is_told_any_more_when_the_registry_is_back() -> None:
    crier = Crier(CROWD)
    crier.post.announce_to_all(now=crier.now)
    crier.rounds(0.05)
    crier.post.stop_announcing()
    assert crier.rounds(60.0) == []
