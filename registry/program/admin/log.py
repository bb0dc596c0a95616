"""The administrator as a user of this machine: who asks is noted with each request, in a log of one JSON
object a line; and what concerns the program alone is answered here.

A line says when, which verb, about whom or what, by which user of this machine, and with which
result. The file is for the folder's owner alone. When it is long it is moved aside, and the one
that was aside before is gone.
"""

import datetime as dt
import logging
import os
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from chatapp.registry.rules.admin_requests import (
    AddBan,
    AdminAnswer,
    AdminRefusal,
    AdminRefused,
    AdminRequest,
    Announce,
    CloseRoom,
    Deed,
    Done,
    ErasePerson,
    KickFromRoom,
    KickPerson,
    LiftBan,
    LogShown,
    MakeBackup,
    MakeInvites,
    PersonErased,
    PurgeMail,
    RegistryRequest,
    ReleaseName,
    SetLogLevel,
    SetRoomTopic,
    ShowLog,
    ShowPerson,
    StopRegistry,
)
from chatapp.wire.folders import write_whole
from chatapp.wire.names import is_same_name

_log = logging.getLogger(__name__)

FILE: Final = "admin.log"
FORMER: Final = f"{FILE}.1"
LENGTH_MAX: Final = 1 << 20
"""Bytes of the file after which it is moved aside."""
ERASED: Final = "(erased)"
"""Stands in the log for somebody of whom nothing is kept."""
_FILE_MODE: Final = 0o600
_DONE: Final = "done"
_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(Deed)


class AdminLog:
    """The log in one folder."""

    def __init__(self, folder: Path, *, wall: Callable[[], float]) -> None:
        """`wall`: returns Unix time."""
        self._folder: Final = folder
        self._wall: Final = wall

    def note(self, request: AdminRequest, answer: AdminAnswer, *, user: int) -> None:
        """Write the line of a request that was answered. `user`: who asked, a number of this
        machine. A disk that takes no line is reported, and the request stays done."""
        at = dt.datetime.fromtimestamp(self._wall(), dt.UTC).isoformat(timespec="milliseconds")
        result = answer.refusal.value if isinstance(answer, AdminRefused) else _DONE
        deed = Deed(at.replace("+00:00", "Z"), verb_of(request), target_of(request), user, result)
        try:
            self._append(_encoder.encode(deed) + b"\n")
        except OSError as error:
            _log.warning("%s: %s", self._folder / FILE, error.strerror or error)

    def newest(self, count: int) -> list[Deed]:
        """Return the newest lines, the oldest of them first. Raises OSError."""
        deeds = [deed for name in (FORMER, FILE) for deed in self._deeds(name)]
        return deeds[-count:]

    def forget(self, are_theirs: Callable[[str], bool]) -> None:
        """Take somebody out of all lines. `are_theirs`: whether a target is a name or a key of
        theirs. Raises OSError."""
        for name in (FORMER, FILE):
            deeds = list(self._deeds(name))
            kept = [
                msgspec.structs.replace(deed, target=ERASED) if are_theirs(deed.target) else deed
                for deed in deeds
            ]
            if kept != deeds:
                write_whole(
                    self._folder / name, b"".join(_encoder.encode(deed) + b"\n" for deed in kept)
                )

    def _append(self, line: bytes) -> None:
        path = self._folder / FILE
        with suppress(FileNotFoundError):
            if os.stat(path, follow_symlinks=False).st_size >= LENGTH_MAX:
                os.replace(path, self._folder / FORMER)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        file = os.open(path, flags, _FILE_MODE)
        try:
            os.write(file, line)
        finally:
            os.close(file)

    def _deeds(self, name: str) -> Iterable[Deed]:
        """Return the lines of a file; a line that was cut or changed is left out."""
        try:
            lines = (self._folder / name).read_bytes().splitlines()
        except FileNotFoundError:
            return []
        deeds: list[Deed] = []
        for line in lines:
            with suppress(msgspec.MsgspecError, ValueError, RecursionError):
                deeds.append(_decoder.decode(line))
        return deeds


def verb_of(request: AdminRequest) -> str:
    """Return the verb of a request, as on the socket."""
    return str(request.__struct_config__.tag)


def target_of(request: AdminRequest) -> str:
    """Return whom or what a request is about; empty for the whole registry."""
    match request:
        case ReleaseName() | KickPerson() | ShowPerson() | PurgeMail():
            return request.name
        case ErasePerson():
            return ERASED
        case AddBan() | LiftBan():
            return request.what
        case CloseRoom() | SetRoomTopic():
            return request.room
        case KickFromRoom():
            return f"{request.name} in {request.room}"
        case MakeBackup():
            return request.folder
        case MakeInvites():
            return str(len(request.codes))
        case SetLogLevel():
            return request.level
        case Announce() | StopRegistry():
            return ""
        case _:
            return ""


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
