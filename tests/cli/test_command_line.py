"""The command line: valid arguments reach the right program, and help is printed."""

import os
from functools import partial
from pathlib import Path

import msgspec
import pytest

import chatapp.__main__
import chatapp.commands.program
from chatapp.commands import COMMANDS
from chatapp.peer.faces.program import StartOptions
from chatapp.peer.faces.web.members.main import page_beside
from chatapp.registry.program.settings import OPTIONS, DeskTable, RegistryTable, Settings
from chatapp.wire.address import Address
from chatapp.wire.admission import CODE_BYTES, JoinCode
from chatapp.wire.errors import ChatAppError
from chatapp.wire.folders import default_home
from tests.cli.starting import PEER, SEND, Started


@pytest.mark.parametrize(
    "arguments", [["-s", "5000"], ["--server", "5000"], ["5000", "-s"], ["-s", "--plain", "5000"]]
)
def test_a_registry_is_started(started: Started, arguments: list[str]) -> None:
    assert chatapp.__main__.main(arguments) == 0
    assert started.mode == "registry"
    assert started.told == {"port": 5000, "settings": Settings(), "again": None, "quiet": False}


def test_a_registry_reads_its_files_again(started: Started, tmp_path: Path) -> None:
    ban, config = tmp_path / "ban", tmp_path / "chatapp.toml"
    ban.write_text("bob\n")
    config.write_text('[registry]\nallow = ["' + "0" * 32 + '"]\n')
    assert chatapp.__main__.main(["-s", "5000", "--ban", str(ban), "--config", str(config)]) == 0
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
    with pytest.raises(ChatAppError, match="is not a file, so it cannot be reloaded"):
        again()


def test_one_message_with_a_join_code(started: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    code = JoinCode.generate(b"c" * CODE_BYTES, registry=b"r" * 32).text
    assert chatapp.__main__.main([*SEND, "--code", code.lower(), "hi"]) == 0
    assert started.told["code"] == code
    monkeypatch.setenv("CHATAPP_CODE", code)
    assert chatapp.__main__.main([*SEND, "hi"]) == 0
    assert started.told["code"] == code


KEY = "0123 4567 89ab cdef 0123 4567 89ab cdef"


@pytest.mark.parametrize("arguments", [PEER, [*SEND, "hi"], ["--desk", *PEER[2:4]]])
def test_the_key_that_the_registry_must_have(
    started: Started, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    assert (
        chatapp.__main__.main([*arguments[:-1], "--registry-key", KEY.upper(), arguments[-1]]) == 0
    )
    assert started.told["registry_key"] == KEY.replace(" ", "")
    monkeypatch.setenv("CHATAPP_REGISTRY_KEY", "f" * 32)
    assert chatapp.__main__.main(arguments) == 0
    assert started.told["registry_key"] == "f" * 32


def test_the_server_is_known_as_it_is_typed(started: Started) -> None:
    assert chatapp.__main__.main(["-c", "alice", "LocalHost", "5000", "6000"]) == 0
    assert started.told["servers"] == (Address("LocalHost", 5000),)


@pytest.mark.parametrize("arguments", [PEER, ["--client", *PEER[1:]], [*PEER[1:], "-c"]])
def test_a_peer_is_started(started: Started, arguments: list[str]) -> None:
    assert chatapp.__main__.main(arguments) == 0
    assert started.mode == "peer"
    assert started.told == {
        "name": "alice",
        "servers": (Address("127.0.0.1", 5000),),
        "registry_key": None,
        "announced_key": None,
        "port": 6000,
        "home": default_home(),
        "plain": False,
        "quiet": False,
        "stay": False,
        "rooms": (),
        "ack_timeout": None,
        "code": None,
        "log_level": "warning",
        "ask_name": None,
        "is_full": False,
        "slow_link": False,
        "downloads": None,
        "auto_accept": None,
        "gives_marks": False,
        "may_show_lines": True,
        "beside": None,
    }


def test_a_page_is_served_beside_a_terminal_or_a_full_screen(started: Started) -> None:
    for options in (["--web"], ["--web", "--full"]):
        assert chatapp.__main__.main([*PEER, *options]) == 0
        beside = started.told["beside"]
        assert isinstance(beside, partial)
        assert (beside.func, beside.keywords) == (page_beside, {"uploads": None})


@pytest.mark.parametrize(
    "arguments", [[*PEER, "--full"], ["-c", "--full", *PEER[1:]], [*PEER, "--full", "--quiet"]]
)
def test_a_peer_is_started_as_a_full_screen(started: Started, arguments: list[str]) -> None:
    assert chatapp.__main__.main(arguments) == 0
    assert started.mode == "peer"
    assert (started.told["name"], started.told["is_full"]) == ("alice", True)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([*PEER, "--full", "--plain"], "use either --full or --plain"),
        ([*PEER, "--full", "--line"], "use either --full or --line"),
        (["-s", "5000", "--line"], "--line: only a peer (-c) has this option"),
        (["-s", "5000", "--web"], "--web: only a peer (-c) has this option"),
        (["-s", "5000", "--full"], "--full: only a peer (-c) has this option"),
        (["--desk", *PEER[2:4], "--full"], "--full: only a peer (-c) has this option"),
    ],
)
def test_a_full_screen_is_a_peers(
    started: Started, capsys: pytest.CaptureFixture[str], arguments: list[str], why: str
) -> None:
    assert chatapp.__main__.main(arguments) == 2
    assert capsys.readouterr().err == f"ChatApp: {why}\n"


