"""Files that visitors and operators send each other: what of them comes, is kept, and is given.

A file comes in pieces, which are held in memory until a line brings it; then the line and all pieces
are stored as one. It is kept as long as its line: until that is taken back, gives way to newer ones,
or the talk is erased. The files of the oldest talks that are over make room for new ones.
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from chatapp.registry.rules.desk.queue.visit import Visit, is_gateway
from chatapp.registry.rules.desk.settings import DeskSettings
from chatapp.registry.store.entries import DeskFilesDropped, DeskPieceKept, Entry
from chatapp.wire.buckets import Buckets
from chatapp.wire.desk.kinds import ending, is_honest
from chatapp.wire.files import clean_name
from chatapp.wire.limits import (
    BUCKETS_MAX,
    DESK_FILES_BURST,
    DESK_FILES_PER_SECOND,
    DESK_FILES_SHARE,
    DESK_PIECE_SIZE,
    DESK_UPLOAD_IDLE_MAX,
    DESK_UPLOAD_MAX,
)
from chatapp.wire.messages.desk import DeskPieceAnswered, PieceResult, SendDeskPiece

Party = bytes
"""A sender, as in `transcript`."""


class KeptFile(NamedTuple):
    """A file that is whole."""

    name: str
    pieces: list[bytes]

    @property
    def size(self) -> int:
        """Its bytes."""
        return sum(map(len, self.pieces))


class _Upload:
    """A file that comes. Its place is taken from the first piece on."""

    def __init__(self, first: SendDeskPiece, *, source: str, now: float) -> None:
        self.id: Final = first.upload
        self.name: Final = clean_name(first.name)
        self.size: Final = first.size
        self.source: Final = source
        self.pieces: Final[list[bytes]] = []
        self.begun_at: Final = now
        self.came_at = now

    @property
    def is_whole(self) -> bool:
        return len(self.pieces) == -(-self.size // DESK_PIECE_SIZE)

    @property
    def due(self) -> float:
        """When its place is given up."""
        return min(self.came_at + DESK_UPLOAD_IDLE_MAX, self.begun_at + DESK_UPLOAD_MAX)

    def awaits(self, piece: SendDeskPiece) -> bool:
        """Return whether this is its next piece."""
        rest = self.size - len(self.pieces) * DESK_PIECE_SIZE
        is_next = piece.index == len(self.pieces)
        return is_next and len(piece.data) == min(rest, DESK_PIECE_SIZE)


class DeskFiles:
    """The files of all talks."""

    def __init__(self, settings: DeskSettings) -> None:
        self._settings: Final = settings
        self._kept: Final[dict[int, dict[int, KeptFile]]] = {}
        """By visit, then by the position of the line."""
        self._over: Final[dict[int, None]] = {}
        """Those of them that are over, the oldest first."""
        self._source_of: Final[dict[int, str]] = {}
        """With whom the visits that are not over are counted."""
        self._uploads: Final[dict[tuple[int, Party], _Upload]] = {}
        self._size = 0
        """Bytes of all files, and of the place of those that come."""
        self._throttle: Final[Buckets[str]] = Buckets(
            rate=DESK_FILES_PER_SECOND, burst=DESK_FILES_BURST, most=BUCKETS_MAX
        )
        self._orphans: list[Entry] = []
        """What is to be stored to drop pieces without a line: a crash came between them."""

    def load(
        self,
        pieces: Iterable[DeskPieceKept],
        *,
        live: Mapping[int, tuple[Visit, Mapping[int, tuple[str, int]]]],
        over: Mapping[int, Mapping[int, tuple[str, int]]],
    ) -> None:
        """Restore the files of earlier runs. `live`, `over`: the visits that are not over, and those
        that are, the oldest first; for each the names and sizes of files by the positions of
        lines."""
        found: dict[int, dict[int, dict[int, bytes]]] = {}
        for piece in pieces:
            of_visit = found.setdefault(piece.visit, {})
            of_visit.setdefault(piece.position, {})[piece.index] = piece.data
        known = {visit: lines for visit, (_, lines) in live.items()} | dict(over)
        for visit in [visit for visit in known if visit in found]:
            for position, (name, size) in known[visit].items():
                parts = found[visit].get(position, {})
                file = KeptFile(name, [parts[index] for index in sorted(parts)])
                if size and file.size == size:
                    self._add(visit, position, file)
                    del found[visit][position]
            if visit in live:
                self._source_of[visit] = live[visit][0].source
            elif visit in self._kept:
                self._over[visit] = None
        self._orphans = [
            DeskFilesDropped(visit, list(files)) for visit, files in found.items() if files
        ]

    # --- what comes

    def take(
        self, visit: Visit, author: Party, piece: SendDeskPiece, *, now: float
    ) -> tuple[DeskPieceAnswered, list[Entry]]:
        """Take a piece of a file. Return the answer, and what to store for it."""
        upload, made = self._uploads.get((visit.number, author)), list[Entry]()
        if piece.index == 0 and (upload is None or upload.id != piece.upload):
            self._give_up(visit.number, author)
            refused = self._refusal(visit, piece, now)
            if refused is not None:
                return refused, []
            made = self._make_room(piece.size)
            upload = _Upload(piece, source=visit.source, now=now)
            self._uploads[visit.number, author] = upload
            self._source_of[visit.number] = visit.source
            self._size += upload.size
        if upload is None or upload.id != piece.upload:
            return _answer(piece, PieceResult.LOST), made
        if upload.awaits(piece):
            upload.pieces.append(piece.data)
            upload.came_at = now
        elif piece.index >= len(upload.pieces):
            self._give_up(visit.number, author)
            return _answer(piece, PieceResult.LOST), made
        if upload.is_whole and not is_honest(upload.name, b"".join(upload.pieces)):
            self._give_up(visit.number, author)
            return _answer(piece, PieceResult.NOT_WHAT_IT_SAYS), made
        return _answer(piece, PieceResult.TAKEN), made

    def _refusal(self, visit: Visit, piece: SendDeskPiece, now: float) -> DeskPieceAnswered | None:
        settings, size = self._settings, piece.size
        if not settings.files_largest:
            return _answer(piece, PieceResult.OFF)
        if not 0 < size <= settings.files_largest:
            return _answer(piece, PieceResult.TOO_LARGE, limit=settings.files_largest)
        if ending(clean_name(piece.name)) not in settings.file_kinds:
            return _answer(piece, PieceResult.WRONG_KIND, kinds=list(settings.file_kinds))
        if self._size_of(visit.number) + size > settings.files_talk:
            return _answer(piece, PieceResult.TALK_FULL, limit=settings.files_talk)
        share = DESK_FILES_SHARE // 2 if is_gateway(visit.source) else DESK_FILES_SHARE
        of_source = sum(
            self._size_of(number)
            for number, source in self._source_of.items()
            if source == visit.source
        )
        of_over = sum(self._size_of(number) for number in self._over)
        if (
            of_source + size > settings.files_total // share
            or self._size - of_over + size > settings.files_total
        ):
            return _answer(piece, PieceResult.DESK_FULL)
        whose = f"visit {visit.number}" if is_gateway(visit.source) else visit.source
        if not self._throttle.take(whose, now=now):
            return _answer(piece, PieceResult.TOO_FAST)
        return None

    def _size_of(self, visit: int) -> int:
        kept = sum(file.size for file in self._kept.get(visit, {}).values())
        return kept + sum(
            upload.size for (number, _), upload in self._uploads.items() if number == visit
        )

    def _make_room(self, size: int) -> list[Entry]:
        """Drop the files of the oldest talks that are over. Return what to store."""
        dropped: list[Entry] = []
        while self._over and self._size + size > self._settings.files_total:
            dropped += self.drop_visit(next(iter(self._over)))
        return dropped

    def _give_up(self, visit: int, author: Party) -> None:
        upload = self._uploads.pop((visit, author), None)
        if upload is not None:
            self._size -= upload.size

    def give_up_uploads(self, visit: int) -> None:
        """Forget what comes in a visit that is over."""
        for number, author in [key for key in self._uploads if key[0] == visit]:
            self._give_up(number, author)

    # --- what is kept

    def whole(self, visit: int, author: Party, upload: bytes) -> KeptFile | None:
        """Return the file that this upload has brought; None if it is not here, whole."""
        found = self._uploads.get((visit, author))
        if found is None or found.id != upload or not found.is_whole:
            return None
        return KeptFile(found.name, found.pieces)

    def keep(self, visit: int, position: int, author: Party, file: KeptFile) -> list[Entry]:
        """Keep a file that `whole` has returned for this line. Return what to store with the
        line."""
        self._give_up(visit, author)
        self._add(visit, position, file)
        return [
            DeskPieceKept(visit, position, index, data) for index, data in enumerate(file.pieces)
        ]

    def _add(self, visit: int, position: int, file: KeptFile) -> None:
        self._kept.setdefault(visit, {})[position] = file
        self._size += file.size

    def piece(self, visit: int, position: int, index: int) -> bytes:
        """Return a piece; empty for one that is not here."""
        file = self._kept.get(visit, {}).get(position)
        return file.pieces[index] if file is not None and index < len(file.pieces) else b""

    def has(self, visit: int, position: int) -> bool:
        """Return whether the file of this line is here."""
        return position in self._kept.get(visit, {})

    def before(self, visit: int, position: int) -> list[int]:
        """Return the positions of the lines before this one that have a file."""
        return [one for one in self._kept.get(visit, {}) if one < position]

    # --- what goes

    def drop(self, visit: int, positions: Iterable[int]) -> list[Entry]:
        """Drop the files of these lines. Return what to store."""
        files = self._kept.get(visit, {})
        gone = [position for position in positions if position in files]
        for position in gone:
            self._size -= files.pop(position).size
        if not files:
            self._kept.pop(visit, None)
            self._over.pop(visit, None)
        return [DeskFilesDropped(visit, gone)] if gone else []

    def drop_visit(self, visit: int) -> list[Entry]:
        """Drop all files of a visit. Return what to store."""
        return self.drop(visit, list(self._kept.get(visit, {})))

    def over(self, visit: int, *, is_kept: bool) -> list[Entry]:
        """Note that a visit is over. Return what to store. `is_kept`: whether its lines are."""
        self.give_up_uploads(visit)
        self._source_of.pop(visit, None)
        if not is_kept:
            return self.drop_visit(visit)
        if visit in self._kept:
            self._over[visit] = None
        return []

    # --- time

    def handle_timer(self, *, now: float) -> list[Entry]:
        """Forget what has not come in time. Return what to store."""
        for key in [key for key, upload in self._uploads.items() if upload.due <= now]:
            self._give_up(*key)
        orphans, self._orphans = self._orphans, []
        return orphans

    def next_timer(self) -> float | None:
        """Return the earliest deadline."""
        if self._orphans:
            return 0.0
        return min((upload.due for upload in self._uploads.values()), default=None)


def _answer(
    piece: SendDeskPiece, result: PieceResult, *, limit: int = 0, kinds: list[str] | None = None
) -> DeskPieceAnswered:
    return DeskPieceAnswered(piece.visit, piece.upload, piece.index, result, limit, kinds or [])
