"""A batch of datagrams is handled in runs, with the effect that its datagrams have one by one."""

import random
from typing import Any, Final
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.peer.api.events import Said
from chatapp.peer.core import core
from chatapp.peer.core.contacts import Change, Contact
from chatapp.peer.core.core import PeerCore
from chatapp.peer.core.direct.outbox import Ladder
from chatapp.peer.core.direct.transport import runs_of
from chatapp.wire.address import Address
from chatapp.wire.codec import Kind, decode_frames, encode, join_frames
from chatapp.wire.delivery.stream import StreamReceiver
from chatapp.wire.messages.direct import (
    PROVISIONAL,
    DirectBody,
    Floor,
    Gap,
    LastOpening,
    Part,
    SeenUpTo,
    Typing,
    encode_frame,
)
from chatapp.wire.messages.registration import Ping, Pong
from tests.peer.core.cast import SERVER, Someone, Talk
from tests.peer.core.core_driver import CoreDriver

BOB, CAROL, STRANGER = Someone("bob"), Someone("carol"), Someone("stranger")
ELSEWHERE: Final = Address("2.2.2.2", 7_000)
Datagram = tuple[bytes, Address]

BODY: Final = encode(DirectBody(at=1, text="the text of a message in parts"))
NUMBERS: Final = st.integers(0, 6)
WHOLE: Final = st.builds(
    lambda number: Part(number, 0, 1, encode(DirectBody(at=1, text=f"text {number}"))), NUMBERS
)
PIECE: Final = st.builds(
    lambda number, index: Part(number, index, 3, (BODY[:9], BODY[9:18], BODY[18:])[index]),
    st.integers(4, 9),
    st.integers(0, 2),
)
FRAME: Final = st.one_of(
    WHOLE,
    PIECE,
    PIECE,
    st.builds(Part, NUMBERS, st.integers(0, 4), st.integers(1, 4), st.just(b"\xc1")),
    st.just(Part(PROVISIONAL, 0, 1, b"")),
    st.builds(Floor, NUMBERS),
    st.builds(Gap, NUMBERS, st.integers(1, 3)),
    st.builds(Ping, reference=NUMBERS),
    st.sampled_from(
        [
            Typing(),
            SeenUpTo(1),
            Pong(reference=1, table_version=0),
            LastOpening(5),
            LastOpening(2**61),
        ]
    ),
)
CONTENT: Final = st.one_of(
    st.lists(FRAME, max_size=4).map(
        lambda frames: join_frames([encode_frame(one) for one in frames])
    ),
    st.lists(PIECE, min_size=1, max_size=4).map(
        lambda frames: join_frames([*map(encode_frame, frames)])
    ),
    st.sampled_from([b"", b"\xc1", b"\x91\x05", b"\x92\x91\x08\x91\x63"]),
)
DAMAGE: Final = st.sampled_from(["", "", "", "", "repeat", "forge", "cut", "elsewhere"])
RUN: Final = st.tuples(
    st.sampled_from("bbbbcs"), st.lists(st.tuples(CONTENT, DAMAGE), min_size=1, max_size=8)
)
STEP: Final = st.one_of(
    RUN,
    RUN,
    RUN,
    st.tuples(st.just("again"), NUMBERS),
    st.sampled_from([("restart",), ("probe",), ("full",), ("room",)]),
    st.builds(lambda data: ("junk", data), st.binary(max_size=20)),
    st.tuples(st.just("unknown"), st.integers(1, 3)),
)
BATCH: Final = st.lists(STEP, max_size=6)


class Scene:
    """Alice, who takes datagrams, and all that came of them."""

    def __init__(self) -> None:
        self.alice = CoreDriver()
        self.alice.come_in(BOB.row(), CAROL.row(sender_index=1))
        self.alice.datagrams.clear()

    def take(self, batch: list[Datagram]) -> list[object]:
        """Let alice take a batch and store what came. Return what can be seen of it."""
        alice = self.alice
        alice.core.receive_datagrams(batch, now=alice.now)
        due = alice.core.next_timer()
        alice.turn()
        alice.core.lines_shown([event for event in alice.happened if isinstance(event, Said)])
        alice.turn()
        held = alice.core.direct._receiver.buffer.bytes_held
        people = [
            (
                one.address,
                one.is_heard,
                one.is_expected,
                one.conversation and one.conversation.delivery.ignored,
            )
            for one in alice.core.roster.contacts
        ]
        (seen, alice.happened), (records, alice.records) = (alice.happened, []), (alice.records, [])
        sent, alice.datagrams = alice.datagrams, []
        return [seen, records, sent, alice.asked(), dict(alice.core.dropped), held, people, due]


