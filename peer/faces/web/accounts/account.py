"""One account: its folder, and its person's node, which runs while somebody uses it."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

import msgspec

from chatapp.peer.api import events
from chatapp.peer.faces.opening import close_offered, note_start, offered, open_peer
from chatapp.peer.faces.web.accounts.errors import AccountGone, NotReleased
from chatapp.peer.faces.web.accounts.folders import AccountFolder, AccountRecord
from chatapp.peer.faces.web.accounts.tries import in_thread
from chatapp.peer.faces.web.limits import FOLDER_MAX, NODE_STAYS
from chatapp.peer.faces.web.members.windows import OpenWindows
from chatapp.peer.node.starts import latest_name
from chatapp.peer.rpc.place import Offer
from chatapp.peer.sdk.client import Peer
from chatapp.wire.errors import quoted
from chatapp.wire.names import PeerName
from chatapp.wire.passphrase import Lock

RELEASED_WITHIN: Final = 10.0
"""Seconds within which the registry must answer that a name is given up."""
SEALED_AGAIN_AFTER: Final = 60.0
"""Seconds after which a folder is sealed that the disk did not take."""
_log: Final = logging.getLogger("chatapp.peer")

MakePeer = Callable[[PeerName, AccountFolder, str | None], Peer]
"""Makes the peer of a name in a folder; with a join code."""


class Account:
    """One person who signs in. Opening and closing take turns."""

    def __init__(self, record: AccountRecord, folder: AccountFolder, make_peer: MakePeer) -> None:
        self.record = record
        self.folder: Final = folder
        self._make_peer: Final = make_peer
        self._loop: Final = asyncio.get_running_loop()
        self._turn: Final = asyncio.Lock()
        self._peer: Peer | None = None
        self._offer: Offer | None = None
        self._windows: Final[dict[str, OpenWindows]] = {}
        """Those of each session."""
        self._used_at = self._loop.time()
        self._seal_at = self._loop.time()
        self._is_gone = False

    @property
    def is_running(self) -> bool:
        """Whether the node runs."""
        return self._peer is not None

    @property
    def person(self) -> str:
        """The name by which others know the person, which may be changed; one signs in with that of
        the account."""
        return self.record.name if self._peer is None else self._peer.name

    async def windows(self, session: str, secret: bytes) -> OpenWindows:
        """Return the windows of a session; the node runs then. `secret`: what opens the folder.
        Raises NotOpened, FolderDamaged, AccountGone, OSError."""
        self._used_at = self._loop.time()
        if self._peer is None or session not in self._windows or self._turn.locked():
            async with self._turn:
                await self._open(secret)
                if session not in self._windows:
                    assert self._peer is not None
                    home = self.folder.home
                    windows = OpenWindows(
                        self._name_now, home, uploads=FOLDER_MAX // 2, is_own=False
                    )
                    self._windows[session] = windows
        return self._windows[session]

    def _name_now(self) -> PeerName:
        assert self._peer is not None
        return self._peer.name

    async def _open(self, secret: bytes, code: str | None = None) -> None:
        if self._is_gone:
            raise AccountGone
        if self._peer is not None:
            return
        await in_thread(partial(self.folder.unseal, secret))
        name = latest_name(self.folder.home) or PeerName(self.record.name)
        peer = self._make_peer(name, self.folder, code)
        await open_peer(peer)
        peer.listen(partial(note_start, peer))
        self._peer, self._offer = peer, offered(peer)

    async def begin(self, secret: bytes, code: str | None, *, within: float) -> None:
        """Run the node for the first time, and wait for so many seconds until the registry has
        answered. `code`: a join code. Raises NotLetIn, NotOpened, OSError."""
        async with self._turn:
            await self._open(secret, code)
            assert self._peer is not None
            try:
                async with asyncio.timeout(within):
                    await self._peer.ready()
            except TimeoutError:
                pass  # the page tells what becomes of it

    # --- letting go

    async def sign_out(self, session: str) -> None:
        """Close the windows of a session; the browsers that have them sign in again."""
        windows = self._windows.pop(session, None)
        if windows is not None:
            windows.lock()
            await windows.close()

    def tend(self) -> bool:
        """Whether the node is to be closed, or the folder to be sealed, which did not succeed
        before."""
        now = self._loop.time()
        if any(len(windows) for windows in self._windows.values()):
            self._used_at = now
        if self._turn.locked():
            return False
        if self._peer is None:
            return now >= self._seal_at and self.folder.is_open
        return now >= self._used_at + NODE_STAYS

    async def close(self) -> None:
        """Close the node, and seal the folder."""
        async with self._turn:
            await self._close()

    async def _close(self) -> None:
        await self._end()
        try:
            await in_thread(partial(self.folder.seal, self.record.lock))
        except OSError as error:
            self._seal_at = self._loop.time() + SEALED_AGAIN_AFTER
            _log.error("a folder is not sealed: %s", quoted(str(error)))

    async def _end(self) -> None:
        """Close the windows, and the node."""
        for windows in self._windows.values():
            await windows.close()
        self._windows.clear()
        peer, offer = self._peer, self._offer
        self._peer = self._offer = None
        if peer is not None:
            await close_offered(peer, offer)

    def end_streams(self) -> None:
        """Let all browsers go, as the program ends."""
        for windows in self._windows.values():
            windows.end_streams()

    # --- what the person does with it

    async def relock(self, lock: Lock) -> None:
        """Have another passphrase open it. Raises OSError."""
        async with self._turn:
            record = msgspec.structs.replace(self.record, lock=lock)
            await in_thread(partial(self.folder.write, record))
            self.record = record

    async def exported(self, secret: bytes) -> Iterator[bytes]:
        """Close the node, and return what is sealed, as `AccountFolder.exported`. Raises
        OSError."""
        async with self._turn:
            await self._close()
            return self.folder.exported(secret)

    async def remove(self, secret: bytes, *, gives_up: bool) -> None:
        """Remove the account and all its files. `gives_up`: give the name up at the registry first.
        Raises NotReleased, NotOpened, FolderDamaged, AccountGone, OSError; then nothing is
        removed."""
        async with self._turn:
            if gives_up:
                await self._open(secret)
                await self._release()
            elif self._is_gone:
                raise AccountGone
            self._is_gone = True
            for windows in self._windows.values():
                windows.lock()
            await self._end()
            await in_thread(self.folder.remove)

    async def _release(self) -> None:
        assert self._peer is not None
        told: list[events.Event] = []
        stop = self._peer.listen(told.extend)
        try:
            self._peer.release()
            async with asyncio.timeout(RELEASED_WITHIN):
                await self._peer.released()
        except TimeoutError:
            pass
        finally:
            stop()
        if not any(isinstance(event, events.NameReleased) for event in told):
            failed = [event.reason for event in told if isinstance(event, events.ReleaseFailed)]
            raise NotReleased((*failed, events.ReleaseRefusal.UNANSWERED)[0].meaning)
