"""Backups: what a copy holds, what is wrong with one, and what reading everything finds."""

import errno
import hashlib
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatapp.registry.store import backup
from chatapp.registry.store.files import FileStore
from chatapp.registry.store.keystore import load_or_make
from tests.registry.store.playbook import line, stored
from tests.registry.store.strategies import Author


def begun(folder: Path) -> FileStore:
    """Return the store of a registry that has begun here."""
    load_or_make(folder)
    store = FileStore(folder)
    store.load()
    return store


def copied(store: FileStore, folder: Path, target: Path) -> backup.Manifest:
    def copy(lengths: Mapping[str, int]) -> backup.Manifest:
        return backup.make_backup(folder, target, lengths=lengths, port=5_000, made_at=7)

    return store.hold_still(copy)


def read(store: FileStore, folder: Path) -> backup.Inspection:
    return store.hold_still(lambda lengths: backup.inspect(folder, lengths=lengths))


def made(new_folder: Callable[[], Path]) -> tuple[Path, backup.Manifest]:
    """Return a backup of a registry with some mail, a group and a journal."""
    folder, target = new_folder(), new_folder()
    store = begun(folder)
    store.append([stored(1), line(1)])
    store.checkpoint()
    store.append([stored(2)])
    manifest = copied(store, folder, target)
    store.close()
    return target, manifest


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(data=st.data())
def test_a_copy_has_everything_that_was_stored_whenever_it_is_made(
    new_folder: Callable[[], Path], data: st.DataObject
) -> None:
    folder, target = new_folder(), new_folder()
    store, author = begun(folder), Author()
    for _ in range(data.draw(st.integers(0, 6))):
        store.append(author.batch(data))
        if data.draw(st.booleans()):
            store.checkpoint()
    copied(store, folder, target)
    assert read(store, folder).damage == []
    store.close()
    assert backup.inspect(target, lengths={}).damage == []
    ours, copy = FileStore(folder, has_past=True), FileStore(target, has_past=True)
    one, other = ours.load(), copy.load()
    assert one.damage == other.damage == []
    assert msgspec.to_builtins(one, str_keys=True) == msgspec.to_builtins(other, str_keys=True)
    ours.close()
    copy.close()


def test_appending_goes_on_while_a_copy_is_made(new_folder: Callable[[], Path]) -> None:
    folder, target = new_folder(), new_folder()
    store = begun(folder)
    store.append([stored(1)])

    def append_and_copy(lengths: Mapping[str, int]) -> backup.Manifest:
        store.append([stored(2)])
        store.sync()
        return backup.make_backup(folder, target, lengths=lengths, port=1, made_at=0)

    store.hold_still(append_and_copy)
    store.close()
    copy = FileStore(target, has_past=True)
    letters = copy.load().letters
    assert [head.serial for heads in letters.values() for head in heads] == [1]
    copy.close()


def test_no_checkpoint_comes_in_between(new_folder: Callable[[], Path]) -> None:
    folder = new_folder()
    store = begun(folder)
    store.append([stored(1)])
    done = threading.Event()

    def checkpoint() -> None:
        store.checkpoint()
        done.set()

    def work(lengths: Mapping[str, int]) -> None:
        thread.start()
        assert all((folder / name).stat().st_size >= length for name, length in lengths.items())
        assert not done.is_set()

    thread = threading.Thread(target=checkpoint)
    store.hold_still(work)
    thread.join()
    assert done.is_set()
    store.close()


def test_nobody_else_may_read_a_backup(new_folder: Callable[[], Path]) -> None:
    target, manifest = made(new_folder)
    assert target.stat().st_mode & 0o777 == 0o700
    for name in (*manifest.files, backup.MANIFEST):
        assert (target / name).stat().st_mode & 0o777 == 0o600


# --- what stops one


def test_a_folder_with_something_in_it_is_left_alone(new_folder: Callable[[], Path]) -> None:
    folder, target = new_folder(), new_folder()
    (target / "notes").write_text("mine")
    store = begun(folder)
    with pytest.raises(backup.BackupFailed, match=r"is not empty: name a new folder$"):
        copied(store, folder, target)
    assert [path.name for path in target.iterdir()] == ["notes"]
    store.close()


@pytest.mark.parametrize("is_new", [True, False])
def test_a_full_disk_leaves_nothing_of_the_copy(
    new_folder: Callable[[], Path], monkeypatch: pytest.MonkeyPatch, is_new: bool
) -> None:
    folder, target = new_folder(), new_folder()
    target = target / "new" if is_new else target
    store = begun(folder)
    calls = []

    def sync(file: int) -> None:
        calls.append(file)
        if len(calls) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", sync)
        with pytest.raises(backup.BackupFailed, match=f"^{target}: No space left on device$"):
            copied(store, folder, target)
    assert target.exists() is not is_new
    assert is_new or not any(target.iterdir())
    store.close()


def test_a_folder_without_a_registry_is_named(new_folder: Callable[[], Path]) -> None:
    with pytest.raises(backup.BackupFailed, match="holds no registry"):
        backup.make_backup(new_folder(), new_folder() / "x", lengths={}, port=1, made_at=0)


