"""A file on its way, as a program follows it."""

from collections.abc import AsyncIterator
from typing import Final, Protocol

from chatapp.peer.api.errors import FileRefusal, FileRefused, NotOpen
from chatapp.peer.api.events import Event, FileChanged
from chatapp.peer.api.files import FileState, FileTransfer
from chatapp.peer.api.requests import ListFiles, Node
from chatapp.peer.node.feed import EventFeed
from chatapp.peer.node.receipts import Receipt

SETTLED: Final = frozenset(
    {FileState.DONE, FileState.FAILED, FileState.REFUSED, FileState.WITHDRAWN}
)
"""The states in which nothing goes on by itself."""


class TransferNode(Node, Protocol):
    """What a transfer asks of an open peer."""

    @property
    def feed(self) -> EventFeed[Event]:
        """All that happens."""


class Transfer:
    """A file that we offer or fetch: an asynchronous iterator of how it stands, until it is
    settled.

    async for file in await me.send_file("bob", "report.pdf"):
        print(file.done, "of", file.size)
    """

    def __init__(self, node: TransferNode, id_: int, receipt: Receipt | None = None) -> None:
        self._node: Final = node
        self.id: Final = id_
        """The id of the line that offers it; 0 for an offer that was refused at once."""
        self.receipt: Final = receipt
        """Of our offer; None for a file of somebody else."""

    async def now(self) -> FileTransfer:
        """Return how the file stands. Raises FileRefused for one that is not known any more,
        NotOpen."""
        for file in await self._node.request(ListFiles()):
            if file.id == self.id:
                return file
        raise FileRefused(FileRefusal.NO_SUCH_OFFER)

    async def settled(self) -> FileTransfer:
        """Wait until the file is there, or does not go on by itself. Raises as `now`, and
        FellBehind."""
        async for file in self:
            last = file
        return last

    async def __aiter__(self) -> AsyncIterator[FileTransfer]:
        """Yield how the file stands, now and whenever that changes; the last one is settled. Raises
        as `settled`."""
        with self._node.feed.subscribe() as happening:
            file = await self.now()
            yield file
            while file.state not in SETTLED:
                async for event in happening:
                    if isinstance(event, FileChanged) and event.file.id == self.id:
                        file = event.file
                        yield file
                        break
                else:
                    raise NotOpen
