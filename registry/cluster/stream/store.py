"""The store of a registry in a cluster: all of it in memory, and each change as a message of the
journal before it counts.

`_lock` guards memory and is held only for moments, since the event loop's thread takes it;
`_syncing` is held while a turn is written, and `_checkpointing` while a snapshot is.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from threading import Event, Lock
from typing import Final, NamedTuple, TypeVar

from chatapp.registry.cluster.stream.bundles import (
    OVERHEAD,
    BundleRefused,
    ClusterFounded,
    ClusterKey,
    Flaw,
    Head,
    JournalReader,
    Kind,
    Opener,
    OwnerBegan,
    Record,
    Sealer,
    Strays,
    encode_control,
)
from chatapp.registry.cluster.stream.image import Image
from chatapp.registry.cluster.stream.ledger import (
    Acked,
    Ledger,
    LedgerUnavailable,
    Overtaken,
    Placed,
    Publication,
    Refused,
    Stream,
    Subject,
)
from chatapp.registry.cluster.stream.mark import Mark, hash_of_founding, mark_of
from chatapp.registry.cluster.stream.snapshots import (
    Manifest,
    SnapshotWriter,
    read_manifest,
    records_of,
)
from chatapp.registry.cluster.stream.writer import RETRY_SPAN, Writer, WriterState
from chatapp.registry.store.entries import Entry, encode
from chatapp.registry.store.protocol import Loaded, StoreUnusable
from chatapp.wire.errors import StoreBroken, StoreError, StoreFull, StoreLost, StoreReadOnly
from chatapp.wire.storage import frame

_log = logging.getLogger(__name__)

_T = TypeVar("_T")

CHECKPOINT_BYTES: Final = 16 * 1024 * 1024
"""A snapshot is due when the journal has at least so many bytes and as many as the last snapshot,
so that writing snapshots at most doubles what is written."""
CHECKPOINT_MESSAGES: Final = 10_000
"""A snapshot is due at so many messages of the journal: whoever takes over reads them all."""
ERASE_SPAN: Final = 5.0
"""The least seconds between two snapshots that only erase what a visitor of the help desk has
left."""
ERASE_SHARE: Final = 20
"""Such snapshots take at most this part of the time: one in so many."""
RETRY_CHECKPOINT: Final = 5.0
"""Seconds until a snapshot that failed is tried again, and until the broker is asked again after a
refusal."""
MESSAGE_LEAST: Final = 8 * 1024
"""The least bytes of a message that the servers have to allow."""
MESSAGE_MOST: Final = 768 * 1024
"""The most bytes of records in a message, even if the servers allow more: a lost answer costs
sending it again."""
_ROOM_FOR_HEADERS: Final = 512
_TAKEOVER_TRIES: Final = 20
_LEASE_LOOK: Final = 0.05
"""Seconds between two looks whether the lease was confirmed."""

FINAL: Final = {
    WriterState.FENCED: "another registry of the cluster has taken over",
    WriterState.SHORTENED: "the stream has lost messages that it had confirmed",
}
"""States after which this process stores nothing more."""
GIVEN_UP: Final = "the cluster's lease is lost"


class StreamUnusable(StoreUnusable):
    """The stream cannot be read whole, so this registry must not own it."""


class TakeoverInterrupted(StoreUnusable):
    """The stream could not be taken over now; that may be different later."""


_LOST_MESSAGES: Final = (
    "check --cluster, --cluster-name and the account; if messages are lost, restore the cluster from a backup into an "
    "empty folder"
)


class Verified(NamedTuple):
    """What reading a whole stream has found."""

    messages: int
    records: int
    size: int
    damage: tuple[str, ...]


class _Taken(NamedTuple):
    """What a snapshot is made of."""

    image: Image
    head: Head
    size: int
    """Bytes of the journal that it covers."""
    messages: int
    at: float


class Seals(NamedTuple):
    """With what a cluster's bundles are sealed."""

    key: ClusterKey
    cluster: str
    salts: tuple[bytes, bytes]
    """Two random values that no other process ever has."""


class Hold(NamedTuple):
    """What holds the stream for this process."""

    is_confirmed: Callable[[], bool] = lambda: True
    """Whether the lease was confirmed just now; nothing is taken over before."""
    lost: Callable[[], None] = lambda: None
    """Called, in any thread, when this process can store nothing more."""


