"""The administrator as a user of this machine: who asks is noted with each request, and what
concerns the program alone is answered here."""

import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import msgspec

from chatapp.registry.program.admin.log import AdminLog
from chatapp.registry.rules.admin_requests import (
    AddBan,
    AdminAnswer,
    AdminRefusal,
    AdminRefused,
    AdminRequest,
    Done,
    ErasePerson,
    LogShown,
    PersonErased,
    RegistryRequest,
    SetLogLevel,
    ShowLog,
)
from chatapp.wire.names import is_same_name

Answer = Callable[[RegistryRequest], Awaitable[AdminAnswer]]


class RecordedAdmin:
    """Has requests carried out, and writes a line about each into the administrator's log."""

    def __init__(self, folder: Path, answer: Answer, *, wall: Callable[[], float]) -> None:
        """`answer`: carries out a request that concerns more than this program."""
        self._log: Final = AdminLog(folder, wall=wall)
        self._answer: Final = answer

    async def answer(self, request: AdminRequest, user: int) -> AdminAnswer:
        """Carry out a request of the user with this number."""
        if isinstance(request, AddBan):
            request = msgspec.structs.replace(request, author=account(user))
        answer = await self._answered(request)
        self._log.note(request, answer, user=user)
        return answer

    async def _answered(self, request: AdminRequest) -> AdminAnswer:
        match request:
            case ShowLog(count=count):
                return shown_log(self._log, count)
            case SetLogLevel(level=level):
                logging.getLogger().setLevel(level.upper())
                return Done()
            case ErasePerson(name=name):
                answer = await self._answer(request)
                return forgotten(self._log, name, answer)
            case _:
                return await self._answer(request)


def shown_log(log: AdminLog, count: int) -> AdminAnswer:
    """Return the newest lines of the administrator's log."""
    try:
        return LogShown(log.newest(count))
    except OSError as error:
        return _no_log(error)


def forgotten(log: AdminLog, name: str, answer: AdminAnswer) -> AdminAnswer:
    """Take somebody who was erased out of the administrator's log. Return the answer, or that this
    could not be done."""
    if not isinstance(answer, PersonErased):
        return answer
    theirs = [name, *answer.names, *answer.keys]
    try:
        log.forget(
            lambda target: any(is_same_name(target.split(" in ")[0], name) for name in theirs)
        )
    except OSError as error:
        return _no_log(error)
    return answer


def account(user: int) -> str:
    """Return the name of a user's account, or the number of one without a name."""
    try:
        import pwd  # not on every platform

        return pwd.getpwuid(user).pw_name
    except (ImportError, KeyError):
        return str(user)


def own_user() -> int:
    """Return the number of the user who runs this program."""
    return os.geteuid()


def _no_log(error: OSError) -> AdminRefused:
    return AdminRefused(
        refusal=AdminRefusal.NO_LOG, detail=f"{error.filename}: {error.strerror or error}"
    )
