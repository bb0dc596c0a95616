"""Asking a registry from another process: through its spool while it runs, else on its files.

Who holds the store's lock decides which: the registry, or we, and then nobody starts one meanwhile. It knows files and
time; what an errand does is `admin`'s.
"""

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

from chatapp.registry.access import Invites
from chatapp.registry.admin import AdminService
from chatapp.registry.directory.directory import Directory
from chatapp.registry.directory.renaming import Renaming, restore_names
from chatapp.registry.effects import AdminAnswer, AdminRequest, AnswerAdmin, Effect, Persist
from chatapp.registry.keystore import KEY_FILE, KeyUnusable, public_key
from chatapp.registry.limits import RegistryPolicy, WallClock
from chatapp.registry.store.files import FileStore
from chatapp.registry.store.protocol import StoreError, StoreInUse
from chatapp.wire.errors import ChatAppError
from chatapp.wire.folders import make_private

FOLDER: Final = "requests"
_ASK: Final = re.compile(r"([0-9a-f]{32})\.ask\Z")
_SIZE_MAX: Final = 1 << 20
_AT_ONCE: Final = 16

_errands: Final = msgspec.json.Decoder(AdminRequest)
_answers: Final = msgspec.json.Decoder(AdminAnswer)


class AdminSpool:
    """Both ends of it. What raises OSError says so."""

    def __init__(self, folder: Path) -> None:
        """`folder`: the registry's."""
        self._folder = folder / FOLDER

    # --- the registry's end

    def open(self) -> None:
        """Make it, and forget what was left there: whoever still waits asks again. Raises OSError."""
        make_private(self._folder)
        for path in self._folder.iterdir():
            with suppress(OSError):
                path.unlink()

    def asked(self) -> Iterator[tuple[str, AdminRequest]]:
        """Drained: errands, each with its ticket. What is no errand is taken away, and not answered."""
        try:
            found = [path for path in self._folder.iterdir() if _ASK.match(path.name)]
        except OSError:
            return
        for path in found[:_AT_ONCE]:
            try:
                with path.open("rb") as file:
                    content = file.read(_SIZE_MAX)
                path.unlink()
                request = _errands.decode(content)
            except (OSError, msgspec.MsgspecError, ValueError, RecursionError):
                with suppress(OSError):
                    path.unlink(missing_ok=True)
                continue
            yield path.stem, request

    def answer(self, ticket: str, answer: AdminAnswer) -> None:
        """Raises OSError."""
        self._put(f"{ticket}.answer", msgspec.json.encode(answer))

    # --- the other end

    def ask(self, ticket: str, request: AdminRequest) -> None:
        """Unless it lies there already. Raises OSError."""
        make_private(self._folder)
        if not (self._folder / f"{ticket}.ask").exists():
            self._put(f"{ticket}.ask", msgspec.json.encode(request))

    def answered(self, ticket: str) -> AdminAnswer | None:
        """Drained: the answer, if it is there. Raises OSError."""
        path = self._folder / f"{ticket}.answer"
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        path.unlink(missing_ok=True)
        return _answers.decode(content)

    def withdraw(self, ticket: str) -> None:
        """Ask no more. Raises OSError."""
        (self._folder / f"{ticket}.ask").unlink(missing_ok=True)

    def _put(self, name: str, content: bytes) -> None:
        new = self._folder / f"{name}.new"
        new.touch(mode=0o600)
        new.write_bytes(content)
        new.rename(self._folder / name)


PATIENCE: Final = 15.0
"""Seconds until we give up a registry that runs and does not answer."""
_LOOK_SPAN: Final = 0.05
_ASK_AGAIN_SPAN: Final = 2.0
"""A registry that has just started forgets what lay there before."""


class AdminRequestFailed(ChatAppError):
    """The registry cannot be asked; the text says why."""


def folders_in(home: Path) -> list[Path]:
    """Folders of registries there, by their ports."""
    try:
        found = [path for path in (home / "registry").iterdir() if path.name.isdecimal() and path.is_dir()]
    except OSError:
        return []
    return sorted(found, key=lambda path: int(path.name))


def ask(folder: Path, request: AdminRequest) -> AdminAnswer:
    """The answer of the registry with this folder, running or not. Raises Unanswered."""
    with _of_ours(folder):
        return _ask(folder, request)


def key_of(folder: Path) -> bytes:
    """The identity key of the registry with this folder. Raises Unanswered."""
    with _of_ours(folder):
        return public_key(folder)


@contextmanager
def _of_ours(folder: Path) -> Iterator[None]:
    """For who runs the registry, and nobody else. Raises Unanswered."""
    try:
        if os.stat(folder).st_uid != os.geteuid():
            raise AdminRequestFailed(f"{folder} is another user's: only who runs a registry may ask it this")
        yield
    except OSError as error:
        where = error.filename2 or error.filename or folder
        raise AdminRequestFailed(f"{where}: {error.strerror or error}") from None
    except (KeyUnusable, StoreError) as error:
        raise AdminRequestFailed(str(error)) from None


def _ask(folder: Path, request: AdminRequest) -> AdminAnswer:
    admin_spool, ticket = AdminSpool(folder), os.urandom(16).hex()
    give_up_at = time.monotonic() + PATIENCE
    try:
        while time.monotonic() < give_up_at:
            try:
                store = FileStore(folder, has_past=(folder / KEY_FILE).exists())
            except StoreInUse:
                answer = _wait(admin_spool, ticket, request)
            else:
                admin_spool.withdraw(ticket)
                answer = admin_spool.answered(ticket) or _on_files(store, request)
            if answer is not None:
                return answer
    finally:
        admin_spool.withdraw(ticket)
    raise AdminRequestFailed("the registry runs, and does not answer")


def _wait(admin_spool: AdminSpool, ticket: str, request: AdminRequest) -> AdminAnswer | None:
    admin_spool.ask(ticket, request)
    until = time.monotonic() + _ASK_AGAIN_SPAN
    while (answer := admin_spool.answered(ticket)) is None and time.monotonic() < until:
        time.sleep(_LOOK_SPAN)
    return answer


def _on_files(store: FileStore, request: AdminRequest) -> AdminAnswer:
    """What a registry would do, without one. Raises StoreError."""
    try:
        loaded = store.load()
        now = time.monotonic()
        clock = WallClock(now=now, wall=time.time())
        directory, invites = Directory(version=0), Invites()
        restore_names(loaded, directory, clock, RegistryPolicy(), now=now)
        invites.load(loaded.invites, wall=clock.seconds(now), now=now)
        invites.expired(now=now)
        renaming = Renaming(directory, clock, is_banned=lambda key: False)
        admin = AdminService(directory, invites, renaming, clock, forget=lambda identity, at: None)
        return _carry_out(admin.run(request, "", now=now), store)
    finally:
        store.close()


def _carry_out(effects: list[Effect], store: FileStore) -> AdminAnswer:
    for effect in effects:
        if isinstance(effect, Persist):
            store.append(effect.entries)
            store.sync()
            return _carry_out(list(effect.then), store)
        if isinstance(effect, AnswerAdmin):
            return effect.answer
    raise AssertionError("an errand without an answer")
