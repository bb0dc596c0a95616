"""Loading: building the state from the files at rest and then from the journals.

For a damaged file, the whole records before the damage count, the file is kept under another name,
and one line reports it. A file that must exist and says nothing stops the start, since going on
without it would give people's names away. The administrator can order the store to go on by a file
of the same name that ends in `.lost`.

Replaying is idempotent. Each file at rest says up to which generation it is complete, and journals
of those generations are skipped for its owner. So a letter that was taken does not come back, even
if only its storing can be read in a damaged journal.
"""

import errno

from chatapp.registry.store.entries import (
    BanKept,
    CheckpointMark,
    DeskOwner,
    Entry,
    InviteMade,
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
from chatapp.registry.store.inventory import (
    FileFound,
    Inventory,
    foreign,
    journal_lack,
    names_lack,
    not_understood,
    placed,
    torn,
    unreadable,
)
from chatapp.registry.store.protocol import LOST_SUFFIX, Loaded, StoreLacking, StoreUnusable
from chatapp.registry.store.segments import (
    DESK,
    JOURNALS,
    NAMES,
    FileIndex,
    FileLayout,
    Place,
    is_at_rest,
    mailbox_owner,
)
from chatapp.registry.store.state import LoadedBuilder
from chatapp.wire.storage import (
    Disk,
    Journal,
    generation_in,
    journal_name,
    read_file,
    scan,
    set_aside,
)

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
        self._through: dict[
            Owner | None, int
        ] = {}  # up to which generation an owner's file is complete
        self._skipped = 0
        self._damage: list[str] = []
        self._inventory = Inventory()
        self._odd_looking: list[tuple[int, str, FileFound]] = []
        """Files that no complete checkpoint left like this, each with its folder and name: the
        journals show whether an interrupted one did."""
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
        """Read everything in the folder. Journals that a checkpoint has still to bring to rest are
        in `journals`."""
        self._layout.tidy()
        self._files = self._disk.names(self._layout.root)
        generations = sorted(filter(None, map(generation_in, self._files)))
        self._read_list()
        self._inventory.take_journals([*generations, *self._listed])
        if NAMES in self._files:
            self._read_names()
        for folder, name, path in self._layout.listing():
            self._read_file_at_rest(folder, name, path)
        self._check_names(
            is_told_of=any(generation not in generations for generation in self._listed)
        )
        self._check_journals(generations)
        for generation in generations:
            self._read_journal(generation)
        self._check_names(is_told_of=bool(self.journals))
        self._check_files()
        self.highest_generation = max(
            self.highest_generation, *self._listed, *self._through.values(), 0
        )
        return self._builder.loaded(self._index.state, skipped=self._skipped, damage=self._damage)

    @property
    def has_names(self) -> bool:
        """Whether there is a file of names that says up to which generation everything has come to
        rest."""
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
        """Check that the names exist. `is_told_of`: whether something shows that there were names.
        The first start of all writes their file last, before it serves anybody."""
        if (
            not self.has_names
            and not self.given_up
            and (is_told_of or self._through or self._has_past)
        ):
            self._lack(NAMES, names_lack(is_there=NAMES in self._files))

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
        for place, record in self._inventory.take_names(payloads):
            if isinstance(record, CheckpointMark):
                self._mark(None, record)
            elif isinstance(record, _NAMES_HOLD):
                self._take_in(record, place)
            else:
                odd += 1
        self._report_odd(self._layout.root, NAMES, NAMES, odd)
        line = self._inventory.names_end()
        if sound and line is not None:
            self._keep_damaged(self._layout.root, NAMES, line, keep=True)

    def _read_file_at_rest(self, folder: int, name: str, path: str) -> None:
        if not is_at_rest(path):
            self._damage.append(foreign(path))
            return
        data = self._content(folder, name, path)
        if data is None:
            self._inventory.note_unreadable(path)
            return
        found, records = self._inventory.read(path, data)
        owner: Owner | None = DeskOwner.DESK if name == DESK else mailbox_owner(name)
        odd = found.odd
        for place, record in records:
            if isinstance(record, CheckpointMark):
                if owner is not None:
                    self._mark(owner, record)
            elif record is not None:
                if (whose := owner_of(record)) == owner or self._is_file_of(whose, folder, name):
                    owner = whose
                    self._take_in(record, place)
                else:
                    odd += 1
        self._report_odd(folder, name, path, odd)
        if not self._inventory.is_as_left(found):
            self._odd_looking.append((folder, name, found))
        if owner is not None and found.whole:
            self._settle(owner, found)
        elif found.is_ended and not odd and not self._inventory.is_listed(path):
            self._disk.remove(
                folder, name
            )  # the file of a group that is gone: nothing in it says whose it was

    def _settle(self, owner: Owner, found: FileFound) -> None:
        """Let a file be appended to only if the last complete checkpoint left it like this: of an
        unfinished one, some bytes may be in the kernel's memory only, with the error already
        forgotten."""
        status = self._index.status(owner)
        status.size, status.generation = found.whole, found.mark
        if not self._index.state.holders(owner) or not self._inventory.is_as_left(found):
            self._index.mark_stale(owner)

    def _check_files(self) -> None:
        """Report files at rest that are not as the last checkpoint left them, unless an interrupted
        one made them so."""
        for folder, name, found in self._odd_looking:
            flaw = self._inventory.flaw(found, is_pending=bool(self.journals))
            if flaw is not None:
                self._keep_damaged(folder, name, flaw, keep=bool(found.whole))
        self._damage += self._inventory.missing()

    def _read_journal(self, generation: int) -> None:
        self.highest_generation = max(self.highest_generation, generation)
        root, name = self._layout.root, journal_name(generation)
        if generation <= self._at_rest:
            self._disk.remove(root, name)  # left over from a complete checkpoint
            return
        payloads, sound = self._recover(root, name, name)
        lack = journal_lack(payloads, is_whole=sound)
        is_begun = lack is None
        if lack is not None and generation in self._listed:
            self._lack(name, lack)
        if len(payloads) <= is_begun:
            if sound:
                self.unused.append(name)
            return
        odd = length = start = 0
        for place, payload in placed(payloads, generation):
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
        self.journals.append(
            Journal.reopen(self._disk, root, generation, start=start, length=length)
        )

    def _take_in(self, entry: Entry, place: Place) -> None:
        self._builder.note(entry)
        self._index.take_in(entry, place)

    def _mark(self, owner: Owner | None, marker: CheckpointMark) -> None:
        if owner is None or marker.generation <= self._inventory.newest:
            self._through[owner] = marker.generation
        else:  # it is of another time of this registry, or of another one, whose journals were others
            self._through[owner] = self._at_rest
        self.highest_generation = max(self.highest_generation, marker.generation)
        state = self._index.state
        state.highest_serial = max(state.highest_serial, marker.highest_serial)

    def _is_file_of(self, owner: Owner | None, folder: int, name: str) -> bool:
        return owner is not None and self._layout.locate(owner) == (folder, name)

    def _content(self, folder: int, name: str, shown: str) -> bytes | None:
        """Return a file's bytes. None, and a line, if it is no file that can be read."""
        try:
            return read_file(self._disk, folder, name)
        except OSError as error:
            if error.errno not in _NOT_A_FILE:
                raise StoreUnusable(shown, error.strerror or str(error)) from error
            self._keep_damaged(
                folder, name, unreadable(shown, error.strerror or str(error)), keep=False
            )
            return None

    def _recover(self, folder: int, name: str, shown: str) -> tuple[list[bytes], bool]:
        """Return the payloads of a file's whole records, and whether there is nothing else in
        it."""
        data = self._content(folder, name, shown)
        if data is None:
            return [], False
        payloads, whole = scan(data)
        if whole == len(data):
            return payloads, True
        line = torn(shown, len(payloads), len(data) - whole)
        self._keep_damaged(folder, name, line, keep=bool(payloads))
        return payloads, False

    def _report_odd(self, folder: int, name: str, shown: str, odd: int) -> None:
        if odd:
            self._skipped += odd
            self._keep_damaged(folder, name, not_understood(shown, odd), keep=True)

    def _keep_damaged(self, folder: int, name: str, line: str, *, keep: bool) -> None:
        try:
            self._damage.append(f"{line}; kept as {set_aside(self._disk, folder, name, keep=keep)}")
        except OSError as error:
            self._damage.append(f"{line}; it could not be kept ({error.strerror})")
