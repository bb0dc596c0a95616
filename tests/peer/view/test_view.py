"""What holds for every view: it depends on the events that it was given and on nothing else, none of
them is lost, marks only go forward, and unread is what was not painted."""

from collections.abc import Generator, Sequence
from itertools import count, pairwise
from typing import Any, Final, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chatapp.peer.api import events, requests
from chatapp.peer.api.conversations import EVERYBODY, Conversation, person, room
from chatapp.peer.api.events import Event, MessageChanged, MessageState, Said
from chatapp.peer.api.past import ConversationState, Lines
from chatapp.peer.api.state import DeskState, PeerState, RoomState, State
from chatapp.peer.commands.completion import CompletionIndex
from chatapp.peer.view.flow import FlowView
from chatapp.peer.view.screen import Attention, ScreenView
from chatapp.peer.view.view import Briefly, CatchUp, Start, Step
from chatapp.peer.words.formatting import LINE_MAX, Mark, TypedLine, is_behind
from chatapp.wire.address import Address

Result = TypeVar("Result")
PLACES: Final = (person("bob"), person("carol"), room("lab"), EVERYBODY)
ALL_PLACES: Final = (*PLACES, room("bob"))
STATE: Final = State(
    name="alice",
    state=PeerState.ONLINE,
    server=Address("192.0.2.1", 5000),
    address=Address("192.0.2.1", 5000),
    folder="/nowhere",
    rooms=(RoomState(name="lab"), RoomState(name="den")),
)


def said(number: int, where: Conversation, *, is_late: bool = False) -> Said:
    return Said(
        conversation=where,
        id=number,
        sender="bob" if where.is_room or where == EVERYBODY else where.name,
        identity=b"",
        number=number,
        text=f"line {number}",
        at=1_800_000_000.0 + number,
        is_late=is_late,
    )


class History:
    """A history, and what else answers requests."""

    def __init__(self) -> None:
        self.lines: list[Said] = []
        self.read: dict[Conversation, int] = {}
        self.asked: list[object] = []
        self.by_key: dict[int, requests.Sent] = {}

    def answer(self, step: Step) -> object:
        self.asked.append(step)
        match step:
            case requests.ReadPage(conversation=where, before=before, after=after, limit=limit):
                lines = [line for line in self.lines if where in (None, line.conversation)]
                if after is not None:
                    newer = [line for line in lines if line.id > after]
                    return Lines(lines=tuple(newer[:limit]))
                lines = [line for line in lines if before is None or line.id < before]
                return Lines(lines=tuple(lines[-limit:]))
            case requests.ListConversations():
                return requests.Conversations(conversations=tuple(self._states()))
            case requests.MarkRead(conversation=where, id=id_):
                self.read[where] = max(id_, self.read.get(where, 0))
            case requests.SearchPast():
                return Lines(lines=())
            case requests.Send(conversation=where, key=key):
                sent = requests.Sent(conversation=where, id=1_000 + len(self.asked))
                if key:
                    self.by_key[key] = sent
                return sent
            case requests.FindSent(key=key):
                return self.by_key.get(key)
            case requests.ListPeople() | requests.ListFiles():
                return ()
            case requests.CountOnline():
                return 0
            case requests.Cancel(id=id_) | requests.Retract(id=id_):
                return requests.Sent(conversation=person("bob"), id=id_ if id_ % 2 else 1_000)
            case requests.SetStatus(away=away):
                return events.StatusSet(status="", away=away)
            case requests.Mute(conversation=where, seconds=seconds):
                return events.Muted(conversation=where, is_muted=seconds != 0)
            case requests.IsLineForDesk():
                return False
            case _:
                pass
        return None

    def _states(self) -> list[ConversationState]:
        states = []
        for where in ALL_PLACES:
            lines = [line for line in self.lines if line.conversation == where]
            read = self.read.get(where, 0)
            unread = sum(line.id > read for line in lines)
            if lines:
                states.append(
                    ConversationState(conversation=where, unread=unread, read=read, last=lines[-1])
                )
        return states

    def perform(self, steps: Generator[Step, Any, Result]) -> Result:
        """Carry out steps to their end."""
        try:
            step = next(steps)
            while True:
                step = steps.send(self.answer(step))
        except StopIteration as end:
            result: Result = end.value
            return result


