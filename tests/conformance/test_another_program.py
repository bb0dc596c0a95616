"""This file is about our registry and a program that is not ours: it comes in, stays, speaks and leaves by the document."""

import struct

import pytest

from tests.conformance import by_hand
from tests.conformance.house import House
from tests.conformance.stranger import Stranger, unpacked
from wire.address import Address

HERE = Address("192.0.2.1", 6_000)
THERE = Address("192.0.2.2", 6_000)
ELSEWHERE = Address("198.51.100.9", 7_000)


def row_of(who: Stranger, house: House, asker: Stranger) -> list[object]:
    """Somebody's row, as `asker` gets it over its link (number 1)."""
    (page,) = [asker.read(frame) for frame in house.write(1, asker.ask([20, 0]))]
    assert page[0] == 21
    rows: list[list[object]] = [row for row in page[4] if row[0][1] == who.identity]
    (found,) = rows
    return found


# --- clause 4


def test_a_program_comes_in() -> None:
    """Clause 4: "All of them carry the nonce of the HELLO"."""
    house, alice = House(), Stranger("alice", 0x01)
    nonce, host, port, version, lease, link_port, signature = house.let_in(alice, HERE)
    assert (nonce, host, port, link_port) == (alice.nonce, HERE.host, HERE.port, 5_000)
    assert lease == 30
    said = by_hand.packed([alice.identity, nonce, host, port, version, lease, link_port])
    assert signature == by_hand.signed(house.identity.seed, b"chatapp welcome 1\0", said)


@pytest.mark.parametrize("size", [0, 1, 20, 255, 257, 1_200])
def test_only_a_hello_of_256_bytes_is_answered(size: int) -> None:
    """Clause 4.1: "A HELLO of any other length is dropped"."""
    house, alice = House(), Stranger("alice", 0x01)
    assert house.send(alice.hello()[:size].ljust(size, b"\0"), HERE) == []
    (cookie,) = house.send(alice.hello(), HERE)
    assert len(cookie) <= 256


def test_a_cookie_is_good_where_it_was_given() -> None:
    """Clause 4.2: "The registry takes them back from the same host and port in the 30-second window in which they were
    made and in the next one"."""
    house, alice = House(), Stranger("alice", 0x01)
    (cookie,) = house.send(alice.hello(), HERE)
    register = alice.register(cookie)
    assert house.send(register, ELSEWHERE) == []
    assert house.send(register, Address(HERE.host, HERE.port + 1)) == []
    house.wait(60.0)
    assert house.send(register, HERE) == []
    (cookie,) = house.send(alice.hello(), HERE)
    house.wait(30.0)
    assert house.send(alice.register(cookie), HERE)[0][0] == 4


def test_a_register_is_bound_to_its_author_and_registry() -> None:
    """Clause 4.3: "a card seen in the table is of no use to anybody else, nor a REGISTER to another registry"."""
    house, alice, eve = House(), Stranger("alice", 0x01), Stranger("eve", 0x31)
    (cookie,) = house.send(eve.hello(), HERE)
    eve.card = alice.card
    assert house.send(eve.register(cookie), HERE) == []
    eve = Stranger("eve", 0x31)
    elsewhere = unpacked(cookie[1:])
    elsewhere[2] = Stranger("", 0x41).card
    assert house.send(eve.register(b"\x02" + by_hand.packed(elsewhere)), HERE) == []


def test_a_repeated_register_is_answered_again() -> None:
    """Clause 4.3: "The same nonce once more, from somebody who is here, is a repeated datagram: it is answered again and
    changes nothing"."""
    house, alice = House(), Stranger("alice", 0x01)
    (cookie,) = house.send(alice.hello(), HERE)
    register = alice.register(cookie)
    first, again = house.send(register, HERE), house.send(register, HERE)
    assert unpacked(again[0][1:])[3] == unpacked(first[0][1:])[3]  # the table's version


def test_a_taken_name_is_refused() -> None:
    """Clause 3.4: "The registry binds a name's key to the first identity that comes with it"."""
    house = House()
    house.let_in(Stranger("alice", 0x01), HERE)
    impostor = Stranger("Alice", 0x31)
    (cookie,) = house.send(impostor.hello(), THERE)
    (refused,) = house.send(impostor.register(cookie), THERE)
    nonce, reason, name, signature = unpacked(refused[1:])
    assert (refused[0], nonce, reason, name) == (5, impostor.nonce, 1, "Alice")
    said = by_hand.packed([nonce, reason, name])
    assert signature == by_hand.signed(house.identity.seed, b"chatapp refused 1\0", said)


