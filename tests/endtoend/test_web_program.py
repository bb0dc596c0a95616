"""`ChatApp web` as a program: what it says when it cannot serve, and how it ends."""

import asyncio
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlencode

from tests.cast.lines import beginning
from tests.cast.program import Program
from tests.cast.stage import CHATAPP, Stage
from tests.support.ports import free_port

FORM = {"name": "Asha", "number": "9876543210", "issue": "6"}


async def web(stage: Stage, port: int, *options: str, home: str = "web") -> Program:
    words = ["web", "127.0.0.1", str(stage.port), "--listen", str(port), *options]
    return await stage.run("web", [*CHATAPP, *words], home=home)


@asynccontextmanager
async def asking(port: int, request: str) -> AsyncIterator[asyncio.StreamReader]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request.encode())
    try:
        yield reader
    finally:
        writer.close()


async def test_what_prevents_it_from_serving_is_said_in_one_line(stage: Stage) -> None:
    await stage.registry()
    port = free_port()
    first = await web(stage, port)
    await first.sees(f"[The web desk is at http://127.0.0.1:{port}/]")
    taken = await web(stage, port, home="other")
    assert await taken.ends() == 1
    assert taken.complaints == [f"ChatApp: --listen: 127.0.0.1:{port} is in use already"]
    same = await web(stage, free_port())
    assert await same.ends() == 1
    (complaint,) = same.complaints
    assert complaint.endswith(
        " is used by another web desk of this server; name another one with --data DIR"
    )
    unknown = await web(stage, free_port(), "--queue", "exams", home="third")
    await unknown.sees('[There is no queue "exams" here; there is desk.]')
    assert await unknown.ends() == 1
    for program in (taken, same):
        program.complaints.clear()


async def test_a_signal_ends_it_and_its_streams_and_the_visitor_keeps_the_place(
    stage: Stage,
) -> None:
    registry = await stage.registry()
    port = free_port()
    program = await web(stage, port)
    await program.sees(beginning("[The server does not list this gateway"))
    form = urlencode(FORM)
    head = f"HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\n"
    post = f"POST /join {head}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(form)}\r\n\r\n{form}"
    async with asking(port, post) as reader:
        answer = (await reader.readuntil(b"\r\n\r\n")).decode()
    assert answer.startswith("HTTP/1.1 303")
    cookie = re.search("set-cookie: ([^;]*)", answer)
    assert cookie is not None
    await registry.sees(beginning("[Next client; waited "))
    async with asking(port, f"GET /events {head}Cookie: {cookie[1]}\r\n\r\n") as stream:
        await stream.readuntil(b'"stage": "talking"')
        program.signal(signal.SIGTERM)
        await stream.read()
    assert await program.ends() == 0
    again = await web(stage, port)
    await again.sees(f"[The web desk is at http://127.0.0.1:{port}/]")
    await registry.sees(beginning("[Asha is back"))
