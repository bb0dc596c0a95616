"""Loading: building the state from the files at rest and then from the journals.

For a damaged file, the whole records before the damage count, the file is kept under another name, and one line reports
it. A file that must exist and says nothing stops the start, since going on without it would give people's names away.
The administrator can order the store to go on by a file of the same name that ends in `.lost`.

Replaying is idempotent. Each file at rest says up to which generation it is complete, and journals of those generations
are skipped for its owner. So a letter that was taken does not come back, even if only its storing can be read in a
damaged journal.
"""

import errno
from collections.abc import Iterator

from chatapp.registry.store.entries import (
    BanKept,
    CheckpointMark,
    DeskOwner,
    Entry,
    InviteMade,
    JournalBegan,
    JournalsListed,
    NameBound,
    NameReserved,
    Owner,
    RoomMemberKept,
    SenderIndicesReserved,
    decode,
    decode_sign,
    owner_of,
)
from chatapp.registry.store.protocol import LOST_SUFFIX, Loaded, StoreLacking, StoreUnusable
from chatapp.registry.store.segments import (
    AT_REST,
    DESK,
    JOURNALS,
    NAMES,
    FileIndex,
    FileLayout,
    Place,
    mailbox_owner,
)
from chatapp.registry.store.state import LoadedBuilder
from chatapp.wire.storage.disk import Disk, read_file, set_aside
from chatapp.wire.storage.journal import HEADER_SIZE, Journal, generation_in, journal_name, scan

# Errors of what is no readable file: a link, a folder, a pipe, a bad sector.
_NOT_A_FILE = frozenset({errno.ELOOP, errno.EISDIR, errno.ESPIPE, errno.ENXIO, errno.EIO})


# What the file of names holds besides its mark.
_NAMES_HOLD = (NameBound, NameReserved, RoomMemberKept, InviteMade, BanKept, SenderIndicesReserved)