def test_anothers_live_key_is_refused() -> None:
    """Clause 3.4: "or when its live key stands in another identity's card"."""
    house, alice, eve = House(), Stranger("alice", 0x01), Stranger("eve", 0x31)
    house.let_in(alice, HERE)
    eve.card = by_hand.card(eve.seed, "eve", by_hand.public_of(alice.live), by_hand.public_of(eve.mail), 1)
    (cookie,) = house.send(eve.hello(), THERE)
    assert unpacked(house.send(eve.register(cookie), THERE)[0][1:])[1] == 1


def test_an_old_card_is_refused() -> None:
    """Clause 4.5: "a lower counter than the registry knows, or the same counter on another card"."""
    house = House()
    house.let_in(Stranger("alice", 0x01, counter=9), HERE)
    for counter in (8, 9):
        older = Stranger("alice", 0x01, counter=counter)
        older.nonce = bytes([counter]) * 16
        older.card = by_hand.card(
            older.seed, "alice", by_hand.public_of(b"\x55" * 32), by_hand.public_of(older.mail), counter
        )
        (cookie,) = house.send(older.hello(), HERE)
        assert unpacked(house.send(older.register(cookie), HERE)[0][1:])[1] == 3


def test_another_version_is_told_so() -> None:
    """Clause 4.5: "REFUSED with VERSION answers a HELLO and has an empty name; at most 20 of them a second are sent"."""
    house, alice = House(), Stranger("alice", 0x01)
    answers = [house.send(alice.hello(version=2), HERE) for _ in range(50)]
    refused = [answer[0] for answer in answers if answer]
    assert len(refused) == 20
    assert unpacked(refused[0][1:])[:3] == [alice.nonce, 4, ""]


# --- clause 5


def test_a_ping_is_answered_with_the_version() -> None:
    """Clause 5.4: "The registry answers **Pong** with its table version, by the way on which it was asked"."""
    house, alice = House(), Stranger("alice", 0x01)
    version = house.let_in(alice, HERE)[3]
    (pong,) = house.send(alice.seal([10, 77]), HERE)
    assert alice.open(pong) == [[11, 77, version]]
    house.link_up(alice, 1)
    (answer,) = house.write(1, alice.ask([10, 78]))
    assert alice.read(answer)[:2] == [11, 78]


def test_one_answer_a_datagram() -> None:
    """Clause 5.3: "the registry answers only the last Ping or Leave of a datagram, so that nobody makes it send more
    than they do"."""
    house, alice = House(), Stranger("alice", 0x01)
    house.let_in(alice, HERE)
    (pong,) = house.send(alice.seal([10, 1], [4, 5], [10, 2], [10, 3]), HERE)
    assert [frame[:2] for frame in alice.open(pong)] == [[11, 3]]


def test_errors_are_not_answered() -> None:
    """Clause 1.5: "An error is never answered with an error"."""
    house, alice = House(), Stranger("alice", 0x01)
    house.let_in(alice, HERE)
    good = alice.seal([10, 1])
    for bad in (b"", b"\x07", good[:-1], good + b"\0", b"\x63" + good[1:], good[:1] + bytes(8) + good[9:]):
        assert house.send(bad, HERE) == []
    assert house.send(alice.seal(["no frame"]), HERE) == []
    assert house.send(good, HERE) != []


def test_a_counter_opens_once() -> None:
    """Clause 5.2: "A recipient opens each counter once"."""
    house, alice = House(), Stranger("alice", 0x01)
    house.let_in(alice, HERE)
    ping = alice.seal([10, 1])
    assert house.send(ping, HERE) != []
    assert house.send(ping, HERE) == []


def test_a_late_ping_or_leave_changes_nothing() -> None:
    """Clause 5.4: "changes nothing: it was sent before something that is known already. It is answered only at the
    address at which the peer is known to be"."""
    house, alice = House(), Stranger("alice", 0x01)
    house.let_in(alice, HERE)
    house.link_up(alice, 1)
    early_leave, early_ping, ping = alice.seal([12, 1]), alice.seal([10, 2]), alice.seal([10, 3])
    house.send(ping, HERE)
    assert house.send(early_ping, ELSEWHERE) == []
    assert alice.open(house.send(early_leave, HERE)[0]) == [[13, 1]]
    row = row_of(alice, house, alice)
    assert row[1:4] == [HERE.host, HERE.port, True]


