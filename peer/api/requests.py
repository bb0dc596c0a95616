"""Requests: all that a face or a program may ask of a peer, each with the type of its answer; and the
`Node` that carries them out, an open peer, whichever program runs it.

    sent = await node.request(Send(conversation=person("bob"), text="hi"))

A `Command` may be posted as well (`Node.post`): it is begun at once, and events tell what comes of
it. Where a request raises an error, the error has its facts (`peer.api.errors`).
Any request raises NotOpen for a peer that is closed, or is closed before it has answered.

A program beside the peer sends the same values as JSON (`docs/reference/rpc.md`).
"""

import enum
from collections.abc import Sequence
from typing import Annotated, Any, Final, Generic, Protocol, TypeVar, get_args

import msgspec

from chatapp.peer.api import events
from chatapp.peer.api.conversations import Conversation
from chatapp.peer.api.events import Event, Person, Said
from chatapp.peer.api.files import FileTransfer
from chatapp.peer.api.findings import Finding
from chatapp.peer.api.past import (
    ConversationState,
    DeliveryTrace,
    DeskTalk,
    FoundLines,
    Lines,
    Unshown,
)
from chatapp.peer.api.state import State
from chatapp.wire.limits import FOUND_MAX
from chatapp.wire.messages.desk import OperatorRequest

Answer = TypeVar("Answer")

Id = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
"""The id of a line, or a count: an integer that the history's database takes."""

SECONDS_MAX: Final = 366 * 86_400
"""The longest time for which something is muted: whoever wants more wants it for good."""

PAGE: Final = 50
"""Lines of a page, if nothing else is asked for."""

PAGE_MAX: Final = 1_000
"""Lines of a page at most."""


class Request(
    msgspec.Struct, Generic[Answer], frozen=True, kw_only=True, tag=True, forbid_unknown_fields=True
):
    """What is asked of a peer; `Answer` is what it is answered with."""


class Command(Request[None], frozen=True, kw_only=True):
    """A request that is begun at once and has no answer: events tell what comes of it."""


# --- messages and lines


class Outcome(enum.Enum):
    """For which outcome of a message an answer waits."""

    SETTLED = "settled"
    """The first one."""
    FINAL = "final"
    """The one that does not change any more."""


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """A message or line of ours as it stands; later changes are `MessageChanged` with its id."""

    conversation: Conversation
    id: int
    """The id of the line in our history; 0 for a message that was never begun."""
    state: events.MessageState = events.MessageState.UNSETTLED
    reason: events.MessageReason | None = None
    """Why it is KEPT, REFUSED or EXPIRED, if there is more to say than that the registry is
    away."""
    through_server: bool = False
    """Whether a delivered message went through the registry."""


class Send(Request[Sent], frozen=True, kw_only=True):
    """Say a text to one person, to everybody, or in a room where we are: any other room refuses it. A
    name that nobody bears is refused once the registry says so; while it is away,
    the message is kept. Raises TextTooLong, UnicodeEncodeError."""

    conversation: Conversation
    text: str
    reply_to: Id | None = None
    """The id of the line of this conversation that the text answers. Raises ChangeRefused for
    another one."""
    wait: Outcome | None = None
    """The answer comes with this outcome; None: at once."""
    key: Id = 0
    """Drawn by another program than the one that runs the peer, 52 random bits: a request with the
    key of an earlier one is answered as that one, and says nothing again. 0: none."""


class FindSent(Request[Sent | None], frozen=True, kw_only=True):
    """Return the line of ours that was asked for by this key, also in an earlier run; None if there
    is none. Raises sqlite3.Error."""

    key: Id


class Edit(Request[Sent], frozen=True, kw_only=True):
    """Change the text of our own line with this id, for everybody who has it. Of a line that nobody
    else can have yet, the new text is sent instead, and the answer is of the line. Raises
    ChangeRefused, TextTooLong, UnicodeEncodeError, sqlite3.Error."""

    id: Id
    text: str
    wait: Outcome | None = None
    key: Id = 0
    """As in `Send`."""


class Retract(Request[Sent], frozen=True, kw_only=True):
    """Take our own line with this id back, for everybody who has it. Raises ChangeRefused,
    sqlite3.Error."""

    id: Id
    wait: Outcome | None = None
    key: Id = 0
    """As in `Send`."""


class Cancel(Request[Sent], frozen=True, kw_only=True):
    """Take our own line with this id back that is not settled yet. One that nobody else can have is
    never sent: the answer is of the line, which is REFUSED then. Of any other, `Retract` is sent.
    Raises ChangeRefused, sqlite3.Error."""

    id: Id
    wait: Outcome | None = None
    key: Id = 0
    """As in `Send`."""


