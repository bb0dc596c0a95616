"""Admin requests from another process: through the registry's socket while it runs, else on its
files.

The store's lock decides which. If we take it, no registry can start meanwhile.
"""

import os
import socket
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from chatapp.registry.program.admin.listener import SOCKET
from chatapp.registry.program.admin.log import AdminLog, account, own_user, shown_log
from chatapp.registry.rules.admin import AdminService
from chatapp.registry.rules.admin_requests import (
    AddBan,
    AdminAnswer,
    AdminRefusal,
    AdminRefused,
    AdminRequest,
    BackupMade,
    FileRequest,
    FilesVerified,
    MakeBackup,
    ShowLog,
    VerifyFiles,
)
from chatapp.registry.rules.directory.directory import Directory, Person
from chatapp.registry.rules.effects import AnswerAdmin, Effect, Rule, Settled, Store
from chatapp.registry.rules.limits import RegistryPolicy, WallClock
from chatapp.registry.rules.people.access import Invites, OwnBans
from chatapp.registry.rules.people.renaming import Renaming, restore_names
from chatapp.registry.store.backup import BackupFailed, inspect, make_backup
from chatapp.registry.store.files import FileStore
from chatapp.registry.store.keystore import KeyUnusable, had_key, public_key
from chatapp.registry.store.protocol import StoreInUse
from chatapp.registry.store.storage import CLUSTER_MARK
from chatapp.wire.errors import ChatAppError, StoreError
from chatapp.wire.folders import at_folder

_answers: Final = msgspec.json.Decoder(AdminAnswer)
_FILE_REQUESTS: Final = FileRequest

PATIENCE: Final = 15.0
"""Seconds to wait for a registry that runs and does not answer."""
LONG_PATIENCE: Final = 3_600.0
"""Seconds to wait for an answer for which everything has to be read."""
_TRY_SPAN: Final = 0.1
"""Seconds between two tries to reach a registry that is just starting or stopping."""


class AdminRequestFailed(ChatAppError):
    """The registry cannot be asked; the text says why."""


class RegistryNotRunning(AdminRequestFailed):
    """No registry runs on this folder."""


def folders_in(home: Path) -> list[Path]:
    """Return the folders of the registries in a home folder, by port."""
    try:
        found = [
            path
            for path in (home / "registry").iterdir()
            if path.name.isdecimal() and path.is_dir()
        ]
    except OSError:
        return []
    return sorted(found, key=lambda path: int(path.name))


