"""Drawings of a terminal's screen: as SVG for a page, and as PNG (with Pillow and the font DejaVu
Sans Mono)."""

from collections.abc import Iterator
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Final, NamedTuple

import pyte
from PIL import Image, ImageDraw, ImageFont
from pyte.screens import Char

ROWS, COLUMNS = 20, 84
"""The size of a terminal that shows lines."""
WIDE, HIGH = 8.4, 18.0
"""Pixels of one character."""

FONTS: Final = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
MARGIN: Final = 14
BAR: Final = 30
NAMED: Final = {
    "black": "#000000",
    "red": "#e06c75",
    "green": "#7fb069",
    "brown": "#d19a66",
    "blue": "#61afef",
    "magenta": "#c678dd",
    "cyan": "#56b6c2",
    "white": "#d7dae0",
}

SCALE: Final = 2
"""Pixels of a PNG for one of an SVG."""
BUTTONS: Final = ("#e5605a", "#e0b04a", "#5fb65a")
FONT, BOLD = "DejaVuSansMono.ttf", "DejaVuSansMono-Bold.ttf"


class Look(NamedTuple):
    """The colours of a terminal."""

    ground: str
    ink: str
    dim: str


DARK: Final = Look("#16181d", "#d7dae0", "#8b919c")
NIGHT: Final = Look("#12151c", "#d6dbe7", "#7f8aa3")
"""The ground of the full screen's dark theme, so that the window has no frame of another colour."""
DAY: Final = Look("#fdfcf9", "#252a35", "#69707f")
"""The ground of the full screen's light theme."""


LINES: Final = {
    "─": "lr",
    "│": "ud",
    "╭": "dr",
    "╮": "dl",
    "╰": "ur",
    "╯": "ul",
}
"""Characters that are drawn as lines, and to which sides: in no font do they reach the next row."""


class _Run(NamedTuple):
    """Neighbours in a row that look the same."""

    column: int
    text: str
    columns: tuple[int, ...]
    """Where each character stands."""
    end: int
    ink: str
    ground: str
    is_bold: bool
    is_underlined: bool

    def lines(self) -> Iterator[tuple[int, str]]:
        """Yield where lines are drawn, and to which sides."""
        for column, character in zip(self.columns, self.text, strict=True):
            if character in LINES:
                yield column, LINES[character]

    def letters(self) -> list[tuple[int, str]]:
        """Return the other characters, and where each stands."""
        return [one for one in zip(self.columns, self.text, strict=True) if one[1] not in LINES]


def _line_ends(column: int, top: float, sides: str) -> Iterator[tuple[float, float, float, float]]:
    """Yield a line in pixels from the middle of a cell to each of these sides."""
    x, y = MARGIN + column * WIDE, top
    middle = x + WIDE / 2, y + HIGH / 2
    for side in sides:
        match side:
            case "l":
                yield *middle, x, middle[1]
            case "r":
                yield *middle, x + WIDE, middle[1]
            case "u":
                yield *middle, middle[0], y
            case _:
                yield *middle, middle[0], y + HIGH


def drawn(screen: pyte.Screen, look: Look = DARK) -> str:
    """Return the screen as SVG."""
    width, height = _size(screen)
    size = f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}"'
    about = f'role="img" aria-label="ChatApp on a terminal" font-size="14" font-family="{FONTS}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {about}>',
        f'<rect width="100%" height="100%" rx="9" fill="{look.ground}"/>',
        *(
            f'<circle cx="{MARGIN + 6 + 20 * place}" cy="18" r="6" fill="{colour}"/>'
            for place, colour in enumerate(BUTTONS)
        ),
    ]
    for row in range(screen.lines):
        parts += _row(screen, row, look)
    if not screen.cursor.hidden:
        x, y = MARGIN + screen.cursor.x * WIDE, BAR + MARGIN + screen.cursor.y * HIGH
        parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{WIDE}" height="{HIGH}" fill="{look.ink}" opacity="0.6"/>'
        )
    return "\n".join((*parts, "</svg>", ""))


def _size(screen: pyte.Screen) -> tuple[float, float]:
    """Return the width and the height of a picture in pixels."""
    return 2 * MARGIN + screen.columns * WIDE, BAR + 2 * MARGIN + screen.lines * HIGH


