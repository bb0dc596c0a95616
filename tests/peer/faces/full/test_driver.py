"""The keys of the full screen: read as they come, and nothing wakes up while nobody types."""

import asyncio
import os
import pty
import queue
import selectors
import threading
import tty
from typing import Any

import pytest
from textual.app import App
from textual.events import Key
from textual.message import Message

from chatapp.peer.faces.full.face import ScreenDriver

WITHIN = 5.0
IDLE = threading.Event()
"""Set when the thread that reads keys waits for ever."""


class Waits(selectors.DefaultSelector):
    """Tells when it is waited for ever."""

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            IDLE.set()
        return super().select(timeout)


class Driver(ScreenDriver):
    """Keeps the keys."""

    keys: "queue.Queue[str]" = queue.Queue()

    def write(self, data: str) -> None:
        """Draw nothing."""

    def process_message(self, message: Message) -> None:
        if isinstance(message, Key):
            self.keys.put(message.key)


async def test_nothing_wakes_up_while_nobody_types(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selectors, "DefaultSelector", Waits)
    terminal, slave = pty.openpty()
    tty.setraw(slave)
    driver = Driver(App())
    driver.fileno = slave
    driver._key_thread = threading.Thread(target=driver.run_input_thread, daemon=True)
    driver._key_thread.start()
    for typed, key in (("a", "a"), ("\x1b[A", "up"), ("\x1b", "escape"), ("b", "b")):
        assert await asyncio.to_thread(IDLE.wait, WITHIN)
        IDLE.clear()
        os.write(terminal, typed.encode())
        assert await asyncio.to_thread(driver.keys.get, timeout=WITHIN) == key
    assert await asyncio.to_thread(IDLE.wait, WITHIN)
    driver.disable_input()
    assert not driver._key_thread.is_alive()
    os.close(terminal)
    os.close(slave)
