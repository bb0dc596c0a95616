"""Building HTML: every text is escaped unless it is HTML already."""

from collections.abc import Iterable
from html import escape
from typing import Final, TypeAlias

from chatapp.wire.text import sanitize

_VOID: Final = frozenset({"br", "hr", "img", "input", "link", "meta"})
"""Elements without content and without an end tag."""


class Html(str):
    """A piece of HTML that is safe to send."""

    __slots__ = ()


Child: TypeAlias = "Html | str | Iterable[Child] | None"
Attribute: TypeAlias = str | int | bool | None


def element(tag: str, /, *children: Child, **attributes: Attribute) -> Html:
    """Return an element. `attributes`: `class_` becomes `class` and `aria_label` becomes
    `aria-label`; True writes the bare name, False and None leave it out."""
    written = "".join(_attribute(key, value) for key, value in attributes.items())
    if tag in _VOID:
        return Html(f"<{tag}{written}>")
    return Html(f"<{tag}{written}>{fragment(*children)}</{tag}>")


def fragment(*children: Child) -> Html:
    """Return children one after the other."""
    return Html("".join(map(_child, children)))


def several_lines(text: str) -> Html:
    """Return a text of a stranger with its line ends, to be shown where CSS keeps them
    (`white-space: pre-wrap`). What would reorder or hide its neighbours is made visible, as on a
    terminal."""
    return Html(escape("\n".join(map(sanitize, text.replace("\r\n", "\n").split("\n")))))


def _child(child: Child) -> str:
    match child:
        case None:
            return ""
        case Html():
            return child
        case str():
            return escape(sanitize(child))
        case _:
            return fragment(*child)


def _attribute(key: str, value: Attribute) -> str:
    name = key.rstrip("_").replace("_", "-")
    if value is None or value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{escape(str(value))}"'
