"""Where the drawn rows are after the window was made narrower: most terminals break rows that are too long in two.

What was drawn is erased from its first row on, so that row must be found, or a part of the line being typed stays behind.
"""

from collections.abc import Mapping, Sequence
from typing import Final

_UNBROKEN: Final = ("linux", "vt")
"""Terminals that cut rows off instead; so does xterm, which says who it is."""


def breaks_rows(environment: Mapping[str, str]) -> bool:
    """Return whether the terminal breaks rows that are too long for a narrower window."""
    is_inside = bool(environment.get("TMUX"))
    is_xterm = bool(environment.get("XTERM_VERSION")) and not is_inside
    return not is_xterm and not environment.get("TERM", "").startswith(_UNBROKEN)


def rows_more(above: Sequence[int], column: int, *, width: int) -> int:
    """Return by how many rows the cursor is further below the first drawn row than before. `above`: the cells of the rows
    above the cursor's; `column`: the cursor's place in its row; `width`: the new one of the window."""
    return sum(max(cells - 1, 0) // width for cells in above) + column // width
