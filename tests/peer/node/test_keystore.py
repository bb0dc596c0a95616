"""Keys on disk: permissions, what persists, what is renewed, and what is never used twice."""

import os
import stat
from pathlib import Path

import pytest

from chatapp.peer.node.keystore import (
    MAIL_KEY_LASTS_FOR,
    MARK,
    RENEWALS_MAX,
    BrokenKeyFile,
    FolderInUse,
    KeyFolder,
    NameHasKeys,
    OtherKey,
)
from chatapp.wire.limits import MAIL_KEPT_FOR

NOW = 1_800_000_000.0
DAY = 86_400.0


def publics(folder: Path, wall: float) -> list[bytes]:
    """The mail keys of a start at this time, newest first."""
    keys = KeyFolder(folder.parents[1], "alice", wall=wall)
    keys.close()
    return [key.public for key in keys.mail_keys]


def counter(folder: Path, wall: float) -> int:
    keys = KeyFolder(folder.parents[1], "alice", wall=wall)
    keys.close()
    return keys.next_counter(wall)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "peers" / "n-alice"


def test_nobody_else_may_read_anything(folder: Path) -> None:
    before = os.umask(0)
    try:
        keys = KeyFolder(folder.parents[1], "alice", wall=NOW)
        keys.next_counter(NOW)
        keys.close()
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    # Whose keys lie here is nobody's business either.
    assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    files = ("lock", "identity.key", "identity.pub", "mail.keys", "card.counter", "history.db")
    assert modes == dict.fromkeys(files, 0o600)


def test_a_folder_that_was_open_to_others_is_closed(folder: Path) -> None:
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    KeyFolder(folder.parents[1], "alice", wall=NOW).close()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_identity_is_made_once(folder: Path) -> None:
    first = KeyFolder(folder.parents[1], "alice", wall=NOW)
    first.close()
    second = KeyFolder(folder.parents[1], "alice", wall=NOW + 1_000 * DAY)
    second.close()
    assert first.identity.public == second.identity.public


def test_one_name_runs_once(folder: Path) -> None:
    first = KeyFolder(folder.parents[1], "alice", wall=NOW, port=6001)
    with pytest.raises(FolderInUse, match="n-alice") as in_use:
        KeyFolder(folder.parents[1], "alice", wall=NOW)
    assert (in_use.value.process, in_use.value.port) == (os.getpid(), 6001)
    (folder / "lock").write_text("no process")
    with pytest.raises(FolderInUse, match="n-alice") as in_use:
        KeyFolder(folder.parents[1], "alice", wall=NOW)
    assert (in_use.value.process, in_use.value.port) == (0, 0)
    first.close()
    KeyFolder(folder.parents[1], "alice", wall=NOW).close()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("identity.key", b"short"),
        ("mail.keys", b"{"),
        ("mail.keys", b"[[1]]"),
        ("mail.keys", b'[[1, "00"]]'),
        ("mail.keys", b"[" * 100_000),
    ],
)
def test_a_broken_key_file_is_said_and_left_as_it_is(
    folder: Path, name: str, content: bytes
) -> None:
    """A new identity in its place would be another person."""
    KeyFolder(folder.parents[1], "alice", wall=NOW).close()
    (folder / name).write_bytes(content)
    with pytest.raises(BrokenKeyFile, match=name):
        KeyFolder(folder.parents[1], "alice", wall=NOW)
    assert (folder / name).read_bytes() == content
    (folder / name).unlink()
    KeyFolder(folder.parents[1], "alice", wall=NOW).close()  # and the lock was let go


def test_a_new_key_survives_a_crash_before_its_public_half_is_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    KeyFolder(folder.parents[1], "alice", wall=NOW).close()
    (folder / "identity.key").unlink()

    def crash(*_: object, **__: object) -> None:
        raise OSError("cut short")

    with monkeypatch.context() as patch:
        patch.setattr("chatapp.peer.node.keystore.keep_public_half", crash)
        with pytest.raises(OSError, match="cut short"):
            KeyFolder(folder.parents[1], "alice", wall=NOW)
    made = (folder / "identity.key").read_bytes()
    KeyFolder(folder.parents[1], "alice", wall=NOW).close()
    assert (folder / "identity.key").read_bytes() == made


def test_a_key_whose_bits_were_damaged_is_said_and_makes_nobody_else_of_us(folder: Path) -> None:
    KeyFolder(folder.parents[1], "alice", wall=NOW).close()
    sound = (folder / "identity.key").read_bytes()
    damaged = bytes((sound[0] ^ 1, *sound[1:]))
    (folder / "identity.key").write_bytes(damaged)
    with pytest.raises(OtherKey, match=r"identity\.key does not belong to identity\.pub"):
        KeyFolder(folder.parents[1], "alice", wall=NOW)
    assert (folder / "identity.key").read_bytes() == damaged
    (folder / "identity.key").write_bytes(sound)
    (folder / "identity.pub").unlink()  # as an earlier ChatApp left it
    KeyFolder(folder.parents[1], "alice", wall=NOW).close()
    assert (folder / "identity.pub").exists()


def test_mail_keys_that_cannot_be_read_are_no_broken_ones(folder: Path) -> None:
    KeyFolder(folder.parents[1], "alice", wall=NOW).close()
    (folder / "mail.keys").unlink()
    (folder / "mail.keys").mkdir()
    with pytest.raises(IsADirectoryError):
        KeyFolder(folder.parents[1], "alice", wall=NOW)


