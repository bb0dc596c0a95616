"""Invalid command lines: each gives one line that names the wrong argument, and starts nothing."""

import subprocess
import sys

import pytest

import chatapp.__main__
import chatapp.commands.program
from tests.cli.starting import PORTS, Started

KEYS = "at most 100 keys: fingerprints of 32 hexadecimal digits, or all 64 digits"
LISTEN = "is not [ADDRESS:]PORT, such as 127.0.0.1:8080 or [::1]:8080"


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        (
            "",
            f"nothing to do: {chatapp.commands.program.SERVER_USAGE}, or {chatapp.commands.program.CLIENT_USAGE}",
        ),
        (
            "5000",
            f"nothing to do: {chatapp.commands.program.SERVER_USAGE}, or {chatapp.commands.program.CLIENT_USAGE}",
        ),
        ("sned alice bob hi", '"sned" is not a command: did you mean "send"?'),
        ("Doctor", '"Doctor" is not a command: did you mean "doctor"?'),
        ("-s -c alice 127.0.0.1 5000 6000", "use either -s or -c"),
        ("-s", "-s needs <port>; missing: <port>"),
        ("-s 5000 6000", '-s needs <port>: unexpected argument "6000"'),
        ("-s 99", f'port: "99" is not a port; {PORTS}'),
        ("-s 65536", f'port: "65536" is not a port; {PORTS}'),
        ("-s -5", f'port: "-5" is not a port; {PORTS}'),
        ("-s http", f'port: "http" is not a port; {PORTS}'),
        (
            "-c",
            "-c needs <name> <server-ip> <server-port>; missing: <name>, <server-ip>, <server-port>",
        ),
        (
            "-c You 127.0.0.1 5000 6000",
            'name: "You" is not a name: it looks like "you", a word that ChatApp keeps for itself',
        ),
        ("-c alice 127.0.0.1", "-c needs <name> <server-ip> <server-port>; missing: <server-port>"),
        (
            "-c alice --host 127.0.0.1",
            "-c needs <name> <server-ip> <server-port>; missing: <server-port>",
        ),
        ("-c alice --port 5000", "--port is the server's port: say --host, too"),
        (
            "-c alice --host 127.0.0.1 --port 5000 6000 7",
            '-c needs <name> <server-ip> <server-port> <client-port>: unexpected argument "7"',
        ),
        ("-c alice --host 127.0.0.1 --port 80", f'server-port: "80" is not a port; {PORTS}'),
        ("-s --port 80", f'port: "80" is not a port; {PORTS}'),
        ("-s 5000 --port 5001", '-s needs <port>: unexpected argument "5001"'),
        (
            "-s 5000 --host 127.0.0.1",
            "--host: only a peer (-c) and a visitor (--desk) have this option",
        ),
        ("web", "web needs <server-ip> <server-port>; missing: <server-ip>, <server-port>"),
        ("web 127.0.0.1", "web needs <server-ip> <server-port>; missing: <server-port>"),
        (
            "web 127.0.0.1 5000 6000",
            'web needs <server-ip> <server-port>: unexpected argument "6000"',
        ),
        ("web 127.0.0.1 80", f'server-port: "80" is not a port; {PORTS}'),
        ("web 127.0.0.1 5000 --listen 80", f'--listen: "80" is not a port; {PORTS}'),
        ("web 127.0.0.1 5000 --listen here:8080", f'--listen: "here:8080" {LISTEN}'),
        ("web 127.0.0.1 5000 --listen ::1:8080", f'--listen: "::1:8080" {LISTEN}'),
        ("web 127.0.0.1 5000 --listen [127.0.0.1]:8080", f'--listen: "[127.0.0.1]:8080" {LISTEN}'),
        ("web 127.0.0.1 5000 --proxy caddy", '--proxy: "caddy" is not an IP address or network'),
        (
            "web 127.0.0.1 5000 --proxy 10.0.0.1/8",
            '--proxy: "10.0.0.1/8" is not an IP address or network',
        ),
        (
            "web 127.0.0.1 5000 --queue a/b",
            '--queue: "a/b" is not a name: only letters, digits, _ and - are allowed',
        ),
        (f"web 127.0.0.1 5000 --title {'x' * 81}", "--title: has more than 80 characters"),
        (
            "web 127.0.0.1 5000 --lang fr",
            '--lang: "fr" is no language of this program; there are en, hi',
        ),
        (
            "web 127.0.0.1 5000 --as a/b",
            '--as: "a/b" is not a name: only letters, digits, _ and - are allowed',
        ),
        (
            "web 127.0.0.1 5000 --as bob --listen 0.0.0.0:8081",
            "--listen: a person's own page is for this machine alone: 127.0.0.1 or [::1]",
        ),
        ("web 127.0.0.1 5000 --members 0", "--members: has to be between 1 and 1,000"),
        ("web 127.0.0.1 5000 --members 1001", "--members: has to be between 1 and 1,000"),
        (
            "web 127.0.0.1 5000 --members 5 --listen 0.0.0.0:8080",
            "--members: passphrases go by https alone: listen at 127.0.0.1, and name a proxy with TLS",
        ),
        (
            "web 127.0.0.1 5000 --as bob --members 5",
            "--members: it is for the page of visitors, not for a person's own (--as)",
        ),
        (
            "web 127.0.0.1 5000 --as bob --queue desk",
            "--queue: it is for the page of visitors, not for a person's own (--as)",
        ),
        ("web 127.0.0.1 5000 --code 1", "--code: only a person (--as) has a join code"),
        ("-s 5000 --gateway bob", f'--gateway ["bob"]: "bob" is not a key; must be {KEYS}'),
        (
            "-c alice 127.0.0.1 5000 6000 --gateway 1",
            "--gateway: only a registry (-s) has this option",
        ),
        ("web 127.0.0.1 5000 --operator bob", 'unknown option "--operator"; see ChatApp --help'),
        (
            "--desk 127.0.0.1 5000 --lang fr",
            '--lang: "fr" is no language of this program; there are en, hi',
        ),
        (
            "--desk 127.0.0.1 5000 --lang=",
            '--lang: "" is no language of this program; there are en, hi',
        ),
        ("-s 5000 --lang hi", "--lang: only a visitor (--desk) has this option"),
        ("--desk --port 5000", "--desk needs <server-ip> <server-port>; missing: <server-port>"),
        (
            "-c alice 127.0.0.1 5000 6000 7000",
            '-c needs <name> <server-ip> <server-port> <client-port>: unexpected argument "7000"',
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
        (
            "-s 5000 --registry-key ab",
            "--registry-key: only a peer (-c) and a visitor (--desk) have this option",
        ),
        (
            "-c alice 127.0.0.1 5000 6000 --registry-key ab12",
            '--registry-key: "ab12" is no key: a key is 32 hexadecimal digits, as the registry shows them',
        ),
        ("-c alice --config FILE", "--config: only a registry (-s) has this option"),
        ("-s 5000 --room=lab", "--room: only a peer (-c) has this option"),
        ("-s 5000 --stay", "--stay: a registry (-s) always keeps running"),
        ("-s 5000 --queue a", "--queue: only a visitor (--desk) has this option"),
        (
            "-c alice 127.0.0.1 5000 6000 --operator a",
            "--operator: only a registry (-s) has this option",
        ),
        ("--desk 127.0.0.1 5000 --region DE", "--region: only a registry (-s) has this option"),
        ("--desk -s 5000", "use either --desk or -s"),
        ("--desk -c 5000", "use either --desk or -c"),
        ("--desk 127.0.0.1", "--desk needs <server-ip> <server-port>; missing: <server-port>"),
        ("--desk 127.0.0.1 80", f'server-port: "80" is not a port; {PORTS}'),
        ("--desk 127.0.0.300 5000", 'server-ip: "127.0.0.300" is not an IP address'),
        (
            "--desk 127.0.0.1 5000 --queue a,b",
            '--queue: "a,b" is not a name: only letters, digits, _ and - are allowed',
        ),
        (
            "-s 5000 --operator a --operator A",
            '--operator ["a", "A"]: "A" is listed twice; must be at most 100 different names of people or keys',
        ),
        (
            "-s 5000 --region india",
            '--region "india": must be two capital letters of a country, such as IN or DE',
        ),
        ("-s 5000 --config /none.toml", "/none.toml: No such file or directory"),
        ("config --check /none.toml", "/none.toml: No such file or directory"),
        ("-s 5000 --room lab", "--room: only a peer (-c) has this option"),
        ("-s 5000 --ack-timeout 1", "--ack-timeout: only a peer (-c) has this option"),
        (
            "--desk 127.0.0.1 5000 --ack-timeout 1",
            "--ack-timeout: only a peer (-c) has this option",
        ),
        *(
            (
                f"-c alice 127.0.0.1 5000 6000 --ack-timeout {typed}",
                f'--ack-timeout: "{typed}" is not a number of seconds from 0.1 to 3',
            )
            for typed in (
                "0",
                "0.09",
                "3.01",
                "nan",
                "inf",
                "1e0",
                "soon",
                "1_0",
                "-1",
                "99999999999",
            )
        ),
        (
            "-c alice 127.0.0.1 5000 6000 --room l.ab",
            '--room: "l.ab" is not a name: only letters, digits, _ and - are allowed',
        ),
        (
            "send alice 127.0.0.1 5000 bob",
            "send needs <name> <server-ip> <server-port> <to> <text>; missing: <text>",
        ),
        (
            "send alice 127.0.0.1 5000 bob hi there",
            'send needs <name> <server-ip> <server-port> <to> <text>: unexpected argument "there"',
        ),
        (
            "send alice 127.0.0.1 5000 bob,b.b hi",
            'to: "b.b" is not a name: only letters, digits, _ and - are allowed',
        ),
        ("send alice 127.0.0.1 80 bob hi", f'server-port: "80" is not a port; {PORTS}'),
        ("send alice 127.0.0.1 5000 --loud hi", 'unknown option "--loud"; see ChatApp --help'),
        ("-s 5000 --foo", 'unknown option "--foo"; see ChatApp --help'),
        ("-x -s 5000", 'unknown option "-x"; see ChatApp --help'),
        ("-s 5000 --data /dev/null", '--data: "/dev/null" is not a folder'),
        ("-s 5000 --data ~no-body/x", '--data: "~no-body/x": there is no such user'),
        ("-s 5000 --ban ~no-body/x", '--ban: "~no-body/x": there is no such user'),
    ],
)
def test_a_mistake_is_one_line_that_names_the_culprit(
    started: Started, capsys: pytest.CaptureFixture[str], typed: str, line: str
) -> None:
    assert chatapp.__main__.main(typed.split()) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == f"ChatApp: {line}\n"
    assert started.mode == ""