class Others:
    """What bob, carol and a stranger send to two scenes that are alike."""

    def __init__(self, scenes: list[Scene]) -> None:
        self._scenes = scenes
        self._talks = {"b": self._talk(BOB), "c": self._talk(CAROL), "s": self._talk(STRANGER)}
        self._sent: list[bytes] = []

    def _talk(self, one: Someone) -> Talk:
        """Begin a session with alice that she knows."""
        talk = Talk(one, self._scenes[0].alice.alice)
        hail = (talk.seal(b""), one.home)
        answers: list[Any] = [scene.take([hail])[2] for scene in self._scenes]
        assert answers[0] == answers[1]
        for data, _ in answers[0]:
            talk.open(data)
        return talk

    def opened_by(self, kind: str, data: bytes) -> bytes:
        return self._talks[kind].open(data)

    def datagrams(self, steps: list[Any]) -> list[Datagram]:
        """Return the datagrams of a batch."""
        batch: list[Datagram] = []
        for kind, *how in steps:
            if kind in self._talks:
                for content, damage in how[0]:
                    batch += self._damaged(self._talks[kind].seal(content), damage)
            elif kind == "again" and self._sent:
                batch.append((self._sent[-1 - how[0] % len(self._sent)], ELSEWHERE))
            elif kind == "restart":
                self._talks["b"] = Talk(BOB, self._scenes[0].alice.alice)
                batch.append((self._talks["b"].seal(b"\x90"), BOB.home))
            elif kind == "junk":
                batch.append((how[0], BOB.home))
            elif kind == "unknown":
                batch += [(bytes((Kind.SEALED,)) + bytes(60), BOB.home)] * how[0]
            elif kind == "probe":
                pong = self._scenes[0].alice.porter.sealed(Pong(reference=1, table_version=0))
                batch.append((pong, SERVER))
            elif kind in ("full", "room"):
                for scene in self._scenes:
                    scene.alice.core.take_messages(has_room=kind == "room")
        return batch

    def _damaged(self, data: bytes, damage: str) -> list[Datagram]:
        self._sent.append(data)
        match damage:
            case "repeat":
                return [(data, BOB.home)] * 2
            case "forge":
                return [(data[:-1] + bytes((data[-1] ^ 1,)), BOB.home)]
            case "cut":
                return [(data[: 9 + data[-1] % 30], BOB.home)]
            case "elsewhere":
                return [(data, ELSEWHERE)]
        return [(data, BOB.home)]


def singly(batch: list[Datagram]) -> list[tuple[list[bytes], Address]]:
    return [([data], source) for data, source in batch]