class Window:
    """A view of a full screen, and the history that it stands on."""

    def __init__(self, history: History, *, is_looking: bool = True) -> None:
        self.history: Final = history
        self.view: Final = ScreenView(STATE, wall=lambda: 1_900_000_000.0, draw_line=lambda: 7)
        self.view.attention = lambda: Attention(is_looking=is_looking)
        self.seen: list[Event] = []
        history.perform(self.view.begin())
        self.update()

    def handle(self, *batch: Event) -> None:
        self.view.handle(batch, STATE, (), now=0.0)
        self.update()

    def update(self) -> None:
        changes = self.view.take_changes()
        self.seen += changes.seen
        for steps, _ in changes.work:
            self.history.perform(steps)
            self.update()

    def load(self, where: Conversation) -> None:
        self.history.perform(self.view.load(self.view.panes.pane(where)))
        self.update()

    def paint(self, where: Conversation) -> None:
        """Open a conversation, and paint its log to the end."""
        self.view.choose(where)
        self.load(where)
        entries = self.view.open_pane.log.entries
        self.view.painted(self.view.open_pane, entries[-1] if entries else None)
        self.update()

    def texts(self, where: Conversation) -> list[str]:
        return [one.text for one in self.view.panes.pane(where).log.entries if one.id]

    def unread(self) -> dict[Conversation, int]:
        return {where: self.view.panes.pane(where).unread for where in PLACES}


NUMBERED = st.lists(st.tuples(st.sampled_from(PLACES), st.booleans()), max_size=30).map(
    lambda lines: [
        said(number, where, is_late=is_late) for number, (where, is_late) in enumerate(lines, 1)
    ]
)
NOTICES: Final[tuple[Event, ...]] = (
    events.ServerLost(),
    events.ServerBack(),
    events.PersonCame(name="carol"),
    events.MemberJoined(room="lab", name="dave"),
    events.TopicKnown(room="lab", text="noon", author="bob", at=0.0, is_change=True),
    events.KeyChanged(name="bob"),
)
EVENTS = st.lists(st.sampled_from(PLACES) | st.sampled_from(NOTICES), min_size=1, max_size=30).map(
    lambda several: [
        said(number, one) if isinstance(one, Conversation) else one
        for number, one in zip(count(1), several, strict=False)
    ]
)


@given(EVENTS, st.lists(st.integers(0, 30), max_size=5))
def test_a_view_shows_the_same_however_events_come_in_batches(
    batch: list[Event], cuts: list[int]
) -> None:
    whole, parts = Window(History()), Window(History())
    pipes = [
        FlowView(STATE, is_screen=False, completions=None, draw_line=lambda: 7) for _ in range(2)
    ]
    whole.handle(*batch)
    pipes[0].handle(batch, STATE, (), now=0.0)
    places = sorted({0, len(batch), *(cut for cut in cuts if cut < len(batch))})
    for first, after in pairwise(places):
        parts.handle(*batch[first:after])
        pipes[1].handle(batch[first:after], STATE, (), now=0.0)
    for one, other in zip(whole.view.panes.all(), parts.view.panes.all(), strict=True):
        assert one.conversation == other.conversation
        assert [entry.text for entry in one.log.entries] == [
            entry.text for entry in other.log.entries
        ]
        assert (one.unread, one.calls) == (other.unread, other.calls)
    assert pipes[0].take_changes().lines == pipes[1].take_changes().lines
    assert whole.view.rows() == parts.view.rows()


@given(NUMBERED, st.integers(0, 30))
def test_a_second_window_shows_what_the_first_one_does(lines: list[Said], begun: int) -> None:
    history = History()
    first = Window(history, is_looking=False)
    for line in lines[:begun]:
        history.lines.append(line)
        first.handle(line)
    second = Window(history, is_looking=False)
    for line in lines[begun:]:
        history.lines.append(line)
        first.handle(line)
        second.handle(line)
    for where in PLACES:
        for window in (first, second):
            window.load(where)
        assert first.texts(where) == second.texts(where)
        assert first.texts(where) == [one.text for one in lines if one.conversation == where]
    assert first.unread() == second.unread()


