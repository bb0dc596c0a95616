"""A hostile member of a web desk: what somebody does who has an account there, or wants that of
another one.

Meanwhile alice, whose account is there, too, has a page open, somebody asks for the form, and a
monitor for `/healthz`.
"""

import asyncio
import contextlib
import re
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from chatapp.peer.faces.web.limits import (
    FOLDER_MAX,
    PAGE_MAX,
    TRIES_OF_NETWORK_BURST,
    UPLOADS_AT_ONCE,
)
from tests.cast.stage import Stage
from tests.faults.conftest import Note
from tests.faults.machine import MIB, memory_of
from tests.faults.site import OTHERS, WITHIN, Others, Site, opened, served_beside
from tests.faults.size import bar, dose, only_whole

PASSPHRASE: Final = "four words are easy"
HERE: Final = "127.0.0.2"
"""The address of whoever is hostile."""
WRONG: Final = int(TRIES_OF_NETWORK_BURST) + 20
STREAMS: Final = dose(40, 2_000)
CUT: Final = dose(40, 200)
WINDOWS: Final = dose(20, 200)
PAGES: Final = dose(20, 100)
LINES: Final = 24
PIECE: Final = b"x" * (1 << 16)
SERVED_WITHIN: Final = bar(1.0)
SIGNED_IN_WITHIN: Final = bar(2.0)
GROWN_MAX: Final = 24.0
"""MiB: his windows, and what the libraries keep of a passphrase's 64."""

pytestmark = only_whole


class Member(NamedTuple):
    """Somebody who is signed in, with one window."""

    cookie: str
    place: str
    """The path of all windows of the session."""
    window: str

    @classmethod
    async def come(cls, site: Site, name: str, address: str) -> "Member":
        fields = {"name": name, "passphrase": PASSPHRASE, "again": PASSPHRASE}
        status, answer = await site.ask("/members/new", address=address, fields=fields)
        assert status == 303, answer
        cookie = _header(answer, "set-cookie").partition(";")[0]
        place = _header(answer, "location")
        status, answer = await site.ask(place, address=address, Cookie=cookie)
        assert status == 303, answer
        return cls(cookie, place, place + _header(answer, "location"))


class Scene(NamedTuple):
    """The desk, mallory, and where the desk keeps its files."""

    site: Site
    mallory: Member
    others: Others
    folder: Path

    async def posts(self, verb: str, **fields: str) -> int:
        """Send a form of mallory's window; return the status."""
        path, cookie = f"{self.mallory.window}do/{verb}", self.mallory.cookie
        status, _ = await self.site.ask(path, address=HERE, fields=fields, Cookie=cookie)
        return status

    def head(self, method: str, path: str, size: int | None = None) -> bytes:
        headers = {"Cookie": self.mallory.cookie}
        if size is not None:
            headers |= {
                "Content-Length": str(size),
                "Content-Type": "application/octet-stream",
                "Connection": "close",
            }
        return self.site.head(method, self.mallory.window + path, headers)

    def files(self) -> Iterator[Path]:
        """Yield all files of mallory's account."""
        return (one for one in (self.folder / "n-mallory").rglob("*") if one.is_file())


def _header(answer: str, name: str) -> str:
    found = re.search(f"^{name}: (.*?)\r$", answer, re.MULTILINE)
    assert found is not None, answer
    return found[1]


Attack = Callable[[Scene], Awaitable[None]]


async def wrong_passphrases(scene: Scene) -> None:
    """Many at once for alice's name and for others, from one address."""
    site = scene.site

    async def guess(at: int) -> int:
        fields = {"name": "alice" if at % 2 else f"m{at}", "passphrase": f"wrong {at}"}
        return (await site.ask("/members/in", address=HERE, fields=fields))[0]

    guesses = [asyncio.create_task(guess(at)) for at in range(WRONG)]
    await asyncio.sleep(0)
    begun = time.monotonic()
    fields = {"name": "alice", "passphrase": PASSPHRASE}
    status, _ = await site.ask("/members/in", address=OTHERS[9], fields=fields)
    waited = time.monotonic() - begun
    assert status == 303
    assert waited < SIGNED_IN_WITHIN
    told = await asyncio.gather(*guesses)
    assert set(told) == {403, 429}
    assert told.count(403) <= TRIES_OF_NETWORK_BURST


async def streams_that_nobody_reads(scene: Scene) -> None:
    """More streams of one window than a browser opens, on connections that are never read."""
    held = []
    for _ in range(STREAMS):
        _, writer = await scene.site.connect(HERE)
        held.append(writer)
        writer.write(scene.head("GET", "events"))
        assert isinstance(writer.transport, asyncio.Transport)
        writer.transport.pause_reading()
    await scene.posts("typing", text="a")
    await scene.others.served()
    for writer in held:
        writer.transport.abort()


async def long_lines_and_slow_readers(scene: Scene) -> None:
    """A long talk, whose page is asked for again and again by readers who never take it."""
    for at in range(LINES):
        said = {"with": "everybody", "text": f"{at} " + "&" * 50_000, "key": str(900 + at)}
        assert await scene.posts("say", **said) in (303, 422, 503)
    opened = f"{scene.mallory.window}?with=everybody"
    status, page = await scene.site.ask(opened, address=HERE, Cookie=scene.mallory.cookie)
    assert status == 200
    assert len(page.encode()) < 8 * PAGE_MAX
    held = []
    for at in range(PAGES):
        _, writer = await scene.site.connect(HERE)
        held.append(writer)
        writer.write(4 * scene.head("GET", ("", "log", "events")[at % 3]))
        assert isinstance(writer.transport, asyncio.Transport)
        writer.transport.pause_reading()
    await scene.others.served()
    for writer in held:
        writer.transport.abort()