class Marks(NamedTuple):
    """What this node knows of the stream."""

    known: Mark | None = None
    """A stream that has less is refused."""
    note: Callable[[Mark], None] = lambda _: None
    """Called, in any thread, with what it knows from now on."""


class Clocks(NamedTuple):
    """The clocks of a store."""

    now: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    pause: Callable[[float], object] | None = None
    """Lets a worker thread wait for some seconds; None: until then or `give_up`."""


_NO_MARKS: Final = Marks()
_HELD: Final = Hold()
_REAL_TIME: Final = Clocks()


class StreamStore:
    """A `Store` in a cluster's stream. `load` takes the stream over: from then on no other process
    can write. `founding`: the records with which a new cluster begins."""

    def __init__(
        self,
        ledger: Ledger,
        seals: Seals,
        *,
        node: str,
        founding: Callable[[], tuple[ClusterFounded, Sequence[Entry]]],
        marks: Marks = _NO_MARKS,
        hold: Hold = _HELD,
        clocks: Clocks = _REAL_TIME,
    ) -> None:
        key, cluster, salts = seals
        self._ledger = ledger
        self._opener = Opener(key, cluster)
        self._sealer = Sealer(key, cluster, salts[0])
        self._snapshot_sealer = Sealer(key, cluster, salts[1])
        self._where = cluster
        self._node = node
        self._founding = founding
        self._known, self._note_mark = marks
        self._holds_lease, self._lost = hold
        self._now, self._wall, pause = clocks
        self._size = min(ledger.message_max - OVERHEAD - _ROOM_FOR_HEADERS, MESSAGE_MOST)
        if ledger.message_max < MESSAGE_LEAST:
            raise StreamUnusable(
                cluster,
                f"the servers allow messages of {ledger.message_max:,} bytes; set max_payload to at least "
                f"{MESSAGE_LEAST:,}",
            )
        self._lock = Lock()
        self._syncing = Lock()
        self._checkpointing = Lock()
        self._stopping = Event()
        self._pause_for = pause or self._stopping.wait
        self._read_only = ""
        self._is_full = False
        """Whether nothing can be stored because there is no space."""
        self._is_lost = False
        """Whether this process can store nothing more."""
        self._turn: list[tuple[Entry, bytes]] = []
        self._live = Image()
        """With everything that was appended."""
        self._stored = Image()
        """With everything that is stored."""
        self._followed: tuple[Image, JournalReader, Head] | None = None
        """What `follow` has read."""
        self._writer: Writer | None = None
        self._is_other = False
        """Whether the stream has another message at the place that is known."""
        self._manifest_place = 0
        self._covered = (0, 1)
        """The last message that the newest snapshot covers, and the place of its first piece."""
        self._may_arrive = False
        """Whether a manifest was sent whose answer is missing: it may be stored later, so its
        pieces have to stay."""
        self._journal_bytes = self._journal_messages = self._snapshot_bytes = 0
        self._checkpoint_at = self._not_before = self._now()
        self._took = 0.0
        self._strays = Strays(cluster, now=self._now)
        self._read_so_far = Verified(0, 0, 0, ())
        """What `verify` has read."""

    @property
    def strays(self) -> int:
        """How many messages in the streams were passed over since the start: no registry of the
        cluster wrote them."""
        return self._strays.count

    @property
    def founded(self) -> ClusterFounded:
        """The first record of the cluster."""
        assert self._stored.founded is not None, "load comes first"
        return self._stored.founded

    # --- taking over

    def follow(self) -> None:
        """Read what is new in the stream while another registry keeps it, so that `load` has little
        left to read. For a worker thread."""
        try:
            self._followed = self._read_on() or self._read_all()
        except (BundleRefused, LedgerUnavailable):
            return  # `load` says why

    def _read_on(self) -> tuple[Image, JournalReader, Head] | None:
        """Read what came since the last call of `follow`. Return None if all has to be read: there
        was no call, or a newer snapshot has taken the place of messages. Raises
        LedgerUnavailable."""
        followed, self._followed = self._followed, None
        if followed is None:
            return None
        image, reader, _ = followed
        strays = reader.strays
        newest = self._ledger.newest(Subject.MANIFEST)
        if self._manifest_place != (0 if newest is None else newest.place):
            return None
        try:
            self._read_journal(image, reader)
        except BundleRefused:
            return None
        self._strays.note(reader.strays - strays)
        return followed

    def load(self) -> Loaded:
        """Take the stream over and return what it says. Raises StreamUnusable,
        TakeoverInterrupted."""
        try:
            for _ in range(_TAKEOVER_TRIES):
                found = self._read_on() or self._read_all()
                if found is None:
                    continue
                image, reader, head = found
                self._check_known(image, reader.head)
                self._wait_for_lease()
                self._writer = Writer(self._sealer, reader.head, self._size)
                if self._begin(image):
                    break
            else:
                raise TakeoverInterrupted(
                    self._where, "another registry keeps writing to the stream"
                )
        except BundleRefused as refused:
            raise StreamUnusable(self._where, _why(refused)) from None
        except LedgerUnavailable:
            raise TakeoverInterrupted(self._where, "the servers do not answer") from None
        self._stored, self._live = image, image.copy()
        self._journal_messages = self._writer.head.number - head.number
        self._mark()
        return image.loaded()

    def _check_known(self, image: Image, head: Head) -> None:
        """Refuse a stream that has less than this node knows, or another message in its place.
        Raises StreamUnusable.

        A message that a snapshot covers is not in the journal any more: only its place is compared.
        A cluster that was restored from a backup begins anew, with another first record and fewer
        messages; the caller compares its identity.
        """
        known = self._known
        if known is None:
            return
        if image.founded is None:
            found = "the streams hold no registry"
        elif known.founding and known.founding != hash_of_founding(image.founded):
            return
        elif head.number < known.number:
            found = f"the stream ends with message {head.number}"
        elif self._is_other:
            found = f"message {known.number} of the stream is not the one that was stored"
        else:
            return
        raise StreamUnusable(
            self._where, f"{found}, but this node has seen message {known.number}: {_LOST_MESSAGES}"
        )

    def _wait_for_lease(self) -> None:
        """Wait until the lease was confirmed just now: a process that was frozen for a while must
        not fence the registry that has taken over meanwhile. Raises TakeoverInterrupted when the
        lease is lost."""
        while not self._stopping.is_set():
            if self._holds_lease():
                return
            self._pause(_LEASE_LOOK)
        raise TakeoverInterrupted(self._where, GIVEN_UP)

    def _mark(self) -> None:
        """Note the newest message that is stored."""
        assert self._writer is not None
        self._note_mark(mark_of(self._writer.head, self.founded))

    def _read_all(self) -> tuple[Image, JournalReader, Head] | None:
        """Read the newest snapshot and the journal behind it. Return None if an owner that still
        lives has written another snapshot meanwhile, and removed what this one needs. Raises
        BundleRefused, LedgerUnavailable."""
        self._is_other = False
        try:
            image, reader, manifest = self._first_whole(self._read_from)
        except BundleRefused as refused:
            newest = self._ledger.newest(Subject.MANIFEST)
            is_outdated = newest is not None and newest.place != self._manifest_place
            if refused.flaw is Flaw.OUT_OF_ORDER and is_outdated:
                return None
            raise
        self._strays.note(reader.strays)
        self._covered = (manifest.number, manifest.places[0]) if manifest is not None else (0, 1)
        self._snapshot_bytes = manifest.size if manifest is not None else 0
        return image, reader, manifest.head if manifest is not None else Head()

    def _first_whole(self, read: Callable[[Manifest | None], _T]) -> _T:
        """Return what `read` makes of the newest snapshot from which the journal goes on without a
        gap. The chain shows whether it does, so no old manifest that was published again can set
        anything back. Raises BundleRefused, LedgerUnavailable."""
        failed: BundleRefused | None = None
        for manifest in self._manifests():
            try:
                return read(manifest)
            except BundleRefused as refused:
                if refused.flaw in (Flaw.OTHER_VERSION, Flaw.OTHER_KEY, Flaw.UNKNOWN_ENTRY):
                    raise
                failed = failed or refused
        assert failed is not None
        raise failed

    def _manifests(self) -> Iterator[Manifest | None]:
        """Yield the newest manifest, then those that are found behind strays; None if there is
        none. Raises BundleRefused, LedgerUnavailable."""
        newest = self._ledger.newest(Subject.MANIFEST)
        self._manifest_place = 0 if newest is None else newest.place
        if newest is None:
            yield None
            return
        other_key: BundleRefused | None = None
        found: list[Manifest] = []
        try:
            found.append(read_manifest(self._opener, newest))
            yield found[0]
        except BundleRefused as refused:
            if refused.flaw is Flaw.OTHER_VERSION:
                raise
            other_key = refused if refused.flaw is Flaw.OTHER_KEY else None
        extent = self._ledger.extent(Stream.SNAPSHOTS)
        for placed in self._ledger.read(Stream.SNAPSHOTS, extent.first, extent.last):
            with suppress(BundleRefused):
                found.append(read_manifest(self._opener, placed))
        if other_key is not None and not found and is_key_of(self._ledger, self._opener) is False:
            raise other_key
        self._strays.note()
        yield from sorted(found, key=lambda snapshot: snapshot.number, reverse=True)
        if not found:
            yield None

    def _read_from(self, manifest: Manifest | None) -> tuple[Image, JournalReader, Manifest | None]:
        """Read a snapshot, and the journal behind it to its end. Raises BundleRefused,
        LedgerUnavailable."""
        image = Image()
        if manifest is not None:
            for record, payload in self._snapshot_records(manifest):
                image.take(record, payload)
            image.highest_serial = manifest.highest_serial
            image.is_spent = False
        reader = JournalReader(self._opener, Head() if manifest is None else manifest.head)
        self._journal_bytes = 0
        self._read_journal(image, reader)
        if image.founded is None and reader.saw_other_key and not reader.has_opened:
            raise BundleRefused(Flaw.OTHER_KEY, 1)
        return image, reader, manifest

    def _snapshot_records(self, manifest: Manifest) -> Iterator[tuple[Record, bytes]]:
        """Yield the records of a snapshot. Raises BundleRefused, LedgerUnavailable."""
        wanted = frozenset(manifest.places)
        found = self._ledger.read(Stream.SNAPSHOTS, manifest.places[0], manifest.places[-1])
        return records_of(
            self._opener, manifest, (piece for piece in found if piece.place in wanted)
        )

    def _read_journal(self, image: Image, reader: JournalReader) -> None:
        """Read from the reader's head to the end. Raises BundleRefused."""
        extent = self._ledger.extent(Stream.JOURNAL)
        start = reader.head.number + 1
        if extent.last < reader.head.number:
            raise BundleRefused(Flaw.OUT_OF_ORDER, start)
        for placed in self._ledger.read(Stream.JOURNAL, start, extent.last):
            self._journal_bytes += len(placed.message)
            for record, payload in reader.take(placed.place, placed.message):
                image.take(record, payload)
            if self._known is not None and self._known.number == placed.place:
                self._is_other = self._known.hash not in (b"", reader.head.hash)
        reader.finish(extent.last)

    def _begin(self, image: Image) -> bool:
        """Write the first turn of this owner. Return False if another message came first."""
        assert self._writer is not None
        turn: list[tuple[Record, bytes]] = []
        if image.founded is None:
            founded, entries = self._founding()
            turn.append((founded, encode_control(founded)))
            turn += [(entry, encode(entry)) for entry in entries]
        began = OwnerBegan(self._node, int(self._wall()))
        turn.append((began, encode_control(began)))
        state = self._write([frame(payload) for _, payload in turn])
        if state is WriterState.READY:
            for record, payload in turn:
                image.take(record, payload)
            return True
        if state is WriterState.REFUSED:
            raise StreamUnusable(self._where, f"the servers store nothing: {self._writer.reason}")
        if state is WriterState.FENCED:
            return False
        raise TakeoverInterrupted(self._where, FINAL.get(state, GIVEN_UP))

    # --- writing

    def append(self, entries: Sequence[Entry]) -> None:
        turn = [(entry, encode(entry)) for entry in entries]
        for _, payload in turn:
            frame(payload)  # what a file could not hold is refused here too
        with self._lock:
            self._check_writable()
            self._turn += turn
            for entry, payload in turn:
                self._live.take(entry, payload)

    def sync(self) -> None:
        with self._syncing:
            self._sync()

    def _sync(self) -> None:
        with self._lock:
            self._check_writable()
            turn, self._turn = self._turn, []
        if not turn:
            return
        assert self._writer is not None
        records = [frame(payload) for _, payload in turn]
        before = self._writer.head.number
        state = self._write(records)
        if state is not WriterState.READY:
            raise self._failed(state)
        with self._lock:
            for entry, payload in turn:
                self._stored.take(entry, payload)
            self._journal_bytes += sum(map(len, records))
            self._journal_messages += self._writer.head.number - before

    def _write(self, records: Sequence[bytes]) -> WriterState:
        """Write a turn. Return the writer's state: READY if it is stored; SENDING if this process
        was told to stop."""
        writer = self._writer
        assert writer is not None
        writer.begin(records)
        while not self._stopping.is_set():
            publication = writer.publication(now=self._now())
            if publication is not None:
                writer.answered(self._ledger.publish(publication), now=self._now())
            elif writer.state is WriterState.LOOKING:
                self._look(writer)
            elif writer.state is WriterState.SENDING:
                self._pause((writer.next_timer or 0.0) - self._now())
            else:
                break
        return writer.state

    def _look(self, writer: Writer) -> None:
        """Find out why the broker did not store a message at its place."""
        publication, place = writer.on_its_way, writer.head.number + 1
        reader = JournalReader(self._opener, writer.head)
        found: bytes | None = None
        try:
            extent = self._ledger.extent(Stream.JOURNAL)
            for placed in self._ledger.read(Stream.JOURNAL, place, extent.last):
                is_ours = placed.place == place and placed.message == publication
                if is_ours or not _is_stray(reader, placed):
                    found = placed.message
                    break
        except LedgerUnavailable:
            self._pause(RETRY_SPAN)
            return
        if (
            found is None
            and reader.strays
            and reader.head.number == extent.last
            and not reader.has_gap
        ):
            self._strays.note(reader.strays)
            writer.passed(extent.last)
        else:
            writer.looked(found, last=extent.last, now=self._now())

    def _failed(self, state: WriterState) -> StoreError:
        """Note that nothing can be stored, for now or for good."""
        assert self._writer is not None
        with self._lock:
            if state is WriterState.REFUSED:
                self._read_only = f"the servers store nothing: {self._writer.reason}"
                self._not_before = self._now() + RETRY_CHECKPOINT
            else:
                self._read_only = FINAL.get(state, GIVEN_UP)
                self._is_lost = True
            self._is_full = state is WriterState.REFUSED and self._writer.is_full
        if state is not WriterState.REFUSED:
            self._lost()
        return self._refusal()

    def _refusal(self) -> StoreError:
        """Return why nothing can be stored."""
        kind = StoreLost if self._is_lost else StoreFull if self._is_full else StoreReadOnly
        return kind(self._where, self._read_only)

    def give_up(self) -> None:
        """Store nothing more, at once: the lease is lost. Any thread may call it."""
        with self._lock:
            self._read_only = self._read_only or GIVEN_UP
            self._is_lost = True
        self._stopping.set()

    def _pause(self, seconds: float) -> None:
        self._pause_for(max(seconds, 0.001))

    def _check_writable(self) -> None:
        if self._read_only:
            raise self._refusal()

    # --- reading

    def read_letters(self, recipient: bytes, serials: Sequence[int]) -> list[bytes]:
        with self._lock:
            return self._live.letters(recipient, serials)

    def read_lines(self, group: str, positions: Sequence[int]) -> list[bytes]:
        with self._lock:
            return self._live.lines(group, positions)

    # --- snapshots

    def checkpoint_due(self, now: float) -> bool:
        with self._lock:
            if self._read_only or now < self._not_before or not self._journal_messages:
                return False
            since = now - self._checkpoint_at
            erases = self._stored.is_spent and since >= max(ERASE_SPAN, ERASE_SHARE * self._took)
            is_long = self._journal_bytes >= max(CHECKPOINT_BYTES, self._snapshot_bytes)
            return erases or is_long or self._journal_messages >= CHECKPOINT_MESSAGES

    def checkpoint(self) -> None:
        with self._checkpointing:
            with self._syncing:
                self._sync()
                taken = self._take_snapshot()
            if taken.messages:
                self._bring_to_rest(taken)
                self._mark()

    def _take_snapshot(self) -> "_Taken":
        """Return what is stored now. The caller holds `_syncing`."""
        assert self._writer is not None
        image = self._stored.copy()
        with self._lock:
            self._stored.is_spent = False
            return _Taken(
                image, self._writer.head, self._journal_bytes, self._journal_messages, self._now()
            )

    def _bring_to_rest(self, taken: "_Taken") -> None:
        """Write a snapshot, and remove what it covers. Raises StoreError."""
        try:
            size = self._write_snapshot(taken.image, taken.head)
        except (StoreError, LedgerUnavailable) as error:
            with self._lock:
                self._stored.is_spent |= taken.image.is_spent
                self._not_before = self._now() + RETRY_CHECKPOINT
            if isinstance(error, StoreError):
                raise
            raise StoreBroken(self._where, "the servers do not answer") from None
        with self._lock:
            self._checkpoint_at = self._now()
            self._took = self._checkpoint_at - taken.at
            self._snapshot_bytes = size
            self._journal_bytes -= taken.size
            self._journal_messages -= taken.messages

    def _write_snapshot(self, image: Image, head: Head) -> int:
        """Write a snapshot, and purge what it covers. Return its size. Raises StoreError,
        LedgerUnavailable."""
        writer = SnapshotWriter(
            self._snapshot_sealer, head, highest_serial=image.highest_serial, size=self._size
        )
        self._may_arrive = False
        try:
            for piece in writer.pieces(image.records()):
                writer.stored(self._stored_at(piece) or 0)
            self._manifest_place = self._manifest_stored_at(writer, head)
        except (StoreError, LedgerUnavailable):
            if not self._may_arrive and not self._stopping.is_set():
                with suppress(LedgerUnavailable):
                    self._ledger.purge_run(writer.run)
            raise
        self._covered = head.number, writer.first_place
        self._purge_covered()
        return writer.size

    def _manifest_stored_at(self, writer: SnapshotWriter, head: Head) -> int:
        """Store the manifest and return its place. Raises StoreError, LedgerUnavailable.

        The place may be taken by a manifest of our own, whose answer was lost, or by that of an
        owner before us, which was frozen meanwhile: such a snapshot covers less, and ours takes its
        place. A snapshot that covers more is of an owner after us.
        """
        while True:
            publication = writer.manifest(after=self._manifest_place)
            place = self._stored_at(publication)
            if place is not None:
                return place
            newest = self._ledger.newest(Subject.MANIFEST)
            if newest is not None and newest.message == publication.message:
                return newest.place
            if newest is not None and newest.place != self._manifest_place:
                try:
                    covered = read_manifest(self._opener, newest).number
                except BundleRefused as refused:
                    if refused.flaw is Flaw.OTHER_VERSION:
                        raise StoreBroken(self._where, str(refused)) from None
                    self._strays.note()
                    covered = 0
                if covered > head.number:
                    raise StoreBroken(self._where, "another registry has written a newer snapshot")
                self._manifest_place = newest.place
            else:
                self._pause(RETRY_SPAN)  # the leader that answered was behind

    def _stored_at(self, publication: Publication) -> int | None:
        """Publish until the broker says what became of it; return the place, None if its place is
        taken. Raises StoreError."""
        while not self._stopping.is_set():
            match self._ledger.publish(publication):
                case Acked(place):
                    return place
                case Refused(reason, is_full):
                    raise (StoreFull if is_full else StoreBroken)(self._where, reason)
                case Overtaken():
                    return None
                case _:
                    self._may_arrive |= publication.subject is Subject.MANIFEST
                    self._pause(RETRY_SPAN)
        raise StoreLost(self._where, GIVEN_UP)

    def _purge_covered(self) -> None:
        """Remove what the newest snapshot covers. Raises LedgerUnavailable."""
        last, first_piece = self._covered
        self._ledger.purge(Stream.JOURNAL, last + 1)
        self._ledger.purge(Stream.SNAPSHOTS, first_piece)

    def _make_room(self) -> None:
        """Free what can be freed: what the newest snapshot covers, and what the journal has on top
        of a new one."""
        try:
            self._purge_covered()
            taken = self._take_snapshot()
            if taken.messages:
                self._bring_to_rest(taken)
        except (StoreError, LedgerUnavailable) as error:
            _log.info("no space was freed: %s", error)

    # --- after a refusal, and at the end

    def recovery_due(self, now: float) -> bool:
        with self._lock:
            is_refused = self._writer is not None and self._writer.state is WriterState.REFUSED
            return is_refused and bool(self._read_only) and now >= self._not_before

    def recover(self) -> None:
        with self._checkpointing, self._syncing:
            writer = self._writer
            assert writer is not None
            if not self._read_only or writer.state is not WriterState.REFUSED:
                return
            begun_at = self._now()
            if writer.is_full:
                self._make_room()
            writer.resume()
            began = OwnerBegan(self._node, int(self._wall()))
            state = self._write([frame(encode_control(began))])
            if state is not WriterState.READY:
                error = self._failed(state)
                with self._lock:  # a whole snapshot may have been tried
                    now = self._now()
                    self._not_before = now + max(RETRY_CHECKPOINT, ERASE_SHARE * (now - begun_at))
                raise error
            with self._lock:
                self._journal_messages += 1
                self._live, self._turn = self._stored.copy(), []
                self._read_only, self._is_full = "", False

    def close(self) -> None:
        try:
            if self._writer is not None and not self._read_only:
                self.sync()
                if self._stored.founded is not None:
                    self._mark()
        except StoreError as error:
            _log.warning("the last entries are not stored: %s", error)
        finally:
            self._stopping.set()

    def verify(self) -> Verified:
        """Read the whole stream as a registry that takes over would, and change nothing. Raises
        StoreBroken if the servers do not answer."""
        with self._checkpointing:
            self._read_so_far = Verified(0, 0, 0, ())
            try:
                self._first_whole(self._verify_from)
            except BundleRefused as refused:
                return self._read_so_far._replace(damage=(f"{self._where}: {refused}",))
            except LedgerUnavailable:
                raise StoreBroken(self._where, "the servers do not answer") from None
            return self._read_so_far

    def _verify_from(self, manifest: Manifest | None) -> None:
        """Read a snapshot and the journal behind it, and note what was read. Raises BundleRefused,
        LedgerUnavailable."""
        messages = records = size = 0
        if manifest is not None:
            records = sum(1 for _ in self._snapshot_records(manifest))
            messages, size = len(manifest.places) + 1, manifest.size
        reader = JournalReader(self._opener, Head() if manifest is None else manifest.head)
        last = self._ledger.extent(Stream.JOURNAL).last
        for placed in self._ledger.read(Stream.JOURNAL, reader.head.number + 1, last):
            self._read_so_far = Verified(messages, records, size, ())
            records += len(reader.take(placed.place, placed.message))
            messages, size = messages + 1, size + len(placed.message)
        self._read_so_far = Verified(messages, records, size, ())
        reader.finish(last)

    def snapshot(self) -> Image:
        """Return a copy of everything that is stored. Raises StoreError."""
        with self._syncing:
            if not self._read_only:
                self._sync()
            return self._stored.copy()


