"""This file is about the command line: a mistake is one line that names the culprit, what is right is passed on."""

import os
import socket
import subprocess
import sys
import threading
import types
from pathlib import Path

import pytest

import chatapp
from cli import checking
from registry.configuration import VARIABLES
from registry.settings import DeskTable, RegistryTable, Settings
from wire.address import Address
from wire.errors import ChatAppError
from wire.invitations import CODE_BYTES, JoinCode

CHECKOUT = Path(chatapp.__file__).parent
SEND = ["send", "alice", "127.0.0.1", "5000", "bob"]
PEER = ["-c", "alice", "127.0.0.1", "5000", "6000"]


class Started:
    """Stands where the registry and the peer would start, and remembers what they were told."""

    def __init__(self, status: int = 0) -> None:
        self.status = status
        self.mode = ""
        self.told: dict[str, object] = {}

    def serve(self, **told: object) -> int:
        self.mode, self.told = "registry", told
        return self.status

    def chat(self, **told: object) -> int:
        self.mode, self.told = "peer", told
        return self.status

    def visit(self, **told: object) -> int:
        self.mode, self.told = "visitor", told
        return self.status

    @property
    def settings(self) -> Settings:
        """What a registry was told."""
        settings = self.told["settings"]
        assert isinstance(settings, Settings)
        return settings

    def say(self, **told: object) -> int:
        self.mode, self.told = "once", told
        return self.status


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Started:
    for variable in VARIABLES.values():
        monkeypatch.delenv(variable, raising=False)
    stand_in = Started()
    runs = {
        "registry.server": stand_in.serve,
        "peer.ui.main": stand_in.chat,
        "peer.ui.once": stand_in.say,
        "peer.desk.main": stand_in.visit,
    }
    for name, run in runs.items():
        module = types.ModuleType(name)
        vars(module)["run"] = run
        monkeypatch.setitem(sys.modules, name, module)
    return stand_in


@pytest.mark.parametrize(
    "arguments", [["-s", "5000"], ["--server", "5000"], ["5000", "-s"], ["-s", "--plain", "5000"]]
)
def test_a_registry_is_started(started: Started, arguments: list[str]) -> None:
    assert chatapp.main(arguments) == 0
    assert started.mode == "registry"
    assert started.told == {"port": 5000, "settings": Settings(), "again": None}


def test_a_registry_reads_its_files_again(started: Started, tmp_path: Path) -> None:
    ban, config = tmp_path / "ban", tmp_path / "chatapp.toml"
    ban.write_text("bob\n")
    config.write_text('[registry]\nallow = ["' + "0" * 32 + '"]\n')
    assert chatapp.main(["-s", "5000", "--ban", str(ban), "--config", str(config)]) == 0
    again = started.told["again"]
    assert callable(again)
    ban.write_text("carol\n")
    settings = again()
    assert isinstance(settings, Settings)
    assert (settings.registry.ban, settings.registry.allow) == (("carol",), ("0" * 32,))
    for content in ("a b\n", "x" * 5_000_000):
        ban.write_text(content)
        with pytest.raises(ChatAppError, match="--ban"):
            again()
    ban.unlink()
    os.mkfifo(ban)
    with pytest.raises(ChatAppError, match="no file that can be read again"):
        again()


