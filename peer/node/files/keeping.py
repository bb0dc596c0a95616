"""Which files of ours the registry is given to keep, and which it is to drop (clause 6.23)."""

import asyncio
import contextlib
import enum
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from chatapp.peer.api.files import FileState
from chatapp.peer.core.files.book import FileBook, KnownFile
from chatapp.peer.node.files.disk import Changed, SharedFile
from chatapp.peer.node.files.keeper import Answer, GivingLink, Keeper
from chatapp.peer.node.files.store import FileStore
from chatapp.peer.node.files.worker import Worker
from chatapp.wire.errors import SealError, quoted
from chatapp.wire.files import kept_id
from chatapp.wire.messages.files import (
    AskHave,
    DropKept,
    FileKept,
    Have,
    KeeperRequest,
    KeepFile,
    KeptResult,
    NotServed,
)

if TYPE_CHECKING:
    from chatapp.peer.core.core import PeerCore

LOOKS_EACH: Final = 5.0
"""Seconds between two looks whether somebody has gone who has not fetched a file."""

AGAIN_AFTER: Final = 15.0
"""Seconds until a file is tried again whose link has broken."""

REFUSED_FOR: Final = 60.0
"""Seconds until a file is tried again that the registry has refused, at least."""

_OVER: Final = (KeptResult.TOO_LARGE, KeptResult.WRONG)
"""After these, a file is not given again."""

_log = logging.getLogger("chatapp.peer")


class KeepingNode(Protocol):
    """What this asks of the node."""

    @property
    def core(self) -> "PeerCore": ...
    def now(self) -> float: ...


class _Task(enum.Enum):
    """What is to be done about a file."""

    GIVE = enum.auto()
    CHECK = enum.auto()
    DROP = enum.auto()


class _Errand(NamedTuple):
    task: _Task
    file: KnownFile


class Keeping:
    """Gives files of ours to the registry, one after the other, while those are away whom we offer
    them to."""

    def __init__(
        self,
        node: KeepingNode,
        book: FileBook,
        store: FileStore,
        worker: Worker,
        keeper: Keeper,
        tell: Callable[[], None],
    ) -> None:
        """`tell`: called when the book has changed."""
        self._node: Final = node
        self._book: Final = book
        self._store: Final = store
        self._worker: Final = worker
        self._keeper: Final = keeper
        self._tell: Final = tell
        self._again_at: Final[dict[int, float]] = {}
        """When a file may be tried again, by the id of its line."""
        self._checked: Final[dict[int, int]] = {}
        """In which run of the registry it was last seen that it has a file."""
        self._running: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_closed = False

    def look(self) -> None:
        """Begin what is due. A timer looks for what becomes due later."""
        if self._is_closed or self._running is not None:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        loop = asyncio.get_running_loop()
        if self._next() is not None:
            self._running = loop.create_task(self._run())
            self._running.add_done_callback(self._ended)
        elif any(file.is_kept or self._is_wanted(file) for file in self._book.ours()):
            self._timer = loop.call_later(LOOKS_EACH, self.look)

    def close(self) -> None:
        """Do nothing more."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._running is not None:
            self._running.cancel()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running = None
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("fault while the registry is given a file: %r", error)
        elif not self._is_closed:
            self.look()

    # --- what is to be done

    def _next(self) -> _Errand | None:
        if not self._keeper.can_be_asked():
            return None
        now, life = self._node.now(), self._node.core.registry.session.life
        for file in self._book.ours():
            if now < self._again_at.get(file.id, now):
                continue
            if file.is_kept and not self._is_wanted(file):
                return _Errand(_Task.DROP, file)
            if file.is_kept and self._checked.get(file.id) != life:
                return _Errand(_Task.CHECK, file)
            if not file.was_kept and self._is_wanted(file) and self._is_somebody_away(file):
                return _Errand(_Task.GIVE, file)
        return None

    def _is_wanted(self, file: KnownFile) -> bool:
        """Whether somebody may still fetch a file."""
        return file.is_offered and bool(file.size) and file.state is not FileState.DONE

    def _is_somebody_away(self, file: KnownFile) -> bool:
        """Whether somebody to whom we offer a file cannot fetch it from us now."""
        core, to = self._node.core, file.conversation
        if to.is_room:
            return core.rooms.has_absent(to.name)
        contact = core.roster.contacts.by_name(to.name)
        return contact is not None and not contact.is_online and not contact.is_banned

    # --- doing it

    async def _run(self) -> None:
        while (errand := self._next()) is not None:
            task, file = errand
            self._again_at[file.id] = self._node.now() + AGAIN_AFTER
            answer = await self._ask(task, file)
            self._note(file, answer)
            self._tell()

    async def _ask(self, task: _Task, file: KnownFile) -> Answer | None:
        """Return what the registry answers; None if it does not."""
        shared: SharedFile | None = None
        with contextlib.suppress(OSError, SealError):  # others are told who ask for it
            if task is _Task.GIVE:
                hashes = self._store.hashes_of(file.content)
                shared = await self._worker.run(lambda: SharedFile(file, hashes))
            try:
                request = _request(task, file)
                link = GivingLink(self._worker, self._keeper.opening(), request, shared)
                if not await self._keeper.connect(link.new_end):
                    return None
                answer = await link.answer()
                self._keeper.note_end(was_answered=link.was_open)
                return answer
            except Changed:
                self._again_at[file.id] = float("inf")
            finally:
                if shared is not None:
                    shared.close()
        return None

    def _note(self, file: KnownFile, answer: Answer | None) -> None:
        match answer:
            case Have():
                self._has(file)
            case FileKept(result=KeptResult.KEPT):
                self._has(file)
                self._doubt_oldest(file)
            case FileKept(result=KeptResult.DROPPED) | NotServed():
                self._again_at.pop(file.id, None)
                self._book.note_kept(file, is_kept=False)
                if isinstance(answer, NotServed):
                    self._doubt_oldest(file)
            case FileKept(result=result, limit=limit):
                _log.info("the registry does not keep %s: %s", quoted(file.name), result.name)
                wait = float("inf") if result in _OVER else float(limit)
                self._again_at[file.id] = self._node.now() + max(wait, REFUSED_FOR)
            case None:
                pass  # it is tried again

    def _doubt_oldest(self, file: KnownFile) -> None:
        """Look whether the registry still has the oldest file of ours, after it has taken this one or
        has said that it does not have it: the oldest makes room for others."""
        oldest = next((one for one in self._book.ours() if one.is_kept), file)
        if oldest is not file:
            self._checked.pop(oldest.id, None)

    def _has(self, file: KnownFile) -> None:
        self._again_at.pop(file.id, None)
        self._checked[file.id] = self._node.core.registry.session.life
        self._book.note_kept(file, is_kept=True)


def _request(task: _Task, file: KnownFile) -> KeeperRequest:
    if task is _Task.GIVE:
        return KeepFile(file.size, file.pages)
    named = kept_id(file.size, file.pages)
    return DropKept(named) if task is _Task.DROP else AskHave(named, 0)
