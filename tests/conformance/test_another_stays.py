"""Our registry and an independent peer that follows the document: presence, leaving, and table
updates (clauses 3.3, 5)."""

from tests.conformance import by_hand
from tests.conformance.engine import ELSEWHERE, HERE, THERE, Engine
from tests.conformance.stranger import Stranger, unpacked


def row_of(who: Stranger, engine: Engine, asker: Stranger) -> list[object]:
    """Return a person's row, as `asker` gets it over its link (number 1)."""
    (page,) = [asker.read(frame) for frame in engine.write(1, asker.ask([20, 0]))]
    assert page[0] == 21
    rows: list[list[object]] = [row for row in page[4] if row[0][1] == who.identity]
    (found,) = rows
    return found


def test_a_ping_is_answered_with_the_version() -> None:
    """Clause 5.4: "The registry answers **Pong** with its table version, by the path of the
    Ping"."""
    engine, alice = Engine(), Stranger("alice", 0x01)
    version = engine.let_in(alice, HERE)[3]
    (pong,) = engine.send(alice.seal([10, 77]), HERE)
    assert alice.open(pong) == [[11, 77, version]]
    engine.link_up(alice, 1)
    (answer,) = engine.write(1, alice.ask([10, 78]))
    assert alice.read(answer)[:2] == [11, 78]


def test_one_answer_a_datagram() -> None:
    """Clause 5.3: "the registry answers only the last Ping or Leave of a datagram, so that nobody
    can make it send more than they send"."""
    engine, alice = Engine(), Stranger("alice", 0x01)
    engine.let_in(alice, HERE)
    (pong,) = engine.send(alice.seal([10, 1], [4, 5], [10, 2], [10, 3]), HERE)
    assert [frame[:2] for frame in alice.open(pong)] == [[11, 3]]


def test_errors_are_not_answered() -> None:
    """Clause 1.5: "An error is never answered with an error"."""
    engine, alice = Engine(), Stranger("alice", 0x01)
    engine.let_in(alice, HERE)
    good = alice.seal([10, 1])
    for bad in (
        b"",
        b"\x07",
        good[:-1],
        good + b"\0",
        b"\x63" + good[1:],
        good[:1] + bytes(8) + good[9:],
    ):
        assert engine.send(bad, HERE) == []
    assert engine.send(alice.seal(["no frame"]), HERE) == []
    assert engine.send(good, HERE) != []


def test_a_counter_opens_once() -> None:
    """Clause 5.2: "A recipient opens each counter once"."""
    engine, alice = Engine(), Stranger("alice", 0x01)
    engine.let_in(alice, HERE)
    ping = alice.seal([10, 1])
    assert engine.send(ping, HERE) != []
    assert engine.send(ping, HERE) == []


def test_a_late_ping_or_leave_changes_nothing() -> None:
    """Clause 5.4: "A Ping or a Leave changes nothing if the registry has already opened a datagram
    of that peer with a higher counter in the same session, or one of a newer session: it was sent
    before something that is known already. It is answered only at the address at which the peer is
    known to be"."""
    engine, alice = Engine(), Stranger("alice", 0x01)
    engine.let_in(alice, HERE)
    engine.link_up(alice, 1)
    early_leave, early_ping, ping = alice.seal([12, 1]), alice.seal([10, 2]), alice.seal([10, 3])
    engine.send(ping, HERE)
    assert engine.send(early_ping, ELSEWHERE) == []
    assert alice.open(engine.send(early_leave, HERE)[0]) == [[13, 1]]
    row = row_of(alice, engine, alice)
    assert row[1:4] == [HERE.host, HERE.port, True]


def test_a_leave_is_answered_again_and_again() -> None:
    """Clause 5.4: "It is answered by **Left**, and so is each repeat"."""
    engine, alice = Engine(), Stranger("alice", 0x01)
    engine.let_in(alice, HERE)
    for _ in range(3):
        assert alice.open(engine.send(alice.seal([12, 9]), HERE)[0]) == [[13, 9]]


def test_a_newer_datagram_moves_somebody() -> None:
    """Clause 5.5: "A peer's address changes by a newer row, or by a datagram of that peer that
    opened, and never by a datagram that did not"."""
    engine, alice = Engine(), Stranger("alice", 0x01)
    engine.let_in(alice, HERE)
    engine.link_up(alice, 1)
    ping = alice.seal([10, 1])
    engine.send(ping[:-1] + bytes([ping[-1] ^ 1]), ELSEWHERE)
    assert row_of(alice, engine, alice)[1] == HERE.host
    engine.send(ping, ELSEWHERE)
    assert row_of(alice, engine, alice)[1:3] == list(ELSEWHERE)


def test_a_closed_link_is_absence() -> None:
    """Clause 5.4: "A link that ends makes its peer offline at once; a later Ping makes it online
    again"."""
    engine, alice, bob = Engine(), Stranger("alice", 0x01), Stranger("bob", 0x11)
    engine.let_in(alice, HERE)
    engine.let_in(bob, THERE)
    engine.link_up(alice, 1)
    engine.link_up(bob, 2)
    engine.core.link_closed(2, now=engine.now)
    assert row_of(bob, engine, alice)[3] == 2
    engine.send(bob.seal([10, 1]), THERE)
    assert row_of(bob, engine, alice)[3] == 1


