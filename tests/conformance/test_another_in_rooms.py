"""Our registry and an independent peer that follows the document: rooms and renaming."""

import struct

from chatapp.wire.address import Address
from tests.conformance import by_hand
from tests.conformance.engine import Engine
from tests.conformance.stranger import Fields, Stranger, unpacked

PLACES = [Address(f"192.0.2.{number}", 6_000) for number in (1, 2, 3)]
GONE, AWAY, HERE = range(3)


def company(*names: str) -> tuple[Engine, list[Stranger]]:
    """Return a registry and registered peers with a link each; the first has link 1."""
    engine = Engine()
    people = [Stranger(name, 0x41 + 0x10 * number) for number, name in enumerate(names)]
    for link, (who, where) in enumerate(zip(people, PLACES, strict=False), start=1):
        engine.let_in(who, where)
        engine.link_up(who, link)
    return engine, people


def ask(engine: Engine, who: Stranger, link: int, request: Fields) -> list[Fields]:
    """Return the registry's notices to a peer."""
    return [who.read(frame) for frame in engine.write(link, who.ask(request))]


def news(engine: Engine, who: Stranger, link: int) -> list[Fields]:
    """Return the changes of the room's members sent within a moment."""
    engine.wait(0.05)
    notices = [who.read(frame) for frame in engine.read(link)]
    return [notice for notice in notices if notice[0] == 76]


def test_a_room_is_made_by_entering_it() -> None:
    """Clause 10.2: "A room is made by entering it. ... A GroupGranted for the group follows before
    any line of it"."""
    engine, (alice, bob) = company("alice", "bob")
    entered, granted = ask(engine, alice, 1, [70, 5, ["Lobby"]])
    assert entered[:4] == [73, 5, "#Lobby", []]
    assert entered[5] == 0
    assert (granted[:2], granted[5]) == ([50, "#Lobby"], entered[4])
    entered, _ = ask(engine, bob, 2, [70, 6, ["LOBBY"]])
    assert entered[2:4] == ["#Lobby", [[alice.identity, HERE]]]


def test_invalid_names_are_refused() -> None:
    """Clause 10.1: "The name of a room obeys the rule of people's names"."""
    engine, (alice,) = company("alice")
    assert ask(engine, alice, 1, [70, 5, ["two words"]]) == [[74, 5, "two words", 1]]


def test_changes_are_told_to_those_who_are_here() -> None:
    """Clause 10.4: "Changes are told to the members who are here by **RoomChanged**"."""
    engine, (alice, bob, carol) = company("alice", "bob", "carol")
    ask(engine, alice, 1, [70, 1, ["tea"]])
    ask(engine, bob, 2, [70, 1, ["tea"]])
    assert news(engine, alice, 1) == [[76, "#tea", [[bob.identity, HERE]]]]
    assert news(engine, bob, 2) == news(engine, carol, 3) == []
    engine.core.link_closed(2, now=engine.now)
    assert news(engine, alice, 1) == [[76, "#tea", [[bob.identity, AWAY]]]]
    engine.link_up(bob, 4)
    ask(engine, bob, 4, [70, 2, ["tea"]])
    assert news(engine, alice, 1) == [[76, "#tea", [[bob.identity, HERE]]]]
    assert ask(engine, bob, 4, [71, 3, "tea"])[-1] == [75, 3]
    assert news(engine, alice, 1) == [[76, "#tea", [[bob.identity, GONE]]]]


def test_several_rooms_by_one_request() -> None:
    """Clause 10.2: "Each room of the request is answered by itself, by **RoomEntered** or by
    **RoomRefused**, which repeats its name as it was asked"."""
    engine, (alice, bob) = company("alice", "bob")
    ask(engine, alice, 1, [70, 1, ["tea"]])
    answers = ask(engine, bob, 2, [70, 7, ["tea", "a b", "milk"]])
    told = [(answer[:3], len(answer[3])) for answer in answers if answer[0] == 73]
    assert told == [([73, 7, "#tea"], 1), ([73, 7, "#milk"], 0)]
    assert [answer for answer in answers if answer[0] == 74] == [[74, 7, "a b", 1]]
    assert ask(engine, bob, 2, [71, 8, "MILK"]) == [[75, 8]]
    assert ask(engine, alice, 1, [70, 9, ["tea"]])[0][3] == [[bob.identity, HERE]]


