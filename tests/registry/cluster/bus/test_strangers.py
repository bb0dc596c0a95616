"""Messages that do not belong: strangers', other clusters', other versions', old ones, and
nonsense. None raises."""

import contextlib
from random import Random

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from hypothesis import given
from hypothesis import strategies as st

from chatapp.registry.cluster.bus.messages import (
    BusMessage,
    DownBundle,
    EdgeDismissed,
    EdgeLeft,
    EngineEntered,
    EngineNews,
    EnterEngine,
    LinkRequestCame,
    UpBundle,
    decode_message,
    edge_subject,
    encode,
    engine_subject,
)
from chatapp.registry.cluster.bus.remote_engine import EngineState
from chatapp.registry.cluster.stream.bundles import (
    KEY_SIZE,
    NO_HASH,
    BundleRefused,
    ClusterKey,
    Kind,
    Opener,
    Sealer,
)
from chatapp.registry.rules.effects import DropReason, LinkEndReason, number_at_edge
from chatapp.registry.telemetry.figures import Recorder
from chatapp.wire.messages.registration import Ping
from tests.registry.cluster.bus.simulated import KEY, NAME, EdgeProcess, EngineProcess, World
from tests.support.cluster.versions import sealed_by_later_version
from tests.support.tampering import tampered

OTHER = bytes(8)
SALT = b"s" * 16


@pytest.fixture
def world() -> World:
    world = World(Random(1), edges=1)
    world.run(3.0)
    return world


class Tap:
    """Everything that was published, with its subject."""

    def __init__(self, world: World) -> None:
        self.seen: list[tuple[str, bytes]] = []
        publish = world.publish

        def listen(sender: EngineProcess | EdgeProcess, sent: list[tuple[str, bytes]]) -> None:
            self.seen += sent
            publish(sender, sent)

        world.publish = listen  # type: ignore[method-assign, assignment]

    def on(self, subject: str) -> list[bytes]:
        return [data for where, data in self.seen if where == subject]


def sealed(
    message: BusMessage | bytes, *, key: ClusterKey = KEY, name: str = NAME, kind: Kind = Kind.BUS
) -> bytes:
    content = message if isinstance(message, bytes) else encode(message)
    return Sealer(key, name, SALT).seal(kind, 0, NO_HASH, content)


def receive(process: EngineProcess | EdgeProcess, data: bytes) -> None:
    core = process.edges if isinstance(process, EngineProcess) else process.engine
    core.receive(data, now=process.world.now)


def counted(recorder: Recorder) -> dict[DropReason, int]:
    return {reason: count for reason, count in recorder.dropped.items() if count}


NEWER = EngineNews(OTHER, 1_000, "evil")
BAD = [
    (b"", DropReason.BUS_SEAL_BROKEN),
    (b"nonsense", DropReason.BUS_SEAL_BROKEN),
    (sealed(NEWER, key=ClusterKey(b"k" * KEY_SIZE)), DropReason.BUS_SEAL_BROKEN),
    (sealed(NEWER, name="other"), DropReason.BUS_SEAL_BROKEN),
    (sealed(NEWER, kind=Kind.LEASE), DropReason.BUS_SEAL_BROKEN),
    (sealed(NEWER)[:-1], DropReason.BUS_SEAL_BROKEN),
    (sealed(NEWER)[:2] + b"\x07" + sealed(NEWER)[3:], DropReason.BUS_SEAL_BROKEN),
    (
        sealed_by_later_version(KEY, NAME, Kind.BUS, 0, bytes(32), b"x"),
        DropReason.BUS_OTHER_VERSION,
    ),
    (sealed(b""), DropReason.BUS_MALFORMED),
    (sealed(b"\x93\x63\x00\x00"), DropReason.BUS_MALFORMED),
    (sealed(encode([1, b"short", 5, "n"])), DropReason.BUS_MALFORMED),
]


@pytest.mark.parametrize(("data", "reason"), BAD)
def test_what_cannot_be_read_is_counted_and_changes_nothing(
    world: World, data: bytes, reason: DropReason
) -> None:
    for process in (world.engines[0], world.edges[0]):
        before = counted(process.recorder)
        receive(process, data)
        assert counted(process.recorder) == before | {reason: before.get(reason, 0) + 1}
    world.run(1.0)
    world.check_healed()
    assert len(world.sessions) == 1


@given(data=st.data())
def test_an_altered_message_is_dropped(data: st.DataObject) -> None:
    world = World(Random(3), edges=1)
    tap = Tap(world)
    world.run(3.0)
    message = data.draw(st.sampled_from([data for _, data in tap.seen]))
    altered = data.draw(tampered(message))
    for process in (world.engines[0], world.edges[0]):
        receive(process, altered)
    world.run(3.0)
    world.check_healed()
    assert len(world.sessions) == 1


