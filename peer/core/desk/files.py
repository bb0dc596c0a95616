"""Files at the desk, from one end of a talk: sent piece by piece before the line that brings them, and
fetched piece by piece (clause 11.7)."""

import random
from collections import deque
from collections.abc import Callable
from typing import Final

from chatapp.peer.api.conversations import DESK
from chatapp.peer.api.errors import DeskFileRefusal, DeskFileRefused
from chatapp.peer.api.events import MessageState, OfferedFile, Said
from chatapp.wire.limits import DESK_PIECE_SIZE
from chatapp.wire.messages.desk import (
    UPLOAD_SIZE,
    DeskPieceAnswered,
    DeskPieceShown,
    FetchDeskPiece,
    PieceResult,
    SendDeskPiece,
)

WITHIN: Final = 120.0
"""Seconds for which a program waits until a file is sent or fetched."""

AT_ONCE: Final = 2
"""Pieces of a file that are asked for at once: what waits for us at the registry stays small."""


class DeskUpload:
    """A file that we send."""

    def __init__(self, visit: int, name: str, content: bytes, number: int, at: float) -> None:
        self.visit: Final = visit
        self.at: Final = at
        """When the user has sent it, in Unix seconds."""
        self.number: Final = number
        """The id of the line that is to bring it; 0: it gets one then."""
        self.name: Final = name
        self.size: Final = len(content)
        self.content: Final = content
        self.id = b""
        """What the registry knows it by, drawn anew on each link."""
        self.index = 0
        self.line: Said | None = None
        """The line that brings it, once the registry has it whole."""
        self.refused: DeskPieceAnswered | None = None
        """Why it is not sent."""

    @property
    def is_over(self) -> bool:
        """Whether the registry has it whole, or does not take it."""
        return self.line is not None or self.refused is not None

    def outcome(self) -> Said:
        """Return the line that brings it. Raises DeskFileRefused."""
        answer = self.refused
        if answer is not None:
            reason = DeskFileRefusal[answer.result.name]
            raise DeskFileRefused(reason, answer.limit, tuple(answer.kinds))
        assert self.line is not None
        return self.line

    def refuse(self, result: PieceResult) -> None:
        """Give it up."""
        self.refused = DeskPieceAnswered(self.visit, self.id, self.index, result)


