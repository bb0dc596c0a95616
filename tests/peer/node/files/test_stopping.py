"""A file that is stopped while a thread is at work on it."""

import asyncio
import os
import random
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from chatapp.peer.api.conversations import person
from chatapp.peer.core.files.book import FileBook, KnownFile
from chatapp.peer.node.files.disk import part_path
from chatapp.peer.node.files.fetching import Fetching, FetchingPort
from chatapp.peer.node.files.worker import Worker

KEY = bytes(range(32))


async def test_what_is_stopped_at_its_end_gets_no_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, goes_on = threading.Event(), threading.Event()

    def fsync(_: int) -> None:
        reached.set()
        goes_on.wait(60.0)

    monkeypatch.setattr(os, "fsync", fsync)
    loop = asyncio.get_running_loop()
    contacts = SimpleNamespace(by_identity=lambda _: object())
    core = SimpleNamespace(roster=SimpleNamespace(contacts=contacts))
    port = SimpleNamespace(
        worker=Worker(loop),
        book=FileBook(),
        node=SimpleNamespace(core=core),
        rng=random.Random(1),
        tell=lambda: None,
        slots=asyncio.Semaphore(1),
    )
    file = KnownFile(
        number=1,
        id=1,
        conversation=person("alice"),
        sender="alice",
        identity=bytes(32),
        name="plan.pdf",
        size=0,
        key=KEY,
    )
    target = tmp_path / "plan.pdf"
    run = loop.create_task(Fetching(cast(FetchingPort, port), file, target).run())
    assert await loop.run_in_executor(None, reached.wait, 60.0), run
    run.cancel()
    for _ in range(5):
        await asyncio.sleep(0)
    was_over = run.done()
    part = part_path(target, file.content)
    part.unlink()  # as who refuses it does
    goes_on.set()
    await asyncio.wait([run])
    port.worker.close()
    assert not was_over and run.cancelled()
    assert os.listdir(tmp_path) == []