class React(Request[Sent], frozen=True, kw_only=True):
    """Put an emoji to the line with this id, or take it away again. Raises ChangeRefused,
    sqlite3.Error."""

    id: Id
    emoji: str
    is_on: bool = True
    wait: Outcome | None = None
    key: Id = 0
    """As in `Send`."""


class OfferFile(Request[Sent], frozen=True, kw_only=True):
    """Offer a file to one person, or to those in a room. It stays where it is, and is read when they
    fetch it. Raises FileRefused, sqlite3.Error."""

    conversation: Conversation
    path: str
    """Whole, or from the folder in which the program runs that asks."""
    wait: Outcome | None = None
    key: Id = 0
    """As in `Send`."""


Sending = Send | Edit | Retract | Cancel | React | OfferFile
"""The requests that send something, and are answered with what has become of it."""


class TellTyping(Command, frozen=True, kw_only=True):
    """Tell a person that a message to them is being written. Ask it whenever the text changes: it
    is sent at most every 3 seconds, only to a person with whom we share a session, and nothing is
    stored."""

    to: str


# --- files: each is named by the id of the line that offers it


class ListFiles(Request[tuple[FileTransfer, ...]], frozen=True, kw_only=True):
    """Return the files that are known here, ours and those offered to us, the oldest first."""


class AcceptFile(Request[FileTransfer], frozen=True, kw_only=True):
    """Fetch a file that is offered, or go on with one; `FileChanged` tells how far it is. Raises
    FileRefused, sqlite3.Error."""

    id: Id
    path: str = ""
    """What to call it; empty: its own name, in the folder for downloads. A folder stands for that
    name in it."""


class PauseFile(Request[FileTransfer], frozen=True, kw_only=True):
    """Stop fetching a file until it is accepted again; what is here stays. Raises FileRefused."""

    id: Id


class CancelFile(Request[FileTransfer], frozen=True, kw_only=True):
    """Give up a file that is on its way to us, and remove what of it is here: it is offered as
    before, and its sender is told if some of it had come. One of ours is offered no more. Raises
    FileRefused, sqlite3.Error."""

    id: Id


class RefuseFile(Request[FileTransfer], frozen=True, kw_only=True):
    """Say that we do not want a file, and remove what of it is here. Raises as `AcceptFile`."""

    id: Id


# --- waiting


class Moment(enum.Enum):
    """What can be waited for."""

    READY = "ready"
    """All that the registry had for us is here and we are in the rooms that we asked for, or the
    registry is known not to answer. After that, a registry that is being looked for again delays
    nobody. Raises NameTaken, NotAdmitted, OtherRegistry."""
    SETTLED = "settled"
    """Every message of ours is delivered, saved, kept or refused."""
    IN_ROOM = "in_room"
    """It is known and told in which rooms we are: the registry has answered, or is not waited for
    any more."""
    LEFT = "left"
    """An event has told whether the registry answered `Leave`."""
    RELEASED = "released"
    """An event has told what came of `ReleaseName`."""
    DESK_ANSWERED = "desk_answered"
    """Every request to the desk is answered, and the events that follow from it have been told."""
    DESK_SAID = "desk_said"
    """Our lines to the visitor are under way: a request to end the session would overtake them."""


class Wait(Request[None], frozen=True, kw_only=True):
    """Wait for a moment. Raises what the moment says."""

    until: Moment


# --- rooms


class EnterRoom(Command, frozen=True, kw_only=True):
    """Be in this room too; `EnteredRoom` or `RoomEntryDenied` follows."""

    room: str


class LeaveRoom(Command, frozen=True, kw_only=True):
    """Leave this room; `LeftRoom` follows, or `NotInRoom`."""

    room: str


class SetTopic(Command, frozen=True, kw_only=True):
    """Set the topic of a room where we are; an empty text clears it. `TopicKnown` follows, or
    `TopicNotSet`, or `NotInRoom`."""

    room: str
    text: str


class ShowTopic(Command, frozen=True, kw_only=True):
    """Have the topic of a room where we are told; `TopicKnown` follows, or `TopicUnknown`, or
    `NotInRoom`."""

    room: str


class ShowRooms(Command, frozen=True, kw_only=True):
    """Have the rooms told that there are; `RoomsKnown` follows, at the latest when the registry is
    found or known to be away."""


