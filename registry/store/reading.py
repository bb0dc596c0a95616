"""This file is about reading single records back, from wherever they lie. It knows places, no meaning and no locks."""

from collections.abc import Mapping

from registry.store.disk import Disk
from registry.store.drawers import AT_REST, Place
from registry.store.entries import AtRest, Entry, Owner, decode
from registry.store.journal import Journal
from registry.store.records import HEADER_SIZE, unframe
from registry.store.shelf import Shelf


class Reader:
    """Reads one owner's records. Its file at rest is `at_rest`, or is opened by its name at the first need.

    To be closed; `at_rest` stays open.
    """

    def __init__(
        self,
        disk: Disk,
        shelf: Shelf,
        journals: Mapping[int, Journal],
        owner: Owner,
        at_rest: int | None,
    ) -> None:
        self._disk = disk
        self._shelf = shelf
        self._journals = journals
        self._owner = owner
        self._file = at_rest
        self._opened: int | None = None

    def record(self, place: Place) -> bytes | None:
        """The whole record, header and all, or None when it is damaged or gone. It never raises."""
        try:
            record = self._bytes(place)
        except (OSError, KeyError):
            return None
        return record if unframe(record) is not None else None

    def entry(self, place: Place) -> Entry | AtRest | None:
        """What the record says."""
        record = self.record(place)
        return decode(record[HEADER_SIZE:]) if record else None

    def close(self) -> None:
        if self._opened is not None:
            self._disk.close(self._opened)

    def _bytes(self, place: Place) -> bytes:
        if place.generation != AT_REST:
            return self._journals[place.generation].read(place.length, place.offset)
        if self._file is None:
            self._file = self._opened = self._shelf.open(self._owner)
        return self._disk.read(self._file, place.length, place.offset)