def ask(folder: Path, request: AdminRequest) -> AdminAnswer:
    """Return the answer of the registry with this folder, running or not. Raises
    AdminRequestFailed."""
    with _of_ours(folder):
        return _ask(folder, request)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep any registry from starting on a folder. Raises AdminRequestFailed if one runs."""
    with _of_ours(folder):
        try:
            store = FileStore(folder)
        except StoreInUse:
            raise AdminRequestFailed(f"a registry runs on {folder}: stop it first") from None
        try:
            yield
        finally:
            store.close()


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
    give_up_at = time.monotonic() + PATIENCE
    while time.monotonic() < give_up_at:
        answer = _ask_running(folder, request, give_up_at)
        if answer is not None:
            return answer
        if (folder / CLUSTER_MARK).exists():
            raise AdminRequestFailed(
                f"{folder} belongs to a node of a cluster that does not serve now: ask where the one runs that does"
            )
        try:
            store = FileStore(folder, has_past=had_key(folder))
        except StoreInUse:
            time.sleep(_TRY_SPAN)
            continue
        if not isinstance(request, _FILE_REQUESTS | MakeBackup | VerifyFiles | ShowLog):
            store.close()
            raise RegistryNotRunning(f"no registry runs on {folder}")
        return _without_registry(folder, store, request)
    raise AdminRequestFailed("the registry runs, and does not answer")


def _without_registry(
    folder: Path, store: FileStore, request: FileRequest | MakeBackup | VerifyFiles | ShowLog
) -> AdminAnswer:
    """Carry out a request on a folder on which no registry runs, and note it in the administrator's
    log."""
    log = AdminLog(folder, wall=time.time)
    if isinstance(request, AddBan):
        request = msgspec.structs.replace(request, author=account(own_user()))
    if isinstance(request, ShowLog):
        store.close()
        answer = shown_log(log, request.count)
    elif isinstance(request, MakeBackup | VerifyFiles):
        answer = _keep(folder, store, request)
    else:
        answer = _on_files(store, request)
    log.note(request, answer, user=own_user())
    return answer


def _ask_running(folder: Path, request: AdminRequest, give_up_at: float) -> AdminAnswer | None:
    """Return the answer of a running registry; None if nobody listens, or the registry ended
    without an answer."""
    line = bytearray()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        is_long = isinstance(request, MakeBackup | VerifyFiles)
        connection.settimeout(
            LONG_PATIENCE if is_long else max(give_up_at - time.monotonic(), _TRY_SPAN)
        )
        try:
            with at_folder(folder):
                connection.connect(SOCKET)
            connection.sendall(msgspec.json.encode(request) + b"\n")
            while not line.endswith(b"\n"):
                piece = connection.recv(1 << 16)
                if not piece:
                    return None
                line += piece
        except (FileNotFoundError, ConnectionError):
            return None
        except TimeoutError:
            raise AdminRequestFailed("the registry runs, and does not answer") from None
    try:
        answer: AdminAnswer = _answers.decode(line)
    except (msgspec.MsgspecError, ValueError):
        raise AdminRequestFailed(
            "the registry that runs is of another version of ChatApp"
        ) from None
    return answer


def _keep(folder: Path, store: FileStore, request: MakeBackup | VerifyFiles) -> AdminAnswer:
    """Back up or read a folder on which no registry runs."""
    try:
        if isinstance(request, VerifyFiles):
            return verified(folder)
        made = make_backup(
            folder,
            Path(request.folder),
            lengths={},
            port=int(folder.name),
            made_at=int(time.time()),
        )
        return BackupMade(folder=request.folder, files=len(made.files), size=made.size)
    except BackupFailed as error:
        return AdminRefused(refusal=AdminRefusal.NO_BACKUP, detail=str(error))
    finally:
        store.close()


def verified(folder: Path) -> FilesVerified:
    """Read a folder on which no registry runs, or a backup. Raises BackupFailed."""
    found = inspect(folder, lengths={})
    return FilesVerified(
        files=found.files, records=found.records, size=found.size, damage=found.damage
    )


def _on_files(store: FileStore, request: FileRequest) -> AdminAnswer:
    """Carry out a request on a registry's files. Raises StoreError."""
    try:
        loaded = store.load()
        now = time.monotonic()
        clock = WallClock(now=now, wall=time.time())
        directory, invites, bans = Directory(version=0), Invites(), OwnBans()
        restore_names(loaded, directory, clock, RegistryPolicy(), now=now)
        invites.load(loaded.invites, wall=clock.seconds(now), now=now)
        invites.expired(now=now)
        bans.load(loaded.bans, wall=clock.seconds(now), now=now)
        renaming = Renaming(directory, clock, is_banned=lambda _: False)
        admin = AdminService(
            directory,
            invites,
            bans,
            renaming,
            clock,
            forget=lambda person, _: _forget(directory, person),
        )
        return _answer(admin.run(request, "", now=now), store, now)
    finally:
        store.close()


def _forget(directory: Directory, person: Person) -> list[Effect]:
    """Remove a person. The registry's next run drops their mail."""
    directory.release(person)
    return []


def _answer(effects: list[Effect], store: FileStore, now: float) -> AdminAnswer:
    for effect in effects:
        if isinstance(effect, AnswerAdmin):
            return effect.answer
        if isinstance(effect, Generator):
            return _answer_when_stored(effect, store, now)
    raise AssertionError("an admin request without an answer")


def _answer_when_stored(rule: Rule, store: FileStore, now: float) -> AdminAnswer:
    effect = next(rule)
    while not isinstance(effect, AnswerAdmin):
        if isinstance(effect, Store):
            store.append(effect.entries)
            store.sync()
            effect = rule.send(Settled(is_stored=True, now=now))
        else:
            effect = next(rule)
    return effect.answer
