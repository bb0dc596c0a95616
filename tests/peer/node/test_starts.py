"""The settings remembered from the last start of a name."""

from pathlib import Path

import pytest

from chatapp.peer.node.starts import (
    FILE,
    IDENTITY_FILE,
    Taken,
    TakenBy,
    folder_of,
    latest_name,
    note_release,
    remember,
    start_of,
    why_taken,
)
from chatapp.wire.address import Address
from chatapp.wire.names import peer_name

SERVER = Address("lab.example", 5000)


def folder(home: Path, name: str) -> Path:
    made = folder_of(home, name)
    made.mkdir(parents=True, exist_ok=True)
    return made


def test_a_name_goes_back_to_its_last_server(tmp_path: Path) -> None:
    remember(folder(tmp_path, "Zoë"), "Zoë", [Address("192.0.2.1", 5001)])
    remember(folder(tmp_path, "Zoë"), "Zoë", [SERVER])
    start = start_of(tmp_path, "zoë")
    assert start is not None
    assert start.servers == (SERVER,)
    assert start_of(tmp_path, "bob") is None


def test_the_name_that_was_started_last(tmp_path: Path) -> None:
    assert latest_name(tmp_path / "nothing") is None
    for name in ("alice", "bob", "alice"):
        remember(folder(tmp_path, name), name, [SERVER])
    (tmp_path / "peers" / "carol").mkdir()  # has never been let in
    assert latest_name(tmp_path) == peer_name("alice")


def test_a_name_that_was_given_up_and_is_another_s_is_explained(tmp_path: Path) -> None:
    note_release(folder(tmp_path, "alice"))  # was never let in: there is nothing to note
    remember(folder(tmp_path, "alice"), "alice", [SERVER])
    note_release(folder(tmp_path, "alice"))
    assert why_taken(tmp_path, "Alice", others=()) == Taken(name="Alice", by=TakenBy.RELEASED)
    remember(folder(tmp_path, "alice"), "alice", [SERVER])  # taken again since
    assert why_taken(tmp_path, "alice", others=()).by is TakenBy.SOMEBODY


def test_a_name_that_was_changed_is_found_under_the_old_one(tmp_path: Path) -> None:
    for name in ("yan", "yan2", "yan3"):
        remember(folder(tmp_path, "yan"), name, [SERVER])
    for former in ("yan", "Yan2"):
        taken = why_taken(tmp_path, former, others=())
        assert taken == Taken(name=former, by=TakenBy.SELF_RENAMED, now_called="yan3")
    remember(folder(tmp_path, "yan"), "yan", [SERVER])
    assert why_taken(tmp_path, "yan", others=()).by is TakenBy.SOMEBODY, (
        "yan is no former name any more"
    )
    assert why_taken(tmp_path, "yan3", others=()).now_called == "yan"


def test_a_key_in_another_home_is_found(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    (folder(there, "alice") / IDENTITY_FILE).touch()
    (folder(here, "alice") / IDENTITY_FILE).touch()
    taken = why_taken(here, "alice", others=(here, there))
    assert taken == Taken(name="alice", by=TakenBy.KEY_ELSEWHERE, folder=str(there))
    assert why_taken(here, "alice", others=(here,)).by is TakenBy.SOMEBODY


def test_a_folder_that_was_renamed_by_hand_says_nothing_of_its_new_name(tmp_path: Path) -> None:
    remember(folder(tmp_path, "alice"), "bob", [SERVER])
    assert start_of(tmp_path, "alice") is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b'{"name":"alice"}',
        b'{"name":"al ice","host":"h","port":5000,"at":1}',
        b'{"name":"alice","host":"h","port":80,"at":1}',
        b'{"name":"alice","host":"","port":5000,"at":1}',
        b'{"name":"alice","host":"h","port":5000,"at":' + b"[" * 100_000,
    ],
)
def test_a_damaged_note_counts_as_none(tmp_path: Path, content: bytes) -> None:
    (folder(tmp_path, "alice") / FILE).write_bytes(content)
    assert start_of(tmp_path, "alice") is None
    assert latest_name(tmp_path) is None


def test_a_note_that_cannot_be_written_costs_only_the_note(tmp_path: Path) -> None:
    remember(tmp_path / "missing", "alice", [SERVER])
