"""How a terminal lays out lines: the time before each line, the date between two days, and rows
that end between words.

Lines, times and widths go in, rows come out. A row is at most as wide as the window, in cells: a
cell is the width of a Latin letter.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Final

from wcwidth import wcwidth

from chatapp.peer.words.formatting import Fragments, MessageLine, shown_clock, shown_day

TIME: Final = "class:time"
DATE: Final = "class:date"

MARGIN: Final = 6
"""Cells of the time and the blank before each line."""
LINE_END: Final = "\u23ce"
"""Stands for a line end inside a text (`wire.text.sanitize`). A terminal begins a new row there."""
_TAB: Final = 8
"""Cells that a tab takes at most."""
_INDENT_MAX: Final = 3
"""The indent takes at most the third part of a row."""


class Pages:
    """The lines of one terminal, from the first to the last: it knows which day the last line was
    from."""

    def __init__(self, *, today: date, is_utf8: bool) -> None:
        self._day = today
        self._rule = "\u2500\u2500" if is_utf8 else "--"

    def rows(
        self, line: Fragments, *, day: date, clock: str, hang: int, width: int
    ) -> list[Fragments]:
        """Return the rows of a line, and before them a date if the last line was from another day.
        `clock`: the time at which the line was said. `hang`: the cells by which all rows but the
        first are indented, behind the margin."""
        rows: list[Fragments] = []
        if day != self._day:
            self._day = day
            rows.append([(DATE, f"{self._rule} {shown_day(day)} {self._rule}"[:width])])
        if width < 3 * MARGIN:
            return [*rows, line]
        return [*rows, *wrapped([(TIME, f"{clock} "), *line], indent=MARGIN + hang, width=width)]

    def said(self, line: Fragments, *, at: float, hang: int, width: int) -> list[Fragments]:
        """As `rows`, for a line that was said at this Unix time."""
        day, clock = shown_clock(at)
        return self.rows(line, day=day, clock=clock, hang=hang, width=width)


def hang_of(line: str) -> int:
    """Return by how many cells the further rows of a line are indented: a message begins below its
    text."""
    if isinstance(line, MessageLine):
        return sum(map(cells_of, line[: line.text_at]))
    return 1 if line.startswith("[") else 2


def wrapped(line: Fragments, *, indent: int, width: int) -> list[Fragments]:
    """Cut a line into rows. Blanks where a row ends are dropped, and all rows but the first begin
    with the indent."""
    text = "".join(piece for _, piece in line)
    indent = min(indent, width // _INDENT_MAX)
    if len(text) <= width and text.isascii() and "\t" not in text:
        return [line]
    rows = [
        between(line, start, end) for start, end in breaks(text, first=width, later=width - indent)
    ]
    return [rows[0], *([("", " " * indent), *row] for row in rows[1:])]


def breaks(text: str, *, first: int, later: int) -> list[tuple[int, int]]:
    """Return where each row begins and ends in the text. `first`, `later`: the cells of the first
    row and of the others."""
    rows: list[tuple[int, int]] = []
    start = 0
    for paragraph in text.split(LINE_END):
        room = later if rows else first
        cut = _plain_rows if paragraph.isascii() and "\t" not in paragraph else _rows
        rows += cut(text, start, start + len(paragraph), room, later)
        start += len(paragraph) + len(LINE_END)
    return rows


def _plain_rows(
    text: str, start: int, end: int, first: int, later: int
) -> Iterator[tuple[int, int]]:
    """Do what `_rows` does, faster, for text of which each character takes one cell."""
    row, room = start, max(first, 1)
    while (at := row + room) < end:
        gap = text.rfind(" ", row + 1, at + 1)
        while gap > row and text[gap - 1] == " ":
            gap -= 1
        cut = gap if gap > row and not _is_long(text, at, gap, end, later) else at
        yield row, cut
        row, room = cut, max(later, 1)
        while row < end and text[row] == " ":
            row += 1
    if row < end or row == start:
        yield row, end


def _rows(text: str, start: int, end: int, first: int, later: int) -> Iterator[tuple[int, int]]:
    """Yield the rows of the text from `start` to `end`, in which there is no line end."""
    row, at, cells, room = start, start, 0, first
    gap = 0
    """Where the last blanks in the row begin that stand behind a word; not above `row`: there are
    none."""
    while at < end:
        is_blank = text[at] == " "
        if is_blank and at > row and text[at - 1] != " ":
            gap = at
        cells += cells_of(text[at])
        if cells > room and at > row:
            cut = gap if gap > row and not _is_long(text, at, gap, end, later) else at
            yield row, cut
            row, cells, room = cut, 0, later
            while row < end and text[row] == " ":
                row += 1
            at = row
        else:
            at += 1
    if row < end or row == start:
        yield row, end


def _is_long(text: str, at: int, gap: int, end: int, room: int) -> bool:
    """Return whether the word at `at`, behind the blanks at `gap`, is wider than a row: it is cut
    wherever it stands."""
    word_end = text.find(" ", at, end)
    if text[at] == " ":
        return False
    word = text[gap : word_end if word_end >= 0 else end].lstrip()
    return (len(word) if word.isascii() and "\t" not in word else sum(map(cells_of, word))) > room


def cells_of(character: str) -> int:
    """Return how many cells a character takes."""
    return _TAB if character == "\t" else max(wcwidth(character), 0)


def between(line: Fragments, start: int, end: int) -> Fragments:
    """Return the part of a line from the character `start` to the character `end`."""
    part: Fragments = []
    at = 0
    for style, text in line:
        piece = text[max(start - at, 0) : max(end - at, 0)]
        if piece:
            part.append((style, piece))
        at += len(text)
    return part


# --- links: a terminal opens what is shown, and nothing else (OSC 8).

LINK: Final = " link:"
"""Stands in the style of a link, behind that of its text and before its address."""
LINK_MAX: Final = 2_000
"""Characters of an address. A longer one is text."""
_LINK: Final = re.compile(rf"https?://[^\s{LINE_END}<>\"]+", re.IGNORECASE)
_BEHIND: Final = ".,;:!?'*_"
"""What stands behind an address in a sentence, and does not belong to it."""
_PAIRS: Final = {")": "(", "]": "[", "}": "{"}


def linked(line: Fragments) -> Fragments:
    """Return a line in which each address is a piece of its own, with LINK in its style. The text
    must be sanitized."""
    if not any("://" in text for _, text in line):
        return line
    made: Fragments = []
    for style, text in line:
        at = 0
        for found in _LINK.finditer(text):
            address = _address(found[0])
            if address.isascii() and len(address) <= LINK_MAX:
                start, end = found.start(), found.start() + len(address)
                made += [(style, text[at:start]), (f"{style}{LINK}{address}", address)]
                at = end
        made.append((style, text[at:]))
    return [(style, text) for style, text in made if text]


def _address(found: str) -> str:
    """Return an address without what the sentence puts behind it."""
    while found[-1] in _BEHIND or (
        found[-1] in _PAIRS and found.count(_PAIRS[found[-1]]) < found.count(found[-1])
    ):
        found = found[:-1]
    return found


def opened(address: str) -> str:
    """Return what a terminal is sent before the text of a link; without an address, after it."""
    return f"\x1b]8;;{address}\x1b\\"


def shows_links(environment: Mapping[str, str]) -> bool:
    """Return whether the terminal shows links, or at least passes them over."""
    term = environment.get("TERM", "")
    return term not in _WINDOWLESS and not term.startswith(("screen", "vt"))


# --- how a terminal draws attention to a message: the title of its window, and a notice on the desktop.

NOTICE_MAX: Final = 200
"""Characters of a notice."""
_PROGRAMS_OF_9: Final = frozenset({"iTerm.app", "WezTerm", "ghostty"})
_KITTY: Final = "xterm-kitty"
_TERMS_OF_777: Final = ("foot", "rxvt-unicode")

KEEP_TITLE: Final = "\x1b[22;2t"
"""Has the terminal remember the title of its window (XTWINOPS)."""
RESTORE_TITLE: Final = "\x1b[23;2t"
_WINDOWLESS: Final = frozenset({"", "linux", "vt100", "vt220"})
"""Terminals whose screen is no window."""


def notice(text: str, environment: Mapping[str, str]) -> str:
    """Return what a terminal is sent to show a notice on the desktop; empty where the terminal
    cannot, or may not. Inside of tmux and screen it may not: they pass no notices on."""
    shown = text if len(text) <= NOTICE_MAX else text[: NOTICE_MAX - 1] + "\u2026"
    term = environment.get("TERM", "")
    if environment.get("TMUX") or term.startswith(("screen", "tmux")):
        return ""
    if environment.get("TERM_PROGRAM") in _PROGRAMS_OF_9 or term == _KITTY:
        return f"\x1b]9;{shown}\x1b\\"
    if term.startswith(_TERMS_OF_777) or environment.get("VTE_VERSION"):
        return f"\x1b]777;notify;ChatApp;{shown.replace(';', ',')}\x1b\\"
    return ""


def title(me: str, unread: int, sender: str) -> str:
    """Return the title of the window. `me`: empty for a visitor of a help desk. `unread`: messages
    for the user since they last typed; `sender`: of the last one."""
    program = f"ChatApp {me}" if me else "ChatApp help desk"
    return f"({unread}) {sender} \u00b7 {program}" if unread else program


def titled(text: str, environment: Mapping[str, str]) -> str:
    """Return what a terminal is sent to give its window a title; empty where it has none. The
    sequence ends with ST, as some terminals ring after BEL."""
    return "" if environment.get("TERM", "") in _WINDOWLESS else f"\x1b]2;{text}\x1b\\"
