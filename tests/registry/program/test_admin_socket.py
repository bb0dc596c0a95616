"""Admin requests from another process: through the socket while the registry runs, on its own files
otherwise."""

import asyncio
import json
import os
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from chatapp.registry.program.admin import client, listener
from chatapp.registry.program.admin.client import AdminRequestFailed, ask, folders_in
from chatapp.registry.program.admin.listener import (
    CLIENTS_MAX,
    REQUEST_MAX,
    SOCKET,
    AdminListener,
    SocketUnusable,
    listen,
)
from chatapp.registry.program.admin.log import account
from chatapp.registry.program.admin.texts import refusal_text
from chatapp.registry.rules import admin_requests as admin
from chatapp.registry.store.entries import NameBound
from chatapp.registry.store.files import FileStore
from chatapp.wire.codec import encode
from chatapp.wire.folders import at_folder
from chatapp.wire.identity import AgreementKey, Identity, fingerprint, make_card

BOB = Identity(b"b" * 32)
BANS = b'{"type":"bans"}\n'


def card_of(name: str) -> bytes:
    mail = AgreementKey(b"m" * 32).public
    return encode(make_card(BOB, name=name, mail=mail, counter=1))


BOB_BANNED = admin.BansListed([admin.BanShown("bob", "", "root", 5, 0)])


async def answer(request: admin.AdminRequest, user: int = 0) -> admin.AdminAnswer:
    """What stands in for the registry."""
    return BOB_BANNED if request == admin.ListBans() else admin.Done()


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[None]:
    serving = AdminListener(listen(folder), folder, answer)
    await serving.open()
    try:
        yield
    finally:
        await serving.close()


async def connected(folder: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    with at_folder(folder):
        return await asyncio.open_unix_connection(SOCKET)


# --- the socket


async def test_requests_are_answered_line_by_line_on_a_socket_for_the_owner_alone(
    tmp_path: Path,
) -> None:
    async with served(tmp_path):
        path = tmp_path / SOCKET
        assert stat.S_ISSOCK(path.stat().st_mode)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        reader, writer = await connected(tmp_path)
        writer.write(BANS + BANS)
        for _ in range(2):
            assert json.loads(await reader.readline())["bans"][0]["what"] == "bob"
        writer.close()
    assert not path.exists()


async def test_an_answer_that_is_under_way_at_the_end_still_goes_out(tmp_path: Path) -> None:
    asked, may_answer = asyncio.Event(), asyncio.Event()

    async def answer_later(request: admin.AdminRequest, user: int) -> admin.AdminAnswer:
        asked.set()
        await may_answer.wait()
        return await answer(request)

    serving = AdminListener(listen(tmp_path), tmp_path, answer_later)
    await serving.open()
    idle, idle_writer = await connected(tmp_path)
    reader, writer = await connected(tmp_path)
    writer.write(BANS + BANS)
    await asked.wait()
    closing = asyncio.ensure_future(serving.close())
    assert await idle.read() == b""
    may_answer.set()
    (line,) = (await reader.read()).splitlines()  # and the second is not answered
    assert json.loads(line)["type"] == "bans"
    await closing
    for one in (writer, idle_writer):
        one.close()


async def test_a_folder_with_a_long_path_has_a_socket_too(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30) / ("longer" * 20)
    folder.mkdir(parents=True)
    before = Path.cwd()
    async with served(folder):
        assert await asyncio.to_thread(ask, folder, admin.ListBans()) == BOB_BANNED
    assert Path.cwd() == before


def test_a_socket_that_a_process_left_behind_is_replaced(tmp_path: Path) -> None:
    listen(tmp_path).close()
    assert (tmp_path / SOCKET).exists()
    listen(tmp_path).close()


def test_a_socket_on_which_somebody_listens_is_left_alone(tmp_path: Path) -> None:
    with (
        listen(tmp_path),
        pytest.raises(SocketUnusable, match=r"admin\.sock: another program listens on it$"),
    ):
        listen(tmp_path)


def test_what_is_not_a_socket_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / SOCKET).write_text("notes")
    with pytest.raises(SocketUnusable, match=r"admin\.sock is not a socket: move it away$"):
        listen(tmp_path)
    assert (tmp_path / SOCKET).read_text() == "notes"


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b'{"type":"format"}',
        b"\xff" * 9,
        b"[" * 9_999,
        b'{"type":"names","x":' + b"[" * 9_999,
    ],
)
async def test_what_is_not_a_request_is_refused_and_the_next_line_answered(
    tmp_path: Path, line: bytes
) -> None:
    async with served(tmp_path):
        reader, writer = await connected(tmp_path)
        writer.write(line + b"\n" + BANS)
        refused = json.loads(await reader.readline())
        assert (refused["type"], refused["refusal"]) == (
            "refused",
            admin.AdminRefusal.NOT_A_REQUEST.value,
        )
        assert json.loads(await reader.readline())["type"] == "bans"
        writer.close()


async def test_a_line_without_an_end_and_a_client_that_says_nothing_are_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(tmp_path):
        reader, writer = await connected(tmp_path)
        writer.write(b" " * (2 * REQUEST_MAX + 2))
        with suppress(ConnectionResetError):  # what the registry has not read is lost
            assert await reader.read() == b""
        writer.close()
        monkeypatch.setattr(listener, "PATIENCE", 0.01)
        reader, writer = await connected(tmp_path)
        assert await reader.read() == b""
        writer.close()


