"""This file is about pages of the table that are ready to be sent: many ask for the same one within a moment.

A page holds the rows that changed in (since, upto]. It is good until one of these changes again, and the last page of a
table until anything changes. It knows versions and bytes; it must not know what rows are.
"""

from typing import Final, NamedTuple

import msgspec

PAGES_KEPT: Final = 16


class _Page(NamedTuple):
    upto: int
    is_last: bool
    encoded: msgspec.Raw


class Pages:
    """The newest few, by the version after which they begin."""

    __slots__ = ("_pages",)

    def __init__(self) -> None:
        self._pages: dict[int, _Page] = {}

    def find(self, since: int) -> msgspec.Raw | None:
        """The page, if it is still good."""
        page = self._pages.get(since)
        return None if page is None else page.encoded

    def keep(self, since: int, upto: int, encoded: msgspec.Raw, *, is_last: bool) -> None:
        """A page just made."""
        if len(self._pages) >= PAGES_KEPT:
            del self._pages[next(iter(self._pages))]
        self._pages[since] = _Page(upto, is_last, encoded)

    def row_changes(self, version: int) -> None:
        """A row of this version (0 for none) gets a newer one."""
        if self._pages:
            self._pages = {
                since: page
                for since, page in self._pages.items()
                if not page.is_last and not since < version <= page.upto
            }