def test_who_leaves_is_away_and_who_vanishes_is_lost() -> None:
    """Clause 5.4: "After a Leave the row says AWAY; a peer that goes offline in any other way is
    LOST"."""
    engine, alice, bob = Engine(), Stranger("alice", 0x01), Stranger("bob", 0x11)
    engine.let_in(alice, HERE)
    engine.let_in(bob, THERE)
    engine.link_up(alice, 1)
    engine.wait(0.2)  # a row without a link is told 100 ms after REGISTER
    engine.send(bob.seal([12, 1]), THERE)
    assert row_of(bob, engine, alice)[3] == 0
    engine.send(bob.seal([10, 1]), THERE)
    engine.wait(29.0)
    engine.send(alice.seal([10, 1]), HERE)
    engine.wait(2.0)
    assert row_of(bob, engine, alice)[3] == 2


def test_what_somebody_says_of_themselves_stands_in_their_row() -> None:
    """Clause 3.8: "A peer sets `status` and `away` of its row by **SetStatus** on its link"."""
    engine, alice, bob = Engine(), Stranger("alice", 0x01), Stranger("bob", 0x11)
    engine.let_in(alice, HERE)
    engine.let_in(bob, THERE)
    engine.link_up(alice, 1)
    engine.link_up(bob, 2)
    assert row_of(bob, engine, alice)[7:] == ["", None]
    for said in (["exam", "at lunch"], ["exam", None], ["\x1b" * 80, ""]):
        assert engine.write(2, bob.ask([22, *said])) == []
        assert row_of(bob, engine, alice)[7:] == said
    version = row_of(bob, engine, alice)[6]
    for wrong in (["x" * 81, None], ["", "x" * 81], [None, None], [b"x", None], ["x"]):
        engine.write(2, bob.ask([22, *wrong]))
    assert row_of(bob, engine, alice)[6] == version
    engine.core.link_closed(2, now=engine.now)
    assert row_of(bob, engine, alice)[7:] == ["\x1b" * 80, ""], "it stays while they are away"


def test_an_open_link_alone_is_not_a_sign_of_life() -> None:
    """Clause 5.4: "When the lease is over the registry ends the link, and the peer is offline"."""
    engine, alice, bob = Engine(), Stranger("alice", 0x01), Stranger("bob", 0x11)
    engine.let_in(alice, HERE)
    engine.let_in(bob, THERE)
    engine.link_up(alice, 1)
    engine.link_up(bob, 2)
    for _ in range(
        3
    ):  # "Signs of life are REGISTER and Ping datagrams and every frame on its link"
        engine.wait(10.1)
        for frame in engine.write(1, alice.ask([20, 0])):
            alice.read(frame)
    assert row_of(bob, engine, alice)[3] == 2
    assert row_of(alice, engine, alice)[3] == 1
    assert 2 in engine.closed


def test_a_reported_peer_is_asked_and_answers() -> None:
    """Clause 5.4: "Unless the peer shows a sign of life within 500 ms, the registry sends it Probe
    by UDP and on its link, every 500 ms, 5 times in all"."""
    engine, alice, bob = Engine(), Stranger("alice", 0x01), Stranger("bob", 0x11)
    engine.let_in(alice, HERE)
    engine.let_in(bob, THERE)
    engine.link_up(alice, 1)
    engine.link_up(bob, 2)
    assert engine.write(1, alice.ask([33, bob.identity])) == []
    engine.wait(1.1)
    assert [(bob.open(data), to) for data, to in engine.take_datagrams()] == [([[14]], THERE)] * 2
    assert [bob.read(frame) for frame in engine.read(2) if frame[0] == 7] == [[14]] * 2
    engine.send(bob.seal([10, 0]), THERE)
    engine.wait(5.0)
    assert row_of(bob, engine, alice)[3] == 1
    engine.write(1, alice.ask([33, bob.identity]))
    engine.wait(3.1)
    engine.take_datagrams()
    assert row_of(bob, engine, alice)[3] == 2


def test_changes_are_broadcast_in_a_chain() -> None:
    """Clause 3.3: "250 ms after the last batch an empty one (since = version) is sent, so that the
    loss of the last datagram is noticed"."""
    engine, alice, bob = Engine(), Stranger("alice", 0x01), Stranger("bob", 0x11)
    version = engine.let_in(alice, HERE)[3]
    engine.link_up(alice, 1)
    engine.let_in(bob, THERE)
    told = engine.wait(1.0)
    batches = []
    for datagram, to in told:
        assert HERE in to
        assert len(datagram) <= 1_232
        sender_index, payload = alice.hear(datagram)
        assert sender_index == 0
        assert payload[:64] == by_hand.signed(
            engine.identity.seed, b"chatapp table 1\0", payload[64:]
        )
        tag, *batch = unpacked(payload[64:])
        assert tag == 21
        batches.append(batch)
    assert [batch[0] for batch in batches[1:]] == [batch[1] for batch in batches[:-1]]
    assert batches[0][0] <= version < batches[0][1]
    assert batches[-1][0] == batches[-1][1]
    assert batches[-1][2:] == [False, []]
    assert {row[0][0] for batch in batches for row in batch[3]} == {"alice", "bob"}
