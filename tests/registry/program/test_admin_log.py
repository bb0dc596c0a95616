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
from chatapp.registry.rules import admin_requests as admin

ME = os.geteuid()


def log_in(folder: Path) -> AdminLog:
    return AdminLog(folder, wall=lambda: 1_700_000_000.0)


def deeds(answer: admin.AdminAnswer) -> list[tuple[str, str, int, str]]:
    assert isinstance(answer, admin.LogShown)
    return [(one.verb, one.target, one.uid, one.result) for one in answer.deeds]


async def answer(request: admin.RegistryRequest) -> admin.AdminAnswer:
    """What stands in for the registry."""
    match request:
        case admin.KickPerson():
            return admin.AdminRefused(refusal=admin.AdminRefusal.NAME_AWAY, subject=request.name)
        case admin.ErasePerson():
            return admin.PersonErased(
                letters=0, lines=0, names=["bob", "rob"], keys=["ab cd"], bans=[]
            )
        case _:
            return admin.Done()


async def test_each_verb_leaves_a_line_with_who_asked_and_what_came_of_it(tmp_path: Path) -> None:
    recorded = RecordedAdmin(tmp_path, answer, wall=lambda: 1_700_000_000.0)
    serving = AdminListener(listen(tmp_path), tmp_path, recorded.answer)
    await serving.open()
    for request in (admin.ShowOnline(), admin.KickPerson("bob", 60), admin.AddBan("10.0.0.0/8")):
        await asyncio.to_thread(ask, tmp_path, request)
    shown = await asyncio.to_thread(ask, tmp_path, admin.ShowLog(20))
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
    seen: list[admin.RegistryRequest] = []

    async def note(request: admin.RegistryRequest) -> admin.AdminAnswer:
        seen.append(request)
        return admin.Done()

    await RecordedAdmin(tmp_path, note, wall=lambda: 0.0).answer(
        admin.AddBan("bob", author="the king"), ME
    )
    assert seen == [admin.AddBan("bob", author=account(ME))]


def test_without_a_registry_the_lines_are_written_too(tmp_path: Path) -> None:
    ask(tmp_path, admin.AddBan("mallory", 60, "spam"))
    ask(tmp_path, admin.ListBans())
    assert deeds(ask(tmp_path, admin.ShowLog(20)))[:2] == [
        ("ban", "mallory", ME, "done"),
        ("bans", "", ME, "done"),
    ]


def test_a_long_file_is_moved_aside_and_what_is_aside_is_still_read(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    log.note(admin.KickPerson("first", 1), admin.Done(), user=7)
    with (tmp_path / FILE).open("ab") as file:
        file.write(b"{cut\n" + b" " * LENGTH_MAX + b"\n")
    log.note(admin.KickPerson("second", 1), admin.Done(), user=7)
    assert (tmp_path / FORMER).exists()
    assert [one.target for one in log.newest(9)] == ["first", "second"]
    assert [one.target for one in log.newest(1)] == ["second"]


async def test_an_erased_person_is_in_no_line(tmp_path: Path) -> None:
    recorded = RecordedAdmin(tmp_path, answer, wall=lambda: 0.0)
    for request in (
        admin.KickPerson("BOB", 60),
        admin.AddBan("ab cd"),
        admin.KickFromRoom("lab", "rob"),
        admin.KickPerson("eve", 60),
        admin.ErasePerson("bob"),
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
    assert await recorded.answer(admin.ShowOnline(), 7) == admin.Done()
    assert not (tmp_path / "elsewhere").exists()
    assert FILE in caplog.text


async def test_the_log_level_changes_while_the_program_runs(tmp_path: Path) -> None:
    root = logging.getLogger()
    before = root.level
    try:
        recorded = RecordedAdmin(tmp_path, answer, wall=lambda: 0.0)
        assert await recorded.answer(admin.SetLogLevel("debug"), 7) == admin.Done()
        assert root.level == logging.DEBUG
    finally:
        root.setLevel(before)
    assert log_in(tmp_path).newest(1) == [
        admin.Deed("1970-01-01T00:00:00.000Z", "log-level", "debug", 7, "done")
    ]
