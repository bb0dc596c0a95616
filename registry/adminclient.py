"""Admin requests from another process: through the registry's spool while it runs, else on its files.

The store's lock decides which. If we take it, no registry can start meanwhile.
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
from chatapp.registry.directory.directory import Directory, Person
from chatapp.registry.directory.renaming import Renaming, restore_names
from chatapp.registry.effects import AdminAnswer, AdminRequest, AnswerAdmin, Effect, Persist
from chatapp.registry.keystore import KEY_FILE, KeyUnusable, public_key
from chatapp.registry.limits import RegistryPolicy, WallClock
from chatapp.registry.store.files import FileStore
from chatapp.registry.store.protocol import StoreInUse
from chatapp.wire.errors import ChatAppError, StoreError
from chatapp.wire.folders import make_private

FOLDER: Final = "requests"
_ASK: Final = re.compile(r"([0-9a-f]{32})\.ask\Z")
_SIZE_MAX: Final = 1 << 20
_AT_ONCE: Final = 16

_requests: Final = msgspec.json.Decoder(AdminRequest)
_answers: Final = msgspec.json.Decoder(AdminAnswer)


class AdminSpool:
    """The folder through which requests and answers go; both ends of it."""

    def __init__(self, folder: Path) -> None:
        """`folder`: the registry's own folder."""
        self._folder = folder / FOLDER

    # --- the registry's end

    def open(self) -> None:
        """Make the folder and empty it: a program that still waits asks again. Raises OSError."""
        make_private(self._folder)
        for path in self._folder.iterdir():
            with suppress(OSError):
                path.unlink()

    def asked(self) -> Iterator[tuple[str, AdminRequest]]:
        """Remove and yield the requests, each with its ticket. Files that hold no request are removed without an answer."""
        try:
            found = [path for path in self._folder.iterdir() if _ASK.match(path.name)]
        except OSError:
            return
        for path in found[:_AT_ONCE]:
            try:
                with path.open("rb") as file:
                    content = file.read(_SIZE_MAX)
                path.unlink()
                request = _requests.decode(content)
            except (OSError, msgspec.MsgspecError, ValueError, RecursionError):
                with suppress(OSError):
                    path.unlink(missing_ok=True)
                continue
            yield path.stem, request

    def answer(self, ticket: str, answer: AdminAnswer) -> None:
        """Write an answer. Raises OSError."""
        self._put(f"{ticket}.answer", msgspec.json.encode(answer))

    # --- the other end

    def ask(self, ticket: str, request: AdminRequest) -> None:
        """Write a request, unless it is there already. Raises OSError."""
        make_private(self._folder)
        if not (self._folder / f"{ticket}.ask").exists():
            self._put(f"{ticket}.ask", msgspec.json.encode(request))

    def answered(self, ticket: str) -> AdminAnswer | None:
        """Remove and return the answer, None if there is none yet. Raises OSError."""
        path = self._folder / f"{ticket}.answer"
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        path.unlink(missing_ok=True)
        return _answers.decode(content)

    def withdraw(self, ticket: str) -> None:
        """Withdraw a request. Raises OSError."""
        (self._folder / f"{ticket}.ask").unlink(missing_ok=True)

    def _put(self, name: str, content: bytes) -> None:
        new = self._folder / f"{name}.new"
        new.touch(mode=0o600)
        new.write_bytes(content)
        new.rename(self._folder / name)


PATIENCE: Final = 15.0
"""Seconds to wait for a registry that runs and does not answer."""
_LOOK_SPAN: Final = 0.05
_ASK_AGAIN_SPAN: Final = 2.0
"""A registry that has just started has emptied the folder."""


class AdminRequestFailed(ChatAppError):
    """The registry cannot be asked; the text says why."""


def folders_in(home: Path) -> list[Path]:
    """Return the folders of the registries in a home folder, by port."""
    try:
        found = [path for path in (home / "registry").iterdir() if path.name.isdecimal() and path.is_dir()]
    except OSError:
        return []
    return sorted(found, key=lambda path: int(path.name))


def ask(folder: Path, request: AdminRequest) -> AdminAnswer:
    """Return the answer of the registry with this folder, running or not. Raises AdminRequestFailed."""
    with _of_ours(folder):
        return _ask(folder, request)


def key_of(folder: Path) -> bytes:
    """Return the identity key of the registry with this folder. Raises AdminRequestFailed."""
    with _of_ours(folder):
        return public_key(folder)


@contextmanager
def _of_ours(folder: Path) -> Iterator[None]:
    """Let only the owner of the folder ask. Raises AdminRequestFailed."""
    try:
        if os.stat(folder).st_uid != os.geteuid():
            raise AdminRequestFailed(
                f"{folder} belongs to another user: only the user who runs a registry can ask it this"
            )
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
    """Carry out a request on a registry's files. Raises StoreError."""
    try:
        loaded = store.load()
        now = time.monotonic()
        clock = WallClock(now=now, wall=time.time())
        directory, invites = Directory(version=0), Invites()
        restore_names(loaded, directory, clock, RegistryPolicy(), now=now)
        invites.load(loaded.invites, wall=clock.seconds(now), now=now)
        invites.expired(now=now)
        renaming = Renaming(directory, clock, is_banned=lambda key: False)
        admin = AdminService(
            directory, invites, renaming, clock, forget=lambda person, at: _forget(directory, person)
        )
        return _carry_out(admin.run(request, "", now=now), store)
    finally:
        store.close()


def _forget(directory: Directory, person: Person) -> list[Effect]:
    """Remove a person. The registry's next run drops their mail."""
    directory.release(person)
    return []


def _carry_out(effects: list[Effect], store: FileStore) -> AdminAnswer:
    for effect in effects:
        if isinstance(effect, Persist):
            store.append(effect.entries)
            store.sync()
            return _carry_out(list(effect.then), store)
        if isinstance(effect, AnswerAdmin):
            return effect.answer
    raise AssertionError("an admin request without an answer")