def test_a_link_in_the_place_of_a_file_is_not_followed(new_folder: Callable[[], Path]) -> None:
    folder = new_folder()
    begun(folder).close()
    (folder / "mail" / ("00" * 32 + ".mail")).symlink_to("/etc/passwd")
    with pytest.raises(backup.BackupFailed, match=r"\.mail: "):
        backup.make_backup(folder, new_folder() / "x", lengths={}, port=1, made_at=0)


# --- what is wrong with one


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, f"is not a complete backup: {backup.MANIFEST} is missing$"),
        (b"{", f"{backup.MANIFEST} is damaged$"),
        (b"[" * 9_999, f"{backup.MANIFEST} is damaged$"),
        (b'{"format": 1}', f"{backup.MANIFEST} is damaged$"),
        (b'{"format": 2}', f"of another version: format 2, this version reads {backup.FORMAT}$"),
    ],
)
def test_what_is_no_backup_of_ours_is_said(
    new_folder: Callable[[], Path], content: bytes | None, why: str
) -> None:
    folder = new_folder()
    if content is not None:
        (folder / backup.MANIFEST).write_bytes(content)
    with pytest.raises(backup.BackupFailed, match=why):
        backup.read_manifest(folder)


def test_each_file_that_is_not_as_copied_is_named(new_folder: Callable[[], Path]) -> None:
    target, manifest = made(new_folder)
    assert backup.read_manifest(target) == manifest
    assert backup.flaws_of(target, manifest) == []
    mail = next(name for name in manifest.files if name.startswith("mail/"))
    content = (target / mail).read_bytes()
    (target / mail).write_bytes(bytes([content[0] ^ 1]) + content[1:])
    (target / "names").write_bytes(b"")
    (target / "journals").unlink()
    (target / "desk").write_bytes(b"")
    size = manifest.files["names"].size
    assert sorted(backup.flaws_of(target, manifest)) == sorted(
        [
            f"{mail}: its content was changed",
            f"names: has 0 bytes instead of {size}",
            "journals: missing",
            "desk: is not of this backup",
        ]
    )


def test_a_backup_that_names_files_outside_of_it_is_refused(new_folder: Callable[[], Path]) -> None:
    target, manifest = made(new_folder)
    outside = target.parent / "outside"
    outside.write_bytes(b"")
    empty = msgspec.structs.replace(
        manifest.files["names"], size=0, sha256=hashlib.sha256().hexdigest()
    )
    for name in ("../outside", str(outside), "mail/../../outside"):
        named = msgspec.structs.replace(manifest, files={**manifest.files, name: empty})
        assert backup.flaws_of(target, named) == [f"{name}: missing"]
    (target / "mail").rename(target.parent / "elsewhere")
    (target / "mail").symlink_to(target.parent / "elsewhere")
    assert backup.flaws_of(target, manifest) == ["mail: is a link"]


# --- putting one back


def test_a_backup_takes_the_place_of_a_folder_that_is_kept(new_folder: Callable[[], Path]) -> None:
    target, manifest = made(new_folder)
    folder = new_folder()
    (folder / "names").write_text("former")
    aside = folder.with_name("aside")
    backup.put_back(target, manifest, folder, aside=aside)
    assert (aside / "names").read_text() == "former"
    store = FileStore(folder, has_past=True)
    assert [len(heads) for heads in store.load().letters.values()] == [2]
    store.close()


def test_a_backup_that_changes_while_it_is_put_back_changes_nothing(
    new_folder: Callable[[], Path],
) -> None:
    target, manifest = made(new_folder)
    folder = new_folder()
    (target / "names").write_bytes(b"other")
    with pytest.raises(
        backup.BackupFailed, match=r"names is not as it was when the backup was made$"
    ):
        backup.put_back(target, manifest, folder, aside=folder.with_name("aside"))
    assert folder.exists()
    assert not folder.with_name("aside").exists()
    assert not folder.with_name(f"{folder.name}.restoring").exists()


# --- reading everything


def test_each_damage_is_found_and_nothing_is_changed(new_folder: Callable[[], Path]) -> None:
    target, manifest = made(new_folder)
    (target / backup.MANIFEST).unlink()
    mail = next(name for name in manifest.files if name.startswith("mail/"))
    group = next(name for name in manifest.files if name.startswith("groups/"))
    journal = next(name for name in manifest.files if name.startswith("journal-"))
    (target / mail).write_bytes((target / mail).read_bytes()[:-4])
    (target / group).write_bytes(b"x" * 9)
    (target / "identity.key").write_bytes(b"short")
    (target / journal).unlink()
    before = {path: path.read_bytes() for path in target.rglob("*") if path.is_file()}
    assert [line.partition(";")[0] for line in backup.inspect(target, lengths={}).damage] == sorted(
        [
            f"{mail}: 1 records are whole, the last 8 bytes are torn or damaged",
            f"{group}: 0 records are whole, the last 9 bytes are torn or damaged",
            "identity.key: holds no key",
            f"{journal}: missing",
        ]
    )
    assert {path: path.read_bytes() for path in target.rglob("*") if path.is_file()} == before


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(data=st.data())
def test_any_changed_byte_of_a_backup_is_found(
    new_folder: Callable[[], Path], data: st.DataObject
) -> None:
    target, manifest = made(new_folder)
    name = data.draw(st.sampled_from(sorted(manifest.files)))
    content = bytearray((target / name).read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    (target / name).write_bytes(content)
    assert any(line.startswith(f"{name}: ") for line in backup.inspect(target, lengths={}).damage)
