"""What a page shows beside the conversation: people and rooms, a search, how a message was delivered, a
safety number, what the doctor found, the help. `look` finds out what it shows."""

import contextlib
import time
from collections.abc import Sequence
from typing import ClassVar, Final

from markupsafe import Markup

from chatapp.peer.api import events
from chatapp.peer.api.events import Said
from chatapp.peer.api.requests import AcceptKey, ShowSafetyNumber
from chatapp.peer.api.state import State
from chatapp.peer.commands.arguments import usage
from chatapp.peer.commands.commands import commands_for, spelling_on_screen
from chatapp.peer.faces.web.limits import PLACES_SHOWN
from chatapp.peer.faces.web.page import macro
from chatapp.peer.view import lookups
from chatapp.peer.view.finding import pattern_of, snippet
from chatapp.peer.view.lookups import Place
from chatapp.peer.view.screen import ScreenView
from chatapp.peer.view.transfers import ShownFile
from chatapp.peer.view.view import Steps
from chatapp.peer.words import history
from chatapp.peer.words import members as words
from chatapp.peer.words import overlays as texts
from chatapp.peer.words.doctor import FindingText, finding_texts
from chatapp.peer.words.formatting import name as shown_name
from chatapp.peer.words.formatting import shown_clock, shown_time
from chatapp.peer.words.people import digit_groups
from chatapp.wire.errors import ChatAppError

_TEMPLATE: Final = "members/panels.html"


class Panel:
    """One of them."""

    title: ClassVar[str]
    kind: ClassVar[str]
    """The macro of its template."""

    note = ""
    """What there is to say below."""

    def __init__(self, view: ScreenView, about: str) -> None:
        """`about`: what it is about, as a form names it."""
        self._view: Final = view
        self.about: Final = about

    @property
    def _state(self) -> State:
        return self._view.state

    def is_stale(self, batch: Sequence[events.Event]) -> bool:  # noqa: ARG002 - most are not
        """Whether to look again after these events."""
        return False

    def look(self) -> Steps:
        """Find out what it shows."""
        yield from ()

    def html(self) -> Markup:
        """Return what stands below the title."""
        return macro(_TEMPLATE, self.kind, self)


class Places(Panel):
    """Where the user can go."""

    title = words.PLACES
    kind = "places"

    def __init__(self, view: ScreenView, about: str) -> None:
        super().__init__(view, about)
        known = [(row.conversation, row.unread) for row in view.rows()]
        self._places: Final = lookups.Places(known, view.people, me=view.state.name)

    def look(self) -> Steps:
        """Ask which rooms there are."""
        yield from self._places.look()
        self.note = self._places.note(is_empty=not self.places)

    @property
    def places(self) -> list[Place]:
        """Those whose names have the letters that were typed."""
        return [place for place, _ in self._places.fitting(self.about)[:PLACES_SHOWN]]


class Search(Panel):
    """Messages that have some words."""

    title = texts.SEARCH
    kind = "search"

    def __init__(self, view: ScreenView, about: str) -> None:
        super().__init__(view, about)
        self._search: Final = lookups.Search()
        self.note = self._search.note

    def look(self) -> Steps:
        """Look for the words."""
        if self.about.strip():
            yield from self._search.look(self.about, None)
            self.note = self._search.note

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
            for line in self._search.lines
        ]


class Why(Panel):
    """How a message was delivered."""

    title = texts.WHY
    kind = "why"

    def __init__(self, view: ScreenView, about: str) -> None:
        super().__init__(view, about)
        self._delivery: Final = lookups.Delivery(int(about))

    def look(self) -> Steps:
        """Look the message up."""
        yield from self._delivery.look()
        self.note = self._delivery.note

    def is_stale(self, batch: Sequence[events.Event]) -> bool:
        """Whether one of these events is about the message."""
        return self._delivery.is_stale(batch)

    @property
    def line(self) -> Said | None:
        """The message."""
        return None if self._delivery.trace is None else self._delivery.trace.line

    @property
    def at(self) -> str:
        """When it was said."""
        return "" if self.line is None else shown_time(self.line.at)

    @property
    def steps(self) -> list[str]:
        """What was done to deliver it."""
        trace = self._delivery.trace
        return [] if trace is None else history.trace_steps(trace)


class SafetyNumber(Panel):
    """The digits to compare with a person's."""

    title = words.VERIFY
    kind = "number"

    number: events.SafetyNumber | None = None

    def look(self) -> Steps:
        """Ask for the digits."""
        try:
            found = yield ShowSafetyNumber(name=self.about)
        except ChatAppError as error:
            self.note = texts.failed(error)
            return
        is_known = isinstance(found, events.SafetyNumber)
        self.number = found if is_known else None
        self.note = "" if is_known else words.nobody(self.about)

    def trust(self, digits: str) -> Steps:
        """Trust the key with these digits, which the user has compared."""
        with contextlib.suppress(ChatAppError):  # what `look` says of it
            yield AcceptKey(name=self.about, digits=digits)
        yield from self.look()

    @property
    def halves(self) -> list[tuple[str, list[str]]]:
        """Whose key each half is of, and its digits, a few together: one's own half first."""
        if self.number is None:
            return []
        mine, theirs = map(digit_groups, self.number.halves)
        return [(words.YOUR_HALF, mine), (words.half_of(self.number.name), theirs)]


class Doctor(Panel):
    """What keeps the user from the server."""

    title = texts.DOCTOR
    kind = "doctor"

    def __init__(self, view: ScreenView, about: str) -> None:
        super().__init__(view, about)
        self._examination: Final = lookups.Examination()
        self.note = texts.EXAMINING

    def look(self) -> Steps:
        """Examine the way to the server."""
        yield from self._examination.look()
        self.note = self._examination.note

    def is_stale(self, batch: Sequence[events.Event]) -> bool:
        """Whether the findings may be others after these events."""
        return self._examination.is_stale(batch)

    @property
    def findings(self) -> list[FindingText]:
        """What was found."""
        return finding_texts(self._examination.findings, self._state.server)


class Files(Panel):
    """The files that were offered, and how far each is."""

    title = words.FILES
    kind = "files"

    @property
    def files(self) -> list[ShownFile]:
        """The newest first."""
        return self._view.transfers.rows()

    @property
    def note(self) -> str:  # type: ignore[override]
        """What there is to say if there are none."""
        return "" if self.files else words.NO_FILES


class Help(Panel):
    """The keys, and the commands."""

    title = texts.HELP
    kind = "help"

    @property
    def keys(self) -> Sequence[tuple[str, str]]:
        """What keys do."""
        return words.KEYS + (words.DESK_KEYS if self._state.desk.is_operator else ())

    @property
    def commands(self) -> list[tuple[str, str]]:
        """What can be typed, and what it does."""
        rows = commands_for(is_operator=self._state.desk.is_operator)
        return [(usage(spelling_on_screen(row), row.shape), row.summary) for row in rows]


PANELS: Final[dict[str, type[Panel]]] = {
    "places": Places,
    "search": Search,
    "why": Why,
    "number": SafetyNumber,
    "doctor": Doctor,
    "files": Files,
    "help": Help,
}
"""Each panel, by the name under which forms ask for it."""