class Loading:
    """Reads a folder once, into `index`."""

    def __init__(
        self, disk: Disk, layout: FileLayout, index: FileIndex, *, folder: str, has_past: bool
    ) -> None:
        """`folder`: its name, for messages. `has_past`: whether a registry has run here before."""
        self._folder = folder
        self._has_past = has_past
        self._disk = disk
        self._layout = layout
        self._index = index
        self._builder = LoadedBuilder()
        self._through: dict[Owner | None, int] = {}  # up to which generation an owner's file is complete
        self._skipped = 0
        self._damage: list[str] = []
        # Files without the mark that every file at rest ends with.
        self._endless: list[tuple[int, str, str, int]] = []
        self._files: list[str] = []
        self._listed: list[int] = []
        """Generations that must exist, unless they have come to rest."""
        self.journals: list[Journal] = []
        self.unused: list[str] = []
        """Journals without entries, to be removed once there is another."""
        self.given_up: list[str] = []
        """Files that the administrator has declared lost, by the names that say so."""
        self.highest_generation = 0

    def run(self) -> Loaded:
        """Read everything in the folder. Journals that a checkpoint has still to bring to rest are in `journals`."""
        self._layout.tidy()
        self._files = self._disk.names(self._layout.root)
        generations = sorted(filter(None, map(generation_in, self._files)))
        self._read_list()
        if NAMES in self._files:
            self._read_names()
        for folder, name, shown in self._layout.listing():
            self._read_file_at_rest(folder, name, shown)
        self._check_names(is_told_of=any(one not in generations for one in self._listed))
        self._check_journals(generations)
        for generation in generations:
            self._read_journal(generation)
        self._check_names(is_told_of=bool(self.journals))
        if not self.journals:
            # Otherwise an unfinished checkpoint may have left them like this, and the journal has what they lack.
            self._report_endless()
        self.highest_generation = max(self.highest_generation, *self._listed, *self._through.values(), 0)
        return self._builder.loaded(self._index.state, skipped=self._skipped, damage=self._damage)

    @property
    def has_names(self) -> bool:
        """Whether there is a file of names that says up to which generation everything has come to rest."""
        return None in self._through

    @property
    def _at_rest(self) -> int:
        """The generation up to which everything has come to rest."""
        return self._through.get(None, 0)

    # --- what must be there

    def _read_list(self) -> None:
        if JOURNALS not in self._files:
            return
        payloads, _ = self._recover(self._layout.root, JOURNALS, JOURNALS)
        listed = decode_sign(payloads[0]) if payloads else None
        if isinstance(listed, JournalsListed):
            self._listed = listed.generations

    def _check_names(self, *, is_told_of: bool) -> None:
        """Check that the names exist. `is_told_of`: whether something shows that there were names. The first start of
        all writes their file last, before it serves anybody."""
        if not self.has_names and not self.given_up and (is_told_of or self._through or self._has_past):
            self._lack(NAMES, "damaged in its first record" if NAMES in self._files else "missing")

    def _check_journals(self, generations: list[int]) -> None:
        if not self._listed and (self._through or self._has_past):
            self._lack(JOURNALS, "damaged" if JOURNALS in self._files else "missing")
        if not self.has_names:
            return  # without the names nothing says which journals had come to rest
        for generation in self._listed:
            if generation > self._at_rest and generation not in generations:
                self._lack(journal_name(generation), "missing")

    def _lack(self, name: str, what: str) -> None:
        """Raise StoreLacking, unless the file is declared lost."""
        lost = name + LOST_SUFFIX
        if lost not in self._files:
            raise StoreLacking(self._folder, name, what)
        self.given_up.append(lost)
        self._damage.append(f"{name}: {what}; the registry goes on without it, as {lost} says")

    # --- reading

    def _read_names(self) -> None:
        payloads, sound = self._recover(self._layout.root, NAMES, NAMES)
        odd = 0
        for place, payload in _placed(payloads, AT_REST):
            record = decode(payload)
            if isinstance(record, CheckpointMark):
                self._mark(None, record)
            elif isinstance(record, _NAMES_HOLD):
                self._take_in(record, place)
            else:
                odd += 1
        self._report_odd(self._layout.root, NAMES, NAMES, odd)
        if sound and None not in self._through:
            self._endless.append((self._layout.root, NAMES, NAMES, len(payloads)))

    def _read_file_at_rest(self, folder: int, name: str, shown: str) -> None:
        payloads, sound = self._recover(folder, name, shown)
        owner: Owner | None = DeskOwner.DESK if name == DESK else mailbox_owner(name)
        marker: CheckpointMark | None = None
        size = odd = 0
        for place, payload in _placed(payloads, AT_REST):
            size += place.length
            record = decode(payload)
            marker = record if isinstance(record, CheckpointMark) else None
            if record is None or isinstance(record, CheckpointMark):
                odd += record is None
            elif (whose := owner_of(record)) == owner or self._is_file_of(whose, folder, name):
                owner = whose
                self._take_in(record, place)
            else:
                odd += 1
            if marker and owner is not None:
                self._mark(owner, marker)
        self._report_odd(folder, name, shown, odd)
        if sound and marker is None:
            self._endless.append((folder, name, shown, len(payloads)))
        if owner is not None and size:
            self._settle(owner, size, trusted=sound and marker is not None)
        elif marker is not None and sound and not odd:
            self._disk.remove(
                folder, name
            )  # the file of a group that is gone: nothing in it says whose it was

    def _settle(self, owner: Owner, size: int, *, trusted: bool) -> None:
        """Let a file be appended to only if the last complete checkpoint left it like this: of an unfinished one, some
        bytes may be in the kernel's memory only, with the error already forgotten."""
        self._index.status(owner).size = size
        is_hollow = not self._index.state.holders(owner)
        if is_hollow or not trusted or self._through[owner] > self._through.get(None, 0):
            self._index.mark_stale(owner)

    def _read_journal(self, generation: int) -> None:
        self.highest_generation = generation
        root, name = self._layout.root, journal_name(generation)
        if generation <= self._at_rest:
            self._disk.remove(root, name)  # left over from a complete checkpoint
            return
        payloads, sound = self._recover(root, name, name)
        is_begun = bool(payloads) and isinstance(decode_sign(payloads[0]), JournalBegan)
        if not is_begun and generation in self._listed:
            self._lack(name, "damaged in its first record" if payloads or not sound else "empty")
        if len(payloads) <= is_begun:
            if sound:
                self.unused.append(name)
            return
        odd = length = start = 0
        for place, payload in _placed(payloads, generation):
            length += place.length
            if is_begun and not place.offset:
                start = place.length
                continue
            record = decode(payload)
            if record is None or isinstance(record, CheckpointMark):
                odd += 1
            elif generation > self._through.get(owner_of(record), 0):
                self._take_in(record, place)
        self._report_odd(root, name, name, odd)
        self.journals.append(Journal.reopen(self._disk, root, generation, start=start, length=length))

    def _take_in(self, entry: Entry, place: Place) -> None:
        self._builder.note(entry)
        self._index.take_in(entry, place)

    def _mark(self, owner: Owner | None, marker: CheckpointMark) -> None:
        self._through[owner] = marker.generation
        state = self._index.state
        state.highest_serial = max(state.highest_serial, marker.highest_serial)

    def _is_file_of(self, owner: Owner | None, folder: int, name: str) -> bool:
        return owner is not None and self._layout.locate(owner) == (folder, name)

    def _recover(self, folder: int, name: str, shown: str) -> tuple[list[bytes], bool]:
        """Return the payloads of a file's whole records, and whether there is nothing else in it."""
        try:
            data = read_file(self._disk, folder, name)
        except OSError as wrong:
            if wrong.errno not in _NOT_A_FILE:
                raise StoreUnusable(shown, wrong.strerror or str(wrong)) from wrong
            self._keep_damaged(folder, name, f"{shown}: cannot be read ({wrong.strerror})", keep=False)
            return [], False
        payloads, whole = scan(data)
        if whole == len(data):
            return payloads, True
        what = "torn or damaged (a torn end is usual after a power cut)"
        line = f"{shown}: {len(payloads)} records are whole, the last {len(data) - whole} bytes are {what}"
        self._keep_damaged(folder, name, line, keep=bool(payloads))
        return payloads, False

    def _report_odd(self, folder: int, name: str, shown: str, odd: int) -> None:
        if odd:
            self._skipped += odd
            line = f"{shown}: {odd} records mean nothing to this version and were passed over"
            self._keep_damaged(folder, name, line, keep=True)

    def _report_endless(self) -> None:
        for folder, name, shown, count in self._endless:
            line = f"{shown}: {count} records are whole, its end is missing"
            self._keep_damaged(folder, name, line, keep=bool(count))

    def _keep_damaged(self, folder: int, name: str, line: str, *, keep: bool) -> None:
        try:
            self._damage.append(f"{line}; kept as {set_aside(self._disk, folder, name, keep=keep)}")
        except OSError as wrong:
            self._damage.append(f"{line}; it could not be kept ({wrong.strerror})")


def _placed(payloads: list[bytes], generation: int) -> Iterator[tuple[Place, bytes]]:
    """Yield each record with its place in the file."""
    offset = 0
    for payload in payloads:
        length = HEADER_SIZE + len(payload)
        yield Place(generation, offset, length), payload
        offset += length
