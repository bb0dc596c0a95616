"""What happens at a node that somebody should see: events, past tense, one closed union.

Faces turn them into lines (`peer.ui.texts`), programs into whatever they like. Each topic is a file; all are here.
"""

import enum
from typing import Final

import msgspec


class DutyChanged(msgspec.Struct, frozen=True, kw_only=True):
    """We are on duty for a queue now, or not any more."""

    is_on: bool
    queue: str


class ClientCame(msgspec.Struct, frozen=True, kw_only=True):
    """We serve this visitor from now on: their form, and what an earlier operator says."""

    visit: int
    """The number by which requests name this visitor."""
    name: str
    number: str
    issue: str
    queue: str
    waited: int
    """Seconds in the waiting room."""
    is_here: bool
    note: str
    handed_over_by: str
    """Empty: nobody."""
    is_back: bool
    """Whether it is we who are back, and this is whom we served."""


class ClientMove(enum.Enum):
    """What became of our visitor."""

    AWAY = "their link is lost; their place is kept for a while"
    BACK = "they are back"
    LEFT = "they have left"
    LOST = "they did not come back"
    ENDED = "we ended the session"
    GIVEN = "we handed them over"
    TAKEN_BACK = "we were away for too long"
    UNANSWERED = "they were away when they were called"


class ClientChanged(msgspec.Struct, frozen=True, kw_only=True):
    """This became of our visitor."""

    name: str
    move: ClientMove


