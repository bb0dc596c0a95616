"""The command line of the real program: exit status, completion, and lazy imports."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.starting import PORTS

CHECKOUT = Path(__file__).parents[2]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(CHECKOUT / "ChatApp.py"), *arguments]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **environment},
    )


def test_the_program_exits_with_2_and_no_traceback() -> None:
    done = run("-c", "alice", "127.0.0.1", "5000", "99")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f'ChatApp: client-port: "99" is not a port; {PORTS}\n'


@pytest.mark.parametrize(
    "words",
    [
        "-s 5000",
        "-c a 127.0.0.1 5000 6000",
        "--desk 127.0.0.1 5000",
        "send a 127.0.0.1 5000 b hi",
        "export a",
    ],
)
def test_an_unknown_home_is_one_line(words: str) -> None:
    done = run(*words.split(), CHATAPP_HOME="~no-body/x")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "ChatApp: ~no-body/x: there is no such user\n"


COMPLETED = [
    (
        "ChatApp --",
        "--server --client --desk --version --install-completion --show-completion --help",
    ),
    ("ChatApp -s --l", "--log-level --log-format --log-file"),
    ("ChatApp -c bob --l", "--log-level --line"),
    ("ChatApp --desk --l", "--log-level --lang"),
    ("ChatApp -s --log-level e", "error"),
    (
        "ChatApp ",
        "admin backup check config daemon doctor export invite names restore send stats verify web",
    ),
    ("ChatApp s", "send stats"),
    ("ChatApp -c s", ""),
    ("ChatApp send --j", "--json"),
    ("ChatApp send --log-level w", "warning"),
    ("ChatApp export alice --format ", "txt jsonl"),
    ("ChatApp names ", "list release"),
    ("ChatApp names list ", ""),
    ("ChatApp names --p", "--port"),
    ("ChatApp config --", "--check --config --help"),
]


@pytest.mark.parametrize(("line", "found"), COMPLETED)
def test_completion_knows_commands_and_their_options(line: str, found: str) -> None:
    cursor = str(line.count(" "))
    done = run(_CHATAPP_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=cursor)
    assert (done.returncode, done.stdout.split()) == (0, found.split())


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("ChatApp sen", "send\tsend one message"),
        ("ChatApp send --j", "--json\tPrint the receipt as one JSON object."),
        ("ChatApp names rel", "release"),
    ],
)
def test_other_shells_complete_the_same_and_say_what_it_is(line: str, found: str) -> None:
    how = {"_TYPER_COMPLETE_FISH_ACTION": "get-args", "_TYPER_COMPLETE_ARGS": line}
    done = run(_CHATAPP_COMPLETE="complete_fish", **how)
    assert (done.returncode, done.stdout) == (0, f"{found}\n")
    done = run(_CHATAPP_COMPLETE="complete_zsh", **how)
    assert done.returncode == 0
    assert f'"{found.partition(chr(9))[0]}"' in done.stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_bash_completes_what_is_typed() -> None:
    program = Path(sys.executable).with_name("ChatApp")
    script = (
        f'eval "$(_CHATAPP_COMPLETE=source_bash {shlex.quote(str(program))})"\n'
        "COMP_WORDS=(ChatApp send --js) COMP_CWORD=2\n"
        f"_ChatApp_completion {shlex.quote(str(program))}\n"
        'echo "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == ("--json\n", "")


ENTRIES = [
    "sys.argv[0] = 'ChatApp'; from chatapp.__main__ import main; sys.exit(main())",
    "import runpy; runpy.run_module('chatapp', run_name='__main__', alter_sys=True)",
    "import runpy; runpy.run_path('ChatApp.py', run_name='__main__')",
]


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("package", ["msgspec", "cryptography"])
def test_without_its_packages_the_program_says_so_in_one_line(entry: str, package: str) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import sys; sys.modules['{package}'] = None; {entry}",
            "-s",
            "5000",
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=CHECKOUT,
    )
    said = f"ChatApp: {package} is not installed here; type: make install, then .venv/bin/ChatApp\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", said)


UNSUPPORTED = (
    "this system is not supported: ChatApp runs on Linux, macOS and other POSIX systems "
    "(missing here: fcntl, termios)"
)
WITHOUT_POSIX = "import sys; sys.modules.update(dict.fromkeys(('fcntl', 'termios', 'resource', 'pwd', 'curses')))"


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize(
    "words", [["-s", "5000"], ["-c", "a", "127.0.0.1", "5000", "6000"], ["export", "a"], []]
)
def test_on_another_system_the_program_says_so_in_one_line(entry: str, words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"{WITHOUT_POSIX}; {entry}", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=CHECKOUT,
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"ChatApp: {UNSUPPORTED}\n")


def test_on_another_system_the_sdk_says_so_in_one_sentence() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"{WITHOUT_POSIX}; import chatapp; chatapp.ChatAppError; chatapp.Peer",
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=CHECKOUT,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"ImportError: {UNSUPPORTED}"


def test_checking_a_command_line_loads_neither_program_nor_slow_libraries() -> None:
    code = (
        "import sys; from chatapp.__main__ import main; main(['-c', 'alice', '127.0.0.1', '5000', '99']);"
        "slow = {'chatapp.registry', 'chatapp.peer', 'asyncio', "
        "'pydantic', 'rich', 'precis_i18n', 'confusable_homoglyphs', 'cryptography'};"
        "print(*slow & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd=CHECKOUT,
    )
    assert done.stdout == "\n"