def test_a_leave_is_answered_again_and_again() -> None:
    """Clause 5.4: "It is answered by **Left**, each repeat again"."""
    house, alice = House(), Stranger("alice", 0x01)
    house.let_in(alice, HERE)
    for _ in range(3):
        assert alice.open(house.send(alice.seal([12, 9]), HERE)[0]) == [[13, 9]]


def test_a_newer_datagram_moves_somebody() -> None:
    """Clause 5.5: "A peer's address changes by a newer row, or by a datagram of theirs that opened: never by one that
    did not"."""
    house, alice = House(), Stranger("alice", 0x01)
    house.let_in(alice, HERE)
    house.link_up(alice, 1)
    ping = alice.seal([10, 1])
    house.send(ping[:-1] + bytes([ping[-1] ^ 1]), ELSEWHERE)
    assert row_of(alice, house, alice)[1] == HERE.host
    house.send(ping, ELSEWHERE)
    assert row_of(alice, house, alice)[1:3] == list(ELSEWHERE)


def test_a_closed_link_is_absence() -> None:
    """Clause 5.4: "A link that ends makes its peer offline at once; a later Ping makes it online again"."""
    house, alice, bob = House(), Stranger("alice", 0x01), Stranger("bob", 0x11)
    house.let_in(alice, HERE)
    house.let_in(bob, THERE)
    house.link_up(alice, 1)
    house.link_up(bob, 2)
    house.core.link_closed(2, now=house.now)
    assert row_of(bob, house, alice)[3] == 2
    house.send(bob.seal([10, 1]), THERE)
    assert row_of(bob, house, alice)[3] == 1


def test_who_leaves_is_away_and_who_vanishes_is_lost() -> None:
    """Clause 5.4: "The row says then that they are AWAY; whoever goes offline in any other way is LOST"."""
    house, alice, bob = House(), Stranger("alice", 0x01), Stranger("bob", 0x11)
    house.let_in(alice, HERE)
    house.let_in(bob, THERE)
    house.link_up(alice, 1)
    house.send(bob.seal([12, 1]), THERE)
    assert row_of(bob, house, alice)[3] == 0
    house.send(bob.seal([10, 1]), THERE)
    house.wait(31.0)
    assert row_of(bob, house, alice)[3] == 2


# --- clause 3.3


def test_changes_are_broadcast_in_a_chain() -> None:
    """Clause 3.3: "250 ms after the last change an empty batch (since = version) is sent, so that a lost last datagram is
    noticed"."""
    house, alice, bob = House(), Stranger("alice", 0x01), Stranger("bob", 0x11)
    version = house.let_in(alice, HERE)[3]
    house.link_up(alice, 1)
    house.let_in(bob, THERE)
    told = house.wait(1.0)
    batches = []
    for datagram, to in told:
        assert HERE in to
        assert len(datagram) <= 1_200
        station, payload = alice.hear(datagram)
        assert station == 0
        assert payload[:64] == by_hand.signed(house.identity.seed, b"chatapp table 1\0", payload[64:])
        batches.append(unpacked(payload[64:]))
    assert [batch[0] for batch in batches[1:]] == [batch[1] for batch in batches[:-1]]
    assert batches[0][0] <= version < batches[0][1]
    assert batches[-1][0] == batches[-1][1]
    assert batches[-1][2] == []
    assert {row[0][0] for batch in batches for row in batch[2]} == {"alice", "bob"}


# --- clause 9


def test_a_link_begins_with_a_grant_and_the_mail() -> None:
    """Clause 8.1: "When a link opens, and at each new epoch, the registry sends GroupGranted"."""
    house, alice = House(), Stranger("alice", 0x01)
    house.let_in(alice, HERE)
    granted, batch = house.link_up(alice, 1)
    assert granted[:2] == [50, "channel"]
    assert len(granted[3]) == 32
    assert granted[4] > 0
    assert batch == [43, [], False]


def test_a_strange_greeting_is_not_answered() -> None:
    """Clause 9.1: "The registry closes a connection with an unknown tag without a word"."""
    house = House()
    assert house.connect(1, bytes(24)) == b""
    assert 1 in house.closed


