"""The files at rest: one per mailbox, one per group, that of the help desk, and the file of names.

It knows their names on the disk and how to put records into them. It must not know what the records say, nor
when a checkpoint is due.

    mail/<identity in hex>.mail     groups/<sha-256 of the group's name>.log     desk     names

A name that a person chose never becomes part of a path: two groups could differ by
case only, or hold a slash.
"""

from collections.abc import Iterable
from hashlib import sha256

from registry.store.disk import Disk, write_whole
from registry.store.entries import IDENTITY_SIZE, DeskOwner, Owner

NAMES = "names"
DESK = "desk"
JOURNALS = "journals"
_MAIL_SUFFIX = ".mail"
_GROUP_SUFFIX = ".log"
NEW_SUFFIX = ".new"

# Records are gathered into writes of about this many bytes.
_WRITE_SIZE = 1 << 18


class Shelf:
    """The kinds of files. Every method may raise OSError; SyncFailed among them."""

    def __init__(self, disk: Disk, root: int) -> None:
        self._disk = disk
        self.root = root
        self.mail = disk.open_folder(root, "mail")
        self.groups = disk.open_folder(root, "groups")

    def locate(self, owner: Owner | None) -> tuple[int, str]:
        """The folder and the name of an owner's file."""
        if owner is None:
            return self.root, NAMES
        if isinstance(owner, DeskOwner):
            return self.root, DESK
        if isinstance(owner, bytes):
            return self.mail, owner.hex() + _MAIL_SUFFIX
        return self.groups, sha256(owner.encode()).hexdigest() + _GROUP_SUFFIX

    def listing(self) -> list[tuple[int, str, str]]:
        """Every file at rest but `names`: folder, name, and the name to show to people."""
        mail = filter(_is_mail, self._disk.names(self.mail))
        groups = filter(_is_group, self._disk.names(self.groups))
        return [
            *((self.mail, name, f"mail/{name}") for name in mail),
            *((self.groups, name, f"groups/{name}") for name in groups),
            *((self.root, name, name) for name in self._disk.names(self.root) if name == DESK),
        ]

    def tidy(self) -> None:
        """Remove new files that never took their place."""
        for folder, is_ours in ((self.root, _is_of_root), (self.mail, _is_mail), (self.groups, _is_group)):
            for name in self._disk.names(folder):
                if name.endswith(NEW_SUFFIX) and is_ours(name.removesuffix(NEW_SUFFIX)):
                    self._disk.remove(folder, name)

    def open(self, owner: Owner) -> int:
        """The owner's file, to read from."""
        return self._disk.open_to_read(*self.locate(owner))

    def append(self, owner: Owner, records: Iterable[bytes], *, size: int) -> int | None:
        """Put records behind the `size` bytes of the owner's file and sync it. Returned is the new size.

        None when the file is not as it should be: then it has to be written anew.
        """
        folder, name = self.locate(owner)
        try:
            file = self._disk.open_to_append(folder, name) if size else self._disk.create(folder, name)
        except (FileExistsError, FileNotFoundError):
            return None
        try:
            if self._disk.size(file) != size:
                return None
            return size + self._write(file, records)
        finally:
            self._disk.close(file)

    def prepare(self, owner: Owner | None, records: Iterable[bytes]) -> tuple[int, int]:
        """Write and sync a new file, which `put_in_place` will make the owner's. Returned is its size, and it, open."""
        folder, name = self.locate(owner)
        new = name + NEW_SUFFIX
        try:
            file = self._disk.create(folder, new)
        except FileExistsError:
            self._disk.remove(folder, new)
            file = self._disk.create(folder, new)
        try:
            return self._write(file, records), file
        except OSError:
            self._disk.close(file)
            raise

    def put_in_place(self, owner: Owner | None) -> None:
        folder, name = self.locate(owner)
        self._disk.rename(folder, name + NEW_SUFFIX, name)

    def remove(self, owner: Owner) -> None:
        self._disk.remove(*self.locate(owner))

    def sync_folders(self) -> None:
        for folder in (self.mail, self.groups, self.root):
            self._disk.sync_folder(folder)

    def close(self) -> None:
        self._disk.close(self.mail)
        self._disk.close(self.groups)

    def _write(self, file: int, records: Iterable[bytes]) -> int:
        total = 0
        gathered = bytearray()
        for record in records:
            gathered += record
            if len(gathered) >= _WRITE_SIZE:
                write_whole(self._disk, file, bytes(gathered))
                total += len(gathered)
                gathered.clear()
        write_whole(self._disk, file, bytes(gathered))
        self._disk.sync(file)
        return total + len(gathered)


def mailbox_owner(name: str) -> bytes | None:
    """Whose mailbox a file is."""
    stem = name.removesuffix(_MAIL_SUFFIX)
    if stem == name or not _is_hex(stem):
        return None
    return bytes.fromhex(stem)


def _is_of_root(name: str) -> bool:
    return name in (NAMES, DESK, JOURNALS)


def _is_mail(name: str) -> bool:
    return mailbox_owner(name) is not None


def _is_group(name: str) -> bool:
    stem = name.removesuffix(_GROUP_SUFFIX)
    return stem != name and _is_hex(stem)


def _is_hex(stem: str) -> bool:
    # Lower case only: a file that this store did not name is not its own.
    return len(stem) == 2 * IDENTITY_SIZE and all(letter in "0123456789abcdef" for letter in stem)