async def cut_forms_and_files(scene: Scene) -> None:
    """Forms and files that are cut in their midst. Nothing of a file stays."""
    for at in range(CUT):
        _, writer = await scene.site.connect(HERE)
        path = ("do/say", f"upload?name={at}&with=person:alice")[at % 2]
        writer.write(scene.head("POST", path, 1_000_000) + PIECE[:10_000])
        await writer.drain()
        if at % 3:
            writer.transport.abort()
        else:
            writer.close()
    await scene.others.served()
    assert [one for one in scene.files() if "uploads" in one.parts] == []


async def files_without_end(scene: Scene) -> None:
    """Files that say they are huge, that go on, and more than an account may keep."""
    told = set()
    for size in (1 << 40, 10**14, FOLDER_MAX):
        told.add(await _upload(scene, "huge", size, sent=0))
    assert told == {413}
    half = FOLDER_MAX // 2
    sizes = [half // 4] * (UPLOADS_AT_ONCE + 4)
    told = set(
        await asyncio.gather(*(_upload(scene, f"f{at}", one) for at, one in enumerate(sizes)))
    )
    assert told <= {204, 303, 422, 429, 507}
    for at in range(6):
        told.add(await _upload(scene, f"g{at}", half // 4))
    assert 507 in told or 429 in told
    assert sum(one.stat().st_size for one in scene.files()) <= FOLDER_MAX


async def _upload(scene: Scene, name: str, size: int, *, sent: int | None = None) -> int:
    """Give a file; return the status. `sent`: bytes that are sent, if not all."""
    reader, writer = await scene.site.connect(HERE)
    writer.write(scene.head("POST", f"upload?name={name}&with=person:alice", size))
    with contextlib.suppress(ConnectionError):
        left = size if sent is None else sent
        while left > 0:
            writer.write(PIECE[: min(left, len(PIECE))])
            await writer.drain()
            left -= len(PIECE)
    answer = b""
    async with asyncio.timeout(WITHIN):
        with contextlib.suppress(ConnectionError):
            answer = await reader.readline()
    writer.transport.abort()
    return int(answer.split()[1]) if answer else 507


async def windows_without_end(scene: Scene) -> None:
    """A window after the other, and many at once."""
    place, cookie = scene.mallory.place, scene.mallory.cookie
    for _ in range(2):
        told = await asyncio.gather(
            *(scene.site.ask(place, address=HERE, Cookie=cookie) for _ in range(WINDOWS // 2))
        )
        assert {status for status, _ in told} <= {303, 429, 503}
    await scene.others.served()


async def paths_of_another(scene: Scene) -> None:
    """Alice's window, with his own cookie, and names that are paths."""
    (hers,) = (path for path in scene.others.slowest if path.count("/") == 3)
    number = hers.split("/")[2]
    for path in (f"{hers}do/say", f"{scene.mallory.place}{number}/do/say"):
        fields = {"text": "owned", "with": "everybody"}
        status, _ = await scene.site.ask(
            path, address=HERE, fields=fields, Cookie=scene.mallory.cookie
        )
        assert status in (403, 410)
    for path in ("../account", "%2e%2e%2faccount", "1/file/..%2f..%2f..%2faccount", "1/file/%00"):
        status, answer = await scene.site.ask(
            scene.mallory.place + path, address=HERE, Cookie=scene.mallory.cookie
        )
        assert status in (303, 307, 400, 404), answer


ATTACKS: Final[list[Attack]] = [
    wrong_passphrases,
    streams_that_nobody_reads,
    long_lines_and_slow_readers,
    cut_forms_and_files,
    files_without_end,
    windows_without_end,
    paths_of_another,
]


@pytest.mark.parametrize("attack", ATTACKS)
async def test_others_are_served_whatever_one_member_does(
    stage: Stage, tmp_path: Path, figure: Note, attack: Attack
) -> None:
    site = await opened(stage, "--members", "10")
    alice = await Member.come(site, "alice", OTHERS[0])
    mallory = await Member.come(site, "mallory", HERE)
    (folder,) = await asyncio.to_thread(lambda: list(tmp_path.rglob("members")))
    before = memory_of(site.program.pid)
    async with served_beside(site, {alice.window: alice.cookie}) as others:
        await attack(Scene(site, mallory, others, folder))
        await others.served()
    grown = (memory_of(site.program.pid) - before) / MIB
    figure(
        f"a hostile member: {attack.__name__.replace('_', ' ')}",
        f"the form for another address within {others.slowest['/']:.2f} s, "
        f"alice's page {others.slowest[alice.window]:.2f} s, memory + {grown:.1f} MiB, nothing logged",
        "<= 1 s, <= 1 s, <= 24 MiB, no traceback",
    )
    assert others.slowest["/"] < SERVED_WITHIN
    assert others.slowest[alice.window] < SERVED_WITHIN
    assert grown < GROWN_MAX