@given(st.lists(BATCH, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_a_batch_has_the_effect_of_its_datagrams_one_by_one(
    batches: list[list[Any]], rng: random.Random
) -> None:
    scenes = [Scene(), Scene()]
    others = Others(scenes)
    for steps in batches:
        batch = others.datagrams(steps)
        if rng.random() < 0.5:
            rng.shuffle(batch)
        together = scenes[0].take(batch)
        with patch.object(core, "runs_of", singly):
            assert together == scenes[1].take(batch)


def test_runs_are_of_one_session_and_one_address() -> None:
    one, other = bytes((Kind.SEALED,)) + b"session1", bytes((Kind.SEALED,)) + b"session2"
    batch = [
        (one + b"1", BOB.home),
        (one + b"2", BOB.home),
        (one + b"3", ELSEWHERE),
        (other + b"1", ELSEWHERE),
        (one[:5], BOB.home),
        (one + b"4", BOB.home),
        (bytes((Kind.ANSWER,)) + b"session1", BOB.home),
        (bytes((Kind.ANSWER,)) + b"session1", BOB.home),
        (b"", BOB.home),
        (b"", BOB.home),
    ]
    assert [len(datagrams) for datagrams, _ in runs_of(batch)] == [2, 1, 1, 1, 1, 1, 1, 1, 1]
    assert [(data, source) for datagrams, source in runs_of(batch) for data in datagrams] == batch


def test_each_datagram_of_a_run_is_answered_by_one_pong() -> None:
    scene = Scene()
    others = Others([scene, Scene()])
    frames: list[list[object]] = [
        [Ping(reference=1), Ping(reference=2)],
        [Part(0, 0, 1, BODY)],
        [Ping(reference=3)],
    ]
    contents = [join_frames([encode_frame(one) for one in datagram]) for datagram in frames]
    batch = others.datagrams([("b", [(content, "") for content in contents])])
    assert len(runs_of(batch)) == 1
    sent: Any = scene.take(batch)[2]
    answers = [frame for data, _ in sent for frame in decode_frames(others.opened_by("b", data))]
    assert [one.reference for one in answers if isinstance(one, Pong)] == [2, 3]


@pytest.mark.parametrize("where", ["receive_parts", "raise_floor"])
def test_a_fault_of_ours_in_one_datagram_costs_no_other(where: str) -> None:
    """All frames of a run go to the delivery stream at once."""
    scene = Scene()
    others = Others([scene, Scene()])
    whole = [
        Part(number, 0, 1, encode(DirectBody(at=1, text=f"text {number}"))) for number in range(5)
    ]
    frames: list[list[object]] = [
        [Floor(1), whole[0]],
        [whole[1]],
        [Floor(7), whole[2]],
        [Typing(), whole[3]],
        [whole[4]],
    ]
    contents = [join_frames([encode_frame(one) for one in datagram]) for datagram in frames]
    batch = others.datagrams([("b", [(content, "") for content in contents])])
    kept: Any = getattr(StreamReceiver, where)

    def faulty(self: StreamReceiver, what: Any, *more: Any) -> Any:
        if what == 7 or whole[2] in (what if isinstance(what, list) else ()):
            raise RuntimeError("a bug")
        return kept(self, what, *more)

    with patch.object(StreamReceiver, where, faulty), pytest.raises(ExceptionGroup) as caught:
        scene.take(batch)
    assert len(caught.value.exceptions) == 1
    scene.alice.turn()
    scene.alice.pass_time(16.0)
    texts = [event.text for event in scene.alice.saw() if isinstance(event, Said)]
    assert texts == ["text 0", "text 1", "text 3", "text 4"]


@pytest.mark.parametrize("where", ["_follow_up", "climb"])
def test_a_fault_of_ours_costs_no_other_sender(where: str) -> None:
    """The registry's datagram, or carol's, brings a part of ours down that is asked after it."""
    scene = Scene()
    others = Others([scene, Scene()])
    words = {kind: Part(0, 0, 1, encode(DirectBody(at=1, text=kind))) for kind in "bc"}
    datagrams = {
        kind: others.datagrams([(kind, [(join_frames([encode_frame(part)]), "")])])
        for kind, part in words.items()
    }
    batch = [*datagrams["b"], (bytes((Kind.COOKIE,)), SERVER), *datagrams["c"]]
    whose, kept = (
        (PeerCore, PeerCore._follow_up) if where == "_follow_up" else (Ladder, Ladder.climb)
    )

    def faulty(self: Any, *what: Any, **how: Any) -> Any:
        if where == "_follow_up" or what[0].name == "carol":
            raise RuntimeError("a bug")
        return kept(self, *what, **how)

    with patch.object(whose, where, faulty), pytest.raises(ExceptionGroup):
        scene.take(batch)
    scene.alice.turn()
    texts = {event.text for event in scene.alice.saw() if isinstance(event, Said)}
    assert texts == {"b", "c"}


def test_a_fault_of_ours_does_not_hide_that_somebody_has_restarted() -> None:
    scene = Scene()
    others = Others([scene, Scene()])
    part = Part(0, 0, 1, encode(DirectBody(at=1, text="carol's")))
    batch = others.datagrams([("c", [(join_frames([encode_frame(part)]), "")]), ("restart",)])
    changed: list[Change] = []
    kept_climb, kept_changed = Ladder.climb, PeerCore.rows_changed

    def faulty(self: Ladder, contact: Contact, *, now: float) -> None:
        if contact.name == "carol":
            raise RuntimeError("a bug")
        kept_climb(self, contact, now=now)

    def noted(self: PeerCore, changes: Any, *, is_heard: bool, now: float) -> None:
        changed.extend(change for _, change in changes)
        kept_changed(self, changes, is_heard=is_heard, now=now)

    with (
        patch.object(Ladder, "climb", faulty),
        patch.object(PeerCore, "rows_changed", noted),
        pytest.raises(ExceptionGroup) as caught,
    ):
        scene.take(batch)
    assert [type(fault) for fault in caught.value.exceptions] == [RuntimeError]
    assert changed == [Change.RESTARTED]
