"""Our registry and an independent peer that follows the document: links (clause 9)."""

import pytest

from chatapp.wire.address import Address
from tests.conformance.engine import HERE, Engine
from tests.conformance.stranger import Stranger


def test_a_link_begins_with_a_grant_and_the_mail() -> None:
    """Clause 8.1: "When a link opens, and at each new epoch, the registry sends GroupGranted"."""
    engine, alice = Engine(), Stranger("alice", 0x01)
    engine.let_in(alice, HERE)
    granted, batch = engine.link_up(alice, 1)
    assert granted[:2] == [50, "channel"]
    assert len(granted[3]) == 32
    assert granted[4] > 0
    assert batch == [43, [], False]


def test_a_run_of_a_program_keeps_its_index_and_no_other_has_it() -> None:
    """Clause 8.1: "the registry grants it again; else it grants one that nobody had, and not the
    one that Attach names"."""
    engine, alice = Engine(), Stranger("alice", 0x01)
    engine.let_in(alice, HERE)
    first = engine.link_up(alice, 1)[0][4]
    assert engine.link_up(alice, 2, claimed=first)[0][4] == first
    other = engine.link_up(alice, 3, claimed=first + 1)[0][4]
    assert other not in (first, first + 1)
    assert engine.link_up(alice, 4)[0][4] not in (first, first + 1, other)


@pytest.mark.parametrize("first", [b"\0\0\0\x28\x06" + bytes(39), b"\0\0\0\x28\x07" + bytes(39)])
def test_a_strange_first_frame_is_not_answered(first: bytes) -> None:
    """Clause 9.1: "The registry closes a connection without an answer if its first frame opens no
    session, or is not an Attach"."""
    engine = Engine()
    engine.connect(1)
    assert engine.write(1, first) == []
    assert 1 in engine.closed


@pytest.mark.parametrize("first", [[10, 1], [20, 0], [60], ["no request"]])
def test_the_first_frame_is_an_attach(first: list[object]) -> None:
    """Clause 9.1: "The registry closes a connection without an answer if its first frame opens no
    session, or is not an Attach"."""
    engine, alice = Engine(), Stranger("alice", 0x01)
    engine.let_in(alice, HERE)
    engine.connect(1)
    assert (engine.write(1, alice.first_frame(first)) != []) is (first == [60])
    assert (1 in engine.closed) is (first != [60])


def test_a_frame_that_does_not_open_ends_the_link() -> None:
    """Clause 9.2: "A frame that does not open ends the link"."""
    engine, alice = Engine(), Stranger("alice", 0x01)
    engine.let_in(alice, HERE)
    engine.link_up(alice, 1)
    repeated = alice.ask([10, 1])
    assert engine.write(1, repeated) != []
    assert engine.write(1, repeated) == []
    assert 1 in engine.closed


def test_a_peer_renews_the_keys_of_its_link() -> None:
    """Clause 9.6: "Three RENEWAL frames carry it. They are sealed and counted as SEALED frames are,
    with their own kind as the additional data"."""
    engine, alice = Engine(), Stranger("alice", 0x01)
    engine.let_in(alice, HERE)
    engine.link_up(alice, 1)
    keys = {alice.link_keys}
    for _ in range(3):
        (answer,) = engine.write(1, alice.renew())
        assert engine.write(1, alice.renewed(answer)) == []
        (pong,) = engine.write(1, alice.ask([10, 78]))
        assert alice.read(pong)[:2] == [11, 78]
        keys.add(alice.link_keys)
    assert len(keys) == 4
    assert engine.closed == {}


def test_frames_sent_before_the_answer_go_under_the_old_key() -> None:
    """Clause 9.6: "the peer continues under its old key"."""
    engine, alice = Engine(), Stranger("alice", 0x01)
    engine.let_in(alice, HERE)
    engine.link_up(alice, 1)
    (answer,) = engine.write(1, alice.renew())
    (before,) = engine.write(1, alice.ask([10, 1]))
    last = alice.renewed(answer)
    assert alice.read(before)[:2] == [11, 1]
    (after,) = engine.write(1, last + alice.ask([10, 2]))
    assert alice.read(after)[:2] == [11, 2]


def test_a_renewal_out_of_turn_ends_the_link() -> None:
    """Clause 9.6: "A RENEWAL frame out of turn, or with anything other than the expected message,
    ends the link"."""
    engine = Engine()
    for link, name in enumerate(("alice", "bob", "carol"), start=1):
        who = Stranger(name, 16 * link)
        engine.let_in(who, HERE)
        engine.link_up(who, link)
        if name == "alice":
            engine.write(link, who._link_frame(b"", b"\x0b"))  # the last frame of none
        elif name == "bob":
            engine.write(link, who.renew() + who.renew())
        else:
            engine.write(link, who._link_frame(bytes(48), b"\x0b"))
        assert link in engine.closed


def test_the_registry_goes_on_with_a_peer_that_begins_none() -> None:
    """Clause 9.6: "The registry begins no renewal, and keeps a link whose peer begins none"."""
    engine, alice = Engine(), Stranger("alice", 0x01)
    engine.let_in(alice, HERE)
    engine.link_up(alice, 1)
    for number in range(40):
        notices = [alice.read(frame) for frame in engine.write(1, alice.ask([10, number]))]
        assert [notice[1] for notice in notices if notice[0] == 11] == [number]
        engine.wait(20.0)
    assert engine.closed == {}


def test_a_newer_link_ends_the_older_one() -> None:
    """Clause 9.2: "A newer link of the same peer ends the older one"."""
    engine, alice = Engine(), Stranger("alice", 0x01)
    engine.let_in(alice, HERE)
    engine.link_up(alice, 1)
    engine.link_up(alice, 2)
    assert set(engine.closed) == {1}


def test_a_link_that_proves_nothing_is_closed() -> None:
    """Clause 9.5: "The first frame must open within 5 s"."""
    engine, alice = Engine(), Stranger("alice", 0x01)
    engine.let_in(alice, HERE)
    engine.connect(1)
    engine.wait(4.9)
    assert engine.closed == {}
    engine.wait(0.2)
    assert 1 in engine.closed


def test_the_oldest_of_too_many_links_goes() -> None:
    """Clause 9.5: "the oldest is closed when there are more than 16 of one address, or more than
    512 in all"."""
    engine = Engine()
    for link in range(1, 18):
        engine.core.link_opened(link, Address("198.51.100.9", 1_000 + link), now=engine.now)
    engine.wait(0.1)
    assert engine.closed == {}
    engine.wait(2.0)
    engine.core.link_opened(18, Address("198.51.100.9", 1_018), now=engine.now)
    engine.wait(0.1)
    assert set(engine.closed) == {1, 2}