class ClientSaid(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the visit, by the visitor or an earlier operator. Say `operator.lines_shown` when it was shown."""

    sender: str
    text: str
    visit: int
    position: int


class CommandDone(msgspec.Struct, frozen=True, kw_only=True):
    """What we asked of the desk is done, where nothing else tells of it."""

    text: str


class CommandFailed(msgspec.Struct, frozen=True, kw_only=True):
    """What we asked or said at the desk came to nothing, and why."""

    reason: str


class HeldWhat(enum.Enum):
    """What was not carried out."""

    LINE = "a line for the visitor"
    END = "the end of the session, or the call for the next visitor"
    HAND_OVER = "handing the visitor over"
    NOTE = "a note about the visitor"


class HeldBack(msgspec.Struct, frozen=True, kw_only=True):
    """What we typed was not carried out: it may have been meant for another visitor than the one we serve now."""

    what: HeldWhat
    former: str
    """The visitor for whom it may have been meant; empty: it was typed while we served nobody."""
    move: ClientMove | None
    """What became of that visitor, if it is known."""
    client: str
    """The visitor whom we serve now; empty: nobody."""


class NumberMoved(msgspec.Struct, frozen=True, kw_only=True):
    """A number of the waiting room was not clear: by our own commands it is another visitor's than the one we saw there."""

    place: int
    was: str
    is_now: str


class RoomVisitor(msgspec.Struct, frozen=True, kw_only=True):
    """One visitor, as operators see them. `since`: Unix time."""

    name: str
    issue: str
    since: float
    is_here: bool
    operator: str
    """Who serves them, or for whom they wait; empty: nobody."""


class WaitingRoom(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `.room`. `total`: how many wait, more than are listed where there are very many."""

    queue: str
    operators: int
    served: tuple[RoomVisitor, ...]
    waiting: tuple[RoomVisitor, ...]
    total: int


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `.stats`. Spans in seconds; `today` is the registry's day."""

    queue: str
    served_today: int
    median_wait: int
    ninetieth_wait: int
    longest_waiting: int
    waiting: int
    operators: int


DutyEvent = (
    DutyChanged
    | ClientCame
    | ClientChanged
    | ClientSaid
    | CommandDone
    | CommandFailed
    | HeldBack
    | NumberMoved
    | WaitingRoom
    | Figures
)
"""All that can happen to an operator."""


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the table for people to read."""

    name: str
    online: bool
    since: float
    is_verified: bool = False
    """Whether the user has compared their key."""
    is_banned: bool = False
    """Whether whoever runs the registry keeps them out."""


class PeopleListed(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `who`."""

    people: tuple[Person, ...]


class TableChanged(msgspec.Struct, frozen=True, kw_only=True):
    """A batch of rows was taken into the table."""


class PersonLeft(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who was online has left on purpose."""

    name: str


class PersonLost(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who was online has vanished."""

    name: str


class PersonBanned(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who was online is kept out by whoever runs the registry."""

    name: str


class Renamed(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody has another name now; `is_me`: we ourselves."""

    old: str
    new: str
    is_me: bool


class KeyChanged(msgspec.Struct, frozen=True, kw_only=True):
    """The registry shows another key for somebody whose key we hold: nothing is sent to that name. `is_again`: it showed
    another one for them before."""

    name: str
    is_again: bool = False


class KeyRestored(msgspec.Struct, frozen=True, kw_only=True):
    """The registry shows the key that we hold again: messages to that name go out."""

    name: str


class SafetyNumber(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `/verify`: 60 digits that both sides read the same when nobody stands between them. `is_verified`: the
    user has compared this key. `is_changed`: it is not the key that we hold."""

    name: str
    digits: str
    is_verified: bool = False
    is_changed: bool = False


class Trusted(msgspec.Struct, frozen=True, kw_only=True):
    """The user has compared the key of a name. `is_new`: it takes the place of the one that we held."""

    name: str
    is_new: bool


class Doubt(enum.Enum):
    """Why a key is not trusted."""

    NO_DIGITS = "the user did not say which key is meant"
    OTHER_DIGITS = "the digits are not those of the key that is shown now"
    CHANGED = "the digits are of the key that was shown before; another one is shown now"


class NotTrusted(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing changes: the key that is shown for a name now is not the one that the user means. `server`: our registry."""

    name: str
    why: Doubt


class RegistryKey(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `/verify server`: fingerprints. `held`: of the key that we hold, empty for none. `other`: of the key
    that answers in its place, empty for none. `is_verified`: the user has compared the one that we hold."""

    held: str
    other: str
    is_verified: bool


class Ignored(msgspec.Struct, frozen=True, kw_only=True):
    """What they say is not shown from now on (`is_ignored`), or is again."""

    name: str
    is_ignored: bool


class NobodyKnown(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for needs somebody whom we know; this is no such name."""

    name: str


PeopleEvent = (
    PeopleListed
    | TableChanged
    | PersonLeft
    | PersonLost
    | PersonBanned
    | Renamed
    | KeyChanged
    | KeyRestored
    | SafetyNumber
    | RegistryKey
    | Trusted
    | NotTrusted
    | Ignored
    | NobodyKnown
)


SOMEBODY: Final = "somebody unknown"
"""Where a name would stand: of somebody whose name no table has shown, and who gives none. No name has a blank."""


class AuthorDoubt(enum.Enum):
    """Why the author of a line, who has signed it, may not be the person whom the user knows by the name."""

    NOT_IN_TABLE = "the name is what the author says; the registry has told no row with that name and key"
    OTHER_KEY = "the name is somebody's whom we know by another key"


class DirectReceived(msgspec.Struct, frozen=True, kw_only=True):
    """A message to us. `late` is the time at which it was written, when it did not come straight.

    `doubt`: why `sender` is only what the author of a letter says of themself; None for somebody whom we know."""

    sender: str
    identity: bytes
    number: int
    text: str
    at: float
    late: float | None
    doubt: AuthorDoubt | None = None


class ChannelReceived(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the channel; `late` as above."""

    sender: str
    identity: bytes
    number: int
    text: str
    at: float
    late: float | None


class RoomReceived(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the room where we are; `late` as above."""

    room: str
    sender: str
    identity: bytes
    number: int
    text: str
    at: float
    late: float | None


Line = DirectReceived | ChannelReceived | RoomReceived


class MailReturned(msgspec.Struct, frozen=True, kw_only=True):
    """What came while we were away, oldest first."""

    lines: tuple[Line, ...]


ReceivedEvent = DirectReceived | ChannelReceived | RoomReceived | MailReturned


class Registered(msgspec.Struct, frozen=True, kw_only=True):
    """The registry has let us in, for the first time or after `dereg`."""


class NameUnavailable(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody else holds the name that we asked for, to register or instead of ours."""

    name: str


class AdmissionRefused(msgspec.Struct, frozen=True, kw_only=True):
    """The registry does not let us in, for another reason than the name."""

    reason: str


class RenameRefused(msgspec.Struct, frozen=True, kw_only=True):
    """We keep our name. A name that is taken is told by `NameUnavailable`."""

    name: str
    reason: str


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """We are offline, and the registry knows."""


class LeaveUnanswered(msgspec.Struct, frozen=True, kw_only=True):
    """We are offline; the registry did not answer."""


class ServerLost(msgspec.Struct, frozen=True, kw_only=True):
    """The registry does not answer any more."""


class ServerBack(msgspec.Struct, frozen=True, kw_only=True):
    """It does again."""


class LinkTrouble(enum.Enum):
    """What can be wrong with the TCP connection to a registry that answers by UDP."""

    BLOCKED = "no connection comes about"
    STALLED = "it carried nothing any more, and is made anew"
    OVER = "it was blocked, and stands now"


class LinkTroubled(msgspec.Struct, frozen=True, kw_only=True):
    """What needs the link to TCP port `port` of the registry waits, though the registry answers by UDP; or not any more."""

    port: int
    trouble: LinkTrouble


class NoServerAtStart(msgspec.Struct, frozen=True, kw_only=True):
    """The registry did not answer at start. `table_time`: when the table in hand was saved; None without one."""

    table_time: float | None


class RegistryMet(msgspec.Struct, frozen=True, kw_only=True):
    """A registry has let us in that we did not know. `key`: its fingerprint; `is_verified`: the user, or a join code, had
    named it."""

    key: str
    is_verified: bool


class RegistryRecognized(msgspec.Struct, frozen=True, kw_only=True):
    """This server leads to a registry that we know under other servers; its people and their keys are those known there."""

    servers: tuple[str, ...]


class RegistryKeyAccepted(msgspec.Struct, frozen=True, kw_only=True):
    """A registry with another key than before has let us in, with the user's consent (its fingerprint)."""

    key: str


class RegistryKeyChanged(msgspec.Struct, frozen=True, kw_only=True):
    """Another registry answers than the one that we know, or whose key the user named (fingerprints)."""

    expected: str
    got: str


NotLetIn = NameUnavailable | AdmissionRefused | RegistryKeyChanged
"""Why we are not with the registry, though something answers at its address."""

RegistryEvent = (
    Registered
    | NameUnavailable
    | AdmissionRefused
    | RenameRefused
    | Left
    | LeaveUnanswered
    | ServerLost
    | ServerBack
    | NoServerAtStart
    | LinkTroubled
    | RegistryMet
    | RegistryRecognized
    | RegistryKeyAccepted
    | RegistryKeyChanged
)


class RoomEntered(msgspec.Struct, frozen=True, kw_only=True):
    """We are in a room. `members`: the others, by name. `missed`: lines said while we were away, which follow."""

    room: str
    members: tuple[str, ...]
    missed: int


class RoomLeft(msgspec.Struct, frozen=True, kw_only=True):
    """We have left it."""

    room: str


class RoomRefused(msgspec.Struct, frozen=True, kw_only=True):
    """We are not let in; where we were before, we still are."""

    room: str
    reason: str


class NotInRoom(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for needs a room, and we are in none."""


class MemberJoined(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody entered the room where we are, or came back into reach."""

    room: str
    name: str


class MemberLeft(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody left the room where we are, quit, or vanished."""

    room: str
    name: str


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """A room that one could enter, and how many are in it now."""

    name: str
    here: int


class RoomsListed(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `/rooms`."""

    rooms: tuple[Room, ...]


class MembersListed(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `/names`: everybody in the room where we are, ourselves among them."""

    room: str
    members: tuple[Person, ...]


RoomsEvent = (
    RoomEntered | RoomLeft | RoomRefused | NotInRoom | MemberJoined | MemberLeft | RoomsListed | MembersListed
)


class Delivered(msgspec.Struct, frozen=True, kw_only=True):
    """The recipient's program has decrypted and stored the message."""

    to: str
    number: int
    through_server: bool


class Unacknowledged(msgspec.Struct, frozen=True, kw_only=True):
    """The recipient did not answer or is away: the message goes to the registry as mail."""

    to: str
    number: int


class Saved(msgspec.Struct, frozen=True, kw_only=True):
    """The letter is on the registry's disk."""

    to: str
    number: int


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """The message will never arrive. `number` is 0 when it was never begun."""

    to: str
    number: int
    reason: str


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """No way is open now: the message waits in our own outbox, on disk. `reason`: why, if not that the registry is away."""

    to: str
    number: int
    reason: str = ""


class Addressed(msgspec.Struct, frozen=True, kw_only=True):
    """The bearer of a name for which messages were kept is known now: `to`. `numbers`: the new numbers of those messages by
    the old."""

    name: str
    to: str
    numbers: dict[int, int]


class Renumbered(msgspec.Struct, frozen=True, kw_only=True):
    """Messages of ours that were begun before it was known where their numbers begin have these now: new ones by the old.
    `to` is empty for the channel; a room's name has its sign."""

    to: str
    numbers: dict[int, int]


class Expired(msgspec.Struct, frozen=True, kw_only=True):
    """Our letter was never fetched and is gone from the registry."""

    to: str
    number: int
    text: str


class TooLong(msgspec.Struct, frozen=True, kw_only=True):
    """The text is over the limit (bytes of UTF-8); nothing was sent."""

    to: str
    size: int
    limit: int


class ChannelAccepted(msgspec.Struct, frozen=True, kw_only=True):
    """The registry has our line for the channel on its disk."""

    number: int


class ChannelUnanswered(msgspec.Struct, frozen=True, kw_only=True):
    """The registry did not answer our line for the channel."""

    number: int


class RoomAccepted(msgspec.Struct, frozen=True, kw_only=True):
    """The registry has our line on its disk: every member gets it."""

    room: str
    number: int


class RoomUnanswered(msgspec.Struct, frozen=True, kw_only=True):
    """The registry did not answer: the line goes straight to the members in reach, and to the others when it is back."""

    room: str
    number: int


SentEvent = (
    Delivered
    | Unacknowledged
    | Saved
    | Refused
    | Kept
    | Addressed
    | Renumbered
    | Expired
    | TooLong
    | ChannelAccepted
    | ChannelUnanswered
    | RoomAccepted
    | RoomUnanswered
)


class HistoryMissing(msgspec.Struct, frozen=True, kw_only=True):
    """The history's database was missing or empty, so the history begins again. `kept_as`: the name under which the log of
    its newest part is kept, if there was one."""

    path: str
    kept_as: str | None


class LinesLost(msgspec.Struct, frozen=True, kw_only=True):
    """The newest `count` lines of the history are gone: its files were damaged. `kept_as`: the name under which the damaged
    log is kept; None if it was missing."""

    path: str
    count: int
    kept_as: str | None


class StorageFailed(msgspec.Struct, frozen=True, kw_only=True):
    """Our own disk takes nothing; messages are not acknowledged until it does. `error`: as SQLite words it, for people and
    logs."""

    error: str


class ReadersBehind(msgspec.Struct, frozen=True, kw_only=True):
    """A reader of these events is so far behind that no more messages are taken until it catches up."""


class FolderNotMoved(msgspec.Struct, frozen=True, kw_only=True):
    """Our folder could not be given our new name; the next start tries again. `error`: as the system words it."""

    name: str
    error: str


StorageEvent = HistoryMissing | LinesLost | StorageFailed | ReadersBehind | FolderNotMoved


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """Something that the user should know, in one line."""

    text: str


Event = (
    ReceivedEvent | SentEvent | RoomsEvent | PeopleEvent | RegistryEvent | DutyEvent | StorageEvent | Trouble
)
"""All that can happen."""
