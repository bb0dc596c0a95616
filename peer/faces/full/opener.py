"""Opens what stands above the conversations, with what it takes from the view, and does what the user
chose there."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

from chatapp.peer.api import events
from chatapp.peer.api.conversations import DESK, NOBODY, Conversation, ConversationKind
from chatapp.peer.api.events import Said
from chatapp.peer.faces.full.theme import Signs
from chatapp.peer.words import overlays as texts

if TYPE_CHECKING:
    from chatapp.peer.faces.full.app import FullApp
    from chatapp.peer.faces.full.overlays.desk import DeskOverlay
    from chatapp.peer.faces.full.overlays.overlay import Overlay
    from chatapp.peer.view.desk import DeskView
    from chatapp.peer.view.transfers import FileAction

Result = TypeVar("Result")

# The overlays are imported when one is opened: a start need not wait for them.


class Opener:
    """Opens the overlays of one full screen."""

    def __init__(self, app: "FullApp", signs: Signs) -> None:
        self._app: Final = app
        self._signs: Final = signs
        self._desk: DeskOverlay | None = None

    def _open(
        self, overlay: "Overlay[Result]", chosen: "Callable[[Result | None], None] | None" = None
    ) -> None:
        """Open an overlay above all else; one is open at a time."""
        if not self.is_open:
            _ = self._app.push_screen(overlay, chosen)

    @property
    def is_open(self) -> bool:
        """Whether an overlay is open."""
        return len(self._app.screen_stack) > 1

    @property
    def is_desk_open(self) -> bool:
        """Whether the help desk is shown on a screen of its own."""
        return self._desk is not None and self._app.screen is self._desk

    def take_events(self, batch: Sequence[events.Event]) -> None:
        """Tell the overlay that is open what happened."""
        if self.is_open:
            from chatapp.peer.faces.full.overlays.overlay import Overlay

            for screen in self._app.screen_stack:
                if isinstance(screen, Overlay):
                    screen.take_events(batch)

    def search(self, typed: str = "") -> None:
        """Search in all conversations, or in the one that is open."""
        from chatapp.peer.faces.full.overlays.search import SearchOverlay

        here = self._app.view.open_pane.conversation
        conversation = None if here in (DESK, NOBODY) else here
        overlay = SearchOverlay(
            self._app.runner.perform, signs=self._signs, conversation=conversation, typed=typed
        )
        self._open(overlay, self._found)

    def _found(self, line: Said | None) -> None:
        if line is not None:
            self._app.run_worker(self._go_to_line(line))

    async def _go_to_line(self, line: Said) -> None:
        if not await self._app.jump_to(line.conversation, line.id):
            self._app.runner.show_here([texts.GONE])

    def why(self, id_: int) -> None:
        """Show how the line with this id was delivered."""
        from chatapp.peer.faces.full.overlays.reports import WhyOverlay

        self._open(WhyOverlay(id_, self._app.runner.perform, signs=self._signs))

    def doctor(self) -> None:
        """Show what keeps the user from the server."""
        from chatapp.peer.faces.full.overlays.reports import DoctorOverlay

        server = self._app.view.state.server
        self._open(DoctorOverlay(server, self._app.runner.perform, signs=self._signs))

    def files(self) -> None:
        """Show the files that were offered."""
        from chatapp.peer.faces.full.overlays.files import FilesOverlay

        view, runner = self._app.view, self._app.runner

        def act(id_: int, action: "FileAction") -> None:
            runner.begin(view.change_file(id_, action))

        self._open(FilesOverlay(view.transfers, act, signs=self._signs))

    def help(self) -> None:
        """Show the keys and the commands."""
        from chatapp.peer.faces.full.overlays.pickers import HelpOverlay

        is_operator = self._app.view.state.desk.is_operator
        keys = (*texts.SCREEN_KEYS, *(texts.OPERATOR_KEYS if is_operator else ()))
        self._open(HelpOverlay(keys, signs=self._signs, is_operator=is_operator), self._typed)

    def _typed(self, spelling: str | None) -> None:
        """Put a command into the input, behind a sign if it needs one there."""
        if spelling:
            self._app.composer.put(f"{spelling} ")

    def go_to(self) -> None:
        """Choose a conversation, a room or a person."""
        from chatapp.peer.faces.full.overlays.pickers import PlaceOverlay
        from chatapp.peer.view.lookups import Places

        view = self._app.view
        known = [(row.conversation, row.unread) for row in view.rows()]
        places = Places(known, view.people, me=view.state.name)
        overlay = PlaceOverlay(places, self._app.runner.perform, signs=self._signs)
        self._open(overlay, self._went)

    def table(self) -> None:
        """Show the table of people."""
        from chatapp.peer.faces.full.overlays.pickers import PeopleOverlay
        from chatapp.peer.view.lookups import PeopleTable

        table = PeopleTable(self._app.view.people)
        overlay = PeopleOverlay(table, self._app.runner.perform, signs=self._signs)
        self._open(overlay, self._went)

    def _went(self, conversation: Conversation | None) -> None:
        if conversation is None:
            return
        self._app.open_conversation(conversation)
        is_room = conversation.kind is ConversationKind.ROOM
        if is_room and not self._app.view.is_in(conversation):
            self._app.runner.press(f"/join {conversation.name}")

    def desk(self, desk: "DeskView") -> None:
        """Show the help desk on a screen of its own."""
        from chatapp.peer.faces.full.overlays.desk import DeskOverlay, DeskPane

        self._desk = DeskOverlay(DeskPane(desk, signs=self._signs), signs=self._signs)
        self._open(self._desk)

    def ask_name(self, command: str, desk: "DeskView") -> None:
        """Ask for the operator or the queue of a command of the desk, and carry it out."""
        from chatapp.peer.faces.full.overlays.pickers import NameOverlay

        if command == ".handover":
            title, known = texts.HAND_OVER, [other.operator for other in desk.colleagues]
        else:
            title, known = texts.TRANSFER, [other.queue for other in desk.other_queues]

        def named(name: str | None) -> None:
            if name:
                self._app.runner.press(f"{command} {name}")

        self._open(NameOverlay(title, known, signs=self._signs), named)
