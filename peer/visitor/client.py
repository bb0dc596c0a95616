"""A visitor on real sockets and a real disk: it pumps bytes and time into the core, and out of it.

What they mean stands in `peer.visitor.core`.
"""

import asyncio
import contextlib
import fcntl
import hashlib
import os
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from chatapp.peer.core.identity import LocalIdentity
from chatapp.peer.transport import Connection
from chatapp.peer.visitor import events as happened
from chatapp.peer.visitor.conversation import StoredVisit
from chatapp.peer.visitor.core import VisitorCore
from chatapp.peer.visitor.form import Form
from chatapp.peer.visitor.visit import Stage
from chatapp.wire.address import Address, server_name
from chatapp.wire.aio.datagram import DatagramEndpoint
from chatapp.wire.aio.hosts import host_from
from chatapp.wire.delivery.policy import Policy
from chatapp.wire.errors import ChatAppError, TooLong
from chatapp.wire.folders import default_home, make_private
from chatapp.wire.identity import AgreementKey, Identity, fingerprint_digits, require_fingerprint
from chatapp.wire.limits import TEXT_MAX

VISITS_MAX: Final = 256
"""Visitors at once from one folder; a registry takes no more of one address."""

_KEY_SIZE: Final = 32


class TooManyVisits(ChatAppError):
    """As many visitors use this folder as may."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"{folder} is used by {VISITS_MAX} visitors already; name another one with --data DIR"
        )
        self.folder = folder


class VisitFolder:
    """One visit of the desk to which a server leads. Close it to let another program take it up."""

    def __init__(self, home: Path, server: str) -> None:
        """`server`: as the user names it (`wire.address.server_name`). Raises OSError, TooManyVisits."""
        self._home: Final = home / "visits"
        file_name = hashlib.blake2b(server.encode(), digest_size=16).hexdigest()
        self._key_file: Final = self._home / "servers" / f"{file_name}.key"
        make_private(self._key_file.parent)
        self.visit = StoredVisit()
        self.damage: list[str] = []
        """What is to be told of files that are no good."""
        self._lock: int | None = None
        self._path: Path | None = None
        """Where the visit is kept; None before the first contact with a registry."""
        self.registry = self._read_key()
        """The identity key of the registry, trusted on first use."""
        if self.registry is not None:
            self._enter(self.registry)

    @property
    def folder(self) -> Path:
        """Where our files are; that of the registry, once it is known."""
        return self._home if self.registry is None else self._home / fingerprint_digits(self.registry)

    def pin(self, registry: bytes) -> None:
        """The server leads to this registry from now on; `visit` is then one of ours there that was cut off, if there is
        one. Raises OSError, TooManyVisits."""
        _write(self._key_file, registry)
        self.registry = registry
        self.close()
        self._enter(registry)

    def _read_key(self) -> bytes | None:
        with contextlib.suppress(FileNotFoundError):
            key = self._key_file.read_bytes()
            if len(key) == _KEY_SIZE:
                return key
            self.damage.append(
                f"{self._key_file} holds no key that can be read: the server's is trusted anew"
            )
        return None

    def _enter(self, registry: bytes) -> None:
        self.visit = StoredVisit()
        self.registry = registry
        make_private(self.folder)
        self._path = self._take()

    def _take(self) -> Path:
        """A visit that was cut off, else the first that nobody has."""
        begun = [number for number in range(VISITS_MAX) if self._file(number).exists()]
        for number in (*begun, *range(VISITS_MAX)):
            if not self._locked(number):
                continue
            with contextlib.suppress(FileNotFoundError):
                self._load(self._file(number))
            return self._file(number)
        raise TooManyVisits(self.folder)

    def _load(self, path: Path) -> None:
        """A file that says nothing costs a place in a line, and no more; it is kept for who can read it."""
        try:
            self.visit = msgspec.json.decode(path.read_bytes(), type=StoredVisit)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            aside = path.with_suffix(".damaged")
            os.replace(path, aside)
            self.damage.append(f"{path} is damaged, and with it your place is lost; kept as {aside.name}")

    def _file(self, number: int) -> Path:
        return self.folder / f"visit-{number}.json"

    def _locked(self, number: int) -> bool:
        lock = os.open(self.folder / f"visit-{number}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            return False
        self._lock = lock
        return True

    def save(self, visit: StoredVisit) -> None:
        """On disk, or not at all; a visit that is over leaves nothing. Raises OSError."""
        if visit.ticket:
            assert self._path is not None, "nobody gets a ticket before the first contact"
            _write(self._path, msgspec.json.encode(visit))
        elif self._path is not None:
            self._path.unlink(missing_ok=True)
        self.visit = visit

    def close(self) -> None:
        """Let another program have the visit."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _write(path: Path, content: bytes) -> None:
    scratch = path.with_suffix(f".{os.getpid()}.new")
    with open(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(scratch, path)


STORE_AGAIN_AFTER: Final = 1.0
"""Seconds between tries to write to a full disk."""


class Visitor:
    """One visitor of one desk."""

    def __init__(
        self,
        server: Address,
        *,
        registry_key: str | None = None,
        queue: str = "",
        home: Path | None = None,
    ) -> None:
        """`queue`: empty for the first one of the desk. All else is as in `peer.client.Peer`. Raises KeyRefused."""
        self._server = server
        """As it was given: its host may be a name."""
        self._registry_key = None if registry_key is None else require_fingerprint(registry_key)
        self._queue = queue
        self._home = home
        self._events: list[happened.VisitEvent] = []
        self._unsaved: StoredVisit | None = None
        self._save_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._is_pump_due = False
        self._is_open = False

    # --- life

    def open(self) -> None:
        """Bind, load the ticket, look for the registry. Raises AddressRefused, PortInUse, OSError, TooManyVisits."""
        self._address = Address(host_from(self._server.host, "server"), self._server.port)
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._folder = VisitFolder(self._home or default_home(), server_name(*self._server))
        self._endpoint = DatagramEndpoint(self._loop, self._datagrams_came)
        try:
            self._endpoint.open(0)
        except BaseException:
            self._folder.close()
            raise
        self._is_open = True
        self._begin()
        self._pump()

    def _begin(self) -> None:
        self._core = self._make_core()
        self._begun_with = self._folder.visit
        self._connection = Connection(self._core, self._address.host, read_clock=self._now, pump=self._pump)
        if self._registry_key is not None:
            self._core.demand_registry(self._registry_key)
        self._core.start(now=self._now())

    def _make_core(self) -> VisitorCore:
        now, wall = self._loop.time(), time.time()
        guest = LocalIdentity(
            name="",
            identity=Identity(os.urandom(32)),
            mail_keys=[AgreementKey(os.urandom(32))],
            counter=int(wall * 1_000),
        )
        return VisitorCore(
            guest,
            server=self._address,
            pinned=self._folder.registry,
            stored=self._folder.visit,
            queue=self._queue,
            rng=random.SystemRandom(),
            policy=Policy(),
            wall_offset=wall - now,
        )

    @property
    def damage(self) -> list[str]:
        """What is to be told of our files."""
        return self._folder.damage

    async def close(self, *, within: float) -> None:
        """Give the place up, waiting at most `within` seconds for the registry's answer, and let go of everything."""
        if not self._is_open:
            return
        try:
            self._core.leave(now=self._now())
            self._pump()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(within):
                    while not self._core.has_left:
                        await self._change()
        finally:
            self._shut()
        await self._connection.closed()

    def _shut(self) -> None:
        self._pump()
        self._is_open = False
        self._changed.set()
        if self._timer is not None:
            self._timer.cancel()
        self._connection.close()
        self._endpoint.close()
        self._folder.close()

    # --- what one can do

    def join(self, form: Form) -> None:
        """Into the line."""
        self._core.join(form)
        self._schedule()

    def say(self, text: str) -> None:
        """A line for the operator. Raises TooLong."""
        size = len(text.encode())
        if size > TEXT_MAX:
            raise TooLong(size, TEXT_MAX)
        self._core.say(text, now=self._now())
        self._schedule()

    def ask_place(self) -> None:
        """Where are we?"""
        self._core.ask_place()
        self._schedule()

    def begin_anew(self) -> None:
        """Give the place up and fill in another form."""
        self._core.begin_anew()
        self._schedule()

    async def placed(self) -> None:
        """Wait until what we are to the desk is known: asked for a form, in the line, active, or nothing any more."""
        while self._is_open and self._core.stage in (Stage.CLOSED, Stage.JOINING, Stage.RETURNING):
            await self._change()

    @property
    def is_lost(self) -> bool:
        """Whether the registry does not answer: what is typed waits for it."""
        return self._core.is_lost

    @property
    def wants_form(self) -> bool:
        """Whether the desk waits for our form."""
        return self._core.stage is Stage.ASKING

    async def settled(self) -> None:
        """Wait until our place is known and all that we said has arrived, or nobody is there to ask."""
        while self._is_open and not self._core.is_settled:
            await self._change()

    async def next_events(self) -> list[happened.VisitEvent]:
        """All that happened since the last call; waits for something; empty when closed. Then say `events_shown`."""
        while not self._events and self._is_open:
            await self._change()
        return self.take_events()

    def take_events(self) -> list[happened.VisitEvent]:
        """What happened since the last call, without waiting."""
        events, self._events = self._events, []
        return events

    def events_shown(self, events: Sequence[happened.VisitEvent]) -> None:
        """These have been seen; the operator's lines among them are not given again."""
        for event in events:
            if isinstance(event, happened.LineCame):
                self._core.lines_shown(event.position)
        if self._is_open:
            self._schedule()

    # --- the pump

    def _now(self) -> float:
        now = self._loop.time()
        self._core.wall_offset = time.time() - now
        return now

    def _datagrams_came(self, batch: list[tuple[bytes, Address]]) -> None:
        now = self._now()
        for data, source in batch:
            self._core.receive_datagram(data, source, now=now)
        self._pump()

    def _timer_rang(self) -> None:
        self._timer = None
        self._core.handle_timer(now=self._now())
        self._pump()

    def _schedule(self) -> None:
        """Pump once after this loop turn."""
        if not self._is_pump_due:
            self._is_pump_due = True
            self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        self._is_pump_due = False
        if not self._is_open:
            return
        now = self._loop.time()
        self._store(now)
        self._endpoint.send_all(self._core.datagrams_to_send())
        self._connection.tend(now=now)
        self._events += self._core.events()
        self._arm(now)
        self._changed.set()

    def _store(self, now: float) -> None:
        self._unsaved = self._core.wants_stored() or self._unsaved
        if now < self._save_at:
            return
        try:
            if self._core.pinned is not None and self._core.pinned != self._folder.registry:
                self._pin(self._core.pinned)
            if self._unsaved is not None:
                self._folder.save(self._unsaved)
                self._unsaved = None
                self._core.stored()
            self._save_at = 0.0
        except OSError as error:
            if not self._save_at:
                why = f"{error.filename or self._folder.folder}: {error.strerror or error}; still trying"
                self._events.append(happened.Trouble(text=why))
            self._save_at = now + STORE_AGAIN_AFTER

    def _pin(self, registry: bytes) -> None:
        """Where we have a visit there that was cut off, go on with it. Raises OSError."""
        try:
            self._folder.pin(registry)
        except TooManyVisits as error:
            self._events.append(happened.Refused(reason=str(error)))
        if self._folder.visit != self._begun_with:
            self._events += self._core.events()
            self._connection.close()
            self._unsaved = None
            self._begin()

    def _arm(self, now: float) -> None:
        dues = [due for due in (self._core.next_timer(), self._save_at or None) if due is not None]
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if dues:
            self._timer = self._loop.call_at(max(min(dues), now), self._timer_rang)

    async def _change(self) -> None:
        """Wait for the next turn of the pump."""
        self._changed.clear()
        await self._changed.wait()
