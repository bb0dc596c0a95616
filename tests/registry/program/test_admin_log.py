"""The administrator's log: a line for each request, with who asked, and nothing of people who were
erased."""

import asyncio
import json
import logging
import os
import stat
from pathlib import Path

import pytest

from chatapp.registry.program.admin.client import ask
from chatapp.registry.program.admin.listener import AdminListener, listen
from chatapp.registry.program.admin.log import (
    ERASED,
    FILE,
    FORMER,
    LENGTH_MAX,
    AdminLog,
    RecordedAdmin,
    account,
)
from chatapp.registry.program.admin.texts import lines_of
from chatapp.registry.rules.admin_requests import (
    AddBan,
    AdminAnswer,
    AdminRefusal,
    AdminRefused,
    Deed,
    Done,
    ErasePerson,
    KickFromRoom,
    KickPerson,
    ListBans,
    LogShown,
    PersonErased,
    RegistryRequest,
    SetLogLevel,
    ShowLog,
    ShowOnline,
)

ME = os.geteuid()


def log_in(folder: Path) -> AdminLog:
    return AdminLog(folder, wall=lambda: 1_700_000_000.0)


def deeds(answer: AdminAnswer) -> list[tuple[str, str, int, str]]:
    assert isinstance(answer, LogShown)
    return [(one.verb, one.target, one.uid, one.result) for one in answer.deeds]


async def answer(request: RegistryRequest) -> AdminAnswer:
    """What stands in for the registry."""
    match request:
        case KickPerson():
            return AdminRefused(refusal=AdminRefusal.NAME_AWAY, subject=request.name)
        case ErasePerson():
            return PersonErased(letters=0, lines=0, names=["bob", "rob"], keys=["ab cd"], bans=[])
        case _:
            return Done()


async def test_each_verb_leaves_a_line_with_who_asked_and_what_came_of_it(tmp_path: Path) -> None:
    recorded = RecordedAdmin(tmp_path, answer, wall=lambda: 1_700_000_000.0)
    serving = AdminListener(listen(tmp_path), tmp_path, recorded.answer)
    await serving.open()
    for request in (ShowOnline(), KickPerson("bob", 60), AddBan("10.0.0.0/8")):
        await asyncio.to_thread(ask, tmp_path, request)
    shown = await asyncio.to_thread(ask, tmp_path, ShowLog(20))
    await serving.close()
    assert deeds(shown) == [
        ("who", "", ME, "done"),
        ("kick", "bob", ME, "name away"),
        ("ban", "10.0.0.0/8", ME, "done"),
    ]
    assert lines_of(shown)[1] == f"2023-11-14T22:13:20.000Z  {ME}  kick bob: name away"
    path = tmp_path / FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[1] == {
        "at": "2023-11-14T22:13:20.000Z",
        "verb": "kick",
        "target": "bob",
        "uid": ME,
        "result": "name away",
    }
    assert [one["verb"] for one in lines][-1] == "log"


async def test_the_author_of_a_ban_is_who_asks_and_not_who_they_say(tmp_path: Path) -> None:
    seen: list[RegistryRequest] = []

    async def note(request: RegistryRequest) -> AdminAnswer:
        seen.append(request)
        return Done()

    await RecordedAdmin(tmp_path, note, wall=lambda: 0.0).answer(
        AddBan("bob", author="the king"), ME
    )
    assert seen == [AddBan("bob", author=account(ME))]


def test_without_a_registry_the_lines_are_written_too(tmp_path: Path) -> None:
    ask(tmp_path, AddBan("mallory", 60, "spam"))
    ask(tmp_path, ListBans())
    assert deeds(ask(tmp_path, ShowLog(20)))[:2] == [
        ("ban", "mallory", ME, "done"),
        ("bans", "", ME, "done"),
    ]


def test_a_long_file_is_moved_aside_and_what_is_aside_is_still_read(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    log.note(KickPerson("first", 1), Done(), user=7)
    with (tmp_path / FILE).open("ab") as file:
        file.write(b"{cut\n" + b" " * LENGTH_MAX + b"\n")
    log.note(KickPerson("second", 1), Done(), user=7)
    assert (tmp_path / FORMER).exists()
    assert [one.target for one in log.newest(9)] == ["first", "second"]
    assert [one.target for one in log.newest(1)] == ["second"]


async def test_an_erased_person_is_in_no_line(tmp_path: Path) -> None:
    recorded = RecordedAdmin(tmp_path, answer, wall=lambda: 0.0)
    for request in (
        KickPerson("BOB", 60),
        AddBan("ab cd"),
        KickFromRoom("lab", "rob"),
        KickPerson("eve", 60),
        ErasePerson("bob"),
    ):
        await recorded.answer(request, 7)
    found = log_in(tmp_path).newest(9)
    assert [one.target for one in found] == [ERASED, ERASED, ERASED, "eve", ERASED]
    assert b"ob" not in (tmp_path / FILE).read_bytes()


async def test_a_disk_that_takes_no_line_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE).symlink_to(tmp_path / "elsewhere")
    recorded = RecordedAdmin(tmp_path, answer, wall=lambda: 0.0)
    assert await recorded.answer(ShowOnline(), 7) == Done()
    assert not (tmp_path / "elsewhere").exists()
    assert FILE in caplog.text


async def test_the_log_level_changes_while_the_program_runs(tmp_path: Path) -> None:
    root = logging.getLogger()
    before = root.level
    try:
        recorded = RecordedAdmin(tmp_path, answer, wall=lambda: 0.0)
        assert await recorded.answer(SetLogLevel("debug"), 7) == Done()
        assert root.level == logging.DEBUG
    finally:
        root.setLevel(before)
    assert log_in(tmp_path).newest(1) == [
        Deed("1970-01-01T00:00:00.000Z", "log-level", "debug", 7, "done")
    ]
