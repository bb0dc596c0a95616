"""The gate: an unproved address gets no state and no more bytes than it sent."""

import random

import pytest

from chatapp.registry.edge.admission import Gate
from chatapp.registry.rules.effects import DropReason
from chatapp.wire.address import Address
from chatapp.wire.admission import is_refused_authentic, make_register
from chatapp.wire.codec import Kind, decode_cookie, decode_refused, decode_row, encode, encode_hello
from chatapp.wire.identity import Identity, is_authentic, make_card
from chatapp.wire.limits import HELLO_SIZE, REGISTERS_BURST, REGISTERS_PER_SECOND
from chatapp.wire.messages.registration import Hello, RefusalReason, Refused, Welcome
from tests.registry.linked_peer import LinkedPeer
from tests.registry.rig import Rig

SOMEWHERE = Address("10.9.9.9", 999)


@pytest.fixture
def bob(rig: Rig) -> LinkedPeer:
    return rig.peer("bob")


def test_a_cookie_is_never_longer_than_the_hello(rig: Rig, bob: LinkedPeer) -> None:
    hello = bytes((Kind.HELLO,)) + encode_hello(Hello(version=1, nonce=b"n" * 16))
    rig.receive(hello, bob.address)
    (cookie,) = rig.take(bob.address)
    assert len(cookie) <= len(hello) == HELLO_SIZE


def test_hellos_cost_no_memory(rig: Rig) -> None:
    hello = bytes((Kind.HELLO,)) + encode_hello(Hello(version=1, nonce=b"n" * 16))
    for number in range(500):
        rig.receive(hello, Address(f"10.1.{number // 250}.{number % 250}", 7_000))
    assert len(rig.core.edge.gate._registers) == 0
    assert len(rig.core.edge.sessions) == 0
    assert len(rig.core.engine.hub.directory) == 0


def test_a_short_hello_gets_no_answer(rig: Rig, bob: LinkedPeer) -> None:
    hello = bytes((Kind.HELLO,)) + encode_hello(Hello(version=1, nonce=b"n" * 16))
    rig.receive(hello[:-1], bob.address)
    assert rig.take(bob.address) == []
    assert rig.core.dropped[DropReason.MALFORMED_DATAGRAM] == 1


def test_another_version_is_told_so_but_not_endlessly(rig: Rig, bob: LinkedPeer) -> None:
    hello = bytes((Kind.HELLO,)) + encode_hello(Hello(version=2, nonce=b"n" * 16))
    for _ in range(100):
        rig.receive(hello, bob.address)
    answers = rig.take(bob.address)
    assert 0 < len(answers) < 50
    refused = decode_refused(answers[0][1:])
    assert refused.reason is RefusalReason.VERSION
    assert is_refused_authentic(refused, registry=rig.identity.public)
    assert len(answers[0]) <= HELLO_SIZE


def test_a_cookie_of_another_address_is_refused(rig: Rig, bob: LinkedPeer) -> None:
    data = bob.register_bytes(bob.hello())
    rig.receive(data, SOMEWHERE)
    rig.receive(data, Address(bob.address.host, bob.address.port + 1))
    assert rig.core.dropped[DropReason.BAD_COOKIE] == 2
    (answer,) = rig.take(SOMEWHERE)
    assert answer[0] == Kind.COOKIE
    assert len(answer) < len(data), "an unproved address gets no more bytes than it sent"


def test_a_cookie_lives_for_this_window_and_the_next(rig: Rig, bob: LinkedPeer) -> None:
    cookie = bob.hello()
    rig.now += 30.0
    rig.receive(bob.register_bytes(cookie), bob.address)
    assert isinstance(bob.answer(), Welcome)
    cookie = bob.hello()
    rig.now += 60.0
    rig.receive(bob.register_bytes(cookie), bob.address)
    assert bob.answer() is None
    assert rig.core.dropped[DropReason.BAD_COOKIE] == 1


def test_a_cookie_of_another_life_is_refused_and_renewed(rig: Rig, bob: LinkedPeer) -> None:
    """Clause 4.3."""
    cookie = bob.hello()
    rig.restart(downtime=0.0)
    rig.receive(bob.register_bytes(cookie), bob.address)
    (answer,) = rig.take(bob.address)
    assert answer[0] == Kind.COOKIE
    renewed = decode_cookie(answer[1:])
    assert renewed.nonce == cookie.nonce
    rig.receive(bob.register_bytes(renewed), bob.address)
    assert isinstance(bob.answer(), Welcome)


