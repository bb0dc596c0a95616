"""`ChatApp export`: the files it writes, and its messages when it cannot write."""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest
from msgspec.structs import replace

import chatapp.__main__
from chatapp.peer.api.events import MessageState
from chatapp.peer.core.records import (
    IncomingAdded,
    MarkMoved,
    Named,
    OutgoingAdded,
    OutgoingChanged,
    Related,
    RelationKind,
)
from chatapp.peer.history.database import History
from chatapp.peer.history.opening import open_history

CHECKOUT = Path(__file__).parents[2]
LINES = 3_000


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a folder in which alice has sent bob many messages."""
    folder = tmp_path / "peers" / "n-alice"
    folder.mkdir(parents=True)
    history = History(folder / "history.db", server="here")
    history.apply([Named(b"b" * 32, "bob")])
    history.apply(
        [OutgoingAdded(b"b" * 32, n, n, f"line {n} ✓ {'x' * 100}") for n in range(1, LINES + 1)]
    )
    history.close()
    return tmp_path


def test_all_lines_oldest_first(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert chatapp.__main__.main(["export", "Alice", "--data", str(home)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == LINES
    assert "alice to bob: line 1 ✓" in lines[0].lower()
    assert chatapp.__main__.main(["export", "alice", "--format", "jsonl", "--data", str(home)]) == 0
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["id"] for one in said] == list(range(1, LINES + 1))
    assert sorted(os.listdir(home / "peers" / "n-alice")) == ["history.db"]


def test_what_lines_have_become(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bob, last = b"b" * 32, LINES
    history = History(home / "peers" / "n-alice" / "history.db", server="here")
    ours = Related(RelationKind.EDIT, bob, is_ours=True, number=last)
    history.apply(
        [
            OutgoingAdded(bob, last + 1, last + 1, "changed", None, ours),
            OutgoingChanged(bob, last, MessageState.DELIVERED),
            MarkMoved(bob, last, is_ours=True),
            IncomingAdded(
                bob, 1, 1, "👍", late=False, related=replace(ours, kind=RelationKind.REACT)
            ),
            IncomingAdded(
                bob, 2, 2, "yes", late=False, related=replace(ours, kind=RelationKind.REPLY)
            ),
        ]
    )
    history.close()
    assert chatapp.__main__.main(["export", "alice", "--format", "jsonl", "--data", str(home)]) == 0
    *_, before, line, answer = map(json.loads, capsys.readouterr().out.splitlines())
    reactions = [{"emoji": "👍", "count": 1, "names": ["bob"]}]
    assert (line["text"], line["edited"], line["seen"]) == ("changed", True, True)
    assert (line["reactions"], line["reply_to"]) == (reactions, None)
    assert (before["edited"], before["seen"], before["reactions"]) == (False, True, [])
    assert answer["reply_to"] == {"number": last, "identity": None}
    assert chatapp.__main__.main(["export", "alice", "--data", str(home)]) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith('bob to alice: (to "changed") yes')


@pytest.mark.parametrize("is_running", [False, True])
def test_what_a_crash_left_in_the_journal_is_exported_too(
    home: Path, capsys: pytest.CaptureFixture[str], is_running: bool
) -> None:
    """A program that runs files it itself, within a moment."""
    folder = home / "peers" / "n-alice"
    history, journal, _ = open_history(folder / "history.db", server="there", is_new=False)
    journal.append([IncomingAdded(b"b" * 32, 1, 0, "the last word", late=False)])
    journal.close()
    history.close()
    left = sorted(path.read_bytes() for path in folder.glob("journal*"))
    with open(folder / "lock", "wb") as lock:
        if is_running:
            fcntl.flock(lock, fcntl.LOCK_EX)
        for _ in range(2):
            assert chatapp.__main__.main(["export", "alice", "--data", str(home)]) == 0
            lines = capsys.readouterr().out.splitlines()
            assert len(lines) == LINES + (not is_running)
            assert ("the last word" in lines[-1]) is not is_running
    assert sorted(path.read_bytes() for path in folder.glob("journal*")) == left


def test_a_time_that_no_calendar_has_stops_nothing(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The dates of messages come from their senders, and may be anything."""
    history = History(home / "peers" / "n-alice" / "history.db", server="here")
    history.apply([IncomingAdded(b"b" * 32, 1, 2**63 - 1, "from beyond", late=False)])
    history.close()
    for form in ("txt", "jsonl"):
        assert (
            chatapp.__main__.main(["export", "alice", "--format", form, "--data", str(home)]) == 0
        )
        assert "from beyond" in capsys.readouterr().out.splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["carol"], 'there is no history of the name "carol" in'),
        (["no name"], "name:"),
        ([], "NAME"),
        (["alice", "--format", "xml"], "xml"),
        (["alice", "bob"], "bob"),
        (["alice", "--nonsense"], "--nonsense"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    home: Path, capsys: pytest.CaptureFixture[str], words: list[str], complaint: str
) -> None:
    assert chatapp.__main__.main(["export", *words, "--data", str(home)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("ChatApp: ")
    assert err.count("\n") == 1
    assert complaint in err


def test_a_file_that_is_not_a_history_is_one_line_and_status_1(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "peers" / "n-alice" / "history.db").write_bytes(b"no history" * 100)
    assert chatapp.__main__.main(["export", "alice", "--data", str(home)]) == 1
    assert "file is not a database" in capsys.readouterr().err


def test_a_reader_that_stops_gets_no_traceback(home: Path) -> None:
    command = [sys.executable, str(CHECKOUT / "ChatApp.py"), "export", "alice", "--data", str(home)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "LC_ALL": "C"}
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert "line 1 ✓".encode() in process.stdout.readline()  # whatever the locale
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("words", [["export", "alice"], ["export", "--help"]])
def test_an_output_that_takes_nothing_is_one_line_and_status_1(
    home: Path, words: list[str]
) -> None:
    with open("/dev/full", "wb") as full:
        ended = run(*words, home=home, stdout=full)
    assert (ended.returncode, ended.stderr) == (
        1,
        b"ChatApp: standard output: No space left on device\n",
    )


def test_a_closed_output_does_not_crash(home: Path) -> None:
    command = [sys.executable, str(CHECKOUT / "ChatApp.py"), "export", "alice"]
    ended = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" >&-', "sh", *command],
        stderr=subprocess.PIPE,
        env={**os.environ, "CHATAPP_HOME": str(home)},
        check=False,
        timeout=60,
    )
    assert (ended.returncode, ended.stderr) == (0, b"")


def run(*words: str, home: Path, stdout: IO[bytes]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, str(CHECKOUT / "ChatApp.py"), *words],
        stdout=stdout,
        stderr=subprocess.PIPE,
        env={**os.environ, "CHATAPP_HOME": str(home)},
        check=False,
        timeout=60,
    )
