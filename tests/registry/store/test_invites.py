"""Join codes on disk: created, used up together with a name, expired; also with a file cut
anywhere."""

import shutil
from pathlib import Path

import pytest

from chatapp.registry.store.entries import Entry, InviteGone, InviteMade, NameBound
from chatapp.registry.store.files import FileStore
from chatapp.registry.store.protocol import Loaded

ONE, TWO = b"1" * 32, b"2" * 32
MADE: list[Entry] = [InviteMade(ONE, 5), InviteMade(TWO, 6)]
USED = NameBound("bob", b"B" * 32, b"card", 7, 9, ONE)


def kept(folder: Path, *entries: Entry) -> None:
    store = FileStore(folder)
    store.load()
    store.append(entries)
    store.sync()
    store.close()


def loaded(folder: Path) -> Loaded:
    store = FileStore(folder)
    try:
        return store.load()
    finally:
        store.close()


def codes(found: Loaded) -> list[bytes]:
    return [one.code for one in found.invites]


def test_codes_come_back_until_they_are_used_up_or_gone(tmp_path: Path) -> None:
    kept(tmp_path, *MADE)
    assert loaded(tmp_path).invites == MADE
    kept(tmp_path, USED)
    assert codes(loaded(tmp_path)) == [TWO]
    kept(tmp_path, InviteGone(TWO))
    assert codes(loaded(tmp_path)) == []
    assert loaded(tmp_path).names == [USED]


def test_an_entry_of_a_name_without_a_code_is_read(tmp_path: Path) -> None:
    kept(tmp_path, NameBound("bob", b"B" * 32, b"card", 7, 9))
    assert loaded(tmp_path).names == [NameBound("bob", b"B" * 32, b"card", 7, 9, b"")]


@pytest.mark.parametrize(
    "is_checkpointed", [False, True], ids=["from the journal", "over files at rest"]
)
def test_wherever_the_journal_is_cut_name_and_code_go_together(
    tmp_path: Path, is_checkpointed: bool
) -> None:
    folder = tmp_path / "whole"
    store = FileStore(folder)
    store.load()
    store.append(MADE)
    store.sync()
    if is_checkpointed:
        store.checkpoint()
    store.append([USED])
    store.sync()
    (journal,) = folder.glob("journal-*")
    length, start = journal.stat().st_size, store._journals.current.start
    seen = set()
    for cut in range(start, length + 1):
        copy = tmp_path / "cut"
        shutil.copytree(folder, copy)
        with next(copy.glob("journal-*")).open("r+b") as file:
            file.truncate(cut)
        found = loaded(copy)
        shutil.rmtree(copy)
        is_bound = bool(found.names)
        assert not (is_bound and ONE in codes(found)), "it could be used twice"
        if TWO in codes(found):
            assert is_bound or ONE in codes(found), "it would be lost"
        seen.add((is_bound, len(codes(found))))
    store.close()
    assert {(False, 2), (True, 1)} <= seen
