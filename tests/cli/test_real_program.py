"""The command line of the real program: its exit status, completion, and what it need not load."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.starting import PORTS

CHECKOUT = Path(__file__).parents[2]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(CHECKOUT / "chatapp.py"), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **environment}
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
def test_the_home_of_nobody_is_one_line(words: str) -> None:
    done = run(*words.split(), CHATAPP_HOME="~no-body/x")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "ChatApp: ~no-body/x: there is no such user\n"


def test_completion_goes_through_typer() -> None:
    done = run(_CHATAPP_COMPLETE="complete_bash", COMP_WORDS="ChatApp --l", COMP_CWORD="1")
    assert (done.returncode, done.stdout) == (0, "--log-level\n")


def test_checking_a_command_line_loads_neither_program_nor_slow_libraries() -> None:
    code = (
        "import sys; from chatapp.__main__ import main; main(['-c', 'alice', '127.0.0.1', '5000', '99']);"
        "slow = {'chatapp.registry', 'chatapp.peer', 'asyncio', "
        "'pydantic', 'rich', 'precis_i18n', 'confusable_homoglyphs', 'cryptography'};"
        "print(*slow & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True, cwd=CHECKOUT
    )
    assert done.stdout == "\n"
