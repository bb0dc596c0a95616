"""A visitor's own transcript: all that was said, in a file that nobody else may read."""

from pathlib import Path

import pytest

from chatapp.peer.faces.line.visitor import Transcript


def said_in(path: Path) -> list[str]:
    return [line[20:] for line in path.read_text("utf-8").splitlines()]


def test_what_was_said_before_and_after_is_there(tmp_path: Path) -> None:
    transcript, path = Transcript(), tmp_path / "t.txt"
    transcript.note("You", "my book")
    transcript.note("bob", "which one? \u00e9")
    assert transcript.write_to(path) == 2
    transcript.note("You", "the red one")
    assert said_in(path) == ["You: my book", "bob: which one? \u00e9", "You: the red one"]
    assert path.stat().st_mode & 0o777 == 0o600
    transcript.close()


def test_no_file_is_overwritten(tmp_path: Path) -> None:
    transcript, path = Transcript(), tmp_path / "t.txt"
    path.write_text("mine")
    transcript.note("You", "my book")
    with pytest.raises(FileExistsError):
        transcript.write_to(path)
    assert path.read_text() == "mine"


def test_another_file_has_everything_too(tmp_path: Path) -> None:
    transcript = Transcript()
    transcript.note("You", "my book")
    transcript.write_to(tmp_path / "a")
    assert transcript.write_to(tmp_path / "b") == 1
    transcript.note("bob", "yes")
    transcript.close()
    assert (said_in(tmp_path / "a"), said_in(tmp_path / "b")) == (
        ["You: my book"],
        ["You: my book", "bob: yes"],
    )


def test_another_visit_has_a_transcript_of_its_own(tmp_path: Path) -> None:
    transcript = Transcript()
    transcript.note("You", "my book")
    transcript.write_to(tmp_path / "a")
    transcript.begin_anew()
    transcript.note("You", "my bag")
    assert transcript.write_to(tmp_path / "b") == 1
    transcript.close()
    assert (said_in(tmp_path / "a"), said_in(tmp_path / "b")) == (["You: my book"], ["You: my bag"])


def test_a_line_that_is_changed_reads_so_in_the_file_too(tmp_path: Path) -> None:
    transcript, path = Transcript(), tmp_path / "t.txt"
    transcript.note("You", "my pin is 1234", id_=5)
    transcript.note("bob", "ok", id_=6)
    transcript.write_to(path)
    transcript.change(5, "[taken back]")
    transcript.change(6, "okay (edited)")
    transcript.change(7, "nothing")
    transcript.note("You", "bye", id_=8)
    assert said_in(path) == ["You: [taken back]", "bob: okay (edited)", "You: bye"]
    transcript.close()
