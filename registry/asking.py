"""This file is about asking a registry from another process: through its spool while it runs, else on its files.

Who holds the store's lock decides which: the registry, or we, and then nobody starts one meanwhile. It knows files and
time; what an errand does is `office`'s.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from registry.clock import WallClock
from registry.directory import Directory
from registry.effects import Answered, Effect, Store
from registry.errands import Answer, Errand
from registry.invites import Invites
from registry.keys import KEY_FILE, KeyUnusable, public_key
from registry.office import Office
from registry.policy import Policy
from registry.recalling import recall
from registry.renaming import Renaming
from registry.spool import Spool
from registry.store.errors import StoreError, StoreInUse
from registry.store.files import FileStore
from wire.errors import ChatAppError

PATIENCE: Final = 15.0
"""Seconds until we give up a registry that runs and does not answer."""
_LOOK_SPAN: Final = 0.05
_ASK_AGAIN_SPAN: Final = 2.0
"""A registry that has just started forgets what lay there before."""


class Unanswered(ChatAppError):
    """The registry cannot be asked; the text says why."""


def folders_in(home: Path) -> list[Path]:
    """Folders of registries there, by their ports."""
    try:
        found = [path for path in (home / "registry").iterdir() if path.name.isdecimal() and path.is_dir()]
    except OSError:
        return []
    return sorted(found, key=lambda path: int(path.name))


def ask(folder: Path, errand: Errand) -> Answer:
    """The answer of the registry with this folder, running or not. Raises Unanswered."""
    with _of_ours(folder):
        return _ask(folder, errand)


def key_of(folder: Path) -> bytes:
    """The identity key of the registry with this folder. Raises Unanswered."""
    with _of_ours(folder):
        return public_key(folder)


@contextmanager
def _of_ours(folder: Path) -> Iterator[None]:
    """For who runs the registry, and nobody else. Raises Unanswered."""
    try:
        if os.stat(folder).st_uid != os.geteuid():
            raise Unanswered(f"{folder} is another user's: only who runs a registry may ask it this")
        yield
    except OSError as error:
        where = error.filename2 or error.filename or folder
        raise Unanswered(f"{where}: {error.strerror or error}") from None
    except (KeyUnusable, StoreError) as error:
        raise Unanswered(str(error)) from None


def _ask(folder: Path, errand: Errand) -> Answer:
    spool, ticket = Spool(folder), os.urandom(16).hex()
    give_up_at = time.monotonic() + PATIENCE
    try:
        while time.monotonic() < give_up_at:
            try:
                store = FileStore(folder, has_past=(folder / KEY_FILE).exists())
            except StoreInUse:
                answer = _wait(spool, ticket, errand)
            else:
                spool.withdraw(ticket)
                answer = spool.answered(ticket) or _on_files(store, errand)
            if answer is not None:
                return answer
    finally:
        spool.withdraw(ticket)
    raise Unanswered("the registry runs, and does not answer")


def _wait(spool: Spool, ticket: str, errand: Errand) -> Answer | None:
    spool.ask(ticket, errand)
    until = time.monotonic() + _ASK_AGAIN_SPAN
    while (answer := spool.answered(ticket)) is None and time.monotonic() < until:
        time.sleep(_LOOK_SPAN)
    return answer


def _on_files(store: FileStore, errand: Errand) -> Answer:
    """What a registry would do, without one. Raises StoreError."""
    try:
        loaded = store.load()
        now = time.monotonic()
        clock = WallClock(now=now, wall=time.time())
        directory, invites = Directory(version=0), Invites()
        recall(loaded, directory, clock, Policy(), now=now)
        invites.load(loaded.invites, wall=clock.seconds(now), now=now)
        invites.expired(now=now)
        renaming = Renaming(directory, clock, is_banned=lambda key: False)
        office = Office(directory, invites, renaming, clock, forget=lambda identity, at: None)
        return _carry_out(office.run(errand, "", now=now), store)
    finally:
        store.close()


def _carry_out(effects: list[Effect], store: FileStore) -> Answer:
    for effect in effects:
        if isinstance(effect, Store):
            store.append(effect.entries)
            store.sync()
            return _carry_out(list(effect.then), store)
        if isinstance(effect, Answered):
            return effect.answer
    raise AssertionError("an errand without an answer")
