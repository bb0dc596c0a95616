"""Two programs with secure sessions in a network that loses, repeats, delays and reorders, and that
are started anew.

What is opened was said, once in a life of its reader; no counter is used twice under one key; and
when the network is good again, both sides hear each other at once, whatever was lost and whoever
opened, and share one session from the next renewal.
"""

import random
from collections import Counter
from typing import Any, ClassVar

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from chatapp.wire.codec import Kind
from chatapp.wire.errors import WireError
from chatapp.wire.identity import Identity
from chatapp.wire.sessions.session import ERASE_AFTER, OPENING_LASTS_FOR, RENEW_AFTER, SessionTable

NAMES = ("alice", "bob")
IDENTITIES = {name: Identity(bytes([number]) * 32) for number, name in enumerate(NAMES, start=1)}
KNOWN = {identity.public: b"" for identity in IDENTITIES.values()}
STEP = 0.25
REAL = AESGCM


class Recorded:
    """A cipher that notes every nonce of every key."""

    used: ClassVar[Counter[tuple[str, bytes]]] = Counter()

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._real = REAL(key)

    def encrypt(self, nonce: bytes, data: bytes, header: bytes) -> bytes:
        self.used[self._key.hex(), nonce] += 1
        return self._real.encrypt(nonce, data, header)

    def decrypt(self, nonce: bytes, data: bytes, header: bytes) -> bytes:
        return self._real.decrypt(nonce, data, header)


class Side:
    """One program, over all its runs."""

    def __init__(self, name: str, rng: random.Random) -> None:
        self.name = name
        self.other = IDENTITIES[NAMES[1 - NAMES.index(name)]].public
        self.rng = rng
        self.lives = 0
        self.taken = -1
        self.said = 0
        self.heard: Counter[tuple[int, bytes]] = Counter()
        self.unanswered = 0
        self.start()

    def start(self) -> None:
        self.lives += 1
        self.table = SessionTable(
            IDENTITIES[self.name],
            rng=self.rng,
            context_of=KNOWN.get,
            first_number=self.lives << 20,
            opening_taken=self._take,
        )
        self.table.restore(self.other, self.taken)

    def _take(self, identity: bytes, number: int) -> None:
        assert identity == self.other and number > self.taken
        self.taken = number

    def say(self, now: float) -> list[bytes]:
        """Behave as peers do: after a message was unanswered twice, open again."""
        self.said += 1
        self.unanswered += 1
        if self.unanswered > 2:
            self.table.doubt(self.other, now=now)
        return self.table.seal(self.other, f"{self.name} {self.said}".encode(), now=now)

    def receive(self, datagram: bytes, now: float) -> tuple[bytes, bytes | None] | None:
        try:
            opened = self.table.open(datagram, now=now)
        except WireError:
            return None
        assert opened.identity == self.other
        self.unanswered = 0
        if opened.payload:
            self.heard[self.lives, opened.payload] += 1
        return opened.payload, opened.answer


class Town:
    """Both programs, and the datagrams between them."""

    def __init__(self, seed: int) -> None:
        Recorded.used.clear()
        self.chance = random.Random(seed)
        self.sides = {name: Side(name, random.Random(seed * 2 + n)) for n, name in enumerate(NAMES)}
        self.under_way: list[tuple[float, str, bytes]] = []
        self.past: list[tuple[str, bytes]] = []
        self.now = 0.0
        self.opened: Counter[str] = Counter()
        self.kinds: Counter[int] = Counter()

    def send(self, sender: str, datagrams: list[bytes], *, loss: float, delay: float) -> None:
        to = NAMES[1 - NAMES.index(sender)]
        for datagram in datagrams:
            self.kinds[datagram[0]] += 1
            self.past.append((to, datagram))
            for _ in range(1 + (self.chance.random() < loss / 3)):
                if self.chance.random() >= loss:
                    self.under_way.append(
                        (self.now + 0.001 + delay * self.chance.random(), to, datagram)
                    )

    def run(
        self, until: float, *, conversation: dict[str, float], loss: float = 0.0, delay: float = 0.0
    ) -> None:
        """Let time pass: in each step each side may send, and answers what it receives."""
        while self.now < until:
            for name, chance in conversation.items():
                if self.chance.random() < chance:
                    self.send(name, self.sides[name].say(self.now), loss=loss, delay=delay)
            self.now += STEP
            while due := [one for one in self.under_way if one[0] <= self.now]:
                one = min(due)
                self.under_way.remove(one)
                self._arrive(one[1], one[2], loss=loss, delay=delay)
            for side in self.sides.values():
                side.table.handle_timer(now=self.now)

    def _arrive(self, to: str, datagram: bytes, *, loss: float, delay: float) -> None:
        side = self.sides[to]
        brought = side.receive(datagram, self.now)
        if brought is None:
            return
        self.opened[to] += 1
        payload, answer = brought
        if answer is not None:
            self.send(to, [answer], loss=loss, delay=delay)
        elif payload and not payload.startswith(b"ack"):
            acknowledgement = b"ack " + len(self.past).to_bytes(4, "big")
            self.send(
                to,
                side.table.seal(side.other, acknowledgement, now=self.now),
                loss=loss,
                delay=delay,
            )

    def replay(self) -> None:
        """An attacker replays everything: nothing opens twice in one run, whatever was restarted
        since."""
        for to, datagram in self.past:
            side = self.sides[to]
            before = side.heard.copy()
            side.receive(datagram, self.now)
            for key, count in (side.heard - before).items():
                assert count == 1 and key not in before

    def assert_honest(self) -> None:
        for side in self.sides.values():
            other = NAMES[1 - NAMES.index(side.name)]
            for (_, payload), count in side.heard.items():
                assert count == 1 and payload.startswith((b"ack", other.encode()))

    def assert_one_session(self) -> None:
        alice, bob = (self.sides[name] for name in NAMES)
        hers, his = (side.table._pairs[side.other].current for side in (alice, bob))
        assert hers is not None and his is not None
        assert (hers.ours, hers.theirs) == (his.theirs, his.ours)
        assert hers.answer_head is None and his.answer_head is None