def test_options_are_passed_on(started: Started, tmp_path: Path) -> None:
    assert (
        chatapp.__main__.main(
            [*PEER, "--data", str(tmp_path / "new"), "--plain", "--stay", "--log-level", "debug"]
        )
        == 0
    )
    assert started.told["home"] == tmp_path / "new"
    assert (started.told["plain"], started.told["stay"], started.told["log_level"]) == (
        True,
        True,
        "debug",
    )
    assert (
        chatapp.__main__.main(["-s", "5000", "--data", str(tmp_path), "--log-level", "error"]) == 0
    )
    assert started.told["port"] == 5000
    assert started.settings.registry == RegistryTable(data=str(tmp_path), log_level="error")


@pytest.mark.parametrize("typed", ["lab", "#lab"])
def test_a_room_to_enter_at_start(started: Started, typed: str) -> None:
    assert chatapp.__main__.main([*PEER, "--room", typed, "--room", "den"]) == 0
    assert started.told["rooms"] == ("lab", "den")


@pytest.mark.parametrize(("typed", "seconds"), [("0.1", 0.1), ("1.25", 1.25), ("3", 3.0)])
def test_how_long_to_wait_for_an_answer(started: Started, typed: str, seconds: float) -> None:
    assert chatapp.__main__.main([*PEER, "--ack-timeout", typed]) == 0
    assert started.told["ack_timeout"] == seconds


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hi there", "hi there"),
        ("-", None),
        ("-5 degrees", "-5 degrees"),
        ("--", "--"),
        ("\udcff", "\ufffd"),
    ],
)
def test_one_message(started: Started, text: str, said: str | None) -> None:
    arguments = [*SEND, "--json", text] if text != "--" else [*SEND, "--json", "--", "--"]
    assert chatapp.__main__.main(arguments) == 0
    assert started.mode == "once"
    servers = (Address("127.0.0.1", 5000),)
    wanted = StartOptions(name="alice", servers=servers, registry_key=None, home=default_home())
    assert started.told == {
        **msgspec.structs.asdict(wanted),
        "to": ["bob"],
        "text": said,
        "as_json": True,
        "log_level": "warning",
    }


def test_one_file(started: Started, capsys: pytest.CaptureFixture[str]) -> None:
    assert chatapp.__main__.main([*SEND, "--file", "plan.pdf"]) == 0
    assert (started.told["to"], started.told["path"]) == (["bob"], "plan.pdf")
    assert chatapp.__main__.main(["send", "alice", *SEND[2:4], "bob,carol,BOB", "hi"]) == 0
    assert started.told["to"] == ["BOB", "carol"]
    assert chatapp.__main__.main([*SEND, "--json", "--file", "plan.pdf"]) == 2
    assert capsys.readouterr().err == "ChatApp: --json is for messages\n"


def test_one_message_of_blanks_is_none(
    started: Started, capsys: pytest.CaptureFixture[str]
) -> None:
    assert chatapp.__main__.main([*SEND, " "]) == 2
    assert capsys.readouterr().err == "ChatApp: text: the message is empty\n"


def test_the_first_word_alone_makes_it_one_message(started: Started) -> None:
    assert chatapp.__main__.main(["-c", "send", "127.0.0.1", "5000", "6000"]) == 0
    assert started.told["name"] == "send"


@pytest.mark.parametrize("arguments", [["-s", "5000"], PEER, [*SEND, "hi"], ["--desk", *PEER[2:4]]])
def test_the_status_of_the_program_is_ours(started: Started, arguments: list[str]) -> None:
    started.status = 1
    assert chatapp.__main__.main(arguments) == 1


def test_a_visitor_is_started(started: Started, tmp_path: Path) -> None:
    assert chatapp.__main__.main(["--desk", "127.0.0.1", "5000"]) == 0
    assert started.mode == "visitor"
    silent = {
        "queue": "",
        "data": None,
        "plain": False,
        "quiet": False,
        "stay": False,
        "language": None,
        "log_level": "warning",
    }
    server = {"servers": (Address("127.0.0.1", 5000),), "registry_key": None}
    assert started.told == {**server, **silent}
    assert (
        chatapp.__main__.main(
            [
                "--desk",
                "::1",
                "5000",
                "--queue",
                "exams",
                "--stay",
                "--lang",
                "HI",
                "--data",
                str(tmp_path),
            ]
        )
        == 0
    )
    assert (started.told["queue"], started.told["stay"], started.told["data"]) == (
        "exams",
        True,
        tmp_path,
    )
    assert started.told["language"] == "hi"


