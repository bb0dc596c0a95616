"""Our registry and an independent peer that follows the document: registration (clause 4)."""

import pytest

from chatapp.wire.address import Address
from tests.conformance import by_hand
from tests.conformance.engine import ELSEWHERE, HERE, THERE, Engine
from tests.conformance.stranger import Stranger, unpacked


def test_a_program_registers() -> None:
    """Clause 4: "All of them carry the nonce of the HELLO"."""
    engine, alice = Engine(), Stranger("alice", 0x01)
    nonce, host, port, version, lease, link_port, clock, servers, signature = engine.let_in(
        alice, HERE
    )
    assert (nonce, host, port, link_port) == (alice.nonce, HERE.host, HERE.port, 5_000)
    assert lease == 30
    said = by_hand.packed(
        [alice.identity, nonce, host, port, version, lease, link_port, clock, servers]
    )
    assert signature == by_hand.signed(engine.identity.seed, b"chatapp welcome 1\0", said)


def test_a_program_that_writes_long_encodings_registers() -> None:
    """Clause 1.3: "A signature (clause 1.4) over an array of fields covers the shortest form,
    whatever form the fields came in"."""
    engine, alice = Engine(), Stranger("alice", 0x01)
    room = 255 - len(by_hand.packed_long([1, alice.nonce, b""]))
    (cookie,) = engine.send(b"\x01" + by_hand.packed_long([1, alice.nonce, bytes(room)]), HERE)
    register = alice.register(cookie)
    (welcome,) = engine.send(b"\x03" + by_hand.packed_long(unpacked(register[1:])), HERE)
    assert welcome[0] == 4


@pytest.mark.parametrize("size", [0, 1, 20, 255, 257, 1_200])
def test_only_a_hello_of_256_bytes_is_answered(size: int) -> None:
    """Clause 4.1: "A HELLO of any other length is dropped"."""
    engine, alice = Engine(), Stranger("alice", 0x01)
    assert engine.send(alice.hello()[:size].ljust(size, b"\0"), HERE) == []
    (cookie,) = engine.send(alice.hello(), HERE)
    assert len(cookie) <= 256


def test_a_cookie_is_good_where_it_was_given() -> None:
    """Clause 4.2: "The registry accepts a cookie from the host and port for which it was made, in
    the 30-second window in which it was made and in the next one"."""
    engine, alice = Engine(), Stranger("alice", 0x01)
    (cookie,) = engine.send(alice.hello(), HERE)
    register = alice.register(cookie)
    for place in (ELSEWHERE, Address(HERE.host, HERE.port + 1)):
        assert [answer[0] for answer in engine.send(register, place)] == [2]
    engine.wait(60.0)
    assert [answer[0] for answer in engine.send(register, HERE)] == [2]
    (cookie,) = engine.send(alice.hello(), HERE)
    engine.wait(30.0)
    assert engine.send(alice.register(cookie), HERE)[0][0] == 4


def test_a_cookie_that_is_not_good_any_more_is_replaced() -> None:
    """Clause 4.3: "if it was the cookie, it is answered with another COOKIE"."""
    engine, alice = Engine(), Stranger("alice", 0x01)
    (cookie,) = engine.send(alice.hello(), HERE)
    register = alice.register(cookie)
    engine.wait(60.0)
    (other,) = engine.send(register, HERE)
    assert len(other) < len(register)
    assert engine.send(alice.register(other), HERE)[0][0] == 4


def test_a_register_is_bound_to_its_author_and_registry() -> None:
    """Clause 4.3: "nobody else can register with a card seen in the table, and a REGISTER is of no
    use at another registry"."""
    engine, alice, eve = Engine(), Stranger("alice", 0x01), Stranger("eve", 0x31)
    (cookie,) = engine.send(eve.hello(), HERE)
    eve.card = alice.card
    assert engine.send(eve.register(cookie), HERE) == []
    eve = Stranger("eve", 0x31)
    elsewhere = unpacked(cookie[1:])
    elsewhere[2] = Stranger("", 0x41).card
    assert engine.send(eve.register(b"\x02" + by_hand.packed(elsewhere)), HERE) == []


def test_a_repeated_register_is_answered_again() -> None:
    """Clause 4.3: "The same nonce once more, in a REGISTER of somebody who is online, marks a
    repeat: it is answered again and changes nothing"."""
    engine, alice = Engine(), Stranger("alice", 0x01)
    (cookie,) = engine.send(alice.hello(), HERE)
    register = alice.register(cookie)
    first, again = engine.send(register, HERE), engine.send(register, HERE)
    assert unpacked(again[0][1:])[3] == unpacked(first[0][1:])[3]  # the table's version


def test_a_taken_name_is_refused() -> None:
    """Clause 3.4: "The registry binds a name's key to the first identity that registers it"."""
    engine = Engine()
    engine.let_in(Stranger("alice", 0x01), HERE)
    impostor = Stranger("Alice", 0x31)
    (cookie,) = engine.send(impostor.hello(), THERE)
    (refused,) = engine.send(impostor.register(cookie), THERE)
    nonce, reason, name, counter, seconds, text, signature = unpacked(refused[1:])
    assert (refused[0], nonce, reason, name, counter) == (5, impostor.nonce, 1, "Alice", 0)
    assert (seconds, text) == (0, "")
    said = by_hand.packed([nonce, reason, name, counter, seconds, text])
    assert signature == by_hand.signed(engine.identity.seed, b"chatapp refused 1\0", said)


def test_an_old_card_is_refused() -> None:
    """Clause 4.5: "a lower counter than the registry knows, or the same counter on another
    card"."""
    engine = Engine()
    engine.let_in(Stranger("alice", 0x01, counter=9), HERE)
    for counter in (8, 9):
        older = Stranger("alice", 0x01, counter=counter)
        older.nonce = bytes([counter]) * 16
        older.card = by_hand.card(older.seed, "alice", by_hand.public_of(b"\x55" * 32), counter)
        (cookie,) = engine.send(older.hello(), HERE)
        _, reason, _, known, *_ = unpacked(engine.send(older.register(cookie), HERE)[0][1:])
        assert (reason, known) == (3, 9)


def test_another_version_is_told_so() -> None:
    """Clause 4.5: "REFUSED with VERSION answers a HELLO and has an empty name; at most 20 of them a
    second are sent"."""
    engine, alice = Engine(), Stranger("alice", 0x01)
    answers = [engine.send(alice.hello(version=2), HERE) for _ in range(50)]
    refused = [answer[0] for answer in answers if answer]
    assert len(refused) == 20
    assert unpacked(refused[0][1:])[:3] == [alice.nonce, 4, ""]
