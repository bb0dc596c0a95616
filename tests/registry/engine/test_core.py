"""The registry core as a whole: it never raises, does not answer strangers, and stays small in
memory."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from chatapp.registry.rules.effects import (
    LinkEnded,
    NamesSkipped,
    PeerRegistered,
    RegistrationRefused,
    StoreFailed,
)
from chatapp.registry.rules.limits import RegistryPolicy
from chatapp.registry.store.entries import NameBound, NameReserved
from chatapp.registry.telemetry.logs import event_line
from chatapp.wire.address import Address
from chatapp.wire.codec import Kind, encode, encode_hello
from chatapp.wire.messages.direct import RelayDatagram, ReportSilence
from chatapp.wire.messages.link import Attach, PeerRequest
from chatapp.wire.messages.mail import DepositMail, TakeMail
from chatapp.wire.messages.registration import Hello, Leave, Ping, Welcome
from chatapp.wire.messages.rooms import FetchGroup
from chatapp.wire.messages.table import FetchTable
from tests.registry.linked_peer import LinkedPeer
from tests.registry.rig import Rig

SOMEWHERE = Address("10.9.9.9", 999)


@settings(max_examples=60)
@given(st.lists(st.binary(max_size=1_300), max_size=30))
def test_any_datagrams_raise_nothing_and_get_no_answer(datagrams: list[bytes]) -> None:
    rig = Rig()
    for data in datagrams:
        rig.receive(data, SOMEWHERE)
    assert not rig.take(SOMEWHERE)
    assert sum(rig.core.dropped.values()) == len(datagrams)


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.integers(1, 6))
def test_mutated_datagrams_raise_nothing_and_change_nothing(seed: int, flips: int) -> None:
    """Valid datagrams with a few bytes changed get further than noise does."""
    rig, chance = Rig(), random.Random(seed)
    bob = rig.peer("bob")
    cookie = bob.hello()
    register = bob.register_bytes(cookie)
    rig.receive(register, bob.address)
    bob.use_registry(cookie)
    bob.answer()
    before = rig.core.engine.hub.directory.version
    hello = bytes((Kind.HELLO,)) + encode_hello(Hello(version=1, nonce=b"n" * 16))
    for valid in (hello, register, bob.seal(Ping(1)), bob.seal(Leave(1))):
        mutated = bytearray(valid)
        for _ in range(flips):
            mutated[chance.randrange(len(mutated))] ^= 1 << chance.randrange(8)
        if bytes(mutated) == valid:
            continue
        sent = rig.take(bob.address)
        rig.receive(bytes(mutated), bob.address)
        answers = rig.take(bob.address)
        assert sum(map(len, answers)) <= len(mutated)
        assert not sent
    assert rig.core.engine.hub.directory.version == before
    assert bob.id in rig.core.engine.hub.directory.online()


@settings(max_examples=40)
@given(st.integers(0, 2**32))
def test_any_order_of_requests_of_members_raises_nothing(seed: int) -> None:
    """Authentic peers may still send nonsense, in any order, and vanish at any moment."""
    chance = random.Random(seed)
    rig = Rig(seed=seed)
    peers = [rig.member(f"user{number}") for number in range(3)]
    for _ in range(60):
        peer = chance.choice(peers)
        _do_something(rig, peer, chance, peers)
        online = set(rig.core.engine.hub.directory.online())
        linked = {link.identity for link in rig.core.edge.links.attached()}
        assert linked <= online
        assert len(linked) == len(rig.core.edge.links.attached())
    for peer in peers:
        peer.is_frozen = True
    rig.advance(rig.policy.lease_span)
    assert rig.core.engine.hub.directory.online() == []
    assert rig.core.edge.links.attached() == []


def _do_something(
    rig: Rig, peer: LinkedPeer, chance: random.Random, peers: list[LinkedPeer]
) -> None:
    number = chance.randrange(4)
    key = chance.choice([one.id for one in peers] + [b"?" * 32])
    requests: list[PeerRequest] = [
        Attach(),
        FetchTable(chance.choice((0, 2**63 - 1, number))),
        DepositMail(number, key, number, chance.randbytes(chance.choice((0, 9, 60_000)))),
        TakeMail([number, number + 1]),
        RelayDatagram(key, chance.randbytes(chance.choice((0, 40, 2_000)))),
        FetchGroup(chance.choice(("channel", "#room")), chance.choice((0, 2**63 - 1))),
        Ping(number),
        Leave(number),
        ReportSilence(key),
    ]
    what = chance.randrange(9)
    is_linked = peer.link is not None and rig.core.edge.links.find(peer.link) is not None
    if what < 4 and is_linked:
        peer.send(chance.choice(requests))
    elif what == 4 and is_linked:
        peer.send_raw(peer.line("x", number))
    elif what == 5 and is_linked:
        peer.drop_link()
    elif what == 8:
        peer.is_frozen = not peer.is_frozen
    elif what == 6:
        rig.store.full = chance.random() < 0.3
        rig.advance(chance.choice((0.1, 5.0, 70.0)))
    else:
        if isinstance(peer.register(), Welcome):
            peer.attach()


def test_events_tell_the_operator(rig: Rig) -> None:
    bob = rig.member("bob")
    LinkedPeer(rig, "bob", host="10.5.5.5", seed=55).register()
    rig.store.full = True
    rig.peer("eve").register()
    bob.send_raw(b"\x07" + bytes(20))
    events, rig.events = rig.events, []
    assert [type(event) for event in events] == [
        PeerRegistered,
        RegistrationRefused,
        StoreFailed,
        RegistrationRefused,
        LinkEnded,
    ]
    lines = [event_line(event) for event in events]
    assert lines[0] == "bob came in from 10.0.0.1:6000"
    assert lines[1] == "bob was turned away from 10.5.5.5:6000: NAME_TAKEN"
    assert "no room" in lines[2]
    assert lines[4].startswith("link of bob at 10.0.0.1:")
    assert "does not open" in lines[4]
    rig.turn()
    assert rig.events == []


def test_events_that_nobody_drains_are_bounded() -> None:
    rig = Rig(policy=RegistryPolicy(events_max=3))
    for _ in range(9):
        rig.core.store_failed("no room", now=rig.now)
    assert len(rig.core.take_output().events) == 3


def test_names_of_a_shape_that_we_do_not_know_are_passed_over(rig: Rig) -> None:
    rig.store.append(
        [
            NameBound("odd", b"o" * 32, b"\xc1", 0, 0),
            NameReserved("a\nb", b"o" * 32, int(rig.wall_offset)),
        ]
    )
    rig.store.sync()
    rig.restart()
    assert rig.core.take_output().events == [NamesSkipped(count=2)]
    assert rig.peer("bob").register() is not None


def test_nothing_is_left_to_do_when_nobody_is_there(rig: Rig) -> None:
    rig.advance(10.0)
    assert not any(rig.core.take_output())
    assert rig.core.entries_to_store() == []
    assert rig.core.next_timer() > rig.now


def test_a_relayed_line_costs_no_encoding(rig: Rig) -> None:
    """Members get the frame as it came, with its position and length before it."""
    ann, bob = rig.member("ann"), rig.member("bob")
    line = ann.line("hello")
    rig.core.receive_frames(ann.link or 0, [line], now=rig.now)
    rig.hand_over()
    rig.core.entries_stored(1, now=rig.now)
    (piece,) = dict(rig.core.take_output().link_writes)[bob.link or 0]
    assert piece.endswith(line)
    assert encode(Ping(1)) not in piece[:13]