def test_a_registry_gets_its_settings_from_command_line_environment_and_file(
    started: Started, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "chatapp.toml"
    file.write_text(
        '[desk]\nregion = "DE"\nkeep_place = 9\n[registry]\nlog_level = "error"\nlease = 9\n'
    )
    monkeypatch.setenv("CHATAPP_KEEP_PLACE", "8")
    monkeypatch.setenv("CHATAPP_LOG_LEVEL", "info")
    typed = [
        "-s",
        "5000",
        "--config",
        str(file),
        "--region",
        "FR",
        "--operator",
        "bob",
        "--operator",
        "eve",
    ]
    assert chatapp.__main__.main(typed) == 0
    assert started.settings == Settings(
        registry=RegistryTable(log_level="info", lease=9),
        desk=DeskTable(region="FR", keep_place=8, operators=("bob", "eve")),
    )
    assert chatapp.__main__.main([*typed, "--log-level", "debug"]) == 0
    assert started.settings.registry.log_level == "debug"
    monkeypatch.setenv("CHATAPP_LEASE", "1")
    assert chatapp.__main__.main(typed) == 2


def test_the_configuration_is_checked_and_shown(
    started: Started,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "chatapp.toml"
    file.write_text("[registry]\nlease = 9\n")
    monkeypatch.setenv("CHATAPP_REGION", "FR")
    assert chatapp.__main__.main(["config", "--check", str(file)]) == 0
    assert capsys.readouterr().out == f"{file}: fine\n"
    assert chatapp.__main__.main(["config", "--config", str(file)]) == 0
    shown = capsys.readouterr().out
    assert f"lease = 9  # {file}\n" in shown
    assert 'region = "FR"  # CHATAPP_REGION\n' in shown
    file.write_text("[registry]\nleese = 9\n")
    assert chatapp.__main__.main(["config", "--check", str(file)]) == 2
    assert capsys.readouterr().err == (
        f'ChatApp: {file}: [registry] leese: unknown key; did you mean "lease"?\n'
    )


def test_help_says_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert chatapp.__main__.main(["--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    modes = chatapp.commands.program
    for wanted in (
        modes.SERVER_USAGE,
        modes.DESK_USAGE,
        *(f"ChatApp {mode.spellings[0]} --help" for mode in modes.MODES),
        *(f" {name} {about} " for name, (_, about) in COMMANDS.items()),
    ):
        assert wanted in shown
    assert "--room" not in shown


@pytest.mark.parametrize(
    ("mode", "its", "others"),
    [
        (
            "-s",
            ["--config", "--operator", *(option.spelling for option in OPTIONS.values())],
            "--stay",
        ),
        ("-c", ["--room", "--ack-timeout", "--full", "--line", "--stay", "--host"], "--queue"),
        ("--desk", ["--queue", "--lang", "--stay", "--host"], "--room"),
    ],
)
def test_help_of_a_mode_shows_its_options(
    capsys: pytest.CaptureFixture[str], mode: str, its: list[str], others: str
) -> None:
    assert chatapp.__main__.main([mode, "--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"Usage: ChatApp {mode} [OPTIONS]")
    for wanted in ("--data", "--log-level", "--plain", "--quiet", "--port", *its):
        assert f"{wanted} " in shown
    assert others not in shown


def test_help_for_one_message(capsys: pytest.CaptureFixture[str]) -> None:
    assert chatapp.__main__.main(["send", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "ChatApp send" in shown
    assert "0 delivered, 3 saved, 4 kept or failed" in shown


def test_the_version_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert chatapp.__main__.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("ChatApp ")


PLAIN = [
    [],
    [""],
    ["5000"],
    ["99"],
    ["alice"],
    ["127.0.0.1", "5000"],
    ["127.0.0.1", "5000 "],
    PEER[1:],
    ["no name", *PEER[2:]],
    [*PEER[1:], "more"],
    ["5000", "--", "-1"],
    ["-1"],
    ["-"],
    ["--help"],
]
VARIABLES = ["CHATAPP_LOG_LEVEL", "CHATAPP_CONFIG"]
"""What has a line read by the parser of options."""


@pytest.mark.parametrize("mode", ["-s", "-c", "--desk"])
@pytest.mark.parametrize(
    ("variable", "arguments"),
    [
        *(("", arguments) for arguments in PLAIN),
        *((name, words) for name in VARIABLES for words in (["5000"], PEER[1:], PEER[2:4])),
    ],
)
def test_a_plain_line_does_what_its_options_parser_would_do(
    mode: str,
    arguments: list[str],
    variable: str,
    started: Started,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A line without options is read without typer. The result must be the same."""
    if variable:
        monkeypatch.setenv(variable, "debug")

    def result() -> tuple[object, ...]:
        started.mode, started.told = "", {}
        status = chatapp.__main__.main([mode, *arguments])
        # Each start of a registry has a function of its own that reads the settings again.
        told = {key: callable(value) or value for key, value in started.told.items()}
        return status, started.mode, told, capsys.readouterr()

    plain = result()
    monkeypatch.setattr(chatapp.__main__, "_PLAIN_MODES", {})
    assert plain == result()