@pytest.mark.parametrize(
    "typed",
    [["-s", "5000", "--log-level", "loud"], ["-s", "5000", "--data"], ["-s", "5000", "--plain=1"]],
)
def test_what_typer_refuses_is_one_line_too(
    started: Started, capsys: pytest.CaptureFixture[str], typed: list[str]
) -> None:
    assert chatapp.__main__.main(typed) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith("ChatApp: ")
    assert shown.err.count("\n") == 1
    assert "--" in shown.err
    assert started.mode == ""


@pytest.mark.parametrize("name", ["al\x1b[2Jice", "alice\n", "", " ", "../alice", "x" * 33])
def test_a_bad_name_is_quoted_clean(
    started: Started, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert chatapp.__main__.main(["-c", name, "127.0.0.1", "5000", "6000"]) == 2
    shown = capsys.readouterr().err
    assert shown.startswith('ChatApp: name: "')
    assert shown.removesuffix("\n").isprintable()
    assert started.mode == ""


@pytest.mark.parametrize(
    ("words", "what", "status"),
    [
        (["web", "127.0.0.1", "5000"], "web", 1),
        (["-c", "alice", "127.0.0.1", "5000", "6000", "--web"], "--web", 2),
    ],
)
@pytest.mark.parametrize("library", ["starlette", "uvicorn", "h11", "jinja2"])
def test_pages_say_which_extra_they_need(
    library: str, words: list[str], what: str, status: int
) -> None:
    # In a process of its own: modules that are loaded a second time here would stay behind for the
    # tests that follow.
    code = (
        f"import sys; sys.modules[{library!r}] = None; from chatapp.__main__ import main; "
        f"sys.exit(main({words}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    needed = f"ChatApp: {what} needs the extra web: in a checkout of ChatApp, run pipx install --force '.[lan,web]'\n"
    assert (done.returncode, done.stdout, done.stderr) == (status, "", needed)
