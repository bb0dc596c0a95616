"""What Python alone needs to save letters (M1): uvloop, one key for all links, no names, no places,
no limits, no index.

python -m bench.bareletters PORT FILE

A frame is opened by AES-256-GCM and decoded. The letter is encoded for the journal and appended
with those of its turn. A thread syncs all that was appended while the sync before it ran. Then each
sender gets an answer, sealed for its link. Any registry in Python has to do that for a letter, so
none comes below it.
"""

import asyncio
import os
import socket
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Final
from zlib import crc32

import msgspec
import uvloop
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bench.crowd import script_of
from bench.machine import Process, built, free_port, scratch
from chatapp.wire.codec import encode
from chatapp.wire.messages.mail import DepositMail, MailSaved

_KEY: Final = AESGCM(bytes(32))
_HEADER: Final = b"\x07"
_decode: Final = msgspec.msgpack.Decoder(DepositMail).decode


def sealed(count: int, payload: bytes) -> bytes:
    """Return a frame with this payload, the `count`-th of its link."""
    body = _HEADER + _KEY.encrypt(count.to_bytes(12, "big"), payload, _HEADER)
    return len(body).to_bytes(4, "big") + body


class _Journal:
    """A file to which the letters of a turn are appended together, and the senders who wait for the
    next sync."""

    def __init__(self, path: str, loop: asyncio.AbstractEventLoop) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._loop = loop
        self._thread = ThreadPoolExecutor(1)
        self._records: list[bytes] = []
        self._waiting: list[tuple[_Sender, int]] = []
        self._is_syncing = self._is_awake = False

    def append(self, letter: DepositMail, sender: "_Sender") -> None:
        payload = encode(letter)
        self._records.append(
            len(payload).to_bytes(4, "big") + crc32(payload).to_bytes(4, "big") + payload
        )
        self._waiting.append((sender, letter.reference))
        if not self._is_awake:
            self._is_awake = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._is_awake = False
        if self._records:
            os.write(self._file, b"".join(self._records))
            self._records = []
        if self._waiting and not self._is_syncing:
            self._is_syncing = True
            covered, self._waiting = self._waiting, []
            done = self._loop.run_in_executor(self._thread, os.fdatasync, self._file)
            done.add_done_callback(lambda _: self._synced(covered))

    def _synced(self, covered: "list[tuple[_Sender, int]]") -> None:
        self._is_syncing = False
        for sender, reference in covered:
            sender.answer(reference)
        self._turn()


class _Sender(asyncio.Protocol):
    """One link."""

    def __init__(self, journal: _Journal) -> None:
        self._journal = journal
        self._left = b""
        self._opened = self._sealed = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._fd = transport.get_extra_info("socket").fileno()

    def data_received(self, data: bytes) -> None:
        data, start = self._left + data, 0
        while (
            (end := start + 4 + int.from_bytes(data[start : start + 4], "big")) <= len(data) > start
        ):
            nonce = self._opened.to_bytes(12, "big")
            self._opened += 1
            self._journal.append(_decode(_KEY.decrypt(nonce, data[start + 5 : end], _HEADER)), self)
            start = end
        self._left = data[start:]

    def answer(self, reference: int) -> None:
        """Say that a letter is saved."""
        os.write(self._fd, sealed(self._sealed, encode(MailSaved(reference))))
        self._sealed += 1


async def _serve(port: int, path: str) -> None:
    loop = asyncio.get_running_loop()
    journal = _Journal(path, loop)
    server = await loop.create_server(lambda: _Sender(journal), "127.0.0.1", port)
    print("ready", flush=True)
    await server.serve_forever()


class BareLetters:
    """The program above with its load in place. Use it as a context."""

    def __init__(self, senders: int, each: int, letter: bytes) -> None:
        """`each`: letters of one sender."""
        self._stack = ExitStack()
        with ExitStack() as stack:
            self._open(stack, senders, each, letter)
            self._stack = stack.pop_all()

    def _open(self, stack: ExitStack, senders: int, each: int, letter: bytes) -> None:
        folder, port = stack.enter_context(scratch()), free_port()
        words: list[str | Path] = [
            sys.executable,
            "-m",
            "bench.bareletters",
            str(port),
            folder / "journal",
        ]
        self.server = stack.enter_context(Process(words))
        self.server.line()
        links = [stack.enter_context(_connected(port)) for _ in range(senders)]
        script = folder / "letters"
        script.write_bytes(script_of(_deposits(each, letter)))
        fds = [link.fileno() for link in links]
        scripts = [_linked(folder, script, place) for place in range(senders)]
        load: list[str | Path] = [
            built("clerks"),
            "links",
            "-",
            str(senders),
            *scripts,
            *map(str, fds),
        ]
        self.load = stack.enter_context(Process(load, fds=fds))
        self.load.line()

    def __enter__(self) -> "BareLetters":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def _connected(port: int) -> socket.socket:
    link = socket.create_connection(("127.0.0.1", port))
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    link.setblocking(False)
    return link


def _linked(folder: Path, script: Path, place: int) -> Path:
    """Every sender has the same script, under a name of its own."""
    own = folder / f"letters-{place}"
    own.hardlink_to(script)
    return own


def _deposits(count: int, letter: bytes) -> Iterator[bytes]:
    for place in range(count):
        asked = DepositMail(reference=place, recipient=bytes(32), number=1 + place, letter=letter)
        yield sealed(place, encode(asked))


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), sys.argv[2]))