def is_key_of(ledger: Ledger, opener: Opener) -> bool | None:
    """Return whether a message in the journal or in a snapshot was sealed with the key; None if
    nothing is there. Raises LedgerUnavailable."""
    found: bool | None = None
    for stream, kinds in (
        (Stream.JOURNAL, (Kind.JOURNAL,)),
        (Stream.SNAPSHOTS, (Kind.SNAPSHOT, Kind.MANIFEST)),
    ):
        extent = ledger.extent(stream)
        for placed in ledger.read(stream, extent.first, extent.last):
            if any(opener.opens(kind, placed.message) for kind in kinds):
                return True
            found = False
    return found


def _is_stray(reader: JournalReader, placed: Placed) -> bool:
    """Let a reader take a message; return whether it was passed over."""
    before = reader.strays
    with suppress(BundleRefused):
        reader.take(placed.place, placed.message)
    return reader.strays > before


def _why(refused: BundleRefused) -> str:
    """Say why a stream cannot be owned, and what to do."""
    advice = {
        Flaw.OTHER_KEY: "give this registry the cluster's key file, or another cluster name",
        Flaw.OTHER_VERSION: "run the same version of ChatApp on all nodes",
        Flaw.UNKNOWN_ENTRY: "run the same version of ChatApp on all nodes",
    }.get(refused.flaw, "restore it from a backup")
    return f"{refused}; {advice}"