@given(rng=st.randoms(use_true_random=False))
def test_old_messages_do_nothing_worse_than_to_begin_a_session_anew(rng: Random) -> None:
    """Somebody at the bus plays back what was said before."""
    world = World(Random(rng.getrandbits(64)))
    tap = Tap(world)
    for _ in range(5):
        world.run(1.0)
        subject, data = rng.choice(tap.seen)
        for process in world.processes:
            if process.hears(subject):
                receive(process, data)
                if isinstance(process, EdgeProcess):
                    process.follow()
    world.run(6.0)
    world.check_healed()
    world.check_sessions()


def test_a_repeated_bundle_is_not_handled_twice(world: World) -> None:
    edge, engine = world.edges[0], world.engines[0]
    tap = Tap(world)
    world.run(3.0)
    came = sum(map(len, engine.engine.came.values()))
    answers = len(world.sessions[0].edge.answers)
    for data in tap.on(engine_subject(edge.id)):
        receive(engine, data)
    for data in tap.on(edge_subject(edge.id)):
        receive(edge, data)
    assert sum(map(len, engine.engine.came.values())) <= came + 1, (
        "the one that was still on its way"
    )
    assert len(world.sessions[0].edge.answers) <= answers + 1
    assert (
        engine.recorder.dropped[DropReason.BUS_OTHER_SESSION]
        >= len(tap.on(engine_subject(edge.id))) - 2
    )
    world.check_sessions()


def test_messages_of_other_sessions_are_counted(world: World) -> None:
    edge, engine = world.edges[0], world.engines[0]
    for message in (
        EnterEngine(OTHER, edge.id, OTHER, "n"),
        UpBundle(OTHER, edge.id, OTHER, 1, []),
        EdgeLeft(OTHER, edge.id, OTHER),
        EngineEntered(OTHER, OTHER, 7, bytes(32), 30, []),
        DownBundle(OTHER, OTHER, 1, 0, []),
        EdgeDismissed(OTHER, OTHER),
        EngineNews(OTHER, 1, "as old as ours"),
        EngineNews(OTHER, 0, "older"),
    ):
        for process in (edge, engine):
            receive(process, sealed(message))
    assert engine.recorder.dropped[DropReason.BUS_OTHER_SESSION] == 8
    assert edge.recorder.dropped[DropReason.BUS_OTHER_SESSION] == 8
    world.run(1.0)
    world.check_healed()
    assert len(world.sessions) == 1


def test_items_that_nobody_knows_are_counted_and_those_behind_them_are_served(world: World) -> None:
    edge, engine = world.edges[0], world.engines[0]
    tap = Tap(world)
    world.run(1.0)
    edge.frozen_until = float("inf")
    world.run(0.5)
    newest = decode_message(
        Opener(KEY, NAME).open(Kind.BUS, tap.on(engine_subject(edge.id))[-1]).content
    )
    assert isinstance(newest, UpBundle)
    link, identity = next(iter(engine.engine.links.items()))
    request = LinkRequestCame(number_at_edge(link), identity, Ping(77))
    items = [msgspec.Raw(encode([99, b"of a later version"])), msgspec.Raw(encode(request))]
    receive(
        engine, sealed(UpBundle(newest.engine, newest.edge, newest.run, newest.number + 1, items))
    )
    assert engine.recorder.dropped[DropReason.BUS_MALFORMED] == 1
    assert engine.engine.came_of[identity][-1] == 77


def test_the_key_of_a_made_up_salt_is_not_kept() -> None:
    class CountingKey(ClusterKey):
        count = 0

        def cipher(self, salt: bytes) -> ChaCha20Poly1305:
            CountingKey.count += 1
            return super().cipher(salt)

    opener = Opener(CountingKey(KEY.secret), NAME)
    good, forged = sealed(NEWER), sealed(NEWER, name="other")
    for message, calls in ((forged, 1), (forged, 2), (good, 3), (good, 3), (forged, 3)):
        with contextlib.suppress(BundleRefused):
            opener.open(Kind.BUS, message)
        assert CountingKey.count == calls


def test_an_edge_that_has_left_comes_no_more(world: World) -> None:
    edge, engine = world.edges[0], world.engines[0]
    edge.engine.leave(LinkEndReason.NODE_STOPS)
    edge.follow()
    world.run(0.5)
    assert engine.edges.present == []
    assert engine.engine.links == {}
    world.run(5.0)
    assert edge.engine.state is EngineState.SEARCHING
    assert edge.engine.take_messages() == []
