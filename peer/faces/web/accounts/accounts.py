"""All accounts of a gateway: who may sign in, in which browsers, and when their nodes end."""

import asyncio
import logging
import os
from collections.abc import Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from chatapp.peer.api.errors import NameTaken
from chatapp.peer.faces.web.accounts.account import Account
from chatapp.peer.faces.web.accounts.errors import AccountsFull, WrongPassphrase
from chatapp.peer.faces.web.accounts.folders import AccountFolder, AccountRecord
from chatapp.peer.faces.web.accounts.sessions import Session, Sessions
from chatapp.peer.faces.web.accounts.tries import Tries, in_thread
from chatapp.peer.faces.web.limits import (
    FOLDER_MAX,
    MEMBER_REQUESTS_BURST,
    MEMBER_REQUESTS_PER_SECOND,
    RATES_MAX,
)
from chatapp.peer.faces.web.members.windows import OpenWindows
from chatapp.peer.node.bounds import FolderBounds
from chatapp.peer.sdk.client import Peer
from chatapp.wire.address import Address
from chatapp.wire.aio.machine import THIS_MACHINE, Machine
from chatapp.wire.buckets import Buckets
from chatapp.wire.errors import NameRefused, quoted
from chatapp.wire.folders import make_private
from chatapp.wire.names import PeerName, file_name_of, name_key, person_name
from chatapp.wire.passphrase import Lock, new_lock, unlocked

TEND_AFTER: Final = 5.0
"""Seconds between two looks at what is due."""
ANSWERED_WITHIN: Final = 8.0
"""Seconds for which a new account waits for the registry."""
_log: Final = logging.getLogger("chatapp.peer")


