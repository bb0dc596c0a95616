"""A person's page: what its templates show."""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import msgspec
from markupsafe import Markup
from starlette.responses import HTMLResponse

from chatapp.peer.api.conversations import (
    DESK,
    EVERYBODY,
    NOBODY,
    Conversation,
    ConversationKind,
    person,
    room,
)
from chatapp.peer.faces.web.limits import FORM_FIELD_MAX, ROWS_KEPT, ROWS_SHOWN
from chatapp.peer.faces.web.operators.pages import NO_PARTS
from chatapp.peer.faces.web.operators.pages import alert as desk_alert
from chatapp.peer.faces.web.operators.pages import parts as desk_parts
from chatapp.peer.faces.web.page import ENVIRONMENT, macro, page, with_links
from chatapp.peer.view.layout import LINE_END
from chatapp.peer.view.panes import ListRow
from chatapp.peer.words import full as texts
from chatapp.peer.words import members as words
from chatapp.peer.words.changes import quoted
from chatapp.peer.words.formatting import name as shown_name
from chatapp.peer.words.formatting import status_pieces
from chatapp.wire.errors import NameRefused
from chatapp.wire.limits import DESK_CLOSING_MAX, DESK_DESCRIPTION_MAX
from chatapp.wire.names import peer_name

if TYPE_CHECKING:
    from chatapp.peer.faces.web.members.window import Window

TITLE: Final = "ChatApp"
PARTS: Final = "members/parts.html"
_ALONE: Final = {"start": NOBODY, "everybody": EVERYBODY, "desk": DESK}
_KEY_OF: Final = {conversation: key for key, conversation in _ALONE.items()}
_SIGNS: Final = {
    ConversationKind.ROOM: "#",
    ConversationKind.EVERYBODY: "*",
    ConversationKind.DESK: "?",
}


def key_of(conversation: Conversation) -> str:
    """Return what a conversation is called in addresses and forms."""
    if (alone := _KEY_OF.get(conversation)) is not None:
        return alone
    kind = "room" if conversation.is_room else "claimed" if conversation.is_claimed else "person"
    return f"{kind}:{conversation.name}"


def conversation_of(key: str) -> Conversation | None:
    """Return the conversation that is called so; None for none."""
    if (alone := _ALONE.get(key)) is not None:
        return alone
    kind, _, named = key.partition(":")
    if kind == "claimed" and 0 < len(named) <= FORM_FIELD_MAX:  # as somebody calls themselves
        return person(named, is_claimed=True)
    make = {"room": room, "person": person}.get(kind)
    try:
        return None if make is None else make(peer_name(named))
    except NameRefused:
        return None


def _shown(text: str) -> Markup:
    """Return the text of an entry, which is safe to show, with its line ends and links."""
    return with_links(text.replace(LINE_END, "\n"))


ENVIRONMENT.filters |= {"shown": _shown, "key": key_of}


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the list."""

    key: str
    name: str
    sign: str = ""
    is_open: bool = False
    is_online: bool | None = None
    """None for what is no person."""
    about: str = ""
    is_muted: bool = False
    unread: int = 0
    count: str = ""
    unread_words: str = ""
    calls: bool = False


@lru_cache(maxsize=ROWS_KEPT)
def _drawn_row(row: ListRow, about: str) -> tuple[str, Markup]:
    """Return what a row is called, and its HTML: mostly the same in the windows of all members."""
    drawn = _row(row, about)
    return quote(drawn.key), macro(PARTS, "row", drawn)


def _about(row: ListRow, now: float) -> str:
    return texts.since(row.since, now=now) if row.since else ""


def _row(row: ListRow, about: str) -> Row:
    what = row.conversation
    named = what.name if what.is_room else str(what)
    return Row(
        key=key_of(what),
        name=shown_name(named),
        sign=_SIGNS.get(what.kind, ""),
        is_open=row.is_open,
        is_online=row.is_online,
        about=about,
        is_muted=row.is_muted,
        unread=row.unread,
        count=texts.unread_count(row.unread),
        unread_words=f", {words.unread_of(row.unread)}",
        calls=row.calls,
    )


def _anew(name: str, *values: object) -> Markup:
    """Return what the macro of a part writes."""
    return macro(PARTS, name.replace("-", "_"), *values)


class Drawn:
    """What a window has drawn: what is shown as before is not drawn again."""

    def __init__(self) -> None:
        self._parts: Final[dict[str, tuple[tuple[object, ...], Markup]]] = {}
        self._rows: Final[dict[int, tuple[ListRow, str, tuple[str, Markup]]]] = {}
        """By the ids of the rows as objects, which a view makes again when they have changed."""
        self._members: tuple[Sequence[ListRow], Sequence[Row]] = ((), ())

    def part(self, name: str, *values: object) -> Markup:
        """Return what the macro of a part writes for these values, which do not change."""
        drawn = self._parts.get(name)
        if drawn is None or drawn[0] != values:
            drawn = self._parts[name] = values, _anew(name, *values)
        return drawn[1]

    def rows(self, rows: Iterable[ListRow], wall: float) -> dict[str, Markup]:
        """Return the HTML of these rows at a Unix time, by what they are called, in their order."""
        get = self._rows.get
        drawn: dict[str, Markup] = {}
        for row in rows:
            known = get(id(row))
            if known is None or known[0] is not row or row.since:
                known = self._row(row, _about(row, wall))
            called, html = known[2]
            drawn[called] = html
        return drawn

    def _row(self, row: ListRow, about: str) -> tuple[ListRow, str, tuple[str, Markup]]:
        known = self._rows.get(id(row))
        if known is None or known[0] is not row or known[1] != about:
            if len(self._rows) > 2 * ROWS_SHOWN:
                self._rows.clear()
            known = self._rows[id(row)] = row, about, _drawn_row(row, about)
        return known

    def members(self, rows: Sequence[ListRow]) -> Sequence[Row]:
        """Return who is in a room."""
        if self._members[0] is not rows:
            self._members = rows, [_row(row, "") for row in rows]
        return self._members[1]


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What stands above the conversation."""

    name: str
    about: str
    room: str
    """Its name, if it is one."""
    is_entered: bool
    person: str
    """Whose key can be compared; empty for nobody."""
    elsewhere: str
    """How many lines are unread elsewhere; empty for none."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked above the input, or done about a line."""

    question: str
    yes_or_no: bool
    doing: str
    chosen: object
    quote: str
    emojis: Sequence[str] = words.EMOJIS


