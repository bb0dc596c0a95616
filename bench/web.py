"""W1: a person's page of a long conversation."""

import asyncio
import gc
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from bench.figures import LOWER, Figure
from bench.machine import free_port, scratch
from bench.measures import Plan
from bench.past import write_mixed
from chatapp.peer.api.conversations import person
from chatapp.peer.faces.web.limits import LINES_SHOWN_MAX, WINDOWS_MAX
from chatapp.peer.faces.web.members.pages import Page
from chatapp.peer.faces.web.members.window import Window
from chatapp.peer.faces.web.members.windows import OpenWindows
from chatapp.peer.faces.web.page import compile_templates
from chatapp.peer.rpc.place import Offer
from chatapp.peer.sdk.client import Peer
from chatapp.wire.address import server_name

BOB: Final = person("bob")
_TEXTS: Final = [f"{at}: the probe came up, and the second sensor is back" for at in range(2_000)]
_BOUNDS: Final = {
    f"a page of {LINES_SHOWN_MAX} lines": ("KiB", 150.0),
    "the CPU for it": ("ms", 50.0),
    "a window": ("KiB", 4_096.0),
}


def w1(plan: Plan) -> Iterator[Figure]:
    """A page with as many lines as one has at most, and the memory of a window."""
    compile_templates("members")
    found: dict[str, list[float]] = {what: [] for what in _BOUNDS}
    for _ in plan.rounds():
        with scratch() as folder:
            asyncio.run(_measure(folder, found))
    for what, (unit, bound) in _BOUNDS.items():
        yield Figure(goal="W1", what=what, unit=unit, ours=found[what], sense=LOWER, bound=bound)


async def _measure(folder: Path, found: dict[str, list[float]]) -> None:
    page, cpu, memory = found.values()
    server = ("127.0.0.1", free_port())  # nobody is there: reading needs nobody
    peer = Peer("alice", server, home=folder)
    await peer.open()
    await peer.close()
    await asyncio.to_thread(write_mixed, peer.folder / "history.db", server_name(*server), _TEXTS)
    async with peer:
        with closing(Offer(peer)):
            windows = OpenWindows(lambda: peer.name, folder)
            first = await _opened(windows)
            while len(first.view.open_pane.log) < LINES_SHOWN_MAX:
                await first.show_older()
            begin = time.process_time()
            body = _page(first).home(proof_key=b"").body
            cpu.append((time.process_time() - begin) * 1e3)
            page.append(len(body) / 1024)
            _ = gc.collect()
            before = _resident()
            others = [await _opened(windows) for _ in range(WINDOWS_MAX - 1)]
            memory.append((_resident() - before) / len(others) / 1024)
            await windows.close()


async def _opened(windows: OpenWindows) -> Window:
    window = await windows.open()
    window.runner.choose(BOB)
    while not window.view.open_pane.is_loaded:
        await window.streams.news(within=1.0)
    _ = _page(window).home(proof_key=b"")
    return window


def _page(window: Window) -> Page:
    return Page(window, now=asyncio.get_running_loop().time(), wall=time.time())


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4_096