async def test_clients_that_say_nothing_make_way_for_one_that_asks(tmp_path: Path) -> None:
    async with served(tmp_path):
        silent = [await connected(tmp_path) for _ in range(CLIENTS_MAX)]
        for _, writer in silent:
            writer.write(b'{"type":')  # a line without an end
            await writer.drain()
        for _ in range(2 * CLIENTS_MAX):
            assert await asyncio.to_thread(ask, tmp_path, admin.ListBans()) == BOB_BANNED
        assert await silent[0][0].read() == b"", "the longest silent one made way"
        silent[-1][1].write(b'"bans"}\n')
        assert b"bans" in await silent[-1][0].readline(), "the others are served as before"
        for _, writer in silent:
            writer.close()


async def test_a_client_whose_request_is_carried_out_makes_way_for_nobody(tmp_path: Path) -> None:
    asked, may_answer = asyncio.Semaphore(0), asyncio.Event()

    async def answer_later(request: admin.AdminRequest, user: int) -> admin.AdminAnswer:
        asked.release()
        await may_answer.wait()
        return await answer(request)

    serving = AdminListener(listen(tmp_path), tmp_path, answer_later)
    await serving.open()
    waiting = [await connected(tmp_path) for _ in range(CLIENTS_MAX)]
    for _, writer in waiting:
        writer.write(BANS)
        await asked.acquire()
    reader, writer = await connected(tmp_path)
    assert (
        json.loads(await reader.readline())["refusal"] == admin.AdminRefusal.TOO_MANY_CLIENTS.value
    )
    assert await reader.read() == b""
    may_answer.set()
    for reader, _ in waiting:
        assert b"bans" in await reader.readline()
    await serving.close()
    for reader, _ in waiting:
        assert await reader.read() == b"", "the end of the registry ends them"
    for _, one in [*waiting, (reader, writer)]:
        one.close()


async def test_another_user_is_not_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(tmp_path):
        monkeypatch.setattr(listener, "_user_of", lambda writer: os.geteuid() + 1)
        reader, writer = await connected(tmp_path)
        assert await reader.read() == b""
        writer.close()


# --- the command


def test_without_a_registry_the_files_are_asked(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    store.load()
    store.append([NameBound("bob", BOB.public, card_of("bob"), 0, 5_000)])
    store.sync()
    store.close()
    listed = admin.NamesListed([admin.NameShown("bob", fingerprint(BOB.public), "away", 5)])
    assert ask(tmp_path, admin.ListNames()) == listed
    assert ask(tmp_path, admin.MakeInvites([b"k" * 32])) == admin.Done()
    assert ask(tmp_path, admin.ReleaseName("BOB")) == admin.Done()
    refused = ask(tmp_path, admin.ReleaseName("bob"))
    assert isinstance(refused, admin.AdminRefused)
    assert "nobody has" in refusal_text(refused)
    assert ask(tmp_path, admin.AddBan("mallory")) == admin.Done()
    assert ask(tmp_path, admin.AddBan("10.1.0.0/16")) == admin.Done()
    assert ask(tmp_path, admin.LiftBan("Mallory")) == admin.Done()
    bans = ask(tmp_path, admin.ListBans())
    assert isinstance(bans, admin.BansListed)
    assert [(one.what, one.author) for one in bans.bans] == [("10.1.0.0/16", account(os.geteuid()))]
    loaded = FileStore(tmp_path).load()
    assert (loaded.names, [one.code for one in loaded.invites]) == ([], [b"k" * 32])
    assert [one.what for one in loaded.bans] == ["10.1.0.0/16"]


def test_what_needs_a_running_registry_says_so(tmp_path: Path) -> None:
    with pytest.raises(AdminRequestFailed, match="no registry runs on"):
        ask(tmp_path, admin.ShowOnline())


def test_a_registry_that_does_not_answer_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "PATIENCE", 0.2)
    holder = FileStore(tmp_path)
    with pytest.raises(AdminRequestFailed, match="does not answer"):
        ask(tmp_path, admin.ListNames())
    with listen(tmp_path), pytest.raises(AdminRequestFailed, match="does not answer"):
        ask(tmp_path, admin.ListNames())
    holder.close()


def test_a_connection_that_ends_without_an_answer_is_tried_again(tmp_path: Path) -> None:
    with listen(tmp_path) as listening:
        listening.setblocking(True)
        listening.shutdown(socket.SHUT_RDWR)
        assert ask(tmp_path, admin.ListNames()) == admin.NamesListed([])


def test_registries_are_found_by_their_ports(tmp_path: Path) -> None:
    assert folders_in(tmp_path) == []
    for name in ("5000", "600", "notes"):
        (tmp_path / "registry" / name).mkdir(parents=True)
    assert [folder.name for folder in folders_in(tmp_path)] == ["600", "5000"]


def test_a_folder_of_another_user_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(AdminRequestFailed, match="belongs to another user"):
        ask(tmp_path, admin.ListNames())