def test_lines_go_to_those_who_are_here() -> None:
    """Clause 10.5: "Only a member who is here may send a line, which goes to all others who are
    here; a frame of anybody else is dropped"."""
    engine, (alice, bob, carol) = company("alice", "bob", "carol")
    ask(engine, alice, 1, [70, 1, ["tea"]])
    ask(engine, bob, 2, [70, 1, ["tea"]])
    news(engine, alice, 1)
    line = alice.say("hello room", number=1)
    (accepted,) = engine.write(1, line)
    (relayed,) = [frame for frame in engine.read(2) if frame[0] == 9]
    position = struct.unpack(">BQ", relayed[:9])[1]
    assert relayed[9:] == line[4:]
    assert alice.read(accepted)[:2] == [51, "#tea"]
    sender_index, payload = bob.hear(relayed[9:])
    assert (sender_index, unpacked(payload)[3]) == (alice.group[4], "hello room")
    carol.group = [*alice.group[:4], carol.group[4], position]
    assert engine.write(3, carol.say("let me in", number=1)) == []
    assert [frame for frame in engine.read(1) if frame[0] == 9] == []


def test_only_a_member_may_fetch_and_nothing_from_before() -> None:
    """Clause 10.5: "Only a member may fetch, and gets nothing from before they became one"."""
    engine, (alice, bob, carol) = company("alice", "bob", "carol")
    ask(engine, alice, 1, [70, 1, ["tea"]])
    engine.write(1, alice.say("before", number=1))
    ask(engine, bob, 2, [70, 1, ["tea"]])
    frame = alice.say("after", number=2)
    engine.write(1, frame)
    assert ask(engine, carol, 3, [53, "#tea", 0]) == []
    notices = [bob.read(one) for one in engine.write(2, bob.ask([53, "#tea", 0])) if one[0] == 7]
    (page,) = [notice for notice in notices if notice[0] == 54]
    assert [line[2] for line in page[3]] == [frame[4:]]


def test_what_was_missed_is_counted() -> None:
    """Clause 10.2: "and `missed`: how many lines of others were sent while they were away"."""
    engine, (alice, bob) = company("alice", "bob")
    ask(engine, alice, 1, [70, 1, ["tea"]])
    since = ask(engine, bob, 2, [70, 1, ["tea"]])[0][4]
    engine.core.link_closed(2, now=engine.now)
    for number in range(3):
        engine.write(1, alice.say("are you there", number=number))
    engine.link_up(bob, 3)
    entered = ask(engine, bob, 3, [70, 2, ["tea"]])[0]
    assert entered[4:6] == [since, 3]


def test_a_new_member_means_a_new_epoch_of_the_room() -> None:
    """Clause 10.5: "A new epoch begins when somebody joins or leaves for good, at most every
    second"."""
    engine, (alice, bob) = company("alice", "bob")
    ask(engine, alice, 1, [70, 1, ["tea"]])
    epoch, key = alice.group[2:4]
    ask(engine, bob, 2, [70, 1, ["tea"]])
    assert bob.group[2] == epoch, "a newcomer gets the key in force at once"
    engine.wait(1.1)
    for frame in engine.read(1):
        alice.read(frame)
    assert alice.group[1:3] == ["#tea", epoch + 1]
    assert alice.group[3] != key


