"""The questions at a first start: defaults, mistakes and the end of input."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import chatapp.__main__
from chatapp.peer.node.starts import Start, folder_of, remember
from chatapp.questions import (
    Choice,
    InputEnded,
    ServerChoice,
    ask_all,
    ask_name,
    ask_server,
    servers_typed,
)
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
    assert chosen == Choice(peer_name("alice"), ServerChoice((SERVER,)), (peer_name("lab"),))
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
        peer_name("alice"), ServerChoice((SERVER,)), ()
    )
    assert person.questions[:2] == [
        "Your name [alice]: ",
        "Server (address and port, such as 192.168.1.5 5000) [192.0.2.1 5000]: ",
    ]


def test_a_room_that_is_given_is_not_asked_for(tmp_path: Path) -> None:
    person = Person("alice", "192.0.2.1:5000")
    rooms = ["#lab", "den"]
    chosen = ask_all(tmp_path, look=nothing, rooms=rooms, read=person.read, say=person.say)
    assert chosen.rooms == ("lab", "den")


KEY = "0123456789abcdef" * 2
OTHER_KEY = "f" * 32


def found(host: str, name: str, key: str = KEY, *, port: int = 5000) -> FoundRegistry:
    return FoundRegistry(Address(host, port), name, key)


def start(host: str, key: str) -> Start:
    return Start(name="alice", servers=(Address(host, 5000),), at=0.0, key=key)


def test_a_registry_that_is_found_alone_is_the_default_and_has_to_prove_its_key() -> None:
    person = Person("")
    chosen = ask_server(None, [found("192.0.2.7", "lab 5000")], read=person.read, say=person.say)
    assert chosen == ServerChoice((Address("192.0.2.7", 5000),), KEY)
    assert person.told == [
        "Servers on this network:",
        "  1  lab 5000: 192.0.2.7 5000 (0123 4567 89ab cdef 0123 4567 89ab cdef)",
    ]
    assert person.questions == ["Server (a number, or address and port) [192.0.2.7 5000]: "]


def test_of_several_the_person_chooses() -> None:
    several = [found("192.0.2.7", "a"), found("192.0.2.8", "b", OTHER_KEY)]
    person = Person("", "3", "0", "2")
    chosen = ask_server(None, several, read=person.read, say=person.say)
    assert chosen == ServerChoice((Address("192.0.2.8", 5000),), OTHER_KEY)
    assert person.questions[0] == "Server (a number, or address and port): ", (
        "nobody is trusted for being first"
    )
    person = Person("192.0.2.9 5000")
    chosen = ask_server(None, several, read=person.read, say=person.say)
    assert chosen == ServerChoice((Address("192.0.2.9", 5000),))


def test_only_the_server_of_the_last_start_is_the_default_whoever_claims_its_key() -> None:
    claims = found("192.0.2.6", "a")
    last = ServerChoice((Address("192.0.2.1", 5000),))
    for others in (
        [],
        [claims],
        [found("192.0.2.8", "c", OTHER_KEY)],
        [claims, found("192.0.2.1", "z")],
    ):
        person = Person("")
        chosen = ask_server(start("192.0.2.1", KEY), others, read=person.read, say=person.say)
        assert chosen == last, (
            "a claim proves nothing, and the server may answer although it is not announced"
        )


def test_whoever_claims_the_known_key_elsewhere_is_listed_so_and_has_to_prove_it() -> None:
    person = Person("2")
    moved = found("192.0.2.1", "a", port=5001)
    chosen = ask_server(
        start("192.0.2.1", KEY), [moved, found("192.0.2.1", "z")], read=person.read, say=person.say
    )
    assert chosen == ServerChoice((moved.address,), KEY)
    assert [line.partition("cdef, ")[2] for line in person.told[1:]] == [
        "where you were last)",
        "claims to be the server where you were last)",
    ]


@pytest.mark.parametrize(
    ("typed", "known", "said"),
    [
        ("2001:DB8:0::1", KEY, ", where you were last"),
        ("2001:db8::1", "", ", where you were last"),
        ("2001:db8::1", OTHER_KEY, ", where you were last, with another key"),
        ("lab.example", KEY, ", claims to be the server where you were last"),
        ("2001:db8::2", OTHER_KEY, ""),
        ("2001:db8::2", "", ""),
    ],
)
def test_what_the_last_start_tells_about_an_announcement(typed: str, known: str, said: str) -> None:
    person = Person("")
    ask_server(start(typed, known), [found("2001:db8::1", "a")], read=person.read, say=person.say)
    assert person.told[1].partition(" cdef 0123 4567 89ab cdef")[2] == f"{said})"


def test_a_mistake_is_told_and_asked_again() -> None:
    person = Person("", "al,ice", "alice")
    assert ask_name(None, read=person.read, say=person.say) == "alice"
    assert len(person.told) == 2
    assert '"al,ice" is not a name' in person.told[1]
    person = Person("192.0.2.1", "192.0.2.1 80", "300.0.0.1 5000", "192.0.2.1 5000")
    assert ask_server(None, read=person.read, say=person.say) == ServerChoice((SERVER,))
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
    monkeypatch.setattr(
        "chatapp.starting.ask_server", lambda last, found: ask_server(last, found, read=end)
    )
    monkeypatch.setenv("CHATAPP_DISCOVER", "false")
    monkeypatch.setenv("CHATAPP_HOME", str(tmp_path))
    assert chatapp.__main__.main(["-c", "alice"]) == 0
    assert started.mode == ""


def test_a_server_that_is_given_is_not_asked_for(
    started: Started, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("alice\nlab\n"))
    monkeypatch.setattr("chatapp.commands.program.is_terminal", lambda: True)
    monkeypatch.setenv("CHATAPP_HOME", str(tmp_path))
    words = ["--host", "127.0.0.1", "--port", "5000"]
    assert chatapp.__main__.main(words) == 0
    assert started.mode == "peer"
    told = started.told
    assert (told["name"], told["servers"], told["rooms"]) == (
        "alice",
        (Address("127.0.0.1", 5000),),
        ("lab",),
    )
    monkeypatch.setattr("sys.stdin", io.StringIO("alice\n"))
    assert chatapp.__main__.main([*words, "--room", "hall"]) == 0
    assert told["announced_key"] is None


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("--host 127.0.0.1 --port 80", 'server-port: "80" is not a port'),
        ("--host 300.0.0.1 --port 5000", 'server-ip: "300.0.0.1"'),
        ("--host 127.0.0.1", "nothing to do: "),
    ],
)
def test_a_server_that_is_given_wrongly_is_told_before_a_question(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: str, why: str
) -> None:
    monkeypatch.setattr("chatapp.commands.program.is_terminal", lambda: True)
    assert chatapp.__main__.main(words.split()) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"ChatApp: {why}")


@pytest.mark.parametrize("arguments", [[], ["-c", "alice"]])
def test_the_chosen_announcement_has_to_be_proved_by_the_program_that_starts(
    started: Started, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: list[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("1\n" if arguments else "alice\n1\n\n"))
    for module in ("chatapp.starting", "chatapp.commands.program"):
        monkeypatch.setattr(f"{module}.is_terminal", lambda: True)
    monkeypatch.setattr("chatapp.wire.aio.lan.Discovery.__init__", lambda self: None)
    monkeypatch.setattr(
        "chatapp.wire.aio.lan.Discovery.finish", lambda self: [found("127.0.0.1", "lab 5000")]
    )
    monkeypatch.setenv("CHATAPP_DISCOVER", "true")
    monkeypatch.setenv("CHATAPP_HOME", str(tmp_path))
    assert chatapp.__main__.main(arguments) == 0
    assert started.told["servers"] == (Address("127.0.0.1", 5000),)
    assert (started.told["announced_key"], started.told["registry_key"]) == (KEY, None)


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