class ListRooms(Request[tuple[events.Room, ...]], frozen=True, kw_only=True):
    """Return the rooms that somebody is in, by name. Waits while the registry is being looked for.
    Raises NotAnswered when the registry is away or silent."""


# --- people, and we among them


class ListPeople(Request[tuple[events.Person, ...]], frozen=True, kw_only=True):
    """Return everybody in the table, by name."""

    needs_addresses: bool = False
    """Whether to ask the registry first, for a moment, for addresses that only it knows."""


class FindPeople(Request[events.PeopleFound], frozen=True, kw_only=True):
    """Return the people whose names begin so, also those of whom the registry does not tell us.
    Waits while the registry does not want to be asked so soon. Raises NotAnswered when it is away."""

    first: str = ""
    """In any case; everybody is found if it is empty, nobody if no name can begin so."""
    after: str = ""
    """Only those behind this name."""
    limit: Annotated[int, msgspec.Meta(ge=1, le=FOUND_MAX)] = FOUND_MAX
    only_online: bool = False


class CountOnline(Request[int], frozen=True, kw_only=True):
    """Return how many people are online, also those of whom the registry does not tell us."""


class ReadState(Request[State], frozen=True, kw_only=True):
    """Return the state. Who gets events is told of each change."""


class SetStatus(Request[events.StatusSet], frozen=True, kw_only=True):
    """Say something of ourselves in our row, at most STATUS_MAX characters (a longer text is cut),
    and whether we are away though our program runs. A new run is not away; the status stays."""

    status: str | None = None
    """None: as it is; empty: none any more."""
    away: str | None = None
    """Why we do not answer; may be empty. None: we do."""


class Rename(Command, frozen=True, kw_only=True):
    """Ask for another name; `Renamed`, `NameUnavailable` or `RenameFailed` follows."""

    new: str


class ReleaseName(Command, frozen=True, kw_only=True):
    """Give up our name, so that anybody may take it; our mail at the registry is deleted.
    `NameReleased` follows, and we are offline then, or `ReleaseFailed`."""


class Leave(Command, frozen=True, kw_only=True):
    """Go offline but stay open; `SignedOff` or `LeaveUnanswered` follows."""


class ComeBack(Command, frozen=True, kw_only=True):
    """Register again after `Leave`."""


class Examine(Request[tuple[Finding, ...]], frozen=True, kw_only=True):
    """Find out what keeps us from the registry, or from the person of this name: takes up to 3
    seconds."""

    name: str | None = None


# --- keys, and whom to ignore


class ShowSafetyNumber(
    Request[events.SafetyNumber | events.NobodyKnown], frozen=True, kw_only=True
):
    """Return the 60 digits to compare with theirs, side by side or over another medium."""

    name: str


class AcceptKey(
    Request[events.Trusted | events.NotTrusted | events.NobodyKnown], frozen=True, kw_only=True
):
    """Trust the key of this name, if it is still the one whose safety number has these 60 digits.
    What was on its way to the earlier key is sent to this one."""

    name: str
    digits: str | None = None


class ShowRegistryKey(Request[events.RegistryKey], frozen=True, kw_only=True):
    """Return the fingerprint of the registry's key, and of one that answers in its place."""


class AcceptRegistryKey(Request[events.Trusted | events.NotTrusted], frozen=True, kw_only=True):
    """Trust the registry whose key has this fingerprint: the one that we know, or one that answers
    in its place."""

    digits: str | None = None


class Ignore(Request[events.Ignored | events.NobodyKnown], frozen=True, kw_only=True):
    """Show none of their messages from now on. They are acknowledged and stored as before."""

    name: str


class Unignore(Request[events.Ignored | events.NobodyKnown], frozen=True, kw_only=True):
    """Show their messages again."""

    name: str


class Mute(
    Request[events.Muted | events.NobodyKnown | events.NotInRoom], frozen=True, kw_only=True
):
    """Have a conversation ring no more, but in a room for lines with `@` and our name in them. It
    is kept over restarts, and `State.muted` has it. `seconds`: for how long; None: for good; 0:
    have it ring again. Of rooms, those where we are can be muted."""

    conversation: Conversation
    seconds: Annotated[int, msgspec.Meta(ge=0, le=SECONDS_MAX)] | None = None


# --- the past: lines of people whom we ignore are left out; all raise sqlite3.Error


class ReadPage(Request[Lines], frozen=True, kw_only=True):
    """Return the newest `limit` lines (1,000 at most) of a conversation, or of all, oldest first.
    `before`: only lines older than the one with this id. `after`: the lines that follow the one
    with this id, the oldest of them first. `only_shown`: without the lines that were not shown yet,
    which events give again."""

    conversation: Conversation | None = None
    before: Id | None = None
    after: Id | None = None
    limit: Id = PAGE
    only_shown: bool = False


