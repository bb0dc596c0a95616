"""The administrator's side of a running program: each request goes to the core, or to the program
around it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from chatapp.registry.rules.admin_requests import (
    AdminAnswer,
    AdminRefusal,
    AdminRefused,
    BackupMade,
    CancelStop,
    CoreRequest,
    Done,
    FilesVerified,
    MakeBackup,
    RegistryRequest,
    ReloadLists,
    StopRegistry,
    TellStop,
    VerifyFiles,
)
from chatapp.wire.errors import StoreError

if TYPE_CHECKING:
    from chatapp.registry.store.backup import Inspection, Manifest

_log = logging.getLogger(__name__)

REMINDERS: Final = (3_600, 600, 300, 60, 10)
"""Seconds before a planned stop at which everybody is told again."""


class AdminControl:
    """Answers admin requests."""

    def __init__(
        self,
        *,
        ask_core: Callable[[CoreRequest], Awaitable[AdminAnswer]],
        reload: Callable[[], Awaitable[AdminAnswer]] | None,
        stop: Callable[[], None],
        back_up: Callable[[Path], Awaitable["Manifest"]],
        verify: Callable[[], Awaitable["Inspection"]],
    ) -> None:
        """`back_up`, `verify`: copy everything that is kept into a folder, and read it; both raise
        BackupFailed, StoreError. `reload`: reads the access lists again; None if there are no
        files. `stop`: ends the program."""
        self._loop = asyncio.get_running_loop()
        self._ask_core = ask_core
        self._reload = reload
        self._stop = stop
        self._back_up = back_up
        self._verify = verify
        self._reminder: asyncio.TimerHandle | None = None
        self._stop_at: float | None = None
        self._reason = ""
        self._telling: asyncio.Future[AdminAnswer] | None = None

    async def answer(self, request: RegistryRequest) -> AdminAnswer:
        """Carry out a request."""
        match request:
            case ReloadLists():
                if self._reload is None:
                    return AdminRefused(refusal=AdminRefusal.NO_LISTS)
                return await self._reload()
            case StopRegistry():
                return await self._plan(request)
            case CancelStop():
                return await self._cancel()
            case MakeBackup() | VerifyFiles():
                return await self._keep(request)
            case _:
                return await self._ask_core(request)

    def close(self) -> None:
        """Forget a planned stop."""
        if self._reminder is not None:
            self._reminder.cancel()

    async def _plan(self, request: StopRegistry) -> AdminAnswer:
        self.close()
        if not request.span:
            # The answer goes out first.
            self._loop.call_soon(self._stop)
            return Done()
        self._stop_at, self._reason = self._loop.time() + request.span, request.reason
        answer = await self._tell()
        self._remind_later()
        _log.info("the registry stops in %d s", request.span)
        return answer

    async def _keep(self, request: MakeBackup | VerifyFiles) -> AdminAnswer:
        from chatapp.registry.store.backup import BackupFailed  # deferred: it is rarely done

        try:
            if isinstance(request, VerifyFiles):
                found = await self._verify()
                return FilesVerified(
                    files=found.files, records=found.records, size=found.size, damage=found.damage
                )
            made = await self._back_up(Path(request.folder))
        except (BackupFailed, StoreError) as error:
            return AdminRefused(refusal=AdminRefusal.NO_BACKUP, detail=str(error))
        return BackupMade(folder=request.folder, files=len(made.files), size=made.size)

    async def _cancel(self) -> AdminAnswer:
        if self._stop_at is None:
            return AdminRefused(refusal=AdminRefusal.NO_STOP_PLANNED)
        self.close()
        self._stop_at = None
        return await self._ask_core(TellStop(None))

    def _left(self) -> float:
        assert self._stop_at is not None
        return self._stop_at - self._loop.time()

    async def _tell(self) -> AdminAnswer:
        return await self._ask_core(TellStop(max(round(self._left()), 0), self._reason))

    def _remind_later(self) -> None:
        left = self._left()
        due = next((before for before in REMINDERS if before < left - 1), 0)
        self._reminder = self._loop.call_later(max(left - due, 0), self._remind, due)

    def _remind(self, due: int) -> None:
        if not due:
            self._stop()
            return
        self._telling = asyncio.ensure_future(self._tell())
        self._remind_later()