def _row(screen: pyte.Screen, row: int, look: Look) -> list[str]:
    """Return the elements of one row, with the place of each character: the widths of fonts
    differ."""
    top = BAR + MARGIN + row * HIGH
    grounds, texts = [], []
    for run in _runs(screen, row, look):
        if run.ground != look.ground:
            x, width = MARGIN + run.column * WIDE, (run.end - run.column) * WIDE
            grounds.append(
                f'<rect x="{x:.1f}" y="{top:.1f}" width="{width:.1f}" height="{HIGH}" fill="{run.ground}"/>'
            )
        path = " ".join(
            f"M{x:.1f} {y:.1f}L{to_x:.1f} {to_y:.1f}"
            for column, sides in run.lines()
            for x, y, to_x, to_y in _line_ends(column, top, sides)
        )
        if path:
            texts.append(f'<path d="{path}" stroke="{run.ink}" stroke-linecap="round"/>')
        if letters := run.letters():
            places = " ".join(f"{MARGIN + column * WIDE:.1f}" for column, _ in letters)
            text = escape("".join(character for _, character in letters))
            bold = ' font-weight="bold"' if run.is_bold else ""
            under = ' text-decoration="underline"' if run.is_underlined else ""
            texts.append(
                f'<text y="{top + 0.75 * HIGH:.1f}" x="{places}" fill="{run.ink}"{bold}{under}>{text}</text>'
            )
    return grounds + texts


def _runs(screen: pyte.Screen, row: int, look: Look) -> Iterator[_Run]:
    cells = [(column, screen.buffer[row][column]) for column in range(screen.columns)]
    for (ink, ground, is_bold, is_underlined), group in groupby(
        cells, lambda cell: _style(cell[1], look)
    ):
        run = list(group)
        shown = [(column, char.data[0]) for column, char in run if char.data.strip()]
        yield _Run(
            run[0][0],
            "".join(data for _, data in shown),
            tuple(column for column, _ in shown),
            run[-1][0] + 1,
            ink,
            ground,
            is_bold,
            is_underlined,
        )


def _style(char: Char, look: Look) -> tuple[str, str, bool, bool]:
    """Return the colours of a character and of its ground, and whether it is bold or underlined."""
    ink = look.dim if char.italics else _colour(char.fg, look.ink)
    ground = _colour(char.bg, look.ground)
    if char.reverse:
        ink, ground = ground, ink
    return ink, ground, bool(char.bold), bool(char.underscore)


def _colour(named: str, default: str) -> str:
    return default if named == "default" else NAMED.get(named, f"#{named}")


def painted(screen: pyte.Screen, path: Path, look: Look = DARK) -> None:
    """Write the screen as PNG. Raises OSError when the font is missing."""
    fonts = {bold: ImageFont.truetype(BOLD if bold else FONT, 14 * SCALE) for bold in (False, True)}
    width, height = _size(screen)
    image = Image.new("RGB", (round(width * SCALE), round(height * SCALE)), look.ground)
    brush = ImageDraw.Draw(image)
    for place, colour in enumerate(BUTTONS):
        x = (MARGIN + 6 + 20 * place) * SCALE
        brush.ellipse((x - 6 * SCALE, 12 * SCALE, x + 6 * SCALE, 24 * SCALE), fill=colour)
    if not screen.cursor.hidden:
        _fill(brush, screen.cursor.x, screen.cursor.x + 1, screen.cursor.y, look.dim)
    for row in range(screen.lines):
        runs = list(_runs(screen, row, look))
        for run in runs:
            if run.ground != look.ground:
                _fill(brush, run.column, run.end, row, run.ground)
        y = (BAR + MARGIN + row * HIGH + 1) * SCALE
        for run in runs:
            for column, character in run.letters():
                at = (MARGIN + column * WIDE) * SCALE, y
                brush.text(at, character, font=fonts[run.is_bold], fill=run.ink)
            for column, sides in run.lines():
                for from_x, from_y, to_x, to_y in _line_ends(
                    column, BAR + MARGIN + row * HIGH, sides
                ):
                    left, right = sorted((round(SCALE * from_x), round(SCALE * to_x)))
                    above, below = sorted((round(SCALE * from_y), round(SCALE * to_y)))
                    brush.rectangle(
                        (left, above, right + SCALE - 1, below + SCALE - 1), fill=run.ink
                    )
    # A picture of a terminal has few colours: a palette makes the file a third as long.
    image.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


def _fill(brush: ImageDraw.ImageDraw, left: int, right: int, row: int, colour: str) -> None:
    """Fill the cells of a row from one column to another."""
    x, y = MARGIN + left * WIDE, BAR + MARGIN + row * HIGH
    ends = (MARGIN + right * WIDE) * SCALE - 1, (y + HIGH) * SCALE - 1
    brush.rectangle((x * SCALE, y * SCALE, *ends), fill=colour)
