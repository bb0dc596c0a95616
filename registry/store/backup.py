"""Backups of a registry's folder: making one, putting it back, and reading everything to see what
is damaged.

A backup is a folder with the same files as the registry's own, and with `backup.json`, which is
written last: it has the size and the SHA-256 of each file. While a registry runs, the copy is made
between two checkpoints, when journals only grow, and of a journal only what is on the disk is
copied. So a backup is what the registry would find after a crash at that moment.
"""

import datetime as dt
import errno
import hashlib
import os
import re
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from io import BufferedReader
from pathlib import Path
from typing import Final

import msgspec

from chatapp.registry.store.entries import JournalsListed, decode, decode_sign
from chatapp.registry.store.inventory import (
    FileFound,
    Inventory,
    foreign,
    journal_lack,
    lacking,
    names_lack,
    not_understood,
    torn,
    unreadable,
)
from chatapp.registry.store.keystore import KEY_FILE, PUBLIC_FILE, key_flaws
from chatapp.registry.store.segments import (
    DESK,
    GROUPS,
    JOURNALS,
    MAIL,
    NAMES,
    is_at_rest,
    is_put_aside,
)
from chatapp.wire.errors import ChatAppError, quoted
from chatapp.wire.folders import make_private, sync_folder, write_whole
from chatapp.wire.storage import generation_in, journal_name, scan

MANIFEST: Final = "backup.json"
FORMAT: Final = 1
_FOLDERS: Final = (MAIL, GROUPS)
_PIECE: Final = 1 << 20
_FILE_MODE: Final = 0o600


class BackupFailed(ChatAppError):
    """A backup cannot be made, read or put back; the text says why."""


class FileSum(msgspec.Struct, frozen=True):
    """The size of a file and the SHA-256 of its content, as hexadecimal digits."""

    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The content of `backup.json`."""

    format: int
    port: int
    key: str
    """The public key of the registry, as hexadecimal digits."""
    made_at: int
    """Unix seconds."""
    files: dict[str, FileSum]
    """By the path in the backup."""

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files.values())


class Inspection(msgspec.Struct, frozen=True, kw_only=True):
    """What reading everything has found."""

    files: int
    records: int
    size: int
    damage: list[str]
    """A line for people about each damaged or missing file."""


def files_in(folder: Path) -> Iterator[str]:
    """Yield the paths of the files that make up a registry's folder. Raises OSError."""
    for name in sorted(os.listdir(folder)):
        if (
            name in (KEY_FILE, PUBLIC_FILE, NAMES, DESK, JOURNALS)
            or generation_in(name) is not None
        ):
            yield name
    for within in _FOLDERS:
        with suppress(FileNotFoundError):
            for name in sorted(os.listdir(folder / within)):
                if not is_put_aside(name):
                    yield f"{within}/{name}"


# --- making one


def make_backup(
    folder: Path, target: Path, *, lengths: Mapping[str, int], port: int, made_at: int
) -> Manifest:
    """Copy a registry's folder to `target`, which must be missing or empty, and return what was
    copied. `lengths`: how many bytes of each growing file to copy. If it fails, nothing is left of
    the copy. Raises BackupFailed."""
    try:
        if target.exists() and any(target.iterdir()):
            raise BackupFailed(f"{target} is not empty: name a new folder")
        is_new = not target.exists()
        make_private(target)
    except OSError as error:
        raise _failed(error, target) from None
    try:
        return _copy_all(folder, target, lengths=lengths, port=port, made_at=made_at)
    except BaseException as error:
        _clear(target, is_new=is_new)
        if isinstance(error, OSError):
            raise _failed(error, target) from None
        raise