class DeskDownload:
    """A file that we fetch."""

    def __init__(self, visit: int, position: int, size: int, ticket: bytes) -> None:
        self.visit: Final = visit
        self.position: Final = position
        self.size: Final = size
        self.ticket: Final = ticket
        self.pieces: Final[list[bytes]] = [b""] * -(-size // DESK_PIECE_SIZE)
        self.asked: Final[dict[int, int]] = {}
        """The pieces that were asked for and have not come, by reference."""
        self.next = 0
        self.is_gone = False
        """Whether the registry does not have it, or not for us."""

    @property
    def is_over(self) -> bool:
        """Whether it is here, or cannot be had."""
        return self.is_gone or (self.next >= len(self.pieces) and not self.asked)

    @property
    def content(self) -> bytes:
        """The whole file. Raises DeskFileRefused if it cannot be had."""
        if self.is_gone:
            raise DeskFileRefused(DeskFileRefusal.NOT_HERE)
        return b"".join(self.pieces)

    def is_fit(self, index: int, data: bytes) -> bool:
        """Return whether a piece has the size that it must have."""
        return len(data) == min(DESK_PIECE_SIZE, self.size - index * DESK_PIECE_SIZE)


class DeskFiles:
    """The files that one end sends and fetches. Without a link nothing goes on; on a new one it
    does by itself."""

    def __init__(
        self, *, rng: random.Random, send: Callable[[SendDeskPiece | FetchDeskPiece], None]
    ) -> None:
        """`send` may drop a request while there is no link."""
        self._rng: Final = rng
        self._send: Final = send
        self._outgoing: Final[deque[DeskUpload]] = deque()
        """The first one is on its way: the registry takes one at a time."""
        self._incoming: Final[list[DeskDownload]] = []

    def upload(
        self, visit: int, name: str, content: bytes, *, at: float, line: int = 0
    ) -> DeskUpload:
        """Send a file, after those before it. `at`: Unix seconds. `line`: the id of the line that is to bring it."""
        upload = DeskUpload(visit, name, content, line, at)
        self._outgoing.append(upload)
        if len(self._outgoing) == 1:
            self._begin()
        return upload

    def fetch(self, visit: int, position: int, size: int, *, ticket: bytes = b"") -> DeskDownload:
        """Fetch the file of a line. `ticket`: of a visitor whose visit is over."""
        download = DeskDownload(visit, position, size, ticket)
        self._incoming.append(download)
        self._ask(download)
        return download

    def answered(self, answer: DeskPieceAnswered) -> DeskUpload | None:
        """Take the answer to a piece. Return an upload that the registry has whole: the line that
        brings it is due, and `finish` after that."""
        upload = self._outgoing[0] if self._outgoing else None
        if upload is None or (answer.upload, answer.index) != (upload.id, upload.index):
            return None
        if answer.result is not PieceResult.TAKEN:
            upload.refused = answer
            self._next()
            return None
        upload.index += 1
        if upload.index * DESK_PIECE_SIZE >= upload.size:
            return upload
        self._send_piece(upload)
        return None

    def finish(self, upload: DeskUpload, line: int) -> Said:
        """Note that the line with this id brings an upload. Return that line."""
        upload.line = Said(
            conversation=DESK,
            id=line,
            sender="",
            number=0,
            visit=upload.visit,
            text=upload.name,
            at=upload.at,
            is_ours=True,
            state=MessageState.UNSETTLED,
            file=OfferedFile(size=upload.size),
        )
        self._next()
        return upload.line

    def came(self, shown: DeskPieceShown) -> None:
        """Take a piece that we have asked for."""
        for download in self._incoming:
            index = download.asked.pop(shown.reference, None)
            if index is None:
                continue
            if download.is_fit(index, shown.data):
                download.pieces[index] = shown.data
                self._ask(download)
            else:
                download.is_gone = True
            if download.is_over:
                self._incoming.remove(download)
            return

    def link_up(self) -> None:
        """Begin again what was not answered on the last link."""
        if self._outgoing:
            self._begin()
        for download in self._incoming:
            missing = sorted(download.asked.values())
            download.asked.clear()
            for index in missing:
                self._ask_for(download, index)

    def forget(self, transfer: DeskUpload | DeskDownload) -> None:
        """Go on with a file no further: nobody waits for it any more."""
        if isinstance(transfer, DeskDownload):
            self._incoming[:] = [one for one in self._incoming if one is not transfer]
        elif transfer in self._outgoing:
            was_first = self._outgoing[0] is transfer
            self._outgoing.remove(transfer)
            if was_first and self._outgoing:
                self._begin()

    def give_up(self, visit: int) -> None:
        """Send no file of this visit any more: it is not ours."""
        for upload in [one for one in self._outgoing if one.visit == visit]:
            upload.refuse(PieceResult.NOT_SERVED)
            self._outgoing.remove(upload)
        if self._outgoing:
            self._begin()

    def _next(self) -> None:
        self._outgoing.popleft()
        if self._outgoing:
            self._begin()

    def _begin(self) -> None:
        upload = self._outgoing[0]
        upload.id, upload.index = self._rng.randbytes(UPLOAD_SIZE), 0
        self._send_piece(upload)

    def _send_piece(self, upload: DeskUpload) -> None:
        at = upload.index * DESK_PIECE_SIZE
        data = upload.content[at : at + DESK_PIECE_SIZE]
        self._send(
            SendDeskPiece(upload.visit, upload.id, upload.name, upload.size, upload.index, data)
        )

    def _ask(self, download: DeskDownload) -> None:
        while len(download.asked) < AT_ONCE and download.next < len(download.pieces):
            self._ask_for(download, download.next)
            download.next += 1

    def _ask_for(self, download: DeskDownload, index: int) -> None:
        reference = self._rng.getrandbits(32)
        download.asked[reference] = index
        self._send(
            FetchDeskPiece(reference, download.visit, download.position, index, download.ticket)
        )
