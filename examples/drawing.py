"""Drawings of a terminal's screen: as SVG for a page, and as PNG (with Pillow and the font DejaVu Sans Mono)."""

from html import escape
from itertools import groupby
from pathlib import Path
from typing import Final

import pyte
from PIL import Image, ImageDraw, ImageFont
from pyte.screens import Char

ROWS, COLUMNS = 20, 84
WIDE, HIGH = 8.4, 18.0
"""Pixels of one character."""

FONTS: Final = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
MARGIN: Final = 14
BAR: Final = 30
BACKGROUND: Final = "#16181d"
FOREGROUND: Final = "#d7dae0"
DIM: Final = "#8b919c"
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


def drawn(screen: pyte.Screen) -> str:
    """Return the screen as SVG."""
    width, height = 2 * MARGIN + COLUMNS * WIDE, BAR + 2 * MARGIN + ROWS * HIGH
    size = f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}"'
    about = f'role="img" aria-label="ChatApp on a terminal" font-size="14" font-family="{FONTS}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {about}>',
        f'<rect width="100%" height="100%" rx="9" fill="{BACKGROUND}"/>',
        *(
            f'<circle cx="{MARGIN + 6 + 20 * place}" cy="18" r="6" fill="{colour}"/>'
            for place, colour in enumerate(BUTTONS)
        ),
    ]
    for row in range(screen.lines):
        parts += _row(screen, row)
    x, y = MARGIN + screen.cursor.x * WIDE, BAR + MARGIN + screen.cursor.y * HIGH
    parts.append(
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{WIDE}" height="{HIGH}" fill="{FOREGROUND}" opacity="0.6"/>'
    )
    return "\n".join((*parts, "</svg>", ""))


def _row(screen: pyte.Screen, row: int) -> list[str]:
    """Return one element for each run of a style, with the place of each character: the widths of fonts differ."""
    cells = [(column, screen.buffer[row][column]) for column in range(screen.columns)]
    y = BAR + MARGIN + (row + 0.75) * HIGH
    pieces: list[str] = []
    for look, group in groupby(cells, lambda cell: _look(cell[1])):
        run = [(column, char.data) for column, char in group if char.data.strip()]
        if run:
            places = " ".join(f"{MARGIN + column * WIDE:.1f}" for column, _ in run)
            text = escape("".join(data[0] for _, data in run))
            pieces.append(f'<text y="{y:.1f}" x="{places}" {look}>{text}</text>')
    return pieces


def _look(char: Char) -> str:
    return f'fill="{_colour(char)}"' + (' font-weight="bold"' if char.bold else "")


def _colour(char: Char) -> str:
    return DIM if char.italics else FOREGROUND if char.fg == "default" else NAMED.get(char.fg, f"#{char.fg}")


def painted(screen: pyte.Screen, path: Path) -> None:
    """Write the screen as PNG. Raises OSError when the font is missing."""
    fonts = {bold: ImageFont.truetype(BOLD if bold else FONT, 14 * SCALE) for bold in (False, True)}
    width, height = 2 * MARGIN + COLUMNS * WIDE, BAR + 2 * MARGIN + ROWS * HIGH
    image = Image.new("RGB", (round(width * SCALE), round(height * SCALE)), BACKGROUND)
    brush = ImageDraw.Draw(image)
    for place, colour in enumerate(BUTTONS):
        x = (MARGIN + 6 + 20 * place) * SCALE
        brush.ellipse((x - 6 * SCALE, 12 * SCALE, x + 6 * SCALE, 24 * SCALE), fill=colour)
    left, top = screen.cursor.x * WIDE + MARGIN, BAR + MARGIN + screen.cursor.y * HIGH
    brush.rectangle((left * SCALE, top * SCALE, (left + WIDE) * SCALE, (top + HIGH) * SCALE), fill=DIM)
    for row in range(screen.lines):
        for column in range(screen.columns):
            char = screen.buffer[row][column]
            if char.data.strip():
                at = (MARGIN + column * WIDE) * SCALE, (BAR + MARGIN + row * HIGH + 1) * SCALE
                brush.text(at, char.data, font=fonts[bool(char.bold)], fill=_colour(char))
    image.save(path, optimize=True)