@given(NUMBERED, st.lists(st.sampled_from(PLACES), max_size=8))
def test_no_line_is_lost_and_unread_is_what_was_not_painted(
    lines: list[Said], painted: list[Conversation]
) -> None:
    history = History()
    window = Window(history)
    waiting: dict[Conversation, list[Said]] = {where: [] for where in PLACES}
    seen: list[Said] = []
    for place, line in enumerate(lines):
        history.lines.append(line)
        window.handle(line)
        waiting[line.conversation].append(line)
        if place < len(painted):
            where = painted[place]
            window.paint(where)
            seen += waiting[where]
            waiting[where] = []
        assert window.unread() == {where: len(waiting[where]) for where in PLACES}
        assert window.seen == seen
    for where in PLACES:
        window.paint(where)
    assert sorted(one.id for one in window.seen if isinstance(one, Said)) == [
        line.id for line in lines
    ]
    assert not any(window.unread().values())
    assert history.read == {
        where: max(line.id for line in lines if line.conversation == where)
        for where in {line.conversation for line in lines}
    }


NO_BOX: Final = '[No person or room called "box".]'


@pytest.mark.parametrize(
    ("typed", "asked"),
    [
        ("/history bob 5", requests.ReadPage(conversation=person("bob"), limit=5)),
        ("/history Lab", requests.ReadPage(conversation=room("lab"), limit=20)),
        ("/history #bob", requests.ReadPage(conversation=room("bob"), limit=20)),
        ("/history everybody", requests.ReadPage(conversation=EVERYBODY, limit=20)),
        ("/history box", NO_BOX),
        ("/search noon in bob", requests.SearchPast(words="noon", conversation=person("bob"))),
        ("/search noon in #bob", requests.SearchPast(words="noon", conversation=room("bob"))),
        ("/search put in box", requests.SearchPast(words="put in box")),
    ],
)
@pytest.mark.parametrize("is_screen", [True, False])
def test_the_past_of_one_conversation_is_read_by_its_name(
    typed: str, asked: requests.Request[Lines] | str, is_screen: bool
) -> None:
    history = History()
    history.lines += [said(1, room("lab")), said(2, room("bob")), said(3, person("bob"))]
    flow = FlowView(
        STATE,
        is_screen=is_screen,
        completions=None,
        draw_line=lambda: 7,
        start=Start(is_over=True),
    )
    history.perform(flow.enter(TypedLine(typed, 0.0)))
    assert (asked in history.asked) or asked in flow.take_changes().lines


def test_the_first_new_line_is_read_however_far_back_it_is() -> None:
    history = History()
    history.lines += [said(number, person("bob")) for number in range(1, 400)]
    history.read[person("bob")] = 7
    window = Window(history)
    window.paint(person("bob"))
    pane = window.view.open_pane
    assert pane.unread == 0
    assert (pane.log.oldest_id or 0) > 8
    history.perform(window.view.find_new(pane))
    assert pane.log.unread is pane.log.by_id(8)
    assert pane.log.gaps


STATES = st.sampled_from(
    [MessageState.KEPT, MessageState.SAVED, MessageState.DELIVERED, MessageState.REFUSED]
)


@given(st.sampled_from(PLACES), st.lists(STATES, max_size=6))
def test_a_mark_only_goes_forward(where: Conversation, states: Sequence[MessageState]) -> None:
    window = Window(History())
    window.view.choose(where)
    window.view.enter(TypedLine("hello", 0.0))
    window.history.perform(window.view.carry_out_next())
    if where == EVERYBODY:
        assert not any(entry.is_mine for entry in window.view.open_pane.log.entries)
        window.view.enter(TypedLine("y", 0.0))  # the first line to everybody asks
        window.history.perform(window.view.carry_out_next())
    (entry,) = (one for one in window.view.open_pane.log.entries if one.is_mine)
    assert (entry.text, bool(entry.id)) == ("hello", True)
    marks: list[Mark | None] = [entry.mark]
    for state in states:
        window.handle(MessageChanged(conversation=where, id=entry.id, state=state))
        marks.append(entry.mark)
    assert not any(is_behind(later, earlier) for earlier, later in pairwise(marks))


