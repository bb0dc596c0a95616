"""What the forms of a person's page do, each by its name."""

from collections.abc import Awaitable, Callable
from typing import Final

from chatapp.peer.api.conversations import DESK
from chatapp.peer.faces.web.forms import Fields, text_of
from chatapp.peer.faces.web.members.pages import conversation_of
from chatapp.peer.faces.web.members.window import Window
from chatapp.peer.view.panes import next_with_news
from chatapp.peer.view.transfers import FileAction
from chatapp.peer.words import members as words
from chatapp.wire.errors import ChatAppError
from chatapp.wire.names import peer_name

_DIGITS_MAX: Final = 9


class Unclear(ChatAppError):
    """A form cannot be carried out; the text says why."""


class Busy(ChatAppError):
    """A line is not carried out yet; the page asks for it again."""

    def __init__(self) -> None:
        super().__init__(words.BUSY)


def number_in(fields: Fields, name: str) -> int:
    """Return a number that the page has put into a form; 0 for none. Raises Unclear."""
    text = fields.get(name, "") or "0"
    if not (text.isascii() and text.isdecimal() and len(text) <= 2 * _DIGITS_MAX):
        raise Unclear("This page is out of date: reload it.")
    return int(text)


def _open(window: Window, fields: Fields) -> None:
    conversation = conversation_of(fields.get("with", ""))
    if conversation is None:
        raise Unclear("There is no such conversation.")
    window.draft = fields.get("text", window.draft)
    window.panel = None
    window.runner.choose(conversation)


def _go(window: Window, fields: Fields) -> None:
    """Open a conversation, and enter it if it is a room."""
    _open(window, fields)
    what = window.view.open_pane.conversation
    if what.is_room and not window.view.is_in(what):
        window.runner.press(f"/join {what.name}")


async def _say(window: Window, fields: Fields) -> None:
    conversation = conversation_of(fields.get("with", ""))
    if conversation is None:
        raise Unclear("There is no such conversation.")
    text, key, is_again = text_of(fields, "text"), number_in(fields, "key"), "again" in fields
    if conversation == DESK and window.desk is not None:
        visit = number_in(fields, "visit")
        if window.say_at_desk(text, visit=visit, key=fields.get("key", "")):
            return
        is_stored = await window.command_at_desk(text, key=key, is_again=is_again)
    else:
        about = fields.get("about", "")
        is_stored = await window.say(text, conversation, about=about, key=key, is_again=is_again)
    if not is_stored and "key" in fields:  # else it stands in the log as on its way
        raise Busy


def _answer(window: Window, fields: Fields) -> None:
    window.runner.enter(text_of(fields, "text"))


def _seen(window: Window, fields: Fields) -> None:
    window.seen(number_in(fields, "upto"), is_looking=fields.get("looking") == "1")


def _typing(window: Window, fields: Fields) -> None:
    window.type(fields.get("text", ""))


def _choose(window: Window, fields: Fields) -> None:
    window.choose_line(number_in(fields, "line"))


def _about(window: Window, fields: Fields) -> None:
    window.draft = fields.get("text", window.draft)
    window.begin_about(fields.get("what", ""))


def _panel(window: Window, fields: Fields) -> None:
    if (name := fields.get("name", "")) == "why":
        number_in(fields, "about")
    window.put_panel(name, fields.get("about", ""))


async def _find(window: Window, fields: Fields) -> None:
    conversation = conversation_of(fields.get("with", ""))
    if conversation is None or not await window.jump(conversation, number_in(fields, "id")):
        raise Unclear("This message is not in the history.")
    window.put_panel("")


async def _trust(window: Window, fields: Fields) -> None:
    await window.trust(fields.get("digits", ""))


def _join(window: Window, fields: Fields) -> None:
    window.put_panel("")
    window.runner.press(f"/join {peer_name(fields.get('room', '').strip().removeprefix('#'))}")


def _leave(window: Window, fields: Fields) -> None:
    window.runner.press(f"/leave {peer_name(fields.get('room', ''))}")


async def _file(window: Window, fields: Fields) -> None:
    for action in FileAction:
        if action.value in fields:
            await window.change_file(number_in(fields, action.value), action)
            return
    raise Unclear("Nothing is to be done about this file.")


async def _move(window: Window, fields: Fields) -> None:
    if "older" in fields:
        await window.show_older()
    elif "newest" in fields:
        window.show_newest()
    elif "gap" in fields:
        await window.fill_gap(number_in(fields, "gap"))
    elif "new" in fields:
        await window.show_first_new()
    elif (conversation := next_with_news(window.view.rows())) is not None:
        window.runner.choose(conversation)


ACTIONS: Final[dict[str, Callable[[Window, Fields], Awaitable[None] | None]]] = {
    "open": _open,
    "go": _go,
    "say": _say,
    "answer": _answer,
    "seen": _seen,
    "typing": _typing,
    "choose": _choose,
    "about": _about,
    "panel": _panel,
    "find": _find,
    "trust": _trust,
    "join": _join,
    "leave": _leave,
    "file": _file,
    "move": _move,
}
"""What each form of the page does."""