@pytest.mark.parametrize("first", [[10, 1], [20, 0], [60], ["no request"]])
def test_the_first_frame_is_an_attach(first: list[object]) -> None:
    """Clause 9.2: "The first frame of a peer must be Attach"."""
    house, alice = House(), Stranger("alice", 0x01)
    house.let_in(alice, HERE)
    random_bytes = house.connect(1, alice.greeting())
    alice.answered(random_bytes)
    alice.link_sent = 0
    assert (house.write(1, alice.ask(first)) != []) is (first == [60])
    assert (1 in house.closed) is (first != [60])


def test_a_frame_that_does_not_open_ends_the_link() -> None:
    """Clause 9.2: "A frame that does not open ends the link"."""
    house, alice = House(), Stranger("alice", 0x01)
    house.let_in(alice, HERE)
    house.link_up(alice, 1)
    repeated = alice.ask([10, 1])
    assert house.write(1, repeated) != []
    assert house.write(1, repeated) == []
    assert 1 in house.closed


def test_a_newer_link_ends_the_older_one() -> None:
    """Clause 9.2: "A newer link of the same peer ends the older one"."""
    house, alice = House(), Stranger("alice", 0x01)
    house.let_in(alice, HERE)
    house.link_up(alice, 1)
    house.link_up(alice, 2)
    assert set(house.closed) == {1}


def test_a_link_that_proves_nothing_is_closed() -> None:
    """Clause 9.5: "The first frame must open within 5 s"."""
    house, alice = House(), Stranger("alice", 0x01)
    house.let_in(alice, HERE)
    house.connect(1, alice.greeting())
    house.wait(4.9)
    assert house.closed == {}
    house.wait(0.2)
    assert 1 in house.closed


def test_the_oldest_of_too_many_links_goes() -> None:
    """Clause 9.5: "the oldest is closed when there are more than 16 of one address that have not even greeted, or more than
    512 in all"."""
    house = House()
    for link in range(1, 18):
        house.core.link_opened(link, Address("198.51.100.9", 1_000 + link), now=house.now)
    house.wait(0.1)
    assert house.closed == {}
    house.wait(2.0)
    house.core.link_opened(18, Address("198.51.100.9", 1_018), now=house.now)
    house.wait(0.1)
    assert set(house.closed) == {1, 2}


# --- clauses 7 and 8


def test_a_letter_waits_for_its_reader() -> None:
    """Clause 7.2: "It is answered by MailSaved when the letter is on the registry's disk (`fdatasync`), or by
    MailRefused. A letter whose sender and number are in the mailbox already is answered by MailSaved and not kept
    twice"."""
    house, alice, bob = House(), Stranger("alice", 0x01), Stranger("bob", 0x11)
    house.let_in(alice, HERE)
    house.let_in(bob, THERE)
    house.link_up(alice, 1)
    for reference in (5, 6):
        (saved,) = house.write(1, alice.ask([40, reference, bob.identity, 99, b"sealed"]))
        assert alice.read(saved) == [41, reference]
    _, batch = house.link_up(bob, 2)
    ((serial, sender, number, letter),) = batch[1]
    assert (sender, number, letter, batch[2]) == (alice.identity, 99, b"sealed", False)
    assert house.write(2, bob.ask([44, [serial]])) == []
    _, batch = house.link_up(bob, 3)
    assert batch == [43, [], False]


def test_letters_for_nobody_and_too_many_are_refused() -> None:
    """Clause 7.3: "32 letters of this sender wait there"."""
    house, alice, bob = House(), Stranger("alice", 0x01), Stranger("bob", 0x11)
    house.let_in(alice, HERE)
    house.let_in(bob, THERE)
    house.link_up(alice, 1)
    (refused,) = house.write(1, alice.ask([40, 1, bytes(32), 99, b""]))
    assert alice.read(refused) == [42, 1, 3]
    for number in range(33):
        (answer,) = house.write(1, alice.ask([40, number, bob.identity, number, b"sealed"]))
        assert alice.read(answer) == ([41, number] if number < 32 else [42, number, 2])