def test_rooms_are_listed() -> None:
    """Clause 10.6: "**ListRooms** is answered by **RoomsListed**: the rooms in which somebody is
    here, and how many, by the keys of their names"."""
    engine, (alice, bob, carol) = company("alice", "bob", "carol")
    ask(engine, alice, 1, [70, 1, ["b"]])
    ask(engine, bob, 2, [70, 1, ["C"]])
    assert ask(engine, carol, 3, [72, 9]) == [[77, 9, [["#b", 1], ["#C", 1]]]]


def test_a_topic_is_told_to_all_who_are_here_and_to_newcomers() -> None:
    """Clause 10.7: "When the topic is on the registry's disk, the author is answered with
    **TopicChanged** and all others who are here are sent it, with the reference 0"."""
    engine, (alice, bob, carol) = company("alice", "bob", "carol")
    ask(engine, alice, 1, [70, 1, ["tea"]])
    ask(engine, bob, 2, [70, 1, ["tea"]])
    ask(engine, alice, 1, [72, 2])
    (told,) = [
        notice for notice in ask(engine, alice, 1, [78, 7, "#tea", "Exam"]) if notice[0] == 79
    ]
    text, author, at = told[3]
    assert told[:3] == [79, 7, "#tea"]
    assert (text, author) == ("Exam", alice.identity)
    assert [79, 0, "#tea", [text, author, at]] in ask(engine, bob, 2, [72, 3])
    assert ask(engine, carol, 3, [70, 1, ["tea"]])[0][6] == [text, author, at]


def test_a_topic_of_a_room_where_one_is_not() -> None:
    """Clause 10.7: "A request that is not granted is answered with **TopicRefused**, and the former
    topic stays"."""
    engine, (alice, bob) = company("alice", "bob")
    ask(engine, alice, 1, [70, 1, ["tea"]])
    assert ask(engine, bob, 2, [78, 4, "#tea", "mine"]) == [[83, 4, 1]]


def renamed(who: Stranger, name: str, counter: int) -> Fields:
    """Return the next card of a peer, under another name."""
    return by_hand.card(who.seed, name, by_hand.public_of(who.mail), counter)


def test_another_name() -> None:
    """Clause 4.7: "The registry answers **RenameAccepted** when the name is on its disk and in the
    table"."""
    engine, (alice, bob) = company("alice", "bob")
    card = renamed(alice, "Alicia", 2)
    assert ask(engine, alice, 1, [80, 3, card]) == [[81, 3]]
    (page,) = [notice for notice in ask(engine, bob, 2, [20, 0]) if notice[0] == 21]
    assert [row[0] for row in page[4] if row[0][1] == alice.identity] == [card]


def test_the_name_before_is_nobody_elses() -> None:
    """Clause 4.7: "nobody else gets it or a name that looks like it, and the identity may take it
    back"."""
    engine, (alice, bob) = company("alice", "bob")
    ask(engine, alice, 1, [80, 1, renamed(alice, "Alicia", 2)])
    assert ask(engine, bob, 2, [80, 2, renamed(bob, "ALICE", 2)]) == [[82, 2, 1]]
    assert ask(engine, alice, 1, [80, 3, renamed(alice, "alice", 3)]) == [[81, 3]]


def test_an_older_card_renames_nobody() -> None:
    """Clause 4.7: "with a card of its own under the new name, with a higher counter than the
    registry knows"."""
    engine, (alice,) = company("alice")
    assert ask(engine, alice, 1, [80, 1, renamed(alice, "Alicia", 1)]) == [[82, 1, 3]]


def test_who_registers_under_another_name_bears_it() -> None:
    """Clause 4.7: "REGISTER with a card under another name does the same, and is answered by
    WELCOME or REFUSED"."""
    engine, (alice,) = company("alice")
    alice.card = renamed(alice, "Alicia", 2)
    alice.nonce = b"another nonce..."
    engine.let_in(alice, PLACES[0])
    engine.link_up(alice, 5)
    (page,) = ask(engine, alice, 5, [20, 0])
    assert [row[0][0] for row in page[4]] == ["Alicia"]
