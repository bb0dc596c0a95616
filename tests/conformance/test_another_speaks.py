"""Our registry and an independent peer that follows the document: mail, group lines and relayed
datagrams (clauses 6 to 8)."""

import struct

from tests.conformance.engine import ELSEWHERE, HERE, THERE, Engine
from tests.conformance.stranger import Stranger, unpacked


def test_a_letter_waits_for_its_reader() -> None:
    """Clause 7.2: "It is answered by MailSaved when the letter is on the registry's disk
    (`fdatasync`), or by MailRefused. A letter whose sender and number are in the mailbox already is
    answered by MailSaved and not kept twice"."""
    engine, alice, bob = Engine(), Stranger("alice", 0x01), Stranger("bob", 0x11)
    engine.let_in(alice, HERE)
    engine.let_in(bob, THERE)
    engine.link_up(alice, 1)
    for reference in (5, 6):
        (saved,) = engine.write(1, alice.ask([40, reference, bob.identity, 99, b"sealed"]))
        assert alice.read(saved) == [41, reference]
    _, batch = engine.link_up(bob, 2)
    ((serial, sender, number, letter),) = batch[1]
    assert (sender, number, letter, batch[2]) == (alice.identity, 99, b"sealed", False)
    assert engine.write(2, bob.ask([44, [serial]])) == []
    _, batch = engine.link_up(bob, 3)
    assert batch == [43, [], False]


def test_letters_for_nobody_and_too_many_are_refused() -> None:
    """Clause 7.3: "one sender never more than a third"."""
    engine, alice, bob = Engine(), Stranger("alice", 0x01), Stranger("bob", 0x11)
    engine.let_in(alice, HERE)
    engine.let_in(bob, THERE)
    engine.link_up(alice, 1)
    (refused,) = engine.write(1, alice.ask([40, 1, bytes(32), 99, b""]))
    assert alice.read(refused) == [42, 1, 3]
    answers = []
    for number in range(256):
        (answer,) = engine.write(1, alice.ask([40, number, bob.identity, number, b"sealed"]))
        answers.append(alice.read(answer))
    third = 86  # rounded up
    assert answers == [[41, number] for number in range(third)] + [
        [42, number, 2] for number in range(third, 256)
    ]


def test_a_line_goes_to_all_others_as_it_was_sealed() -> None:
    """Clause 8.4: "When it is on the disk (`fdatasync`), and not before, the line goes as
    GROUP_RELAYED, the same bytes for all, to all other links, never back to its sender"."""
    engine, alice, bob = Engine(), Stranger("alice", 0x01), Stranger("bob", 0x11)
    for link, (who, where) in enumerate([(alice, HERE), (bob, THERE)], start=1):
        engine.let_in(who, where)
        engine.link_up(who, link)
    line = alice.say("hello all", number=1)
    (accepted,) = engine.write(1, line)
    (relayed,) = engine.read(2)
    kind, position = struct.unpack(">BQ", relayed[:9])
    assert (kind, relayed[9:]) == (9, line[4:])
    assert alice.read(accepted) == [51, "channel", alice.group[2], 0, position]
    sender_index, payload = bob.hear(relayed[9:])
    assert sender_index == alice.group[4]
    assert unpacked(payload)[3] == "hello all"


def test_a_line_under_anothers_station_is_dropped() -> None:
    """Clause 8.4: "that the sender index is the one that it granted on this link, and that the frame
    has at most 65,833 bytes; otherwise the frame is dropped"."""
    engine, alice, bob = Engine(), Stranger("alice", 0x01), Stranger("bob", 0x11)
    for link, (who, where) in enumerate([(alice, HERE), (bob, THERE)], start=1):
        engine.let_in(who, where)
        engine.link_up(who, link)
    alice.group[4] = bob.group[4]
    assert engine.write(1, alice.say("I am bob", number=1)) == []
    assert engine.read(2) == []


def test_a_line_of_another_epoch_is_sent_back() -> None:
    """Clause 8.4: "that the epoch is the current one, or, for 60 s after a change, the one before;
    otherwise GroupRefused tells the sender to seal the line anew"."""
    engine, alice = Engine(), Stranger("alice", 0x01)
    engine.let_in(alice, HERE)
    engine.link_up(alice, 1)
    epoch = alice.group[2]
    alice.group[2] = epoch + 5
    (refused,) = engine.write(1, alice.say("too early", number=1))
    assert alice.read(refused) == [52, "channel", epoch + 5, 0, 1]


def test_the_past_is_handed_out_but_not_what_was_before() -> None:
    """Clause 8.5: "Nobody gets lines from before their name was bound"."""
    engine, alice, bob, carol = (
        Engine(),
        Stranger("alice", 0x01),
        Stranger("bob", 0x11),
        Stranger("carol", 0x31),
    )
    engine.let_in(alice, HERE)
    engine.link_up(alice, 1)
    engine.let_in(bob, THERE)
    frame = alice.say("for bob", number=1)
    engine.write(1, frame)
    engine.let_in(carol, ELSEWHERE)
    for link, (who, expected) in enumerate([(bob, [frame[4:]]), (carol, []), (alice, [])], start=2):
        engine.link_up(who, link)
        (page,) = [who.read(one) for one in engine.write(link, who.ask([53, "channel", 0]))]
        assert [line[2] for line in page[3]] == expected
        assert len(page[2]) == len(expected)
        assert page[5] is False


def test_a_new_member_means_a_new_epoch() -> None:
    """Clause 8.6: "A new epoch begins at every start of the registry and after a new name was
    bound, then at most once a minute"."""
    engine, alice = Engine(), Stranger("alice", 0x01)
    engine.let_in(alice, HERE)
    engine.link_up(alice, 1)
    epoch, key = alice.group[2:4]
    engine.let_in(Stranger("bob", 0x11), THERE)
    for _ in range(3):
        engine.wait(20.5)
        engine.send(alice.seal([10, 1]), HERE)
    notices = [alice.read(frame) for frame in engine.read(1)]
    granted = [notice for notice in notices if notice[0] == 50]
    assert granted[-1][2] == epoch + 1 == alice.group[2]
    assert granted[-1][3] != key


def test_a_datagram_is_relayed_as_it_is() -> None:
    """Clause 6.8: "The registry hands the datagram on as DatagramRelayed with the sender's identity
    over the recipient's link, or answers RelayFailed when there is none"."""
    engine, alice, bob = Engine(), Stranger("alice", 0x01), Stranger("bob", 0x11)
    engine.let_in(alice, HERE)
    engine.let_in(bob, THERE)
    engine.link_up(alice, 1)
    (failed,) = engine.write(1, alice.ask([30, bob.identity, b"datagram"]))
    assert alice.read(failed) == [32, bob.identity]
    engine.link_up(bob, 2)
    assert engine.write(1, alice.ask([30, bob.identity, b"datagram"])) == []
    assert [bob.read(frame) for frame in engine.read(2)] == [[31, alice.identity, b"datagram"]]