class Sent:
    """What a stream has told a browser."""

    def __init__(self) -> None:
        self.parts: Final[dict[str, Markup]] = {}
        self.rows: dict[str, Markup] = {}
        self.rest: dict[str, object] = {}
        """What is told each time, but for the version."""


class Page:
    """What a window shows at one moment."""

    def __init__(self, window: "Window", *, now: float, wall: float) -> None:
        """`now`: by the clock of the loop. `wall`: as Unix time."""
        view = window.view
        self.window: Final = window
        rows = view.rows()
        self._rows: Final = rows[:ROWS_SHOWN]
        self._left_out: Final = view.panes.left_out + max(len(rows) - ROWS_SHOWN, 0)
        self._unread: Final = sum(row.unread for row in rows)
        self._elsewhere: Final = sum(row.unread for row in rows if not row.is_open)
        self._status: Final = view.status(now=now)
        self._wall: Final = wall

    @property
    def title(self) -> str:
        """The title of the window."""
        what = self.window.view.open_pane.conversation
        named = "" if what == NOBODY else _title_of(what)
        if (desk := self.window.desk) is not None and desk.view.client is not None:
            named = shown_name(desk.view.client.name)
        return words.window_title(self.window.view.state.name, self._unread, named)

    def parts(self) -> dict[str, Markup]:
        """Return the parts of the page that change, by the ids of their elements."""
        window = self.window
        pane, sheet = window.view.open_pane, window.sheet
        status = msgspec.structs.replace(self._status, notes=(), room=None)
        left_out = texts.left_out(self._left_out) if self._left_out else ""
        has_older = sheet.has_more_above or (pane.has_older and pane.is_loaded)
        shown: dict[str, tuple[object, ...]] = {
            "desk-link": (window.view.state.desk.is_operator and not window.is_at_desk,),
            "me": (_classed(status_pieces(status)),),
            "left-out": (left_out,),
            "head": (self._head(),),
            "members": (window.drawn.members(window.view.members()),),
            "above": (has_older,),
            "below": (sheet.has_more_below,),
            "offers": (window.offers(),),
            "notes": ("; ".join(self._status.notes),),
        }
        parts = {id_: window.drawn.part(id_, *values) for id_, values in shown.items()}
        desk, asked, panel = window.desk, self._asked(), window.panel
        at_desk = NO_PARTS if desk is None else desk_parts(desk.view, desk.answers)
        # A line and a panel say something else later, so they are drawn each time.
        draw = window.drawn.part
        return (
            parts
            | at_desk
            | {
                "desk-state": draw("desk-state", self._desk_state()),
                "asked": draw("asked", asked) if asked.chosen is None else _anew("asked", asked),
                "panel": draw("panel", None) if panel is None else _anew("panel", panel),
            }
        )

    def _desk_state(self) -> str:
        window = self.window
        desk = window.desk
        if not window.is_at_desk or (desk is None and window.view.state.desk.is_operator):
            return ""
        return desk_alert(None if desk is None else desk.view, shown_name(window.view.state.name))

    def rows(self) -> dict[str, Markup]:
        """Return the rows of the list, by what they are called, in their order."""
        return self.window.drawn.rows(self._rows, self._wall)

    def _head(self) -> Head:
        view = self.window.view
        what = view.open_pane.conversation
        is_person = what.is_person and not what.is_claimed and what != NOBODY
        return Head(
            name=_title_of(what),
            about="" if what == NOBODY else view.about_open(),
            room=what.name if what.is_room else "",
            is_entered=view.is_in(what),
            person=what.name if is_person else "",
            elsewhere=texts.unread_count(self._elsewhere) if self._elsewhere else "",
        )

    @property
    def _visit(self) -> int:
        desk = self.window.desk
        return 0 if desk is None else desk.view.visit

    def _asked(self) -> Asked:
        window = self.window
        chosen = window.chosen
        doing = ""
        if chosen is not None and window.about:
            is_reply = window.about.startswith("r")
            doing = words.in_reply(chosen.sender) if is_reply else words.EDITING
        return Asked(
            question=window.question,
            yes_or_no=window.view.asks_yes_or_no,
            doing=doing,
            chosen=chosen,
            quote="" if chosen is None else quoted(chosen.said or chosen.text),
        )

    # --- the whole

    def news(self, *, since: int, sent: Sent) -> dict[str, object] | None:
        """Return what has changed since a version, and note it in `sent`; None if the browser has
        all."""
        window = self.window
        lines, rows = window.lines(), self.rows()
        changed = {id_: html for id_, html in self.parts().items() if sent.parts.get(id_) != html}
        changed_rows = {key: html for key, html in rows.items() if sent.rows.get(key) != html}
        changed_lines = {str(line.key): line.html for line in lines if line.version > since}
        rest: dict[str, object] = {
            "title": self.title,
            "with": key_of(window.view.open_pane.conversation),
            "desk": window.desk is not None,
            "visit": self._visit,
            "about": window.about,
            "placeholder": texts.placeholder(window.view.open_pane.conversation),
            "rows": list(rows),
            "keys": [line.key for line in lines],
        }
        once = self._told_once(since)
        if not (changed or changed_rows or changed_lines or once) and rest == sent.rest:
            return None
        sent.parts.update(changed)
        sent.rows = rows
        sent.rest = rest
        pieces = {"parts": changed, "row": changed_rows, "lines": changed_lines}
        return {"version": window.version, **rest, **pieces, **once}

    def _told_once(self, since: int) -> dict[str, object]:
        """Return what a browser does once: what it puts into its input, where it scrolls to, and
        who calls."""
        window = self.window
        told: dict[str, object] = {}
        if window.fill[0] > since:
            told["fill"] = window.fill[1]
        if window.taken_over[0] > since:
            told["draft"] = window.taken_over[1:]
        if window.reveal[0] > since:
            told["reveal"] = window.reveal[1]
        if calls := [(by, text) for at, by, text in window.calls if at > since]:
            told["calls"] = calls
        return told

    def home(self, *, proof_key: bytes, account: str = "") -> HTMLResponse:
        """Return the whole page. `proof_key`: by which it tells the program that it came from;
        empty if it need not. `account`: the address of the page of an account; empty for none."""
        window = self.window
        what = window.view.open_pane.conversation
        return page(
            "members/home.html",
            title=self.title,
            kind=" ".join(self._kinds()),
            visit=self._visit,
            announcement_max=DESK_DESCRIPTION_MAX,
            closing_max=DESK_CLOSING_MAX,
            parts=self.parts(),
            rows=Markup().join(self.rows().values()),
            log=self._log(),
            version=window.version,
            now=int(self._wall * 1_000),
            with_key=key_of(what),
            about=window.about,
            placeholder=texts.placeholder(what),
            draft=window.draft,
            proof_key=proof_key.hex(),
            account=account,
            over=words.OVER,
            closed=words.CLOSED,
            away=words.AWAY_DESK if account else words.AWAY,
            offer=words.FILES_TO_OFFER,
            takes_files=not self._visit or bool(window.desk and window.desk.view.files_largest),
            most=window.uploads.most,
            large=words.upload_too_large(window.uploads.most),
        )

    def _kinds(self) -> Iterator[str]:
        """The classes of the whole page."""
        yield "member"
        if self.window.view.open_pane.conversation == NOBODY:
            yield "start"
        if self.window.desk is not None:
            yield "desk"
        if self._visit:
            yield "serving"

    def frame(self, turn: int) -> HTMLResponse:
        """Return the log alone, which a browser without JavaScript asks for again and again."""
        notes = "; ".join(self._status.notes)
        return page(
            "members/log.html",
            title=self.title,
            kind="member frame",
            log=self._log(),
            notes=notes,
            turn=turn,
        )

    def _log(self) -> Markup:
        return Markup().join(line.html for line in self.window.lines())


def _title_of(what: Conversation) -> str:
    """Return the name of a conversation. `* everybody` of a terminal would be read out as it is."""
    return shown_name(str(what)) if what == EVERYBODY else texts.title_of(what)


def _classed(pieces: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Name the styles of a terminal as the style sheet does: `class:status.alarm` is `alarm`."""
    return [(style.rpartition(".")[2].removeprefix("class:"), text) for style, text in pieces]


def query_of(conversation: Conversation) -> str:
    """Return the part of an address that names a conversation."""
    return f"?with={quote(key_of(conversation))}"
