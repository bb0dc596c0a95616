"""The questions at a first start: defaults, mistakes and the end of input."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import chatapp.__main__
from chatapp.peer.folders import folder_of
from chatapp.peer.starts import Start, remember
from chatapp.questions import Choice, InputEnded, ask_all, ask_name, ask_server, servers_typed
from chatapp.validation import Misuse
from chatapp.wire.address import Address
from chatapp.wire.aio.lan import FoundRegistry
from chatapp.wire.errors import AddressRefused
from chatapp.wire.names import peer_name
from tests.cli.starting import Started

SERVER = Address("192.0.2.1", 5000)


def nothing() -> Callable[[], Sequence[FoundRegistry]]:
    """A look at a network on which nothing is."""
    return tuple


class Person:
    """A user who gives these answers in turn, and then ends the input."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.questions: list[str] = []
        self.told: list[str] = []

    def read(self, question: str) -> str:
        self.questions.append(question)
        if not self.answers:
            raise EOFError
        return self.answers.pop(0)

    @property
    def say(self) -> Callable[[str], object]:
        return self.told.append


def test_the_first_start_asks_for_name_server_and_room(tmp_path: Path) -> None:
    person = Person("alice", "192.0.2.1 5000", "#lab")
    chosen = ask_all(tmp_path, look=nothing, read=person.read, say=person.say)
    assert chosen == Choice(peer_name("alice"), (SERVER,), peer_name("lab"))
    assert person.questions == [
        "Your name: ",
        "Server (address and port, such as 192.168.1.5 5000): ",
        "Room to enter (may stay empty): ",
    ]


def test_the_second_start_offers_what_was_chosen_before(tmp_path: Path) -> None:
    folder_of(tmp_path, "alice").mkdir(parents=True)
    remember(folder_of(tmp_path, "alice"), "alice", [SERVER])
    person = Person("", "", "")
    assert ask_all(tmp_path, look=nothing, read=person.read, say=person.say) == Choice(
        peer_name("alice"), (SERVER,), None
    )
    assert person.questions[:2] == [
        "Your name [alice]: ",
        "Server (address and port, such as 192.168.1.5 5000) [192.0.2.1 5000]: ",
    ]


def test_a_room_that_is_given_is_not_asked_for(tmp_path: Path) -> None:
    person = Person("alice", "192.0.2.1:5000")
    assert ask_all(tmp_path, look=nothing, room="#lab", read=person.read, say=person.say).room == "lab"


KEY = "0123456789abcdef" * 2


def found(host: str, name: str, key: str = "") -> FoundRegistry:
    return FoundRegistry(Address(host, 5000), name, key)


def start(host: str, key: str) -> Start:
    return Start(name="alice", servers=(Address(host, 5000),), at=0.0, key=key)


def test_a_registry_that_is_found_alone_is_the_default() -> None:
    person = Person("")
    chosen = ask_server(None, [found("192.0.2.7", "lab 5000", KEY)], read=person.read, say=person.say)
    assert chosen == (Address("192.0.2.7", 5000),)
    assert person.told == [
        "Servers on this network:",
        "  1  lab 5000: 192.0.2.7 5000 (0123 4567 89ab cdef 0123 4567 89ab cdef)",
    ]
    assert person.questions == ["Server (a number, or address and port) [192.0.2.7 5000]: "]


def test_of_several_the_person_chooses() -> None:
    several = [found("192.0.2.7", "a"), found("192.0.2.8", "b")]
    person = Person("", "3", "0", "2")
    assert ask_server(None, several, read=person.read, say=person.say) == (Address("192.0.2.8", 5000),)
    assert person.questions[0] == "Server (a number, or address and port): ", (
        "nobody is trusted for being first"
    )
    person = Person("192.0.2.9 5000")
    assert ask_server(None, several, read=person.read, say=person.say) == (Address("192.0.2.9", 5000),)


def test_the_registry_that_is_known_wins_over_whoever_answers_first() -> None:
    impostor, known = found("192.0.2.6", "a", "f" * 32), found("192.0.2.7", "b", KEY)
    person = Person("")
    moved = ask_server(start("192.0.2.1", KEY), [impostor, known], read=person.read, say=person.say)
    assert moved == (known.address,), "it has another address today"
    assert person.told[2].endswith(", known to you)")
    for several in ([impostor], [], [impostor, found("192.0.2.8", "c")]):
        person = Person("")
        stays = ask_server(start("192.0.2.1", KEY), several, read=person.read, say=person.say)
        assert stays == (Address("192.0.2.1", 5000),), "it may answer although it is not announced"
    person = Person("")
    keyless = ask_server(start("192.0.2.1", ""), [found("192.0.2.6", "a")], read=person.read, say=person.say)
    assert keyless == (Address("192.0.2.1", 5000),), "two missing keys are not the same key"


def test_a_mistake_is_told_and_asked_again() -> None:
    person = Person("", "al,ice", "alice")
    assert ask_name(None, read=person.read, say=person.say) == "alice"
    assert len(person.told) == 2
    assert '"al,ice" is not a name' in person.told[1]
    person = Person("192.0.2.1", "192.0.2.1 80", "300.0.0.1 5000", "192.0.2.1 5000")
    assert ask_server(None, read=person.read, say=person.say) == (SERVER,)
    assert person.told[0] == "type the server's address and its port"
    assert "1024-65535" in person.told[1]
    assert "300.0.0.1" in person.told[2]


def test_the_end_of_input_ends_the_program_in_order() -> None:
    person = Person()
    with pytest.raises(InputEnded):
        ask_name(None, read=person.read, say=person.say)


def test_the_end_of_input_at_a_question_is_no_failure(
    started: Started, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def end(question: str) -> str:
        raise EOFError

    monkeypatch.setattr("chatapp.starting.is_terminal", lambda: True)
    monkeypatch.setattr("chatapp.starting.ask_server", lambda last, found: ask_server(last, found, read=end))
    monkeypatch.setenv("CHATAPP_DISCOVER", "false")
    monkeypatch.setenv("CHATAPP_HOME", str(tmp_path))
    assert chatapp.__main__.main(["-c", "alice"]) == 0
    assert started.mode == ""


@pytest.mark.parametrize(
    ("typed", "server"),
    [
        ("192.0.2.1 5000", SERVER),
        (" 192.0.2.1:5000 ", SERVER),
        ("[2001:db8::5]:5000", Address("2001:db8::5", 5000)),
        ("2001:db8::5 5000", Address("2001:db8::5", 5000)),
        ("LocalHost 5000", Address("LocalHost", 5000)),
    ],
)
def test_how_a_server_may_be_typed(typed: str, server: Address) -> None:
    assert servers_typed(typed) == (server,)


@pytest.mark.parametrize("typed", ["", "5000", ":5000", "a b c", "192.0.2.1 99999", "192.0.2.1 x"])
def test_what_is_no_server(typed: str) -> None:
    with pytest.raises((Misuse, AddressRefused)):
        servers_typed(typed)