class Accounts:
    """All of them, by the names of their folders."""

    def __init__(
        self,
        home: Path,
        servers: Sequence[Address],
        *,
        registry_key: str | None,
        most: int,
        machine: Machine = THIS_MACHINE,
    ) -> None:
        """`home`: where their folders are. `most`: how many accounts there may be."""
        self._home: Final = home / "members"
        self._servers: Final = tuple(servers)
        self._registry_key: Final = registry_key
        self._most: Final = most
        self._machine: Final = machine
        self._loop: Final = asyncio.get_running_loop()
        self._by_key: Final[dict[str, Account]] = {}
        self._making: Final[set[str]] = set()
        self.sessions: Final = Sessions(home / "signed-in", machine.wall)
        self.tries: Final = Tries(machine.now)
        self._requests: Buckets[str] = Buckets(
            rate=MEMBER_REQUESTS_PER_SECOND, burst=MEMBER_REQUESTS_BURST, most=RATES_MAX
        )
        self._nobody: Lock | None = None
        """What passphrases for unknown names are tried with, for as long as any other."""
        self._tasks: Final[set[asyncio.Task[None]]] = set()

    def __len__(self) -> int:
        return len(self._by_key)

    @property
    def running(self) -> int:
        """How many nodes run."""
        return sum(account.is_running for account in self._by_key.values())

    def open(self) -> None:
        """Read what is on the disk. Folders that a crash has left open are sealed soon. Raises
        OSError."""
        make_private(self._home)
        for path in sorted(self._home.iterdir()):
            folder = AccountFolder(path)
            record = folder.read()
            if record is not None and _key(record.name) == path.name:
                folder.tidy()
                self._by_key[path.name] = Account(record, folder, self._make_peer)
        self.sessions.open(set(self._by_key))
        self._nobody, _ = new_lock(os.urandom(16).hex())
        self._do(self._tend())

    async def close(self) -> None:
        """Close all nodes, and seal all folders; whoever is signed in stays so."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(account.close() for account in self._by_key.values()))

    def end_streams(self) -> None:
        """Let all browsers go, as the program ends."""
        for account in self._by_key.values():
            account.end_streams()

    def _make_peer(self, name: PeerName, folder: AccountFolder, code: str | None) -> Peer:
        bounds = FolderBounds(folder=folder.home, most=FOLDER_MAX)
        return Peer(
            name,
            self._servers,
            home=folder.home,
            registry_key=self._registry_key,
            code=code,
            downloads=folder.home / "downloads",
            bounds=bounds,
            machine=self._machine,
        )

    # --- signing in

    async def sign_in(self, name: str, passphrase: str, network: str) -> tuple[Account, bytes]:
        """Return the account of a name, and what opens its folder. Takes equally long whether or
        not there is one. Raises WrongPassphrase, TooManyTries."""
        key = _key(name)
        self.tries.take(key, network)
        account = self._by_key.get(key)
        lock = self._nobody if account is None else account.record.lock
        assert lock is not None
        async with self.tries.turn(network):
            secret = await in_thread(partial(unlocked, lock, passphrase))
        if account is None or secret is None:
            raise WrongPassphrase
        self.tries.was_right(key, network)
        return account, secret

    async def make(
        self, name: str, passphrase: str, network: str, code: str | None
    ) -> tuple[Account, bytes]:
        """Make an account, whose name the registry takes. Raises NameRefused, NotLetIn,
        AccountsFull, TooManyTries, CodeRefused, NotOpened, OSError; then there is none."""
        name, key = person_name(name), _key(name)
        if len(self._by_key) + len(self._making) >= self._most:
            raise AccountsFull
        self.tries.take_making(network)
        if key in self._by_key or key in self._making:
            raise NameTaken(name)
        self._making.add(key)
        try:
            async with self.tries.turn(network):
                lock, secret = await in_thread(partial(new_lock, passphrase))
            record = AccountRecord(name=name, lock=lock)
            account = Account(record, AccountFolder(self._home / key), self._make_peer)
            await in_thread(partial(account.folder.write, record))
            try:
                await account.begin(secret, code, within=ANSWERED_WITHIN)
            except BaseException:
                await account.remove(secret, gives_up=False)
                raise
            self._by_key[key] = account
        finally:
            self._making.discard(key)
        return account, secret

    async def begin_session(
        self, account: Account, secret: bytes, *, stays: bool
    ) -> tuple[Session, str]:
        """Sign a browser in; the oldest one is signed out if they are too many. Raises OSError."""
        key = _key(account.record.name)
        session, cookie = self.sessions.begin(key, secret, stays=stays)
        for old in self.sessions.surplus(key):
            await self.end_session(old)
        return session, cookie

    async def end_session(self, session: Session) -> None:
        """Sign a browser out. With the last one, the node ends."""
        self.sessions.end(session)
        account = self._by_key.get(session.account)
        if account is not None:
            await account.sign_out(session.id)
            if not any(True for _ in self.sessions.of(session.account)):
                await account.close()

    async def end_all(self, account: Account) -> None:
        """Sign all browsers of an account out."""
        for session in self.sessions.of(_key(account.record.name)):
            await self.end_session(session)

    def account_of(self, session: Session) -> Account | None:
        """Return whose session it is."""
        return self._by_key.get(session.account)

    def may_ask(self, session: Session) -> bool:
        """Count a request of a session; return whether it may be carried out."""
        return self._requests.take(session.account, now=self._loop.time())

    async def windows(self, session: Session, cookie: str) -> OpenWindows | None:
        """Return the windows of a session, whose node runs then; None if the cookie opens nothing.
        Raises NotOpened, FolderDamaged, AccountGone, OSError."""
        account = self.account_of(session)
        secret = session.opened(cookie)
        if account is None or secret is None:
            return None
        windows = await account.windows(session.id, secret)
        if self.sessions.find(session.id) is None:  # it has ended while the node began
            await self.end_session(session)
            return None
        return windows

    # --- what a person does with the account

    async def change_passphrase(
        self, account: Account, secret: bytes, new: str, network: str
    ) -> None:
        """Have another passphrase open an account, in no browser that is signed in. Raises
        TooManyTries, OSError."""
        async with self.tries.turn(network):
            lock, _ = await in_thread(partial(new_lock, new, secret=secret))
        await account.relock(lock)
        await self.end_all(account)

    async def remove(self, account: Account, secret: bytes, *, gives_up: bool) -> None:
        """Remove an account. Raises as `Account.remove`."""
        key = _key(account.record.name)
        await account.remove(secret, gives_up=gives_up)
        self._by_key.pop(key, None)
        for session in self.sessions.of(key):
            self.sessions.end(session)

    # --- time

    async def _tend(self) -> None:
        while True:
            for session in self.sessions.over():
                await self.end_session(session)
            for account in list(self._by_key.values()):
                if account.tend():
                    await self._closed(account)
            await asyncio.sleep(TEND_AFTER)

    async def _closed(self, account: Account) -> None:
        try:
            await account.close()
        except Exception as error:  # noqa: BLE001 - a bug in one account must not end the others
            _log.error("fault of an account: %s", quoted(repr(error)), exc_info=error)

    def _do(self, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _key(name: str) -> str:
    """Return the name of an account's folder; for what is no name, one that no account has."""
    try:
        return file_name_of(name_key(name))
    except (NameRefused, ValueError):
        return ""
