"""Go to (Ctrl-K): choose a conversation, a room or a person by a few letters."""

from collections.abc import Sequence
from typing import Final

from textual.content import Content

from chatapp.peer.api.conversations import Conversation
from chatapp.peer.faces.full.overlays.overlay import Perform, Picker
from chatapp.peer.faces.full.theme import Signs
from chatapp.peer.view.lookups import Place, Places
from chatapp.peer.words import overlays as texts
from chatapp.peer.words.formatting import name


class PlaceOverlay(Picker[Conversation]):
    """Lists places, those with unread lines first, and finds them by letters in their order. Its
    result is the conversation that was chosen, which may be a room that does not exist yet."""

    def __init__(self, places: Places, perform: Perform, *, signs: Signs) -> None:
        super().__init__(texts.GO_TO, signs=signs, keys=(texts.GOES,))
        self._places: Final = places
        self._perform: Final = perform

    def on_mount(self) -> None:
        """Ask which rooms there are. Textual calls the method of `Picker` as well, which shows what
        is known."""
        self.run_worker(self._look())

    def look_for(self, typed: str) -> None:
        """Show the places that fit, the best one first."""
        fits = self._places.fitting(typed)
        width = max((len(name(place.title)) for place, _ in fits), default=0)
        self.show_rows(
            [(place.conversation, self._row(place, letters, width)) for place, letters in fits]
        )
        self.note(self._places.note(is_empty=not fits))

    def _row(self, place: Place, letters: Sequence[int], width: int) -> Content:
        shown = name(place.title)
        label = Content(shown.ljust(width))
        if place.is_news:
            label = label.stylize("bold")
        for at in letters if len(shown) == len(place.title) else ():
            label = label.stylize("bold $accent", at, at + 1)
        about = (place.about, "$chat-new" if place.is_news else "$chat-muted")
        return Content.assemble(self._sign(place), label, "  ", about)

    def _sign(self, place: Place) -> tuple[str, str]:
        if place.is_online:
            return f"{self._signs.online} ", "$success"
        what = place.conversation
        sign = self._signs.away if what.is_person else "#" if what.is_room else "*"
        return f"{sign} ", "$chat-muted"

    async def _look(self) -> None:
        await self._perform(self._places.look())
        chosen = self.chosen
        self.look_for(self._input.value)
        self.choose(chosen)