def _copy_all(
    folder: Path, target: Path, *, lengths: Mapping[str, int], port: int, made_at: int
) -> Manifest:
    """Copy all files, the manifest last. Raises BackupFailed, OSError."""
    files = {
        name: _copied(folder / name, target / name, lengths.get(name)) for name in files_in(folder)
    }
    if KEY_FILE not in files or PUBLIC_FILE not in files:
        raise BackupFailed(f"{folder} holds no registry: its key is missing")
    key = (folder / PUBLIC_FILE).read_text(encoding="ascii").strip()
    manifest = Manifest(format=FORMAT, port=port, key=key, made_at=made_at, files=files)
    _sync_folders(target)
    write_whole(target / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")
    return manifest


def _copied(source: Path, copy: Path, length: int | None) -> FileSum:
    """Copy a file, or its first `length` bytes, and sync the copy. Raises OSError."""
    copy.parent.mkdir(mode=0o700, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    out = os.open(
        copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, _FILE_MODE
    )
    with _opened(source) as stream, open(out, "wb") as written:
        while length is None or size < length:
            piece = stream.read(_PIECE if length is None else min(_PIECE, length - size))
            if not piece:
                break
            digest.update(piece)
            written.write(piece)
            size += len(piece)
        written.flush()
        os.fsync(out)
    return FileSum(size, digest.hexdigest())


def _opened(path: Path) -> BufferedReader:
    """Open a regular file for reading, and nothing else: neither a link nor a pipe. Raises
    OSError."""
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise OSError(errno.EINVAL, "it is not a file", str(path))
    return open(file, "rb")


def _sync_folders(folder: Path) -> None:
    for within in _FOLDERS:
        if (folder / within).is_dir():
            sync_folder(folder / within)
    sync_folder(folder)


def _clear(target: Path, *, is_new: bool) -> None:
    """Remove what was copied."""
    if is_new:
        shutil.rmtree(target, ignore_errors=True)
        return
    with suppress(OSError):
        for path in list(target.iterdir()):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()


def _failed(error: OSError, where: Path) -> BackupFailed:
    return BackupFailed(f"{error.filename or where}: {error.strerror or error}")


# --- reading one


def read_manifest(backup: Path) -> Manifest:
    """Return what a backup says of itself. Raises BackupFailed."""
    path = backup / MANIFEST
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise BackupFailed(f"{backup} is not a complete backup: {MANIFEST} is missing") from None
    except OSError as error:
        raise _failed(error, path) from None
    try:
        form = msgspec.json.decode(content, type=_AnyManifest).format
        if form == FORMAT:
            return msgspec.json.decode(content, type=Manifest)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise BackupFailed(f"{path} is damaged") from None
    raise BackupFailed(
        f"{backup} is a backup of another version: format {form}, this version reads {FORMAT}"
    )


class _AnyManifest(msgspec.Struct):
    format: int


def flaws_of(backup: Path, manifest: Manifest) -> list[str]:
    """Return a line about each file of a backup that is not as it was copied."""
    try:
        there = frozenset(files_in(backup))
    except OSError as error:
        return [f"{backup}: cannot be read ({error.strerror})"]
    flaws = [f"{name}: is a link" for name in _FOLDERS if (backup / name).is_symlink()]
    flaws += [
        f"{quoted(name)}: {flaw}"
        for name, wanted in manifest.files.items()
        if (flaw := _flaw(backup / name, wanted, is_there=name in there)) is not None
    ]
    return flaws + [
        f"{quoted(name)}: is not of this backup" for name in sorted(there - manifest.files.keys())
    ]


def _flaw(path: Path, wanted: FileSum, *, is_there: bool) -> str | None:
    if not is_there:
        return "missing"  # so is a path that leads out of the backup, which no backup contains
    try:
        with _opened(path) as stream:
            size = os.fstat(stream.fileno()).st_size
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if size != wanted.size:
        return f"has {size:,} bytes instead of {wanted.size:,}"
    return None if digest == wanted.sha256 else "its content was changed"


# --- putting one back


def put_back(backup: Path, manifest: Manifest, folder: Path, *, aside: Path | None) -> None:
    """Make `folder` a copy of a backup. A folder that is there is renamed to `aside` first; None if
    it must not be there. The caller holds the folder's lock, if there is one. Raises
    BackupFailed."""
    draft = folder.with_name(f"{folder.name}.restoring")
    try:
        shutil.rmtree(draft, ignore_errors=True)
        make_private(draft)
        changed = [
            name
            for name, wanted in manifest.files.items()
            if _copied(backup / name, draft / name, None) != wanted
        ]
        _sync_folders(draft)
        if not changed and aside is not None:
            folder.rename(aside)
        if not changed:
            draft.rename(folder)
            sync_folder(folder.parent)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        raise _failed(error, folder) from None
    if changed:
        shutil.rmtree(draft, ignore_errors=True)
        raise BackupFailed(f"{backup / changed[0]} is not as it was when the backup was made")


# --- reading everything


class _Reading:
    """Reads a folder once, and changes nothing in it."""

    def __init__(self, folder: Path, lengths: Mapping[str, int]) -> None:
        self._folder = folder
        self._lengths = lengths
        self._files = self._records = self._size = 0
        self._damage: list[str] = []
        self._inventory = Inventory()
        self._found: list[FileFound] = []
        """Files at rest that no complete checkpoint left like this."""
        self._listed: list[int] = []
        self._is_pending = False
        """Whether a journal has entries that have not come to rest."""

    def run(self) -> Inspection:
        """Read everything. Raises OSError if the folder itself cannot be read."""
        names = list(files_in(self._folder))
        journals = {
            generation: name for name in names if (generation := generation_in(name)) is not None
        }
        self._damage += key_flaws(self._folder)
        self._files += sum(name in names for name in (KEY_FILE, PUBLIC_FILE))
        self._read_list(is_there=JOURNALS in names)
        self._inventory.take_journals([*journals, *self._listed])
        self._read_names(is_there=NAMES in names)
        for name in names:
            if name == DESK or "/" in name:
                self._read_at_rest(name)
        for generation, name in journals.items():
            self._read_journal(generation, name)
        self._damage += [
            lacking(journal_name(generation), "missing")
            for generation in self._listed
            if generation > self._inventory.at_rest and generation not in journals
        ]
        for found in self._found:
            self._note(self._inventory.flaw(found, is_pending=self._is_pending))
        self._damage += self._inventory.missing()
        return Inspection(
            files=self._files, records=self._records, size=self._size, damage=sorted(self._damage)
        )

    def _content(self, name: str) -> bytes | str:
        """Return a file's bytes, or a line if it is no file that can be read."""
        try:
            with _opened(self._folder / name) as stream:
                data = stream.read(self._lengths.get(name, -1))
        except OSError as error:
            return unreadable(name, error.strerror or str(error))
        self._files, self._size = self._files + 1, self._size + len(data)
        return data

    def _scanned(self, name: str) -> tuple[list[bytes], str | None]:
        """Return the payloads of a file's whole records, and a line if there is anything else in
        it."""
        data = self._content(name)
        if isinstance(data, str):
            return [], data
        payloads, whole = scan(data)
        self._records += len(payloads)
        return payloads, None if whole == len(data) else torn(
            name, len(payloads), len(data) - whole
        )

    def _note(self, *flaws: str | None) -> None:
        """Note the first of these lines, if there is one."""
        self._damage += [flaw for flaw in flaws if flaw is not None][:1]

    def _read_list(self, *, is_there: bool) -> None:
        payloads, _ = self._scanned(JOURNALS) if is_there else ([], None)
        listed = decode_sign(payloads[0]) if payloads else None
        if isinstance(listed, JournalsListed):
            self._listed = listed.generations
        else:
            self._note(lacking(JOURNALS, "damaged" if is_there else "missing"))

    def _read_names(self, *, is_there: bool) -> None:
        payloads, flaw = self._scanned(NAMES) if is_there else ([], None)
        records = self._inventory.take_names(payloads)
        self._count_odd(NAMES, sum(record is None for _, record in records))
        lack = None if self._inventory.is_marked else lacking(NAMES, names_lack(is_there=is_there))
        self._note(lack, flaw, self._inventory.names_end())

    def _read_at_rest(self, name: str) -> None:
        if not is_at_rest(name):
            self._note(foreign(name))
            return
        data = self._content(name)
        if isinstance(data, str):
            self._inventory.note_unreadable(name)
            self._note(data)
            return
        found, records = self._inventory.read(name, data)
        self._records += len(records)
        self._count_odd(name, found.odd)
        if not self._inventory.is_as_left(found):
            self._found.append(found)

    def _read_journal(self, generation: int, name: str) -> None:
        payloads, flaw = self._scanned(name)
        lack = journal_lack(payloads, is_whole=flaw is None)
        is_needed = generation in self._listed and generation > self._inventory.at_rest
        self._note(lacking(name, lack) if lack is not None and is_needed else None, flaw)
        entries = payloads if lack is not None else payloads[1:]
        self._count_odd(name, sum(decode(payload) is None for payload in entries))
        self._is_pending |= bool(entries) and generation > self._inventory.at_rest

    def _count_odd(self, name: str, odd: int) -> None:
        if odd:
            self._note(not_understood(name, odd))


def inspect(folder: Path, *, lengths: Mapping[str, int]) -> Inspection:
    """Read everything in a registry's folder, or in a backup, and change nothing. `lengths`: how
    many bytes of each growing file to read. Raises BackupFailed."""
    try:
        found = _Reading(folder, lengths).run()
    except OSError as error:
        raise _failed(error, folder) from None
    if not (folder / MANIFEST).exists():
        return found
    flaws = flaws_of(folder, read_manifest(folder))
    return msgspec.structs.replace(found, damage=[*flaws, *found.damage])


# --- a series of backups


LAST_BACKUP: Final = "last-backup"
"""The file in a registry's folder that says when its last backup succeeded, in Unix seconds."""

_NAME: Final = re.compile(r"\d{8}T\d{6}Z(?:-\d+)?\Z", re.ASCII)
_SAME_SECOND_MAX: Final = 100
_DIGITS_MAX: Final = 16


def next_in(series: Path, *, at: float) -> Path:
    """Return the folder for a backup made at the Unix time `at`: one that does not exist yet. The
    series is created if it is missing. Raises BackupFailed."""
    try:
        if not series.exists():
            make_private(series)
        elif not series.is_dir():
            raise BackupFailed(f"{series} is not a folder")
    except OSError as error:
        raise BackupFailed(f"{error.filename or series}: {error.strerror or error}") from None
    stem = dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y%m%dT%H%M%SZ")
    names = [stem, *(f"{stem}-{number}" for number in range(2, _SAME_SECOND_MAX))]
    free = next((name for name in names if not (series / name).exists()), None)
    if free is None:
        raise BackupFailed(f"{series} has {_SAME_SECOND_MAX - 1} backups of this second already")
    return series / free


def prune(series: Path, *, keep: int, key: str) -> list[Path]:
    """Remove all but the newest `keep` complete backups of the registry with this public key
    (hexadecimal digits). Return the removed folders. Everything else in the folder stays: other
    registries' backups, and what is no backup. Raises BackupFailed."""
    removed = []
    for backup in sorted(_backups_in(series, key), key=_order)[:-keep]:
        try:
            shutil.rmtree(backup)
        except OSError as error:
            raise BackupFailed(f"{error.filename or backup}: {error.strerror or error}") from None
        removed.append(backup)
    return removed


def _backups_in(series: Path, key: str) -> list[Path]:
    found = []
    for path in series.iterdir():
        if _NAME.match(path.name) and path.is_dir() and not path.is_symlink():
            with suppress(BackupFailed):
                if read_manifest(path).key == key:
                    found.append(path)
    return found


def _order(backup: Path) -> tuple[str, int]:
    stem, _, number = backup.name.partition("-")
    return stem, int(number or 1)


def note_backup(folder: Path, *, at: float) -> None:
    """Note in a registry's folder that a backup was made at this Unix time. Raises OSError."""
    write_whole(folder / LAST_BACKUP, f"{int(at)}\n".encode())


def last_backup(folder: Path) -> int | None:
    """Return when the last backup of a registry succeeded, in Unix seconds; None if that is not
    known."""
    try:
        text = (folder / LAST_BACKUP).read_bytes()[: _DIGITS_MAX + 1].strip()
    except OSError:
        return None
    return int(text) if text.isdigit() and len(text) <= _DIGITS_MAX else None