def test_who_has_talked_to_everybody_before_is_not_asked_again() -> None:
    history = History()
    history.lines += [replace(said(1, EVERYBODY), is_ours=True, state=MessageState.SAVED)]
    window = Window(history)
    window.paint(EVERYBODY)
    window.view.enter(TypedLine("hello", 0.0))
    history.perform(window.view.carry_out_next())
    assert [one.text for one in window.view.open_pane.log.entries if one.is_mine][1:] == ["hello"]


@given(st.text(max_size=20), st.booleans())
def test_whatever_is_typed_ends_in_requests_and_lines_for_people(
    text: str, is_screen: bool
) -> None:
    history = History()
    flow = FlowView(
        STATE,
        is_screen=is_screen,
        completions=CompletionIndex() if is_screen else None,
        draw_line=lambda: 7,
        start=Start(is_over=True),
    )
    history.perform(flow.enter(TypedLine(text, 0.0)))
    assert all(isinstance(step, requests.Request | CatchUp | Briefly) for step in history.asked)
    assert not any("\n" in line for line in flow.take_changes().lines)


# --- the current room


class Prompt:
    """A view of a prompt, whose peer does what is asked."""

    def __init__(self) -> None:
        self.view: Final = FlowView(
            replace(STATE, rooms=()), is_screen=False, completions=None, draw_line=lambda: 7
        )
        self.history: Final = History()
        self.filled: list[tuple[str, str]] = []
        """What lines have put into the prompt: in the place of what, and what."""

    def type(self, line: str) -> list[str]:
        self.history.asked.clear()
        self.history.perform(self.view.enter(TypedLine(line, 0.0)))
        for request in self.history.asked:
            if isinstance(request, requests.EnterRoom):
                self.entered(request.room)
            elif isinstance(request, requests.LeaveRoom):
                self.left(request.room)
        changes = self.view.take_changes()
        self.filled += [changes.draft] if changes.draft is not None else []
        return changes.lines

    def kept_elsewhere(self, where: Conversation, text: str) -> tuple[str, str] | None:
        """Return what this puts into the prompt: in the place of what, and what."""
        return self.hears(requests.KeepDraft(conversation=where, text=text))

    def hears(self, kept: requests.KeepDraft) -> tuple[str, str] | None:
        """Return what it puts into the prompt that all windows are told of this draft."""
        told = events.DraftKept(conversation=kept.conversation, text=kept.text, window=kept.window)
        self._happens(self.view.state.rooms, told)
        return self.view.take_changes().draft

    def keeps(self, text: str) -> dict[str, str]:
        """Return what the other windows are told, by room, while this stands at the prompt."""
        return {draft.conversation.name: draft.text for draft in self.view.keep_draft(text)}

    def entered(self, *rooms: str) -> None:
        here = (*self.view.state.rooms, *(RoomState(name=name) for name in rooms))
        self._happens(
            here, *(events.EnteredRoom(room=name, members=(), missed=0) for name in rooms)
        )

    def left(self, name: str) -> None:
        here = tuple(one for one in self.view.state.rooms if one.name != name)
        self._happens(here, events.LeftRoom(room=name))

    def _happens(self, here: tuple[RoomState, ...], *batch: Event) -> None:
        self.view.handle(batch, replace(self.view.state, rooms=here), (), now=0.0)

    def says_in(self) -> str | None:
        """Return the room to which a bare line goes."""
        self.type("hello there")
        said = [one for one in self.history.asked if isinstance(one, requests.Send)]
        return said[0].conversation.name if said else None


def test_bare_lines_go_to_the_room_that_was_joined_or_chosen_last() -> None:
    prompt = Prompt()
    assert prompt.says_in() is None
    for room_ in ("lab", "den", "attic"):
        prompt.type(f"/join {room_}")
        assert prompt.says_in() == room_
    assert prompt.type("/room LAB") == ["[You are in lab: what you type goes there.]"]
    assert prompt.says_in() == "lab"
    assert prompt.type("/room hall") == ["[You are not in hall.]"]
    assert prompt.type("/leave den") == ["[You left den.]"]
    assert prompt.says_in() == "lab"