@pytest.fixture(autouse=True)
def _recorded(monkeypatch: Any) -> None:
    for place in ("chatapp.wire.sessions.opening.AESGCM", "chatapp.wire.sealing.AESGCM"):
        monkeypatch.setattr(place, Recorded)


def assert_no_nonce_twice() -> None:
    twice = [use for use, count in Recorded.used.items() if count > 1]
    assert not twice


chances = st.sampled_from((0.0, 0.1, 0.5))
troubles = st.lists(
    st.tuples(
        st.sampled_from((0.5, 2.0, 10.0, 61.0, 130.0)),
        chances,
        chances,
        st.sampled_from((0.0, 0.3, 0.9, 1.0)),
        st.sampled_from((0.0, 0.4, 5.0)),
        st.sampled_from(("", "", "alice", "bob", "both", "replay")),
    ),
    max_size=4,
)


@given(st.integers(0, 2**32), troubles)
@settings(max_examples=40, deadline=None)
def test_after_any_trouble_both_hear_each_other_and_come_to_share_one_session(
    seed: int, trouble: list[Any]
) -> None:
    town = Town(seed)
    for span, alice, bob, loss, delay, accident in trouble:
        town.run(town.now + span, conversation={"alice": alice, "bob": bob}, loss=loss, delay=delay)
        for name in NAMES:
            if accident in (name, "both"):
                town.sides[name].start()
        if accident == "replay":
            town.replay()
    town.run(town.now + 3 * OPENING_LASTS_FOR, conversation={"alice": 0.5, "bob": 0.5})
    before = town.opened.copy()
    said = {name: side.said for name, side in town.sides.items()}
    town.run(town.now + 5.0, conversation={"alice": 0.5, "bob": 0.5})
    for name in NAMES:
        other = NAMES[1 - NAMES.index(name)]
        heard = sum(
            int(payload.split()[1]) > said[other]
            for life, payload in town.sides[name].heard
            if not payload.startswith(b"ack") and life == town.sides[name].lives
        )
        assert heard == town.sides[other].said - said[other], name
    assert town.opened != before or said == {name: side.said for name, side in town.sides.items()}
    town.run(town.now + RENEW_AFTER + 5.0, conversation={"alice": 0.1, "bob": 0.1})
    town.assert_one_session()
    town.assert_honest()
    town.replay()
    assert_no_nonce_twice()
    for side in town.sides.values():
        side.table.handle_timer(now=town.now + ERASE_AFTER)
        assert len(side.table) == 0 and not side.table._found and side.table.next_timer() is None


@given(st.integers(0, 2**32))
@settings(max_examples=10, deadline=None)
def test_all_is_heard_in_a_good_network_through_every_renewal(seed: int) -> None:
    town = Town(seed)
    town.run(400.0, conversation={"alice": 0.3, "bob": 0.1})
    for name in NAMES:
        other = town.sides[NAMES[1 - NAMES.index(name)]]
        assert (
            len([key for key in town.sides[name].heard if not key[1].startswith(b"ack")])
            == other.said
        )
    assert 3 <= town.kinds[Kind.OPENING] <= 12
    assert_no_nonce_twice()
