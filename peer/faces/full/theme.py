"""How the full screen looks: its colours, a dark and a light palette, and the colours of a terminal
that has only sixteen; and the signs that it draws besides words, in Unicode or in ASCII.

Widgets use the names of this module alone. Each colour is a variable of the stylesheet, such as
`$chat-muted`.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import msgspec
from textual.theme import Theme

from chatapp.peer.words.formatting import MARKS, OF_16, Mark, drawn_by

DARK: Final = "chatapp-dark"
LIGHT: Final = "chatapp-light"
DARK_256: Final = "chatapp-dark-256"
LIGHT_256: Final = "chatapp-light-256"
SIXTEEN: Final = "chatapp-16"

_DARK: Final = Theme(
    name=DARK,
    dark=True,
    primary="#5ccfb8",
    secondary="#7aa7ff",
    accent="#ffb86b",
    foreground="#d6dbe7",
    background="#12151c",
    surface="#181c26",
    panel="#212735",
    success="#7fd99a",
    warning="#f2c063",
    error="#ff7a88",
    variables={
        "chat-muted": "#7f8aa3",
        "chat-faint": "#4a546a",
        "chat-me": "#8fb4ff",
        "chat-rule": "#5a657d",
        "chat-new": "#ff9d73",
        "chat-calls": "#ffb86b",
        "chat-alarm-ground": "#5a1f2a",
        "chat-alarm": "#ffd9dd",
        "chat-selected": "#263149",
        "chat-open": "#2a3450",
        "chat-input": "#181c26",
        "border": "#5ccfb8",
        "border-blurred": "#2b3345",
        "block-cursor-background": "#5ccfb8",
        "block-cursor-foreground": "#12151c",
        "block-cursor-text-style": "none",
        "input-selection-background": "#35507a",
        "input-cursor-background": "#d6dbe7",
        "input-cursor-foreground": "#12151c",
        "scrollbar": "#3a4459",
        "scrollbar-hover": "#4d5a75",
        "scrollbar-active": "#5ccfb8",
        "scrollbar-background": "#12151c",
        "scrollbar-background-hover": "#12151c",
        "scrollbar-background-active": "#12151c",
        "scrollbar-corner-color": "#12151c",
        "footer-key-foreground": "#5ccfb8",
    },
)

_LIGHT: Final = Theme(
    name=LIGHT,
    dark=False,
    primary="#0b7a69",
    secondary="#2c5fce",
    accent="#a65300",
    foreground="#252a35",
    background="#fdfcf9",
    surface="#f3f1eb",
    panel="#e7e3d9",
    success="#1c7c3a",
    warning="#8f5f00",
    error="#b8243b",
    variables={
        "chat-muted": "#69707f",
        "chat-faint": "#b4b3ab",
        "chat-me": "#2455c3",
        "chat-rule": "#9b9a92",
        "chat-new": "#b8480f",
        "chat-calls": "#a65300",
        "chat-alarm-ground": "#f8d3d8",
        "chat-alarm": "#7c1021",
        "chat-selected": "#e3ebf8",
        "chat-open": "#d9e4f5",
        "chat-input": "#f3f1eb",
        "border": "#0b7a69",
        "border-blurred": "#d6d2c6",
        "block-cursor-background": "#0b7a69",
        "block-cursor-foreground": "#ffffff",
        "block-cursor-text-style": "none",
        "input-selection-background": "#bcd3f5",
        "input-cursor-background": "#252a35",
        "input-cursor-foreground": "#fdfcf9",
        "scrollbar": "#cbc7bb",
        "scrollbar-hover": "#b3afa2",
        "scrollbar-active": "#0b7a69",
        "scrollbar-background": "#fdfcf9",
        "scrollbar-background-hover": "#fdfcf9",
        "scrollbar-background-active": "#fdfcf9",
        "scrollbar-corner-color": "#fdfcf9",
        "footer-key-foreground": "#0b7a69",
    },
)

_SIXTEEN: Final = Theme(
    name=SIXTEEN,
    ansi=True,
    primary="ansi_cyan",
    secondary="ansi_bright_blue",
    accent="ansi_yellow",
    foreground="ansi_default",
    background="ansi_default",
    surface="ansi_default",
    panel="ansi_default",
    boost="ansi_default",
    success="ansi_green",
    warning="ansi_yellow",
    error="ansi_red",
    luminosity_spread=0.0,
    text_alpha=1.0,
    variables={
        "ansi-background": "ansi_default",
        "ansi-foreground": "ansi_default",
        "chat-muted": "ansi_default",
        "chat-faint": "ansi_default",
        "chat-me": "ansi_default",
        "chat-rule": "ansi_cyan",
        "chat-new": "ansi_yellow",
        "chat-calls": "ansi_yellow",
        "chat-alarm-ground": "ansi_default",
        "chat-alarm": "ansi_red",
        "chat-selected": "ansi_default",
        "chat-open": "ansi_default",
        "chat-input": "ansi_default",
        "border": "ansi_cyan",
        "border-blurred": "ansi_default",
        "block-cursor-background": "ansi_cyan",
        "block-cursor-foreground": "ansi_black",
        "block-cursor-text-style": "none",
        "input-selection-background": "ansi_cyan",
        "input-selection-foreground": "ansi_black",
        "input-cursor-background": "ansi_default",
        "input-cursor-foreground": "ansi_default",
        "scrollbar": "ansi_cyan",
        "scrollbar-hover": "ansi_cyan",
        "scrollbar-active": "ansi_cyan",
        "scrollbar-background": "ansi_default",
        "scrollbar-background-hover": "ansi_default",
        "scrollbar-background-active": "ansi_default",
        "scrollbar-corner-color": "ansi_default",
        "footer-key-foreground": "ansi_cyan",
    },
)


def _greys(
    theme: Theme, name: str, *, ground: str, surface: str, panel: str, selected: str
) -> Theme:
    """Return a theme for a terminal with 256 colours, whose darkest and lightest ones besides greys
    are garish."""
    grounds = {key: ground for key in theme.variables if key.startswith("scrollbar-background")}
    chosen = {"chat-input": surface, "chat-selected": selected, "chat-open": selected}
    return replace(
        theme,
        name=name,
        background=ground,
        surface=surface,
        panel=panel,
        variables={**theme.variables, **grounds, **chosen, "scrollbar-corner-color": ground},
    )


THEMES: Final = (
    _DARK,
    _LIGHT,
    _greys(
        _DARK, DARK_256, ground="#121212", surface="#1c1c1c", panel="#262626", selected="#3a3a3a"
    ),
    _greys(
        _LIGHT, LIGHT_256, ground="#ffffff", surface="#eeeeee", panel="#dadada", selected="#d0d0d0"
    ),
    _SIXTEEN,
)
OTHER: Final = {DARK: LIGHT, LIGHT: DARK, DARK_256: LIGHT_256, LIGHT_256: DARK_256}
"""The theme to which each one changes at the user's wish."""