def test_a_folder_that_cannot_be_read_lets_the_lock_go(folder: Path) -> None:
    KeyFolder(folder.parents[1], "alice", wall=NOW).close()
    (folder / "identity.key").unlink()
    (folder / "identity.key").mkdir()
    with pytest.raises(IsADirectoryError):
        KeyFolder(folder.parents[1], "alice", wall=NOW)
    (folder / "identity.key").rmdir()
    KeyFolder(folder.parents[1], "alice", wall=NOW).close()


def test_a_mail_key_lasts_a_week(folder: Path) -> None:
    first = publics(folder, NOW)
    assert publics(folder, NOW + MAIL_KEY_LASTS_FOR) == first
    assert publics(folder, NOW + MAIL_KEY_LASTS_FOR + 1)[1:] == first


def test_a_mail_key_opens_as_long_as_letters_sealed_to_it_may_wait(folder: Path) -> None:
    """The key is in the table until the next start, so its time begins there for somebody who was
    away."""
    (first,) = publics(folder, NOW)
    back = NOW + 300 * DAY
    new, old = publics(folder, back)
    assert old == first
    assert first in publics(folder, back + MAIL_KEPT_FOR - DAY)
    last = publics(folder, back + MAIL_KEPT_FOR + DAY)
    assert first not in last
    assert new in last


def test_a_clock_that_was_a_year_ahead_once_loses_no_mail_key(folder: Path) -> None:
    (first,) = publics(folder, NOW)
    assert first in publics(folder, NOW + 365 * DAY)
    assert first in publics(folder, NOW + DAY)


def test_a_clock_that_stands_at_its_beginning_loses_no_mail_key(folder: Path) -> None:
    (first,) = publics(folder, NOW)
    assert first in publics(folder, 0.0)
    assert first in publics(folder, NOW + DAY)


def test_counters_rise_though_the_clock_is_set_back(folder: Path) -> None:
    """Clause 3.1: also above those of cards made while the program ran."""
    first = counter(folder, NOW)
    assert first == NOW * 1_000
    renewed = first + RENEWALS_MAX
    second = counter(folder, NOW - 365 * DAY)
    assert second > renewed
    assert counter(folder, NOW - 365 * DAY) == second + RENEWALS_MAX + 1
    assert counter(folder, NOW + DAY) == (NOW + DAY) * 1_000


@pytest.mark.parametrize("content", ["many", "-1", "9" * 30, "9" * 10_000, "\xff"])
def test_a_broken_counter_begins_with_the_clock(folder: Path, content: str) -> None:
    counter(folder, NOW)
    (folder / "card.counter").write_bytes(content.encode("latin-1"))
    assert counter(folder, NOW) == NOW * 1_000


# --- a change of name


def opened(home: Path, name: str) -> KeyFolder:
    return KeyFolder(home, name, wall=NOW)


def test_a_change_of_name_that_was_cut_short_leaves_both_names_to_one_identity(
    tmp_path: Path,
) -> None:
    """The registry may or may not have received the new name: the next start tries both names."""
    keys = opened(tmp_path, "alice")
    keys.mark("Ada")
    keys.close()
    for name, other in (("alice", "Ada"), ("ada", "alice")):
        again = opened(tmp_path, name)
        assert again.identity.public == keys.identity.public
        assert again.other_name == other
        again.close()


def test_a_name_that_is_settled_has_the_folder_alone(tmp_path: Path) -> None:
    keys = opened(tmp_path, "alice")
    keys.mark("ada")
    keys.settle("ada")
    keys.next_counter(NOW)
    keys.close()
    ada, alice = opened(tmp_path, "ada"), opened(tmp_path, "alice")
    assert ada.identity.public == keys.identity.public != alice.identity.public
    assert ada.other_name is None
    ada.close()
    alice.close()


def test_a_crash_between_the_move_and_the_end_of_its_note_changes_nothing(tmp_path: Path) -> None:
    keys = opened(tmp_path, "alice")
    keys.mark("ada")
    keys.close()
    os.rename(tmp_path / "peers" / "n-alice", tmp_path / "peers" / "n-ada")
    ada = opened(tmp_path, "ada")
    assert (ada.identity.public, ada.other_name) == (keys.identity.public, "alice")
    ada.settle("ada")
    ada.close()
    assert opened(tmp_path, "ada").other_name is None


def test_a_name_that_was_refused_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    keys = opened(tmp_path, "alice")
    keys.mark("ada")
    keys.settle("alice")
    keys.close()
    alice, ada = opened(tmp_path, "alice"), opened(tmp_path, "ada")
    assert alice.identity.public == keys.identity.public != ada.identity.public
    alice.close()
    ada.close()


def test_keys_of_somebody_else_are_not_written_over(tmp_path: Path) -> None:
    opened(tmp_path, "ada").close()
    keys = opened(tmp_path, "alice")
    with pytest.raises(NameHasKeys):
        keys.mark("ada")
    keys.close()


def test_an_invalid_note_is_ignored(tmp_path: Path) -> None:
    keys = opened(tmp_path, "alice")
    keys.close()
    for nonsense in ("", "7", "[3]", '["../../etc", "x y"]', '["alice"'):
        (keys.folder / "renaming").write_text(nonsense)
        again = opened(tmp_path, "alice")
        assert again.other_name is None
        again.close()


@pytest.mark.parametrize("content", [b"", b"[", b"[" * 100_000, b"[1, 2]", b'["", ""]', b"\xff"])
def test_a_change_of_name_that_cannot_be_read_is_none(tmp_path: Path, content: bytes) -> None:
    keys = opened(tmp_path, "alice")
    (keys.folder / MARK).write_bytes(content)
    keys.close()
    again = opened(tmp_path, "alice")
    assert (again.other_name, again.identity.public) == (None, keys.identity.public)
    again.close()