def test_who_leaves_a_room_is_back_in_the_one_before_and_is_told() -> None:
    prompt = Prompt()
    for room_ in ("lab", "den"):
        prompt.type(f"/join {room_}")
    assert prompt.type("leave") == [
        "[You left den.]",
        "[You are in lab: what you type goes there.]",
    ]
    assert prompt.says_in() == "lab"
    assert prompt.type("leave") == ["[You left lab.]"]
    assert prompt.type("leave") == ["[You are not in any room.]"]


def test_what_is_typed_and_not_sent_is_shared_with_other_windows() -> None:
    prompt = Prompt()
    assert prompt.kept_elsewhere(room("lab"), "half") is None, "bare lines go to nobody"
    assert prompt.keeps("half") == {}
    prompt.type("/join lab")
    assert prompt.filled == [("", "half")]
    assert prompt.keeps("half") == {}, "the others know"
    assert prompt.keeps("half a line") == {"lab": "half a line"}
    assert prompt.keeps("/dm bob:half a line") == {"lab": ""}, "for somebody else"
    assert prompt.keeps("/who") == {}
    assert prompt.keeps("x" * (LINE_MAX + 1)) == {}
    assert prompt.keeps("a line") == {"lab": "a line"}
    assert prompt.kept_elsewhere(room("lab"), "another") == ("a line", "another")
    assert prompt.kept_elsewhere(room("lab"), "another") is None, (
        "nothing to put, and no cursor to move"
    )
    prompt.type("/join den")
    assert prompt.filled == [("", "half")]
    assert prompt.keeps("a line") == {"lab": "", "den": "a line"}
    assert prompt.kept_elsewhere(room("lab"), "") is None, "bare lines go elsewhere"
    assert prompt.keeps("") == {"den": ""}
    prompt.view.state = replace(prompt.view.state, desk=DeskState(client="Asha Rao"))
    assert prompt.kept_elsewhere(room("den"), "half") is None, "bare lines go to a visitor"
    assert prompt.keeps("half") == {}


def test_what_is_heard_of_our_own_drafts_changes_nothing_that_was_typed_since() -> None:
    prompt = Prompt()
    prompt.entered("lab")
    ours = [draft for text in ("h", "he", "") for draft in prompt.view.keep_draft(text)]
    assert len(ours) == 3
    assert [prompt.hears(draft) for draft in ours] == [None] * 3
    assert prompt.kept_elsewhere(room("lab"), "half") == ("", "half")


def test_a_room_that_another_window_enters_takes_no_line_unless_there_is_none() -> None:
    prompt = Prompt()
    prompt.entered("lab", "den")
    assert prompt.says_in() == "lab"
    prompt.entered("attic")
    assert prompt.says_in() == "lab"
    prompt.left("lab")
    assert prompt.says_in() in ("den", "attic")


def test_a_window_that_attaches_begins_in_the_room_that_was_entered_first() -> None:
    view = FlowView(STATE, is_screen=False, completions=None, draw_line=lambda: 7)
    assert (view.room, view.status(now=0.0).room) == ("lab", "lab")


@pytest.mark.parametrize("where", [person("bob"), room("lab")])
def test_what_was_opened_before_the_history_answers_stays_open_with_its_draft(
    where: Conversation,
) -> None:
    """A room is opened by its event, a person by the user."""
    view = ScreenView(STATE, wall=lambda: 0.0, draw_line=lambda: 7)
    steps = view.begin()
    assert isinstance(next(steps), requests.ListConversations)
    if where.is_room:
        entered = events.EnteredRoom(room="lab", members=(), missed=0)
        view.handle([entered], STATE, (), now=0.0)
        view.handle([events.LeftRoom(room="lab")], replace(STATE, rooms=()), (), now=0.0)
    else:
        view.choose(where)
    view.take_changes()
    states = (ConversationState(conversation=where, unread=0, read=0, last=None, draft="see"),)
    with pytest.raises(StopIteration):
        steps.send(requests.Conversations(conversations=states))
    opened = view.take_changes().opened
    assert opened is view.open_pane
    assert (opened.conversation, opened.draft) == (where, "see")