def test_one_message_with_a_join_code(started: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    code = JoinCode.drawn(b"c" * CODE_BYTES).text
    assert chatapp.main([*SEND, "--code", code.lower(), "hi"]) == 0
    assert started.told["code"] == code
    monkeypatch.setenv("CHATAPP_CODE", code)
    assert chatapp.main([*SEND, "hi"]) == 0
    assert started.told["code"] == code


@pytest.mark.parametrize("arguments", [PEER, ["--client", *PEER[1:]], [*PEER[1:], "-c"]])
def test_a_peer_is_started(started: Started, arguments: list[str]) -> None:
    assert chatapp.main(arguments) == 0
    assert started.mode == "peer"
    assert started.told == {
        "name": "alice",
        "server": Address("127.0.0.1", 5000),
        "port": 6000,
        "data": None,
        "plain": False,
        "stay": False,
        "room": None,
        "code": None,
        "log_level": "warning",
    }


def test_options_are_passed_on(started: Started, tmp_path: Path) -> None:
    assert (
        chatapp.main([*PEER, "--data", str(tmp_path / "new"), "--plain", "--stay", "--log-level", "debug"])
        == 0
    )
    assert started.told["data"] == tmp_path / "new"
    assert (started.told["plain"], started.told["stay"], started.told["log_level"]) == (True, True, "debug")
    assert chatapp.main(["-s", "5000", "--data", str(tmp_path), "--log-level", "error"]) == 0
    assert started.told["port"] == 5000
    assert started.settings.registry == RegistryTable(data=str(tmp_path), log_level="error")


@pytest.mark.parametrize("typed", ["lab", "#lab"])
def test_a_room_to_enter_at_start(started: Started, typed: str) -> None:
    assert chatapp.main([*PEER, "--room", typed]) == 0
    assert started.told["room"] == "lab"


@pytest.mark.parametrize(
    ("text", "said"),
    [("hi there", "hi there"), ("-", None), ("-5 degrees", "-5 degrees"), ("--", "--"), ("\udcff", "\ufffd")],
)
def test_one_message(started: Started, text: str, said: str | None) -> None:
    arguments = [*SEND, "--json", text] if text != "--" else [*SEND, "--json", "--", "--"]
    assert chatapp.main(arguments) == 0
    assert started.mode == "once"
    assert started.told == {
        "name": "alice",
        "server": Address("127.0.0.1", 5000),
        "to": "bob",
        "text": said,
        "data": None,
        "code": None,
        "as_json": True,
        "log_level": "warning",
    }


def test_one_message_of_blanks_is_none(started: Started, capsys: pytest.CaptureFixture[str]) -> None:
    assert chatapp.main([*SEND, " "]) == 2
    assert capsys.readouterr().err == "ChatApp: text: there is nothing to say\n"


def test_the_first_word_alone_makes_it_one_message(started: Started) -> None:
    assert chatapp.main(["-c", "send", "127.0.0.1", "5000", "6000"]) == 0
    assert started.told["name"] == "send"


@pytest.mark.parametrize("arguments", [["-s", "5000"], PEER, [*SEND, "hi"], ["--desk", *PEER[2:4]]])
def test_the_status_of_the_program_is_ours(started: Started, arguments: list[str]) -> None:
    started.status = 1
    assert chatapp.main(arguments) == 1


@pytest.mark.parametrize(
    ("host", "found"),
    [("::1", "::1"), ("::ffff:127.0.0.1", "127.0.0.1"), ("localhost", "127.0.0.1"), ("0:0::1", "::1")],
)
def test_a_server_is_an_address_or_a_name_that_resolves(started: Started, host: str, found: str) -> None:
    assert chatapp.main(["-c", "alice", host, "5000", "6000"]) == 0
    assert started.told["server"] == Address(found, 5000)


def test_a_visitor_is_started(started: Started, tmp_path: Path) -> None:
    assert chatapp.main(["--desk", "127.0.0.1", "5000"]) == 0
    assert started.mode == "visitor"
    silent = {"queue": "", "data": None, "plain": False, "stay": False, "log_level": "warning"}
    assert started.told == {"server": Address("127.0.0.1", 5000), **silent}
    assert chatapp.main(["--desk", "::1", "5000", "--queue", "exams", "--stay", "--data", str(tmp_path)]) == 0
    assert (started.told["queue"], started.told["stay"], started.told["data"]) == ("exams", True, tmp_path)


def test_a_registry_gets_its_settings_from_command_line_environment_and_file(
    started: Started, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "chatapp.toml"
    file.write_text('[desk]\nregion = "DE"\nkeep_place = 9\n[registry]\nlog_level = "error"\nlease = 9\n')
    monkeypatch.setenv("CHATAPP_KEEP_PLACE", "8")
    monkeypatch.setenv("CHATAPP_LOG_LEVEL", "info")
    typed = ["-s", "5000", "--config", str(file), "--region", "FR", "--operator", "bob", "--operator", "eve"]
    assert chatapp.main(typed) == 0
    assert started.settings == Settings(
        registry=RegistryTable(log_level="info", lease=9),
        desk=DeskTable(region="FR", keep_place=8, operators=("bob", "eve")),
    )
    assert chatapp.main([*typed, "--log-level", "debug"]) == 0
    assert started.settings.registry.log_level == "debug"
    monkeypatch.setenv("CHATAPP_LEASE", "1")
    assert chatapp.main(typed) == 2


def test_the_configuration_is_checked_and_shown(
    started: Started, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "chatapp.toml"
    file.write_text("[registry]\nlease = 9\n")
    monkeypatch.setenv("CHATAPP_REGION", "FR")
    assert chatapp.main(["config", "--check", str(file)]) == 0
    assert capsys.readouterr().out == f"{file}: fine\n"
    assert chatapp.main(["config", "--config", str(file)]) == 0
    shown = capsys.readouterr().out
    assert f"lease = 9  # {file}\n" in shown
    assert 'region = "FR"  # CHATAPP_REGION\n' in shown
    file.write_text("[registry]\nleese = 9\n")
    assert chatapp.main(["config", "--check", str(file)]) == 2
    assert capsys.readouterr().err == (
        f'ChatApp: {file}: [registry] leese: unknown key; did you mean "lease"?\n'
    )


PORTS = "ports are 1024-65535"


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("", f"say which: {chatapp.SERVER_USAGE}, or {chatapp.CLIENT_USAGE}"),
        ("5000", f"say which: {chatapp.SERVER_USAGE}, or {chatapp.CLIENT_USAGE}"),
        ("-s -c alice 127.0.0.1 5000 6000", "-s and -c exclude each other: be the registry or a peer"),
        ("-s", "-s needs <port>: <port> missing"),
        ("-s 5000 6000", '-s needs <port>: "6000" is too much'),
        ("-s 99", f'port: "99" is not a port; {PORTS}'),
        ("-s 65536", f'port: "65536" is not a port; {PORTS}'),
        ("-s -5", f'port: "-5" is not a port; {PORTS}'),
        ("-s http", f'port: "http" is not a port; {PORTS}'),
        (
            "-c alice 127.0.0.1",
            "-c needs <name> <server-ip> <server-port> <client-port>: <server-port> and <client-port> missing",
        ),
        (
            "-c alice 127.0.0.1 5000 6000 7000",
            '-c needs <name> <server-ip> <server-port> <client-port>: "7000" is too much',
        ),
        ("-c alice 127.0.0.1 80 6000", f'server-port: "80" is not a port; {PORTS}'),
        ("-c alice 127.0.0.1 5000 99", f'client-port: "99" is not a port; {PORTS}'),
        (
            "-c al,ice 127.0.0.1 5000 6000",
            'name: "al,ice" is not a name: only letters, digits, _ and - are allowed',
        ),
        ("-c alice 300.0.0.1 5000 6000", 'server-ip: "300.0.0.1" is not an IP address'),
        ("-c alice 127.1 5000 6000", 'server-ip: "127.1" is not an IP address'),
        ("-c alice 0x7f000001 5000 6000", 'server-ip: "0x7f000001" is not an IP address'),
        ("-c alice 0.0.0.0 5000 6000", 'server-ip: "0.0.0.0" is not the address of one machine'),
        ("-s 5000 --stay", "--stay: a registry (-s) stays anyway"),
        ("-s 5000 --queue a", "--queue: only a visitor (--desk) has it"),
        ("-c alice 127.0.0.1 5000 6000 --operator a", "--operator: only a registry (-s) has it"),
        ("--desk 127.0.0.1 5000 --region DE", "--region: only a registry (-s) has it"),
        ("--desk -s 5000", "--desk and -s exclude each other: be a visitor or not"),
        ("--desk -c 5000", "--desk and -c exclude each other: be a visitor or not"),
        ("--desk 127.0.0.1", "--desk needs <server-ip> <server-port>: <server-port> missing"),
        ("--desk 127.0.0.1 80", f'server-port: "80" is not a port; {PORTS}'),
        ("--desk 127.0.0.300 5000", 'server-ip: "127.0.0.300" is not an IP address'),
        (
            "--desk 127.0.0.1 5000 --queue a,b",
            '--queue: "a,b" is not a name: only letters, digits, _ and - are allowed',
        ),
        (
            "-s 5000 --operator a --operator A",
            '--operator ["a", "A"]: "A" stands there twice; must be at most 100 different names of people',
        ),
        (
            "-s 5000 --region india",
            '--region "india": must be two capital letters of a country, such as IN or DE',
        ),
        ("-s 5000 --config /none.toml", "/none.toml: No such file or directory"),
        ("config --check /none.toml", "/none.toml: No such file or directory"),
        ("-s 5000 --room lab", "--room: only a peer (-c) has it"),
        (
            "-c alice 127.0.0.1 5000 6000 --room l.ab",
            '--room: "l.ab" is not a name: only letters, digits, _ and - are allowed',
        ),
        (
            "send alice 127.0.0.1 5000",
            "send needs <name> <server-ip> <server-port> <to> <text>: <to> and <text> missing",
        ),
        (
            "send alice 127.0.0.1 5000 bob hi there",
            'send needs <name> <server-ip> <server-port> <to> <text>: "there" is too much',
        ),
        (
            "send alice 127.0.0.1 5000 b.b hi",
            'to: "b.b" is not a name: only letters, digits, _ and - are allowed',
        ),
        ("send alice 127.0.0.1 80 bob hi", f'server-port: "80" is not a port; {PORTS}'),
        ("send alice 127.0.0.1 5000 --loud hi", 'unknown option "--loud"; see ChatApp --help'),
        ("-s 5000 --foo", 'unknown option "--foo"; see ChatApp --help'),
        ("-x -s 5000", 'unknown option "-x"; see ChatApp --help'),
        ("-s 5000 --data /dev/null", '--data: "/dev/null" is not a folder'),
    ],
)
def test_a_mistake_is_one_line_that_names_the_culprit(
    started: Started, capsys: pytest.CaptureFixture[str], typed: str, line: str
) -> None:
    assert chatapp.main(typed.split()) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == f"ChatApp: {line}\n"
    assert started.mode == ""


@pytest.mark.parametrize(
    "typed", [["-s", "5000", "--log-level", "loud"], ["-s", "5000", "--data"], ["-s", "5000", "--plain=1"]]
)
def test_what_typer_refuses_is_one_line_too(
    started: Started, capsys: pytest.CaptureFixture[str], typed: list[str]
) -> None:
    assert chatapp.main(typed) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith("ChatApp: ")
    assert shown.err.count("\n") == 1
    assert "--" in shown.err
    assert started.mode == ""


@pytest.mark.parametrize("name", ["al\x1b[2Jice", "alice\n", "", " ", "../alice", "x" * 33])
def test_a_bad_name_is_quoted_clean(started: Started, capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert chatapp.main(["-c", name, "127.0.0.1", "5000", "6000"]) == 2
    shown = capsys.readouterr().err
    assert shown.startswith('ChatApp: name: "')
    assert shown.removesuffix("\n").isprintable()
    assert started.mode == ""


@pytest.mark.parametrize("answer", [socket.gaierror("no such host"), UnicodeError("label too long")])
def test_a_host_that_is_not_found(
    started: Started, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, answer: Exception
) -> None:
    def refuse(*_args: object, **_named: object) -> None:
        raise answer

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert chatapp.main(["-c", "alice", "nowhere.example", "5000", "6000"]) == 2
    assert capsys.readouterr().err == (
        'ChatApp: server-ip: "nowhere.example" is neither an IP address nor the name of a host that can be found\n'
    )


def test_a_resolver_that_never_answers_is_not_waited_for(
    started: Started, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given_up = threading.Event()

    def hang(*_args: object, **_named: object) -> list[object]:
        given_up.wait()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    monkeypatch.setattr(checking, "LOOKUP_TIMEOUT", 0.0)
    assert chatapp.main(["-c", "alice", "slow.example", "5000", "6000"]) == 2
    given_up.set()
    assert "slow.example" in capsys.readouterr().err


def test_ipv4_is_preferred_where_a_host_has_both(started: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    def both(*_args: object, **_named: object) -> list[tuple[object, ...]]:
        return [
            (socket.AF_INET6, socket.SOCK_DGRAM, 17, "", ("fe80::1%lo", 0, 0, 1)),
            (socket.AF_INET, socket.SOCK_DGRAM, 17, "", ("192.0.2.7", 0)),
        ]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    assert chatapp.main(["-c", "alice", "both.example", "5000", "6000"]) == 0
    assert started.told["server"] == Address("192.0.2.7", 5000)


def test_help_shows_both_modes_and_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert chatapp.main(["--help"]) == 0
    shown = capsys.readouterr().out
    usages = (chatapp.SERVER_USAGE, chatapp.CLIENT_USAGE, chatapp.DESK_USAGE)
    for wanted in (*usages, "--data", "--log-level", "--plain", "--stay", "--room", "--config", "--operator"):
        assert wanted in shown
    assert chatapp.SEND_USAGE in " ".join(shown.split())


def test_help_for_one_message(capsys: pytest.CaptureFixture[str]) -> None:
    assert chatapp.main(["send", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "ChatApp send" in shown
    assert "0 delivered, 3 saved, 4 kept or failed" in shown


def test_the_version_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert chatapp.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("ChatApp ")


# --- the real program ------------------------------------------------------------------------------------------


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(CHECKOUT / "chatapp.py"), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **environment}
    )


def test_the_program_exits_with_2_and_no_traceback() -> None:
    done = run("-c", "alice", "127.0.0.1", "5000", "99")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f'ChatApp: client-port: "99" is not a port; {PORTS}\n'


def test_completion_goes_through_typer() -> None:
    done = run(_CHATAPP_COMPLETE="complete_bash", COMP_WORDS="ChatApp --l", COMP_CWORD="1")
    assert (done.returncode, done.stdout) == (0, "--log-level\n")


def test_checking_a_command_line_loads_neither_program_nor_slow_libraries() -> None:
    code = (
        "import sys, chatapp; chatapp.main(['-c', 'alice', '127.0.0.1', '5000', '99']);"
        "slow = {'registry', 'asyncio', 'pydantic', 'rich', 'precis_i18n', 'confusable_homoglyphs', 'cryptography'};"
        "print(*slow & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True, cwd=CHECKOUT
    )
    assert done.stdout == "\n"
