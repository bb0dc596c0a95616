"""The whole conversation after a start of the program: each line once and in order, whatever is
lost on the way.

The registry's transcript and the visitor's conversation are real; links break and programs end
between them.
"""

from hypothesis import given
from hypothesis import strategies as st

from chatapp.peer.api import visit_events
from chatapp.peer.api.form import StoredVisit
from chatapp.registry.rules.desk.talk.transcript import VISITOR, Transcript
from chatapp.wire.messages.desk import (
    AckDeskLines,
    DeskLine,
    LinesSaved,
    OperatorCause,
    ReturnToDesk,
    SendDeskLine,
)
from tests.peer.core.desk.scene import DESK, WALL, Scene
from tests.support.visits import line_of, own_line

OPERATOR = b"o" * 32
LONG = 40_000
"""Bytes of which two do not fit in the window of a reader."""


class Talk:
    """One visit, with a registry that stores lines at once."""

    def __init__(self) -> None:
        self.transcript = Transcript()
        self.disk = StoredVisit(ticket=b"t" * 16)
        self.on_the_way: list[DeskLine] = []
        self.count = 0
        self.new_lines: list[int] = []
        """The positions told as new, over all runs of the program."""
        self.start()

    def start(self) -> None:
        """Start the program with what its disk holds."""
        self.known: list[int] = []
        """The positions that this run knows: told, or said by it."""
        self.unshown: list[int] = []
        self.scene = Scene(ticket=self.disk.ticket, shown=self.disk.shown)
        self.relink()

    def relink(self) -> None:
        """Lose the link and what is on the way, and open a new one."""
        self.on_the_way.clear()
        self.scene.visit.handle(DESK)
        self.registry_reads()
        self.scene.serve(OperatorCause.RETURNED)
        self.registry_reads()

    def registry_reads(self) -> None:
        """Let the registry handle all requests."""
        for request in self.scene.said():
            match request:
                case ReturnToDesk():
                    self.transcript.resume(VISITOR, shown=request.shown, with_own=request.with_own)
                case AckDeskLines():
                    self.transcript.confirm(VISITOR, request.position)
                case SendDeskLine():
                    if request.number > self.transcript.taken(VISITOR):
                        self.known.append(self.add(VISITOR, request.number, request.text))
                    self.scene.visit.handle(LinesSaved(7, self.transcript.saved(VISITOR)))
        for line in self.transcript.due(VISITOR):
            number = line.number if line.author == VISITOR else 0
            name = "" if line.author == VISITOR else "bob"
            self.on_the_way.append(DeskLine(7, line.position, name, line.at, line.text, number))

    def add(self, author: bytes, number: int, text: str) -> int:
        """Store a line, and return its position."""
        line = self.transcript.take(author, name="", number=number, at=0, text=text)
        self.transcript.stored(line.position)
        return line.position

    def operator_says(self, size: int) -> None:
        """Let the operator say something."""
        if self.transcript.has_capacity("x" * size):
            self.count += 1
            self.add(OPERATOR, self.count, "x" * size)
            self.registry_reads()

    def visitor_says(self, size: int) -> None:
        """Let the visitor say something."""
        if self.transcript.has_capacity("x" * size):
            self.count += 1
            self.scene.visit.say("x" * size, wall=WALL + self.count)
            self.registry_reads()

    def hear(self) -> None:
        """Let the oldest line on the way arrive."""
        if self.on_the_way:
            self.scene.visit.handle(self.on_the_way.pop(0))
            for event in self.scene.visit.events():
                match event:
                    case visit_events.Said(number=position, is_late=is_late):
                        if not is_late:
                            self.new_lines.append(position)
                    case _:
                        continue
                assert position not in self.known
                self.known.append(position)
                self.unshown.append(position)
            self.registry_reads()

    def show(self) -> None:
        """Show the oldest line that was not shown, and store that."""
        if self.unshown:
            self.scene.visit.lines_shown(self.unshown.pop(0))
            self.scene.store()
            self.disk = self.scene.disk
            self.registry_reads()

    def finish(self) -> None:
        """Let everything arrive and be shown."""
        while self.on_the_way or self.unshown:
            self.hear()
            self.show()


STEPS = st.lists(
    st.one_of(
        st.sampled_from(["hear", "show", "hear", "show", "relink", "start"]),
        st.tuples(st.sampled_from(["operator", "visitor"]), st.sampled_from([1, LONG])),
    ),
    max_size=40,
)


@given(STEPS)
def test_every_run_knows_the_whole_conversation(steps: list[str | tuple[str, int]]) -> None:
    talk = Talk()
    for step in steps:
        match step:
            case "hear":
                talk.hear()
            case "show":
                talk.show()
            case "relink":
                talk.relink()
            case "start":
                talk.start()
            case ("operator", int(size)):
                talk.operator_says(size)
            case (_, int(size)):
                talk.visitor_says(size)
    talk.finish()
    kept = [line.position for line in talk.transcript]
    assert sorted(talk.known) == kept[-len(talk.known) :]
    # Another start: all of it comes again, in order, and nothing of it as new.
    before = list(talk.new_lines)
    talk.start()
    talk.finish()
    assert talk.known == kept
    assert talk.new_lines == before


def test_lines_of_an_earlier_run_come_with_their_authors_and_times() -> None:
    scene = Scene(ticket=b"t" * 16, shown=2)
    scene.visit.handle(DESK)
    scene.serve(OperatorCause.RETURNED)
    scene.visit.events()
    scene.visit.handle(DeskLine(7, 1, "", 1_500, "hello?", 77))
    scene.visit.handle(DeskLine(7, 2, "bob", 2_500, "hi"))
    scene.visit.handle(DeskLine(7, 3, "bob", 3_500, "are you there?"))
    assert scene.visit.events() == [
        own_line("", "hello?", 1, id=77, at=1.5, is_late=True),
        line_of("bob", "hi", 2, at=2.5, is_late=True),
        line_of("bob", "are you there?", 3, at=3.5),
    ]


def test_a_line_of_this_run_is_not_told_and_opens_the_window() -> None:
    scene = Scene()
    scene.join()
    scene.serve()
    scene.visit.say("hello?", wall=WALL)
    (said,) = scene.said()
    assert isinstance(said, SendDeskLine)
    scene.visit.events()
    scene.relink()
    scene.serve(OperatorCause.RETURNED)
    scene.said()
    scene.visit.events()
    scene.visit.handle(DeskLine(7, 1, "", 0, "hello?", said.number))
    scene.store()
    assert scene.visit.events() == []
    assert scene.said() == [AckDeskLines(7, 1)]