def test_a_line_goes_to_all_others_as_it_was_sealed() -> None:
    """Clause 8.4: "Then the line gets the next **position**, and goes as GROUP_RELAYED, the same bytes for all, to all
    other links; never back to its sender"."""
    house, alice, bob = House(), Stranger("alice", 0x01), Stranger("bob", 0x11)
    for link, (who, where) in enumerate([(alice, HERE), (bob, THERE)], start=1):
        house.let_in(who, where)
        house.link_up(who, link)
    line = alice.say("hello all", number=1)
    (accepted,) = house.write(1, line)
    (relayed,) = house.read(2)
    kind, position = struct.unpack(">BQ", relayed[:9])
    assert (kind, relayed[9:]) == (9, line[4:])
    assert alice.read(accepted) == [51, "channel", alice.group[2], 0, position]
    station, payload = bob.hear(relayed[9:])
    assert station == alice.group[4]
    assert unpacked(payload)[3] == "hello all"


def test_a_line_under_anothers_station_is_dropped() -> None:
    """Clause 8.4: "that the station is the one that it gave to this link, and that the frame has at most 65,833 bytes,
    else the frame is dropped"."""
    house, alice, bob = House(), Stranger("alice", 0x01), Stranger("bob", 0x11)
    for link, (who, where) in enumerate([(alice, HERE), (bob, THERE)], start=1):
        house.let_in(who, where)
        house.link_up(who, link)
    alice.group[4] = bob.group[4]
    assert house.write(1, alice.say("I am bob", number=1)) == []
    assert house.read(2) == []


def test_a_line_of_another_epoch_is_sent_back() -> None:
    """Clause 8.4: "that the epoch is the current one, or the one before for 60 s, else GroupRefused tells the sender to
    seal it anew"."""
    house, alice = House(), Stranger("alice", 0x01)
    house.let_in(alice, HERE)
    house.link_up(alice, 1)
    epoch = alice.group[2]
    alice.group[2] = epoch + 5
    (refused,) = house.write(1, alice.say("too early", number=1))
    assert alice.read(refused) == [52, "channel", epoch + 5, 0, False]


def test_the_past_is_handed_out_but_not_what_was_before() -> None:
    """Clause 8.5: "Nobody gets lines from before their name was bound"."""
    house, alice, bob, carol = (
        House(),
        Stranger("alice", 0x01),
        Stranger("bob", 0x11),
        Stranger("carol", 0x31),
    )
    house.let_in(alice, HERE)
    house.link_up(alice, 1)
    house.let_in(bob, THERE)
    frame = alice.say("for bob", number=1)
    house.write(1, frame)
    house.let_in(carol, ELSEWHERE)
    for link, (who, expected) in enumerate([(bob, [frame[4:]]), (carol, []), (alice, [])], start=2):
        house.link_up(who, link)
        (page,) = [who.read(one) for one in house.write(link, who.ask([53, "channel", 0]))]
        assert [line[2] for line in page[3]] == expected
        assert len(page[2]) == len(expected)
        assert page[5] is False


def test_a_new_member_means_a_new_epoch() -> None:
    """Clause 8.6: "A new epoch begins at every start of the registry and after a new name was bound, then at most once a
    minute"."""
    house, alice = House(), Stranger("alice", 0x01)
    house.let_in(alice, HERE)
    house.link_up(alice, 1)
    epoch, key = alice.group[2:4]
    house.let_in(Stranger("bob", 0x11), THERE)
    house.wait(61.0)
    notices = [alice.read(frame) for frame in house.read(1)]
    granted = [notice for notice in notices if notice[0] == 50]
    assert granted[-1][2] == epoch + 1 == alice.group[2]
    assert granted[-1][3] != key


def test_a_datagram_is_relayed_as_it_is() -> None:
    """Clause 6.8: "The registry hands the datagram on as DatagramRelayed with the sender's identity over the recipient's
    link, or answers RelayFailed when there is none"."""
    house, alice, bob = House(), Stranger("alice", 0x01), Stranger("bob", 0x11)
    house.let_in(alice, HERE)
    house.let_in(bob, THERE)
    house.link_up(alice, 1)
    (failed,) = house.write(1, alice.ask([30, bob.identity, b"datagram"]))
    assert alice.read(failed) == [32, bob.identity]
    house.link_up(bob, 2)
    assert house.write(1, alice.ask([30, bob.identity, b"datagram"])) == []
    assert [bob.read(frame) for frame in house.read(2)] == [[31, alice.identity, b"datagram"]]
