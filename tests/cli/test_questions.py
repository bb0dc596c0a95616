"""The questions at a first start: defaults, mistakes and the end of input."""

from collections.abc import Callable
from pathlib import Path

import pytest

import chatapp.__main__
from chatapp.peer.keystore import folder_of
from chatapp.peer.starts import remember
from chatapp.questions import Choice, InputEnded, ask_all, ask_name, ask_server, server_typed
from chatapp.validation import Misuse
from chatapp.wire.address import Address
from chatapp.wire.errors import AddressRefused
from chatapp.wire.names import peer_name
from tests.cli.starting import Started

SERVER = Address("192.0.2.1", 5000)


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
    chosen = ask_all(tmp_path, read=person.read, say=person.say)
    assert chosen == Choice(peer_name("alice"), SERVER, peer_name("lab"))
    assert person.questions == [
        "Your name: ",
        "Server (address and port, such as 192.168.1.5 5000): ",
        "Room to enter (may stay empty): ",
    ]


def test_the_second_start_offers_what_was_chosen_before(tmp_path: Path) -> None:
    folder_of(tmp_path, "alice").mkdir(parents=True)
    remember(folder_of(tmp_path, "alice"), "alice", SERVER)
    person = Person("", "", "")
    assert ask_all(tmp_path, read=person.read, say=person.say) == Choice(peer_name("alice"), SERVER, None)
    assert person.questions[:2] == [
        "Your name [alice]: ",
        "Server (address and port, such as 192.168.1.5 5000) [192.0.2.1 5000]: ",
    ]


def test_a_room_that_is_given_is_not_asked_for(tmp_path: Path) -> None:
    person = Person("alice", "192.0.2.1:5000")
    assert ask_all(tmp_path, room="#lab", read=person.read, say=person.say).room == "lab"


def test_a_mistake_is_told_and_asked_again() -> None:
    person = Person("", "al,ice", "alice")
    assert ask_name(None, read=person.read, say=person.say) == "alice"
    assert len(person.told) == 2
    assert '"al,ice" is not a name' in person.told[1]
    person = Person("192.0.2.1", "192.0.2.1 80", "300.0.0.1 5000", "192.0.2.1 5000")
    assert ask_server(None, read=person.read, say=person.say) == SERVER
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
    monkeypatch.setattr("chatapp.starting.ask_server", lambda default: ask_server(default, read=end))
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
    assert server_typed(typed) == server


@pytest.mark.parametrize("typed", ["", "5000", ":5000", "a b c", "192.0.2.1 99999", "192.0.2.1 x"])
def test_what_is_no_server(typed: str) -> None:
    with pytest.raises((Misuse, AddressRefused)):
        server_typed(typed)
