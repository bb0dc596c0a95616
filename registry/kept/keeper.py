"""All kept files of a registry, and who gives and fetches them (clause 6.23)."""

import asyncio
import errno
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple, Protocol, TypeVar

from chatapp.registry.kept.disk import KeptFolder
from chatapp.registry.kept.links import FRAME_MAX, QUEUE_MAX, KeptLink
from chatapp.registry.kept.shelf import Quota, Shelf
from chatapp.wire.aio.link import TcpLink
from chatapp.wire.buckets import Buckets
from chatapp.wire.codec import (
    frame,
)
from chatapp.wire.limits import (
    KEPT_BYTES_PER_SECOND,
    KEPT_LINKS_EACH,
    KEPT_LINKS_MAX,
    KEPT_LINKS_PER_NETWORK,
)
from chatapp.wire.messages.files import (
    KeptResult,
)
from chatapp.wire.sessions.link import LinkSession

Result = TypeVar("Result")

SWEPT_EACH: Final = 30.0
"""Seconds between two looks for what was kept long enough."""

_log = logging.getLogger(__name__)


class People(Protocol):
    """What is known of those who give and fetch."""

    def has_name(self, identity: bytes) -> bool:
        """Whether somebody is in the table."""

    def network_for_files(self, identity: bytes, host: str, *, now: float) -> str | None:
        """Return with which network somebody counts who comes from this host; None: they are kept
        out, or not in the table."""


class Clocks(NamedTuple):
    """Seconds that pass, and Unix seconds."""

    now: Callable[[], float]
    wall: Callable[[], float]


class KeptFiles:
    """All kept files of a registry, and the links for them."""

    def __init__(self, folder: Path, quota: Quota, people: People, clocks: Clocks) -> None:
        """Raises OSError."""
        self.folder: Final = KeptFolder(folder)
        self.shelf: Final = Shelf(quota)
        self._people: Final = people
        self.clocks: Final = clocks
        self._links: Final[dict[KeptLink, asyncio.Task[None]]] = {}
        self._thread: Final = ThreadPoolExecutor(1, "kept")
        self._pace: Final[Buckets[None]] = Buckets(
            rate=KEPT_BYTES_PER_SECOND, burst=KEPT_BYTES_PER_SECOND
        )
        self._swept_at = clocks.now()
        self._has_failed = False
        self.bytes_given = self.bytes_fetched = 0
        for file in self.shelf.load(self.folder.load()):
            self.folder.remove(file)

    def take(self, link: TcpLink, identity: bytes, session: LinkSession, answer: bytes) -> None:
        """Take over a link that was opened for files. `answer`: the frame that answers its first."""
        kept = KeptLink(self, link, identity, session)
        network = self._network_of(kept)
        if network is None:
            link.cut("kept out")
            return
        if not self._has_place(identity, network):
            link.write([frame(answer)])  # files are kept, but there is no place for a link now
            link.close("not for files now")
            return
        kept.network = network
        link.hand_to(kept, queue_max=QUEUE_MAX)
        link.allow_full_frames(FRAME_MAX)
        self._links[kept] = asyncio.get_running_loop().create_task(kept.run())
        link.write([frame(answer)])

    def _has_place(self, identity: bytes, network: str) -> bool:
        of_person = sum(link.identity == identity for link in self._links)
        of_network = sum(link.network == network for link in self._links)
        return (
            len(self._links) < KEPT_LINKS_MAX
            and of_person < KEPT_LINKS_EACH
            and of_network < KEPT_LINKS_PER_NETWORK
        )

    def maintain(self) -> None:
        """Remove what was kept long enough, and what is of people who have no name any more; end
        the links of those who are kept out. To be called every few seconds."""
        for link in list(self._links):
            if self._network_of(link) is None:
                link.cut("kept out")
        now = self.clocks.now()
        if now < self._swept_at + SWEPT_EACH:
            return
        self._swept_at = now
        gone = self.shelf.expire(self._people.has_name, wall=self.clocks.wall())
        if gone:
            _ = asyncio.get_running_loop().run_in_executor(self._thread, self._remove, gone)

    def _network_of(self, link: KeptLink) -> str | None:
        now = self.clocks.now()
        return self._people.network_for_files(link.identity, link.host, now=now)

    async def stop(self) -> None:
        """End all links. What is not whole is removed."""
        for link in list(self._links):
            link.cut("the registry stops")
        await asyncio.gather(*self._links.values(), return_exceptions=True)
        self._thread.shutdown()

    def figures(self) -> dict[str, float]:
        """Return the figures, by their names in `registry.telemetry.figures`."""
        return {
            "kept_files": len(self.shelf),
            "kept_file_bytes": self.shelf.size,
            "kept_bytes_given": self.bytes_given,
            "kept_bytes_fetched": self.bytes_fetched,
        }

    # --- for the links

    async def run(self, work: Callable[[], Result]) -> Result:
        """Return what work at the disk returns. Raises what it raises."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def pace(self, size: int) -> None:
        """Wait until so many bytes may come or go."""
        debt = self._pace.overdraw(None, size, now=self.clocks.now())
        if debt:
            await asyncio.sleep(debt)

    async def drop(self, files: list[bytes]) -> None:
        """Remove files that are forgotten."""
        if files:
            await self.run(lambda: self._remove(files))

    def _remove(self, files: list[bytes]) -> None:
        for file in files:
            try:
                self.folder.remove(file)
            except OSError as error:
                self.note_disk(error)

    def note_disk(self, error: OSError | None) -> KeptResult:
        """Report trouble with the disk once, until it works again; return what to say of it."""
        if error is None:
            self._has_failed = False
            return KeptResult.KEPT
        if not self._has_failed:
            self._has_failed = True
            where = f" ({error.filename})" if error.filename else ""
            _log.warning("trouble with kept files: %s%s", error.strerror or error, where)
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        return KeptResult.DISK_FULL if is_full else KeptResult.DISK_FAILED

    def forget(self, link: KeptLink) -> None:
        """Note that a link is over."""
        self._links.pop(link, None)
