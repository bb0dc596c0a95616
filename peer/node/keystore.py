"""A person's keys on disk: the identity, the mail keys of the last weeks, the counter of cards.

Each name has a folder of mode 0700 with files of mode 0600, and a lock, so that a name runs once at
a time.
"""

import fcntl
import os
import random
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Final

from msgspec import MsgspecError, json

from chatapp.peer.node.starts import IDENTITY_FILE, folder_of
from chatapp.wire.errors import ChatAppError, NameRefused
from chatapp.wire.folders import keep_public_half, make_private, sync_folder, write_whole
from chatapp.wire.identity import AgreementKey, Identity
from chatapp.wire.limits import MAIL_KEPT_FOR
from chatapp.wire.names import is_same_name, peer_name

MAIL_KEY_LASTS_FOR: Final = 7 * 86_400.0
"""Seconds for which a mail key is in the card. After that it is kept for as long as mail sealed to
it may wait."""

FILES: Final = "files"
"""The folder in it with what is known of files that were offered; it is made for the first one."""

MARK: Final = "renaming"
"""The file that notes a change of name: the old name and the new one."""

RENEWALS_MAX: Final = 4_096
"""Cards that the program may make after one start, at one a day. Their counters are reserved at the
start."""

COUNTER_MAX: Final = 1 << 53
"""A higher counter in the file is damage: a card could not use it, for counters must be able to
rise for ever."""


_HOLDER_MAX: Final = 64


class FolderInUse(ChatAppError):
    """Another program uses this person's folder."""

    def __init__(self, folder: Path, process: int = 0, port: int = 0) -> None:
        """`process`, `port`: the other program's number and UDP port; 0 if they are not known."""
        super().__init__(f"another ChatApp is using {folder}")
        self.folder = folder
        self.process = process
        self.port = port