_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    DARK: (
        "#ff8f8f", "#ffad70", "#e8c268", "#b8d468", "#7fd88f", "#5fd3bf", "#64c7ea",
        "#86b4ff", "#b3a1ff", "#d996f5", "#f58fd0", "#f2a3a8", "#c9b38c", "#93c7b0",
    ),
    LIGHT: (
        "#b32638", "#a8480a", "#856000", "#4f6d00", "#19753a", "#00726b", "#006e96",
        "#2459c4", "#5b45c9", "#8a2fb0", "#a82380", "#9c3d47", "#6d5a2f", "#2d6b57",
    ),
    SIXTEEN: tuple(colour.replace("ansi", "").replace("bright", "bright_") for colour in OF_16),
}  # fmt: skip
"""The colours of names. Each has a contrast of 4.5 and more to the ground of its theme, except the
terminal's own."""


_MANY: Final = 256


def name_colour(name: str, theme: str) -> str:
    """Return the colour of a person's name: the same at every start and on every machine."""
    colours = _NAMES[theme.removesuffix("-256")]
    return colours[drawn_by(name, len(colours))]


def theme_for(environment: Mapping[str, str], *, colours: int) -> str:
    """Return the theme for a terminal with so many colours. Light where the terminal says that its
    ground is (`COLORFGBG`, as rxvt, Konsole and others set it: the last number is the ground)."""
    if colours < _MANY:
        return SIXTEEN
    is_light = environment.get("COLORFGBG", "").rpartition(";")[2] in ("7", "15")
    if colours == _MANY:
        return LIGHT_256 if is_light else DARK_256
    return LIGHT if is_light else DARK


_BAR_CELLS: Final = 20
"""Cells of a bar."""


class Signs(msgspec.Struct, frozen=True, kw_only=True):
    """One set of signs."""

    is_utf8: bool
    rule: str
    online: str
    away: str
    notice: str
    alert: str
    sending: str
    cut: str
    """Stands at the end of what is cut."""
    between: str
    """Stands between two pieces of a bar."""
    up_down: str
    """Names the keys that move a choice."""
    fine: str
    wrong: str
    bar_signs: tuple[str, str]
    """What a bar is made of: as far as it has come, and the rest."""
    mark_width: int
    """Cells that the widest mark takes."""

    def bar(self, percent: int | None) -> str:
        """Return a bar with a blank behind it; empty for what is not on its way."""
        if percent is None:
            return ""
        done, left = self.bar_signs
        cells = min(percent, 100) * _BAR_CELLS // 100
        return f"{done * cells}{left * (_BAR_CELLS - cells)} "

    def mark(self, mark: Mark | None) -> str:
        """Return the sign of a message of ours; None: it is under way."""
        if mark is None:
            return self.sending
        _, sign, word = MARKS[mark]
        return sign if self.is_utf8 else word


UNICODE: Final = Signs(
    is_utf8=True,
    rule="─",
    online="●",
    away="○",
    notice="·",
    alert="!",
    sending="…",
    cut="…",
    between=" · ",
    up_down="↑↓",
    fine="✓",
    wrong="✗",
    bar_signs=("━", "┄"),
    mark_width=2,
)
ASCII: Final = Signs(
    is_utf8=False,
    rule="-",
    online="+",
    away="-",
    notice="*",
    alert="!",
    sending="...",
    cut="~",
    between=" | ",
    up_down="Up, Down",
    fine="+",
    wrong="!",
    bar_signs=("#", "."),
    mark_width=7,
)
