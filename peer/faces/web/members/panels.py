"""What a page shows beside the conversation: people and rooms, a search, how a message was delivered, a
safety number, what the doctor found, the help. Each finds out by itself what it shows."""

import sqlite3
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Final

from markupsafe import Markup

from chatapp.peer.api import events
from chatapp.peer.api.events import Said
from chatapp.peer.commands.arguments import usage
from chatapp.peer.commands.commands import commands_for, spelling_on_screen
from chatapp.peer.faces.web.limits import FOUND_SHOWN, PEOPLE_SHOWN
from chatapp.peer.faces.web.page import macro
from chatapp.peer.view.finding import pattern_of, snippet
from chatapp.peer.view.screen import ScreenView
from chatapp.peer.words import members as words
from chatapp.peer.words import overlays as texts
from chatapp.peer.words.doctor import finding_texts, summary_of
from chatapp.peer.words.formatting import name as shown_name
from chatapp.peer.words.formatting import shown_clock, shown_time
from chatapp.peer.words.history import trace_steps
from chatapp.peer.words.people import digit_groups
from chatapp.wire.errors import ChatAppError
from chatapp.wire.names import is_same_name

if TYPE_CHECKING:
    from chatapp.peer.sdk.client import Peer

_TEMPLATE: Final = "members/panels.html"
_WAY_EVENTS: Final = events.ServerLost | events.ServerBack | events.LinkTroubled | events.Registered


class Panel:
    """One of them."""

    title: ClassVar[str]
    kind: ClassVar[str]
    """The macro of its template."""
    concerns: ClassVar[object] = ()
    """The events after which it looks again."""

    def __init__(self, peer: "Peer", view: ScreenView, about: str) -> None:
        self._peer: Final = peer
        self._view: Final = view
        self.about: Final = about
        """What it is about, as a form names it."""
        self.note = ""
        """What there is to say below."""

    def is_concerned(self, batch: Sequence[events.Event]) -> bool:
        """Whether to look again after these events."""
        return any(isinstance(event, self.concerns) for event in batch)  # type: ignore[arg-type]

    async def look(self) -> None:
        """Find out what it shows."""
        try:
            await self._look()
        except sqlite3.Error as error:
            self.note = texts.unreadable(error)
        except ChatAppError as error:
            self.note = texts.failed(error)

    async def _look(self) -> None:
        raise NotImplementedError

    def html(self) -> Markup:
        """Return what stands below the title."""
        return macro(_TEMPLATE, self.kind, self)


class Places(Panel):
    """Who there is, and which rooms."""

    title = words.PLACES
    kind = "places"
    concerns = events.TableChanged | events.EnteredRoom | events.LeftRoom | events.Registered

    rooms: tuple[events.Room, ...] = ()

    async def _look(self) -> None:
        self.note = ""
        try:
            self.rooms = await self._peer.list_rooms()
        except ChatAppError as error:
            self.note = texts.rooms_unknown(error)

    @property
    def people(self) -> list[tuple[events.Person, str]]:
        """Everybody else, those who are online first, each with what there is to say."""
        me = self._view.state.name
        others = [one for one in self._view.people if not is_same_name(one.name, me)]
        others.sort(key=lambda one: (not one.online, one.name.casefold()))
        return [
            (one, texts.presence(is_online=one.online, since=one.since))
            for one in others[:PEOPLE_SHOWN]
        ]

    @property
    def left_out(self) -> int:
        """How many people are not listed."""
        return max(len(self._view.people) - 1 - PEOPLE_SHOWN, 0)


class Search(Panel):
    """Messages that have some words."""

    title = texts.SEARCH
    kind = "search"

    found: Sequence[Said] = ()

    async def _look(self) -> None:
        if not self.about.strip():
            self.note = texts.SEARCH_HINT
            return
        found = await self._peer.past.search(self.about, limit=FOUND_SHOWN)
        self.found = found[::-1]
        is_all = len(found) < FOUND_SHOWN
        self.note = texts.found(len(found), has_more=not is_all) if found else texts.NOTHING_FOUND

    @property
    def lines(self) -> list[tuple[Said, str, str, str]]:
        """The messages, the newest first: when, by whom and to whom, and what."""
        wanted, today = pattern_of(self.about), shown_clock(time.time())[0]
        return [
            (
                line,
                texts.short_time(line.at, today),
                f"{shown_name(line.sender)} {texts.addressed_to(line)}".strip(),
                snippet(line.text, wanted, cut="\u2026").text,
            )
            for line in self.found
        ]


class Why(Panel):
    """How a message was delivered."""

    title = texts.WHY
    kind = "why"
    concerns = events.MessageChanged | events.Unacknowledged

    line: Said | None = None
    steps: Sequence[str] = ()
    at = ""

    async def _look(self) -> None:
        trace = await self._peer.past.why(int(self.about))
        if trace is None:
            self.note = texts.GONE
            return
        self.line, self.steps, self.at = trace.line, trace_steps(trace), shown_time(trace.line.at)


class SafetyNumber(Panel):
    """The digits to compare with a person's."""

    title = words.VERIFY
    kind = "number"
    concerns = events.Trusted | events.KeyChanged

    number: events.SafetyNumber | None = None

    async def _look(self) -> None:
        found = await self._peer.trust.number(self.about)
        if isinstance(found, events.SafetyNumber):
            self.number, self.note = found, ""
        else:
            self.note = words.nobody(self.about)

    @property
    def groups(self) -> list[str]:
        """The digits, five together."""
        return [] if self.number is None else digit_groups(self.number.digits)


class Doctor(Panel):
    """What keeps the user from the server."""

    title = texts.DOCTOR
    kind = "doctor"
    concerns = _WAY_EVENTS

    findings: Sequence[object] = ()

    async def _look(self) -> None:
        self.note = texts.EXAMINING
        findings = await self._peer.examine(None)
        self.findings = finding_texts(findings, self._peer.server)
        self.note = summary_of(findings)


class Help(Panel):
    """The keys, and the commands."""

    title = texts.HELP
    kind = "help"
    keys: ClassVar = words.KEYS

    async def _look(self) -> None:
        pass

    @property
    def commands(self) -> list[tuple[str, str]]:
        """What can be typed, and what it does."""
        rows = commands_for(is_operator=self._view.state.desk.is_operator)
        return [(usage(spelling_on_screen(row), row.shape), row.summary) for row in rows]


PANELS: Final[dict[str, type[Panel]]] = {
    "places": Places,
    "search": Search,
    "why": Why,
    "number": SafetyNumber,
    "doctor": Doctor,
    "help": Help,
}
"""Each panel, by the name under which forms ask for it."""


def panel_named(name: str, peer: "Peer", view: ScreenView, about: str) -> Panel | None:
    """Return a new panel; None if none is called so."""
    kind = PANELS.get(name)
    return None if kind is None else kind(peer, view, about)