class BrokenKeyFile(ChatAppError):
    """A key file holds no key. No new key is made in its place: that would be another person."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} holds no key; restore it from a copy, or remove it to start as somebody new"
        )
        self.path = path


class OtherKey(ChatAppError):
    """A key file holds a key, but not the one of the public key beside it: with it we would be
    somebody else."""

    def __init__(self, path: Path, public: Path) -> None:
        wrong = f"{path} does not belong to {public.name} beside it: one of them is damaged"
        super().__init__(
            f"{wrong}; restore them from a copy, or remove both to start as somebody new"
        )
        self.path = path


class NameHasKeys(ChatAppError):
    """Another person on this machine has the name that we ask for."""

    def __init__(self, name: str, folder: Path) -> None:
        super().__init__(f"{folder} holds keys of another {name}")
        self.folder = folder


class KeyFolder:
    """The keys of one name. While it is open, no other program uses them.

    A change of name is noted in the folder before the registry is asked (`mark`). The folder is
    moved when the registry has answered (`settle`). After a crash in between, the folder is found
    under both names: under the old one by its path, under the new one by the note."""

    def __init__(
        self, home: Path, name: str, *, wall: float, rng: random.Random | None = None, port: int = 0
    ) -> None:
        """`wall`: Unix seconds. `rng`: what new keys are made of; None for the system's chance.
        `port`: our UDP port, for another program that finds the folder in use. Raises FolderInUse,
        BrokenKeyFile, OtherKey, OSError; then the folder is free again."""
        self._rng: Final = rng or random.SystemRandom()
        folder = _find(home, name)
        make_private(folder)
        self._home: Final = home
        self.folder = folder
        """The folder, under its present name."""
        self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            process, held_port = _holder(self._lock)
            os.close(self._lock)
            raise FolderInUse(folder, process, held_port) from None
        try:
            os.ftruncate(self._lock, 0)
            os.pwrite(self._lock, f"{os.getpid()} {port}\n".encode(), 0)
            self.other_name = self._other_name(name)
            """Another name that may be ours: a change of our name was interrupted."""
            self.is_new: Final = not (folder / IDENTITY_FILE).exists()
            """Whether this person has never been here before."""
            if self.is_new:
                # A crash right here must not leave the public half of an earlier key beside the new
                # one.
                (folder / "identity.pub").unlink(missing_ok=True)
            self.identity: Final = Identity(self._secret(IDENTITY_FILE))
            self._check_public_half()
            self.mail_keys: list[AgreementKey] = self._mail_keys(wall)
            os.close(os.open(self.history, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except BaseException:
            self.close()
            raise

    def mark(self, name: str) -> None:
        """Note that we are about to ask for this name. Raises NameHasKeys, OSError."""
        target = folder_of(self._home, name)
        if target != self.folder and target.exists():
            raise NameHasKeys(name, target)
        old = self._names()[0] if self._names() else self._own_name
        write_whole(self.folder / MARK, json.encode([old, name]))

    def settle(self, name: str) -> None:
        """Give the folder this name, which is certainly ours. Raises OSError; a later start then
        tries again."""
        target = folder_of(self._home, name)
        if target != self.folder:
            os.rename(self.folder, target)
            self.folder = target
            sync_folder(target.parent)
        (self.folder / MARK).unlink(missing_ok=True)
        self._own_name, self.other_name = name, None

    @property
    def history(self) -> Path:
        """The file of the person's messages. It is created here, because SQLite would let others
        read it."""
        return self.folder / "history.db"

    def next_counter(self, wall: float) -> int:
        """Return a card counter above every earlier one: the last one + 1 or the clock in
        milliseconds, whichever is larger (clause 3.1 of the protocol). The `RENEWALS_MAX` counters
        after it are reserved for later cards of this start."""
        path = self.folder / "card.counter"
        try:
            last = int(path.read_text())
        except (OSError, ValueError):
            last = 0
        if not 0 <= last < COUNTER_MAX:
            last = 0
        counter = max(last + 1, int(wall * 1_000))
        write_whole(path, str(counter + RENEWALS_MAX).encode())
        return counter

    def close(self) -> None:
        """Let another program use the folder."""
        os.close(self._lock)

    def discard(self) -> None:
        """Remove the folder and everything in it, as far as the disk allows: nobody knows this
        person. Call `close` after it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _names(self) -> list[str]:
        return _marked(self.folder)

    def _other_name(self, name: str) -> str | None:
        self._own_name = name
        others = [one for one in self._names() if not is_same_name(one, name)]
        return others[0] if others else None

    def _secret(self, name: str) -> bytes:
        path = self.folder / name
        if not path.exists():
            write_whole(path, self._rng.randbytes(32))
        secret = path.read_bytes()
        if len(secret) != 32:
            raise BrokenKeyFile(path)
        return secret

    def _check_public_half(self) -> None:
        path = self.folder / "identity.pub"
        if not keep_public_half(path, self.identity.public, is_new=self.is_new):
            raise OtherKey(self.folder / IDENTITY_FILE, path)

    def _mail_keys(self, wall: float) -> list[AgreementKey]:
        """Return the keys that may still be needed, newest first. A new one is made when the newest
        is a week old.

        A key is in the card until a start makes a newer one, however long the program runs or is
        not run at all. So the time for which mail sealed to it may wait is counted from that
        start."""
        path = self.folder / "mail.keys"
        try:
            kept = json.decode(path.read_bytes(), type=list[tuple[float, str]])
            keys = [(made, AgreementKey(bytes.fromhex(raw))) for made, raw in kept]
        except FileNotFoundError:
            keys = []
        except (MsgspecError, ValueError, TypeError, RecursionError):
            raise BrokenKeyFile(path) from None
        fresh = list(keys)
        if not keys or keys[0][0] < wall - MAIL_KEY_LASTS_FOR:
            fresh.insert(0, (wall, AgreementKey(self._rng.randbytes(32))))
        replaced = pairwise(made for made, _ in fresh)
        fresh = fresh[:1] + [
            key
            for key, (newer, _) in zip(fresh[1:], replaced, strict=True)
            if newer > wall - MAIL_KEPT_FOR
        ]
        if fresh != keys:
            write_whole(path, json.encode([(made, key.raw.hex()) for made, key in fresh]))
        return [key for _, key in fresh]


def holder_of(folder: Path) -> tuple[int, int]:
    """Return the process and the port of the program that holds a folder, or held it last; zeros if
    they are not known."""
    try:
        lock = os.open(folder / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return 0, 0
    try:
        return _holder(lock)
    finally:
        os.close(lock)


def _holder(lock: int) -> tuple[int, int]:
    """Return the process and the port of the program that holds a lock; zeros if they cannot be
    read."""
    try:
        process, port = os.pread(lock, _HOLDER_MAX, 0).split()
        return int(process), int(port)
    except (OSError, ValueError):
        return 0, 0


def _find(home: Path, name: str) -> Path:
    """Find the folder of a name: by its path, else by a note that a change to this name was
    begun."""
    folder = folder_of(home, name)
    if not folder.exists() and folder.parent.exists():
        for other in sorted(folder.parent.iterdir()):
            if any(is_same_name(one, name) for one in _marked(other)):
                return other
    return folder


def _marked(folder: Path) -> list[str]:
    """Return the old and the new name of a change begun in this folder; nothing if there is none or
    the note is invalid."""
    try:
        names = json.decode((folder / MARK).read_bytes(), type=list[str])
        return [peer_name(one) for one in names]
    except (OSError, MsgspecError, ValueError, RecursionError, NameRefused):
        return []