def test_a_register_for_another_registry_is_dropped(rig: Rig, bob: LinkedPeer) -> None:
    cookie = bob.hello()
    elsewhere = make_register(
        bob.identity,
        registry=b"x" * 32,
        nonce=cookie.nonce,
        cookie=cookie.cookie,
        card=bob.card,
    )
    rig.receive(bytes((Kind.REGISTER,)) + encode(elsewhere), bob.address)
    assert bob.answer() is None
    assert rig.core.dropped[DropReason.BAD_REGISTER_SIGNATURE] == 1


def test_a_card_whose_own_signature_is_wrong_is_left_to_those_who_read_it(
    rig: Rig, bob: LinkedPeer
) -> None:
    """The REGISTER's signature, by the same key, covers the card. So nobody but its owner can make
    such a card."""
    cookie = bob.hello()
    forged = make_card(Identity(b"f" * 32), name="bob", mail=bob.mail_key.public, counter=9)
    card = bob.make_card(counter=9)
    mixed = type(card)(card.name, card.identity, card.mail, card.counter, forged.signature)
    rig.receive(bob.register_bytes(cookie, card=mixed), bob.address)
    assert isinstance(bob.answer(), Welcome)
    person = rig.core.engine.hub.directory.person(bob.id)
    assert person is not None
    assert not is_authentic(decode_row(person.row()).card), "which each peer notices"


def test_every_flipped_bit_and_every_cut_of_a_register_gets_no_answer(
    rig: Rig, bob: LinkedPeer
) -> None:
    data = bob.register_bytes(bob.hello())
    for bit in range(0, len(data) * 8, 3):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        rig.receive(bytes(flipped), bob.address)
    for cut in range(len(data)):
        rig.receive(data[:cut], bob.address)
    assert bob.answer() is None
    assert len(rig.core.engine.hub.directory) == 0
    rig.receive(data, bob.address)
    assert isinstance(bob.answer(), Welcome)


def test_an_address_has_a_rate_of_registrations() -> None:
    registry = Identity(bytes(range(32)))
    gate = Gate(registry, secret=b"s" * 32, window=30.0)
    here, there = Address("10.0.0.1", 1), Address("10.0.0.2", 1)

    def verdict(sender: Address, now: float) -> DropReason | None:
        author = Identity(b"a" * 32)
        card = make_card(author, name="ann", mail=b"m" * 32, counter=1)
        register = make_register(
            author,
            registry=registry.public,
            nonce=b"n" * 16,
            cookie=gate._cookie(sender, int(now // gate._window)),
            card=card,
        )
        assert gate.flaw_of(register) is None
        return gate.screen(register, sender, now=now)

    gate._registers._rate, gate._registers._burst = 2.0, 3.0  # type: ignore[misc]
    assert [verdict(here, 0.0) for _ in range(5)] == [None] * 3 + [DropReason.REGISTER_RATE] * 2
    assert verdict(there, 0.0) is None
    assert verdict(here, 1.0) is None
    assert REGISTERS_BURST >= REGISTERS_PER_SECOND


def test_refusals_are_no_longer_than_what_asked_for_them(rig: Rig, bob: LinkedPeer) -> None:
    bob.register()
    impostor = LinkedPeer(rig, "bob", host="10.7.7.7", seed=77)
    data = impostor.register_bytes(impostor.hello())
    rig.receive(data, impostor.address)
    (answer,) = rig.take(impostor.address)
    assert len(answer) <= len(data)


@pytest.mark.parametrize(
    "name",
    [
        *("bob\n", "a b", "server", "x" * 31 + "/", "..", "\u202ebob", "B\u00f6b ", "a,b"),
        *("you", "All", "syst\u0435m"),
    ],
)
def test_invalid_names_are_refused(rig: Rig, name: str) -> None:
    answer = rig.peer(name).register()
    assert isinstance(answer, Refused)
    assert answer.reason is RefusalReason.BAD_NAME


def test_garbage_with_each_first_byte_is_dropped_in_silence(rig: Rig) -> None:
    chance = random.Random(5)
    for kind in range(256):
        for size in (0, 1, 16, 24, 40, 254, 255, 256, 1_199):
            rig.receive(bytes((kind,)) + chance.randbytes(size), SOMEWHERE)
    rig.receive(b"", SOMEWHERE)
    assert not rig.take(SOMEWHERE)
    assert sum(rig.core.dropped.values()) == 256 * 9 + 1
