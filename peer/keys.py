"""This file is about a person's keys on disk: the identity, the mail keys of the last weeks, the card counter.

One folder a name, mode 0700, files 0600, a lock so that one name runs once. A secret is written to a new file that
is then renamed, so no crash leaves half a key. It knows files; it must not know what the keys are used for.
"""

import fcntl
import json
import os
from itertools import pairwise
from pathlib import Path
from typing import Final

from wire.errors import ChatAppError
from wire.folders import make_private
from wire.identity import AgreementKey, Identity
from wire.limits import MAIL_KEPT_FOR

MAIL_KEY_LASTS_FOR: Final = 7 * 86_400.0
"""Seconds for which one mail key stands in the card; it is then kept as long as mail sealed to it may wait."""

RENEWALS_MAX: Final = 4_096
"""Cards that one start of the program may make (one a day): their counters are set aside before they are used."""


class FolderInUse(ChatAppError):
    """Another program holds this person's folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"another ChatApp is using {folder}")
        self.folder = folder


class BrokenKeyFile(ChatAppError):
    """A key file does not hold a key; nothing is made anew in its place, that would be another person."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} holds no key; restore it from a copy, or remove it to start as somebody new"
        )
        self.path = path


class KeyFolder:
    """The keys of one name. Open it with the running wall clock (Unix seconds); close it to let the name go."""

    def __init__(self, folder: Path, *, wall: float) -> None:
        make_private(folder)
        self._folder = folder
        self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise FolderInUse(folder) from None
        try:
            self.identity: Final = Identity(self._secret("identity.key"))
            self.mail_keys: list[AgreementKey] = self._mail_keys(wall)
            os.close(os.open(self.history, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except BaseException:
            self.close()
            raise

    @property
    def history(self) -> Path:
        """Where the person's messages are; a new file is made for its owner alone, as SQLite would not."""
        return self._folder / "history.db"

    def next_counter(self, wall: float) -> int:
        """A card counter above every earlier one: the larger of the last + 1 and the clock in ms (clause 3.1). The
        `RENEWALS_MAX` after it are for later cards of this start."""
        path = self._folder / "card.counter"
        try:
            last = int(path.read_text())
        except (OSError, ValueError):
            last = 0
        counter = max(last + 1, int(wall * 1_000))
        _write(path, str(counter + RENEWALS_MAX).encode())
        return counter

    def close(self) -> None:
        """Let another program have the folder."""
        os.close(self._lock)

    def _secret(self, name: str) -> bytes:
        path = self._folder / name
        if not path.exists():
            _write(path, os.urandom(32))
        secret = path.read_bytes()
        if len(secret) != 32:
            raise BrokenKeyFile(path)
        return secret

    def _mail_keys(self, wall: float) -> list[AgreementKey]:
        """The keys still honoured, newest first; a new one is made when the newest is a week old.

        A key is in the card, and so sealed to, until the start that makes a newer one, however long the program runs
        or its owner is away: the time for which its letters may wait begins there."""
        path = self._folder / "mail.keys"
        try:
            kept = [(float(made), bytes.fromhex(raw)) for made, raw in json.loads(path.read_text())]
            keys = [(made, AgreementKey(raw)) for made, raw in kept]
        except FileNotFoundError:
            keys = []
        except (OSError, ValueError, TypeError):
            raise BrokenKeyFile(path) from None
        fresh = list(keys)
        if not keys or keys[0][0] < wall - MAIL_KEY_LASTS_FOR:
            fresh.insert(0, (wall, AgreementKey(os.urandom(32))))
        replaced = pairwise(made for made, _ in fresh)
        fresh = fresh[:1] + [
            key for key, (newer, _) in zip(fresh[1:], replaced, strict=True) if newer > wall - MAIL_KEPT_FOR
        ]
        if fresh != keys:
            _write(path, json.dumps([(made, key.raw.hex()) for made, key in fresh]).encode())
        return [key for _, key in fresh]


def _write(path: Path, content: bytes) -> None:
    """All of it and on disk, or not at all: a name is bound to its key for ever."""
    scratch = path.with_suffix(".new")
    with open(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(scratch, path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
