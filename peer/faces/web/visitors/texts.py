"""What a visitor reads in the browser, from the catalogue of a language."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from chatapp.peer.api import visit_events
from chatapp.peer.api.errors import DeskFileRefused
from chatapp.peer.view.visit import VisitView
from chatapp.peer.words.catalog import ENGLISH, LANGUAGES, Catalog, catalog_of
from chatapp.peer.words.files import size_shown
from chatapp.peer.words.formatting import shown_clock, shown_day
from chatapp.peer.words.visitor import VisitorTexts
from chatapp.wire.errors import FormRefused
from chatapp.wire.text import QUOTED_MAX, sanitize

CATALOGS: Final = Path(__file__).parents[1] / "catalogs"
_MINUTE: Final = 60


class WebTexts:
    """The texts of one language."""

    def __init__(self, language: str) -> None:
        """Raises KeyError for a language that does not exist."""
        self.language: Final = language
        self._web: Final[Catalog] = catalog_of(language, CATALOGS)
        self._shared: Final[Catalog] = catalog_of(language)
        self._terminal: Final = VisitorTexts(self._shared)
        self._menu: Final = self._shared.translations("menu")

    def __call__(self, key: str, /, **values: object) -> str:
        """Return a text of the web desk."""
        return self._web.text(key, **values)

    @property
    def direction(self) -> str:
        """Whether the language is written from left to right (`ltr`) or from right to left
        (`rtl`)."""
        return self("language.direction")

    def issues(self, menu: Sequence[str]) -> list[str]:
        """Return the entries of the menu, translated if they are the usual ones."""
        return [sanitize(self._menu.get(issue, issue)) for issue in menu]

    def wrong(self, refused: FormRefused) -> str:
        """Return what is wrong with a field of the form."""
        return self(
            "form.wrong",
            what=self._shared.text(f"field.{refused.what}"),
            why=self._terminal.fault(refused),
        )

    def privacy(self, form: visit_events.FormWanted) -> str:
        """Return who reads what is written in the form, and for how long it is kept."""
        return self("form.privacy", kept=self._terminal.kept(form))

    def file_refused(self, refused: DeskFileRefused) -> str:
        """Return why a file was not taken or given."""
        most, kinds = size_shown(refused.limit), ", ".join(refused.kinds)
        return self(f"file.{refused.reason.name.lower()}", most=most, kinds=kinds)

    # --- where the visitor is

    def ahead(self, position: int) -> str:
        """Return how many are ahead."""
        match position - 1:
            case 0:
                return self("wait.next")
            case 1:
                return self("wait.ahead_one")
            case ahead:
                return self("wait.ahead", ahead=ahead)

    def estimate(self, estimate: visit_events.Estimate | None) -> str:
        """Return how long it may take, in whole minutes."""
        if estimate is None:
            return self("wait.no_estimate")
        least, most = estimate.least // _MINUTE, -(-estimate.most // _MINUTE)
        return self("wait.estimate", least=least, most=most)

    def outlook(self, view: VisitView) -> str:
        """Return how long it may take, as far as the registry has said; empty before that."""
        if not view.operators and view.estimate is None:
            return self("wait.nobody")
        return self.estimate(view.estimate) if view.estimate_known else ""

    def opening(self, opens_at: int) -> str:
        """Return when the desk opens. `opens_at`: Unix time; 0 if nobody knows."""
        if not opens_at:
            return ""
        day, clock = shown_clock(opens_at)
        return self(
            "closed.opens",
            day=shown_day(day) if self.language == ENGLISH else day.isoformat(),
            clock=clock,
        )

    def end(self, end: visit_events.VisitEvent | None) -> str:
        """Return why the visit is over."""
        match end:
            case visit_events.VisitEnded(cause=None):
                why = self._shared.text("over.unseen")
            case visit_events.VisitEnded(cause=cause) | visit_events.EndedUnseen(cause=cause) if (
                cause is not None
            ):
                why = self._shared.text(f"over.{cause.name.lower()}")
            case visit_events.VisitRefused(reason=reason):
                return self("over.refused", why=self._shared.text(f"refused.{reason.name.lower()}"))
            case visit_events.VisitorNotAdmitted():
                return self("over.not_admitted", why=self._terminal.not_admitted(end))
            case visit_events.QueueUnknown():
                return self("over.queue_unknown")
            case visit_events.DeskClosed():
                return self("over.sentence", why=self._shared.text("refused.closed").capitalize())
            case _:
                return self("over.gone")
        return self("over.sentence", why=why)

    def note(self, event: visit_events.VisitEvent) -> str:
        """Return what a note says; empty if this event needs none."""
        match event:
            case visit_events.Announced(operator=operator, text=text):
                return self("note.announced", operator=operator, text=text)
            case visit_events.DeskClosed(text=text):
                key = "note.closed_waiting_text" if text else "note.closed_waiting"
                return self(key, text=text.rstrip("."))
            case visit_events.ServerAnnounced(text=text):
                return self("note.server", text=text)
            case visit_events.ServerStopPlanned(reason=reason):
                key = "note.stop_planned_text" if reason else "note.stop_planned"
                return self(key, text=reason.rstrip("."))
            case visit_events.ServerStopCancelled():
                return self("note.stop_cancelled")
            case visit_events.ServerStopping():
                return self("note.stopping")
            case visit_events.SentBack(why=why, queue=queue):
                return self(f"note.back_{why.name.lower()}", queue=queue)
            case visit_events.VisitorLineRefused(text=text):
                refused = self._terminal.line_refused(event)
                if not text:  # what takes a line back has none
                    return self("over.sentence", why=refused.capitalize())
                quoted = sanitize(text, limit=QUOTED_MAX)
                return self("note.line_refused", why=refused, text=quoted)
            case visit_events.NotYourTurn():
                return self("note.not_your_turn")
            case visit_events.DescriptionRefused():
                return self("note.description_long")
            case visit_events.PositionGone():
                return self("note.rejoining")
            case visit_events.TicketNotStored():
                return self("note.not_stored")
            case _:
                return ""

    def away(self, *, has_place: bool) -> str:
        """Return that the registry does not answer."""
        return self("note.away_kept" if has_place else "note.away")


TEXTS: Final = {language: WebTexts(language) for language in LANGUAGES}
"""The texts of all languages."""


def language_of(accepted: str, *, otherwise: str) -> str:
    """Return the first of our languages that a browser accepts (the header `Accept-Language`), else
    `otherwise`."""
    weighed: list[tuple[float, str]] = []
    for part in accepted[:1_000].split(","):
        name, _, weight = part.strip().partition(";")
        weighed.append((_weight(weight), name.partition("-")[0].strip().lower()))
    weighed.sort(key=lambda one: -one[0])
    return next((name for weight, name in weighed if weight > 0 and name in LANGUAGES), otherwise)


def _weight(text: str) -> float:
    key, _, value = text.strip().partition("=")
    try:
        return float(value) if key == "q" else 1.0
    except ValueError:
        return 0.0