class ReadAround(Request[Lines], frozen=True, kw_only=True):
    """Return lines of the same conversation around the one with this id, which is among them: half
    of them older, half newer, oldest first. Empty when there is no such line."""

    id: Id
    limit: Id = PAGE


class SearchPast(Request[Lines], frozen=True, kw_only=True):
    """Return the newest `limit` lines (1,000 at most) that have all the words, oldest first. The
    last word may be the beginning of one. Case, diacritics and punctuation do not matter. Without a
    word, nothing is found. `conversation`: only its lines. `before`: only lines older than the one
    with this id."""

    words: str
    conversation: Conversation | None = None
    before: Id | None = None
    limit: Id = PAGE


class LineName(msgspec.Struct, frozen=True, kw_only=True):
    """A line as events name it."""

    conversation: Conversation
    target: events.Target


class FindLines(Request[FoundLines], frozen=True, kw_only=True):
    """Return these lines as they are now, 100 at most."""

    wanted: Annotated[tuple[LineName, ...], msgspec.Meta(max_length=100)]


class ExplainDelivery(Request[DeliveryTrace | None], frozen=True, kw_only=True):
    """Return how the line with this id was delivered; without an id, our own newest line. None if
    there is no such line."""

    id: Id | None = None


class Conversations(msgspec.Struct, frozen=True, kw_only=True):
    """Conversations. `more`: whether further ones follow."""

    conversations: tuple[ConversationState, ...]
    more: bool = False


class ListConversations(Request[Conversations], frozen=True, kw_only=True):
    """Return every conversation in which something was said, but for the first `start` ones, the
    one with the newest line first: those with people, and those with the groups of our registry. On
    duty, the help desk is the first."""

    start: Id = 0


class MarkRead(Request[None], frozen=True, kw_only=True):
    """Note that the user has read this conversation up to the line with this id, or up to its
    newest line if no line has an id so high, and `ConversationRead` follows. It is kept over
    restarts; what was read once stays so. Nothing happens for a conversation in which nothing was
    said."""

    conversation: Conversation
    id: Id


class KeepDraft(Command, frozen=True, kw_only=True):
    """Keep what the user has begun to type in a conversation, for their other windows and the next
    start; `DraftKept` follows. Empty: forget it. Raises TextTooLong, UnicodeEncodeError."""

    conversation: Conversation
    text: str
    window: int = 0
    """A number of its own by which a window knows its own drafts; 0 for none."""


class ListUnshown(Request[Unshown], frozen=True, kw_only=True):
    """Return the first `limit` lines to us with higher ids than `after` of which nobody has
    reported that they were shown (`Node.shown`). At an opening they are told by an event; whoever
    comes to a peer that is open finds them here."""

    after: Id = 0
    limit: Id = 100


# --- the help desk, as one of its operators uses it


class FetchedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that is here now."""

    path: str
    size: int


class AskDesk(Command, frozen=True, kw_only=True):
    """Ask the registry for something, such as `TakeDuty(0, "")`; events tell what comes of it. The
    reference and the visit of the request are filled in by the peer. A `DropVisitor` or
    `MoveVisitor` without a visit means the visitor who had its number when the waiting room was
    last shown."""

    request: OperatorRequest
    visit: Id | None = None
    """The visit that is meant, as ClientCame gave it; None: that of the visitor whom the operator
    saw on the screen at `entered_at`. Where that is not clear, the request is held back, and
    HeldBack says so."""
    entered_at: float | None = None
    """When the request was typed, by the monotonic clock of the machine; None: now."""
    asks_first: bool = False
    """Whether a CallNext that would end a session in which the visitor has said nothing is answered
    by NothingSaid, once."""
    is_quiet: bool = False
    """Whether the answer to a ShowRoom, ShowFigures or ShowPast is for this program alone; other
    programs of the peer do not show it."""


class SayAtDesk(Command, frozen=True, kw_only=True):
    """Say a line to our visitor. Raises TextTooLong, UnicodeEncodeError."""

    text: str
    line: Id
    """The id by which `CommandFailed` or `HeldBack` names the line if it reaches nobody: drawn by
    the caller, 52 random bits."""
    visit: Id | None = None
    """As in `AskDesk`."""
    entered_at: float | None = None
    """As in `AskDesk`."""
    is_maybe: bool = False
    """Whether the line would mean something else if we served nobody."""
    key: Id = 0
    """`line`, if another program asks than the one that runs the peer: `SaidByUs` has it."""


class ChangeAtDesk(Request[None], frozen=True, kw_only=True):
    """Change the text of our own line with this id in the visit of our visitor, or take it back;
    events tell what comes of it. Raises ChangeRefused, TextTooLong, UnicodeEncodeError."""

    id: Id
    text: str | None
    """The new text; None: take it back."""
    line: Id
    """The id of the change, as in `SayAtDesk`."""
    key: Id = 0
    """As in `SayAtDesk`."""


class SendDeskFile(Request[Said], frozen=True, kw_only=True):
    """Send a file of ours to our visitor, and return the line that brings it once the registry has the
    file; `SaidByUs` tells other windows. Raises FileRefused, DeskFileRefused."""

    path: str
    line: Id
    """As in `SayAtDesk`; the next three too."""
    visit: Id | None = None
    entered_at: float | None = None
    key: Id = 0


class FetchDeskFile(Request[FetchedFile], frozen=True, kw_only=True):
    """Fetch the file of a line of the present visit, or of a past session. Raises FileRefused,
    DeskFileRefused."""

    position: Id
    """The number of the line."""
    path: str = ""
    """What to call it, or the folder where to put it; empty: its name, where files of others go."""
    visit: Id = 0
    """Of a past session, with the next two; 0: the present visit."""
    name: str = ""
    size: Id = 0


class IsLineForDesk(Request[bool], frozen=True, kw_only=True):
    """Return whether text typed at this time (by the monotonic clock of the machine) is for a
    visitor, even one who has just left."""

    entered_at: float


class Talk(msgspec.Struct, frozen=True, kw_only=True):
    """What was said to a visitor. `more`: whether further lines follow."""

    talk: DeskTalk | None
    """None for nobody."""
    more: bool = False


class ReadTalk(Request[Talk], frozen=True, kw_only=True):
    """Return the form of the visitor whom we serve, and what was said so far, the newest 1,000
    lines, but for the first `start` of them."""

    start: Id = 0


AnyRequest = (
    Send
    | Edit
    | Retract
    | Cancel
    | React
    | OfferFile
    | ListFiles
    | AcceptFile
    | PauseFile
    | RefuseFile
    | CancelFile
    | FindSent
    | TellTyping
    | Wait
    | EnterRoom
    | LeaveRoom
    | SetTopic
    | ShowTopic
    | ShowRooms
    | ListRooms
    | ListPeople
    | FindPeople
    | CountOnline
    | ReadState
    | SetStatus
    | Rename
    | ReleaseName
    | Leave
    | ComeBack
    | Examine
    | ShowSafetyNumber
    | AcceptKey
    | ShowRegistryKey
    | AcceptRegistryKey
    | Ignore
    | Unignore
    | Mute
    | ReadPage
    | ReadAround
    | SearchPast
    | FindLines
    | ExplainDelivery
    | ListConversations
    | MarkRead
    | KeepDraft
    | ListUnshown
    | AskDesk
    | SayAtDesk
    | ChangeAtDesk
    | SendDeskFile
    | FetchDeskFile
    | IsLineForDesk
    | ReadTalk
)
"""All requests."""


def answer_type(kind: type[Request[Any]]) -> Any:
    """Return the type of the answer to requests of this class."""
    if issubclass(kind, Command):
        return None
    return get_args(kind.__orig_bases__[0])[0]  # type: ignore[attr-defined]


class Node(Protocol):
    """An open peer. The state is told before the answers and events that follow from it."""

    @property
    def state(self) -> State:
        """The state now. Raises NotOpen."""

    def people(self) -> tuple[Person, ...]:
        """Return everybody in the table, by name. Raises NotOpen."""

    async def request(self, request: Request[Answer]) -> Answer:
        """Carry out a request and return its answer. Raises what the request says, and NotOpen."""

    def post(self, command: Command) -> None:
        """Begin a command and wait for nothing. Requests begin in the order in which they are asked
        and posted. Raises NotOpen, and what the command says if it is known at once."""

    async def next_events(self) -> list[Event]:
        """Return all that happened since the last call, waiting for something; empty once the peer
        is closed. For a program that is the only reader and shows many events at a time; it calls
        `shown` afterwards."""

    def take_events(self) -> list[Event]:
        """Return the same as `next_events`, without waiting."""

    def shown(self, batch: Sequence[Event]) -> None:
        """Note that the user has seen these events; their lines are not given again after a
        restart."""
