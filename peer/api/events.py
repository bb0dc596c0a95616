"""Events: what happens at a node that a user or a program should know of, as one closed union,
grouped by topic.

Faces word them (`peer.words`). Programs match the classes and the enums; the enums' values are
explanations, not texts. Each class has its name as its tag. `chatapp.events` is the public name of
this module.
"""

from typing import Final

import msgspec

from chatapp.peer.api.conversations import Conversation, addresses
from chatapp.peer.api.enums import Explained, Numbered
from chatapp.peer.api.files import FileReply, FileTransfer
from chatapp.wire.address import Address
from chatapp.wire.desk.focus import HeldInput
from chatapp.wire.desk.values import DeskFigures, DeskPast, DeskRoom, VisitorForm


class DutyChanged(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """We went on duty for a queue, or off duty."""

    is_on: bool
    queue: str
    files_largest: int = 0
    """Bytes of the largest file that the desk takes; 0: none."""


class ClientCame(VisitorForm, frozen=True, kw_only=True, tag=True):
    """We serve this visitor from now on. It has the visitor's form, and the note of an earlier
    operator."""

    visit: int
    """The number of the visit, by which requests name the visitor."""
    handed_over_by: str
    """The operator's name; empty if nobody handed the visitor over."""
    is_back: bool
    """Whether we ourselves are back, and served this visitor before."""


class VisitorsWaiting(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """So many wait in our queue now. `is_first`: nobody did before."""

    queue: str
    waiting: int
    is_first: bool


class AnswersKnown(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The ready answers of the desk, by their short word."""

    answers: dict[str, str]


class ClientMove(Explained):
    """What happened to our visitor."""

    AWAY = "away", "their link is lost, and their position is kept for a while"
    BACK = "back", "they are back"
    LEFT = "left", "they left"
    LOST = "lost", "they did not come back"
    ENDED = "ended", "we ended the session"
    GIVEN = "given", "we handed them over"
    TAKEN_BACK = "taken_back", "we were away for too long"
    UNANSWERED = "unanswered", "they were away when they were called"
    SILENT = "silent", "they are here, and have said nothing for a while"
    HELD = "held", "we put them on hold, at the head of the line"
    TRANSFERRED = "transferred", "we sent them to another queue"


class ClientMoved(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Something happened to our visitor."""

    name: str
    move: ClientMove


class DeskAction(Explained):
    """What an operator did to a visitor."""

    DROPPED = "dropped", "taken out of the waiting room"
    MOVED = "moved", "given another number in the waiting room"
    NOTED = "noted", "a note was kept"
    CLOSED = "closed", "a queue takes no newcomers"
    OPENED = "opened", "a queue takes newcomers"
    ANNOUNCED = "announced", "all who wait in a queue were told"


class CommandSucceeded(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A command of ours is done, and no other event tells of it."""

    action: DeskAction
    name: str
    """The visitor; after CLOSED, OPENED and ANNOUNCED the queue."""
    position: int = 0
    """The visitor's number in the waiting room from now on, after MOVED."""
    text: str = ""
    """The note, after NOTED."""
    visit: int = 0
    """The visitor's visit, after NOTED."""


class CommandFailure(Explained):
    """Why a command or a line of an operator came to nothing."""

    NO_CLIENT = "no_client", "we serve nobody"
    ROOM_EMPTY = "room_empty", "nobody waits"
    NO_SUCH_POSITION = "no_such_position", "nobody has that number in the waiting room"
    NO_SUCH_OPERATOR = "no_such_operator", "no other operator has that name"
    OFF_DUTY = "off_duty", "that operator is not on duty"
    NO_SUCH_QUEUE = "no_such_queue", "no queue has that name"
    NOT_AN_OPERATOR = "not_an_operator", "only operators can do that"
    TOO_MANY = "too_many", "the limit of operators on duty is reached"
    OTHER_QUEUE = "other_queue", "we still serve a visitor of another queue"
    TOO_LONG = "too_long", "the note is too long"
    NOBODY_IN_REACH = "nobody_in_reach", "everybody who waits is away"
    NOT_IN_LINE = "not_in_line", "the visitor has left the waiting room"
    SAME_QUEUE = "same_queue", "the visitor is in that queue already"
    QUEUE_FULL = "queue_full", "too many wait in that queue"
    NOT_STORED = "not_stored", "the registry cannot write to its disk: nothing was done"
    NOT_ON_DUTY = "not_on_duty", "only operators on duty can do that"
    LINE_FULL = (
        "line_full",
        "the line was not sent: the visitor is away, and too many lines wait already",
    )
    LINE_TOO_FAST = "line_too_fast", "the line was not sent: too many at once"
    LINE_NOT_SERVING = (
        "line_not_serving",
        "the line was not sent: the registry cannot write to its disk",
    )
    LINE_NO_UPLOAD = "line_no_upload", "the registry does not have the file whole: send it again"
    LINE_GONE = "line_gone", "there is no such line of ours to change any more"
    UNREACHABLE = "unreachable", "there is no link to the registry"


class CommandFailed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A command or a line of ours at the desk came to nothing."""

    reason: CommandFailure
    name: str = ""
    """The visitor, for NOT_IN_LINE and SAME_QUEUE."""
    line: int = 0
    """What `desk.say` returned for the line that reached nobody; 0 for a command."""
    text: str = ""
    """The text of the line."""


class HeldBack(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What we typed was not carried out, because it may have been meant for another visitor than
    our present one."""

    what: HeldInput
    former: str
    """The visitor for whom it may have been meant; empty if it was typed while we served nobody."""
    move: ClientMove | None
    """What happened to that visitor, if known."""
    client: str
    """The visitor whom we serve now; empty for nobody."""
    line: int = 0
    """What `desk.say` returned for the line; 0 for a command."""
    text: str = ""
    """The text of the line, or of the note."""


class NothingSaid(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The session was not ended: our visitor has said nothing in it. The same request once more
    ends it."""

    name: str


class NumberMoved(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A number of the waiting room was ambiguous: our own commands gave it to another visitor than
    the list shows."""

    position: int
    was: str
    is_now: str


class WaitingRoom(DeskRoom, frozen=True, kw_only=True, tag=True):
    """The answer to `.room`."""

    is_quiet: bool = False
    """Whether the program that asked shows it alone; others take no notice."""


class Figures(DeskFigures, frozen=True, kw_only=True, tag=True):
    """The answer to `.stats`."""

    is_quiet: bool = False
    """Whether the program that asked shows it alone; others take no notice."""


class PastSessions(DeskPast, frozen=True, kw_only=True, tag=True):
    """The answer to `.past`."""

    name: str = ""
    """The visitor of whom it was asked; empty: all."""
    is_quiet: bool = False
    """Whether the program that asked shows it alone; others take no notice."""


DutyEvent = (
    DutyChanged
    | VisitorsWaiting
    | AnswersKnown
    | ClientCame
    | ClientMoved
    | CommandSucceeded
    | CommandFailed
    | HeldBack
    | NothingSaid
    | NumberMoved
    | WaitingRoom
    | Figures
    | PastSessions
)
"""The events of an operator."""


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """A person in the table."""

    name: str
    online: bool
    since: float
    is_verified: bool = False
    """Whether the user has compared their key."""
    is_banned: bool = False
    """Whether they are banned from the registry."""
    host: str = ""
    """The IP address where they were last seen; empty if it is not known."""
    port: int = 0
    """Their UDP port there; 0 if it is not known."""
    is_slow: bool = False
    """Whether they are online by a slow link: if they vanish silently, that is known minutes
    later."""
    status: str = ""
    """What they say of themselves, at most STATUS_MAX characters."""
    away: str | None = None
    """Why they do not answer now though they are online; empty: they do not say; None: they do."""


class PeopleFound(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the people whose names begin alike, by name. The addresses of those whom the
    registry does not tell us of are not known."""

    people: tuple[Person, ...]
    more: bool
    """Whether others follow behind the last one."""


class PeopleListed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The answer to `who`. `is_whole`: everybody is to be shown, however many are away. `talked`:
    the names of those with whom the user has talked, who come first among these."""

    people: tuple[Person, ...]
    is_whole: bool = False
    talked: tuple[str, ...] = ()
    others: int = 0
    """How many more are online, of whom the registry does not tell us."""
    first: str = ""
    """With what the names were to begin; empty if that was not asked."""
    more: bool = False
    """Whether more names begin so."""


class TableChanged(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Rows of our table changed: names, addresses, keys, who is online. `PersonCame` and
    `PersonAway` tell the latter by name."""


class PersonCame(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Somebody is online who was not. Told from the moment on at which we have the registry's
    table, also of those who came while our link was down; before that, `people()` says who is
    online.

    `is_quiet`: faces say nothing, since it was found out afterwards, or we ignore the person."""

    name: str
    is_quiet: bool = False


class Absence(Explained):
    """How somebody went."""

    LEFT = "left", "they signed off, or gave up their name"
    LOST = "lost", "they do not answer any more"
    BANNED = "banned", "they were banned from the registry"


class PersonAway(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Somebody who was online is not any more. `is_quiet`, and from when on it is told: as in
    `PersonCame`."""

    name: str
    how: Absence
    is_quiet: bool = False


class PersonTyping(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A person is writing a message to us. Repeated every few seconds; nothing says that they
    stopped."""

    name: str


class Renamed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Somebody has another name now. `is_me`: it is our own."""

    old: str
    new: str
    is_me: bool


class KeyChanged(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The registry shows another key for a name than the one we hold, so nothing is sent to that
    name. `is_again`: it is not the first other key."""

    name: str
    is_again: bool = False


class KeyRestored(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The registry shows the key that we hold again, and messages to that name go out."""

    name: str


class SafetyNumber(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The answer to `/verify`: 60 digits that are the same at both ends unless somebody has swapped
    a key (protocol clause 3.7). `is_own_first`: the first 30 are those of our own key.
    `is_verified`: the user has compared this key. `is_changed`: it is not the key that we hold."""

    name: str
    digits: str
    is_own_first: bool = False
    is_verified: bool = False
    is_changed: bool = False

    @property
    def halves(self) -> tuple[str, str]:
        """The digits of our own key, and of theirs."""
        middle = len(self.digits) // 2
        first, second = self.digits[:middle], self.digits[middle:]
        return (first, second) if self.is_own_first else (second, first)


class Trusted(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The user has compared the key of a name. `is_new`: it replaces the one that we held."""

    name: str
    is_new: bool


class Doubt(Explained):
    """Why a key is not trusted."""

    NO_DIGITS = "no_digits", "the user gave no digits"
    OTHER_DIGITS = "other_digits", "the digits are not those of the key that is shown now"
    CHANGED = "changed", "the digits are of a key that was shown before; another one is shown now"


class NotTrusted(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Nothing changed: the key shown for a name is not the one that the user means. The name
    `server` is our registry."""

    name: str
    why: Doubt


class RegistryKey(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The answer to `/verify server`: fingerprints of the key that we hold and of the key that
    answers in its place, each empty for none. `is_verified`: the user has compared the one that we
    hold."""

    held: str
    other: str
    is_verified: bool


class Ignored(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Their messages are not shown from now on (`is_ignored`), or are shown again."""

    name: str
    is_ignored: bool


class Muted(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A conversation does not ring from now on (`is_muted`), or rings again. `until`: Unix seconds;
    0: for good."""

    conversation: Conversation
    is_muted: bool
    until: float = 0.0


class StatusSet(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What others read of us from now on. `is_later`: once the registry is back. The others are as
    in `Person`."""

    status: str
    away: str | None
    is_later: bool = False


class NobodyKnown(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A command named somebody who is not in the table."""

    name: str


PeopleEvent = (
    PeopleListed
    | TableChanged
    | PersonCame
    | PersonAway
    | PersonTyping
    | Renamed
    | KeyChanged
    | KeyRestored
    | SafetyNumber
    | RegistryKey
    | Trusted
    | NotTrusted
    | Ignored
    | Muted
    | StatusSet
    | NobodyKnown
)


class MessageReason(Explained):
    """Why a message or a line of ours is kept, refused or gone. The names are stored on disk."""

    KEY_CHANGED = "key_changed", "the key shown for the name is not the one that we hold"
    NOBODY = "nobody", "nobody in the table has the name, and the registry knows nobody who has"
    NAME_UNKNOWN = "name_unknown", "the registry knows the name no more"
    BAD_CARD = "bad_card", "the recipient's card has no valid mail key"
    MAILBOX_FULL = "mailbox_full", "the recipient's mailbox is full"
    SHARE_USED_UP = (
        "share_used_up",
        "too much mail from us, or from our network, waits in the mailbox",
    )
    DISK_FULL = "disk_full", "the registry's disk is full"
    DISK_FAILED = "disk_failed", "the registry cannot write to its disk"
    TOO_MANY_ONLINE = (
        "too_many_online",
        "so many people are online that the channel takes one line a second",
    )
    NEVER_FETCHED = "never_fetched", "the mail was never fetched, and has expired"
    LEFT_ROOM = "left_room", "we left the room before the registry was back"
    NOT_IN_ROOM = "not_in_room", "we are not in that room"
    OWN_DISK = "own_disk", "our own disk takes nothing, and too much waits for it"
    ENDED = "ended", "our program ended before the message was stored"
    CANCELLED = "cancelled", "we took it back before anybody had it"


class MessageState(Numbered):
    """How far one of our own messages or lines got. The numbers are stored on disk."""

    UNSETTLED = "unsettled", 1
    """On its way, or not begun yet."""
    KEPT = "kept", 2
    """In our own outbox; it goes out when a way opens."""
    SAVED = "saved", 3
    """On the registry's disk: sealed in the recipient's mailbox, or in the log of a group. A sealed
    message is sent directly again ahead of a newer one, to keep the order."""
    DELIVERED = "delivered", 4
    """Decrypted and stored by the recipient's program. A line of a group that the registry has is
    stored as DELIVERED, too, as nothing more happens to it."""
    REFUSED = "refused", 5
    """It will not arrive."""
    EXPIRED = "expired", 6
    """The mail was never fetched and is gone."""

    def __str__(self) -> str:
        return self.name

    def __format__(self, spec: str) -> str:
        return format(self.name, spec)


SOMEBODY: Final = "somebody unknown"
"""Stands for the name of an author without one. It is no valid name, as it has a blank."""


class AuthorDoubt(Numbered):
    """Why the author, who signed the message, may not be the person whom the user knows by that
    name. The numbers are stored on disk."""

    NOT_IN_TABLE = "not_in_table", 1
    """The author claims the name; the table has no row with that name and key."""
    OTHER_KEY = "other_key", 2
    """Somebody in the table has the name, with another key."""


class Target(msgspec.Struct, frozen=True):
    """Which line is meant, the same on every path: its author's key (empty: ours) and its
    number."""

    identity: bytes
    number: int


NAMES_SHOWN: Final = 20
"""People who are named of those who have put an emoji to a line."""


EMOJIS_SHOWN: Final = 100
"""Emojis that are told of a line, those that came first."""


class Reaction(msgspec.Struct, frozen=True, kw_only=True):
    """An emoji that people have put to a line."""

    emoji: str
    count: int
    names: tuple[str, ...]
    """Who has, the first NAMES_SHOWN of them."""
    is_ours: bool = False
    """Whether we are among them."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """What all have in common that people say to each other, or change of what was said."""

    conversation: Conversation
    id: int
    """A running number of this history, never given twice: the id of the line's receipt, and of
    every event about it. What we say in a visit has an id that the caller drew."""
    sender: str
    """The author's name; empty for the visitor whose page or program it is."""
    identity: bytes = b""
    """The author's key; empty if it is not known any more, in a visit, and for our own."""
    number: int
    """The number in the author's stream; in a visit the line's place in it, 0 before the registry
    has told it."""
    visit: int = 0
    """The number of the visit; 0 for a line that is of none."""
    text: str
    at: float
    """When it was written, in Unix seconds by the author's clock; by the registry's in a visit."""
    is_late: bool = False
    """Whether it came as mail or from a log, not directly; or was shown by an earlier run."""
    doubt: AuthorDoubt | None = None
    """Why the author of a message to us alone may not be `sender`; None for somebody in the
    table."""

    @property
    def stream(self) -> tuple[Conversation | None, bytes]:
        """What all lines of one author in one place have in common: the group (None: to us alone),
        and the key, whatever the author is called."""
        return None if self.conversation.is_person else self.conversation, self.identity


class DraftKept(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What the user has begun to type in a conversation, and not sent; empty: nothing any more."""

    conversation: Conversation
    text: str
    window: int = 0
    """Where it is typed, as in `KeepDraft`."""


class OfferedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that somebody offers; the text of the line is its name."""

    size: int
    """Its bytes."""
    number: int = 0
    """By which the user names it, in an event; 0 in the past, and for one of too many."""
    is_coming: bool = False
    """Whether it is fetched without a question, in an event."""


class Said(Line, frozen=True, kw_only=True, tag=True):
    """A line of a conversation, as it comes and as the history keeps it, with all changes of it. As
    an event, it is one that somebody else said; a note to ourselves is one, too."""

    is_ours: bool = False
    state: MessageState | None = None
    """How far our own line got; None for others'. A line of the channel or a room that the registry
    has is DELIVERED."""
    is_seen: bool = False
    """Whether the person to whom we said it has seen it (`Seen`)."""
    reply_to: Target | None = None
    """The line that this one answers."""
    quote: str = ""
    """The beginning of that line, in a line of the past; events do not have it."""
    is_edited: bool = False
    is_retracted: bool = False
    """Whether its author has taken it back; the text is empty then."""
    is_unknown: bool = False
    """Whether it is something that this version cannot show."""
    file: OfferedFile | None = None
    """The file that is offered, if the text is the name of one."""
    reactions: tuple[Reaction, ...] = ()
    """EMOJIS_SHOWN at most."""

    def is_for(self, name: str) -> bool:
        """Whether it is said to one person alone, or has `@` and this name in it."""
        return self.conversation.is_person or addresses(self.text, name)

    @property
    def as_target(self) -> Target:
        """What an event about this line names it by."""
        return Target(b"" if self.is_ours else self.identity, self.number)


class Edited(Line, frozen=True, kw_only=True, tag=True):
    """Somebody has changed a line of theirs to `text`. `Past.find` returns that line as it is
    now."""

    target: Target
    """The line that is changed; in a visit its number is the id of that line, and its key empty."""


class Retracted(Line, frozen=True, kw_only=True, tag=True):
    """Somebody has taken a line of theirs back. `text` is empty."""

    target: Target


class Reacted(Line, frozen=True, kw_only=True, tag=True):
    """Somebody has put an emoji, `text`, to a line, or taken it away again."""

    target: Target
    is_on: bool


class FileAnswered(Line, frozen=True, kw_only=True, tag=True):
    """Somebody says what they have done with the file that a line of ours offers. `text` is
    empty."""

    target: Target
    reply: FileReply


ChangeEvent = Edited | Retracted | Reacted | FileAnswered
"""The events that change a line."""

LineEvent = Said | ChangeEvent
"""What has an author and a number: it is told until somebody reports that it was shown."""


class SaidByUs(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The user has said this line, or changed one, by another program that uses the peer. A line of
    the help desk has the id that `SayAtDesk` gave it."""

    line: LineEvent
    key: int = 0
    """As in `Send`."""


class Seen(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A person has seen what we said to them, up to this line. Told only if both have asked for
    seen marks, and only of the newest line."""

    conversation: Conversation
    target: Target
    """The line; `Past.find` returns it."""


class MailReturned(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The messages and lines that were sent while we were away, oldest first."""

    lines: tuple[LineEvent, ...]


class MailUnreadable(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A piece of sealed mail to us cannot be opened, and never will be. `detail` is for logs and
    people."""

    sender: str
    detail: str


class MailHeldBack(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Mail stays with the registry: it is from more unknown authors than are remembered at a
    time."""


class LineLoss(Explained):
    """Why a line in a log cannot be read."""

    AUTHOR_UNKNOWN = "author_unknown", "no person in the table has its author's key"
    KEY_MISSING = "key_missing", "the registry did not give the key that the line is sealed with"
    INVALID = "invalid", "the line does not open"


class LineUnreadable(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A line in the log of the channel or of a room cannot be read. `detail` is what is wrong with
    an invalid one, for logs and people."""

    conversation: Conversation
    sender: str
    reason: LineLoss
    detail: str = ""


class ConversationRead(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The user has read a conversation up to the line with this id."""

    conversation: Conversation
    id: int


ReceivedEvent = (
    LineEvent
    | SaidByUs
    | Seen
    | DraftKept
    | MailReturned
    | MailUnreadable
    | MailHeldBack
    | LineUnreadable
    | ConversationRead
)


class Registered(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The registry has registered us, for the first time or after `dereg`."""


class NameUnavailable(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Somebody else has the name that we asked for."""

    name: str


class AdmissionRefusal(Explained):
    """Why the registry does not let us in."""

    BAD_NAME = "bad_name", "it does not accept the name"
    OLD_CARD = "old_card", "it knows a newer card of ours"
    VERSION = "version", "it speaks another version of the protocol"
    FULL = "full", "it takes no new names now"
    NOT_SERVING = "not_serving", "it is not serving now"
    NOT_INVITED = "not_invited", "it is invite-only"
    BAD_CODE = "bad_code", "the join code is used up, expired or invalid"
    KEPT_FOR_OPERATOR = (
        "kept_for_operator",
        "the name is reserved for an operator, who needs the registry's code",
    )
    BANNED = "banned", "we are banned"
    KICKED = "kicked", "its owner has disconnected us, and keeps us out for a while"
    OTHER_PROGRAM = "other_program", "another program uses our name and key"
    CODE_OF_ANOTHER = "code_of_another", "the join code is of another registry"


class AdmissionRefused(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The registry does not let us in, and the name is not the reason."""

    reason: AdmissionRefusal
    key: str = ""
    """A fingerprint. NOT_INVITED: of our own key, which the registry may list. CODE_OF_ANOTHER: of
    the registry that answers, when it is known."""
    seconds: int = 0
    """BANNED, KICKED: for how long, after which we register again; 0 for no end."""
    text: str = ""
    """What the registry's owner says of it; mostly empty."""


class RenameRefusal(Explained):
    """Why we keep our name."""

    INVALID_NAME = "invalid_name", "no name looks like this"
    SAME_NAME = "same_name", "it is our name already"
    PENDING = "pending", "another change of our name is pending"
    UNREACHABLE = "unreachable", "there is no link to the registry"
    NOT_TAKEN = "not_taken", "the link broke, and the registry has not changed the name"
    BAD_NAME = "bad_name", "the registry does not accept it"
    KEPT_FOR_OPERATOR = "kept_for_operator", "the registry keeps it for an operator"
    BANNED = "banned", "the registry lets nobody bear it"
    OLD_CARD = "old_card", "the registry knows a newer card of ours"
    FULL = "full", "the registry is full, or we rename too often"
    NOT_SERVING = "not_serving", "the registry cannot write to its disk"
    KEYS_EXIST = "keys_exist", "our folder holds keys of another person with this name"
    OWN_DISK = "own_disk", "our own disk does not take the new name"


class RenameFailed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """We keep our name. A name that is taken is told by `NameUnavailable`."""

    name: str
    reason: RenameRefusal
    detail: str = ""
    """What the operating system said, and of which file; for logs and people, not to be matched."""


class NameReleased(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """We have given up our name: we are offline, anybody may take it, and our mail is deleted. Our
    keys stay."""

    name: str


class ReleaseRefusal(Explained):
    """Why our name is not given up."""

    PENDING = "pending", "a change of our name is pending"
    UNREACHABLE = "unreachable", "there is no link to the registry"
    UNANSWERED = (
        "unanswered",
        "the link broke, or no answer came in time; we register again under the same name",
    )
    KEPT_FOR_OPERATOR = "kept_for_operator", "the registry keeps it for an operator"
    FULL = "full", "too much is asked of the registry for us already"
    NOT_SERVING = "not_serving", "the registry cannot write to its disk"


class ReleaseFailed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """We keep our name."""

    name: str
    reason: ReleaseRefusal


class SignedOff(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """We are offline, and the registry has confirmed it."""


class LeaveUnanswered(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """We are offline; the registry did not answer."""


class ServerLost(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The registry does not answer any more. Direct chat goes on."""


class ServerAnnounced(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The registry's owner tells everybody something."""

    text: str


class ServerStopPlanned(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The registry stops in `seconds`. `reason`: empty for none."""

    seconds: int
    reason: str


class ServerStopping(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The registry stops now, in order."""


class ServerStopCancelled(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The planned stop of the registry does not take place."""


class ServerBack(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The registry answers again."""


class ServerOfAnotherRegistry(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """One of our servers is not our registry: it shows the key with this fingerprint. It is not
    used."""

    server: Address
    key: str


class LinkTrouble(Explained):
    """What can be wrong with the TCP connection to a registry that answers by UDP."""

    BLOCKED = "blocked", "no connection can be made"
    STALLED = "stalled", "it carried nothing any more, and is being made again"
    OVER = "over", "it was blocked, and is connected now"


class LinkTroubled(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The link to TCP port `port` of the registry has trouble, or not any more, while the registry
    answers by UDP."""

    port: int
    trouble: LinkTrouble


class SearchingServers(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """None of the registry's servers has answered at start, and there is no table of an earlier run:
    we ask them for `seconds` in all. `servers`: the addresses that we ask."""

    servers: tuple[Address, ...]
    seconds: int


class NoServerAtStart(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The registry did not answer at start. `table_time`: when our copy of the table was saved;
    None without one."""

    table_time: float | None


class RegistryMet(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A registry that we did not know has let us in. `key`: its fingerprint. `is_verified`: the
    user, or a join code, had named it."""

    key: str
    is_verified: bool


class RegistryRecognized(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """This server is a registry that we know by other addresses; we hold the same people and keys
    as there."""

    servers: tuple[str, ...]


class RegistryKeyAccepted(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A registry with another key than before has let us in, as the user has agreed to. `key`: its
    fingerprint."""

    key: str


class RegistryKeyChanged(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Another registry answers than the expected one. `expected`, `got`: fingerprints.
    `is_announced`: only an announcement on the local network said which one to expect; we never met
    it here."""

    expected: str
    got: str
    is_announced: bool = False


NotLetIn = NameUnavailable | AdmissionRefused | RegistryKeyChanged
"""Why we are not registered although something answers at the registry's address."""

RegistryEvent = (
    Registered
    | NameUnavailable
    | AdmissionRefused
    | RenameFailed
    | NameReleased
    | ReleaseFailed
    | SignedOff
    | LeaveUnanswered
    | ServerLost
    | ServerBack
    | ServerOfAnotherRegistry
    | ServerAnnounced
    | ServerStopPlanned
    | ServerStopCancelled
    | ServerStopping
    | SearchingServers
    | NoServerAtStart
    | LinkTroubled
    | RegistryMet
    | RegistryRecognized
    | RegistryKeyAccepted
    | RegistryKeyChanged
)


class EnteredRoom(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """We entered a room. `members`: the others, by name. `missed`: how many lines from before
    follow. `topic`: empty for none."""

    room: str
    members: tuple[str, ...]
    missed: int
    topic: str = ""


class RoomExit(Explained):
    """Why we are not in the room any more."""

    LEFT = "left", "we left it, or the registry did not let us in again"
    EVICTED = "evicted", "the registry's owner has taken us out of it"
    CLOSED = "closed", "the registry's owner has closed it"


class LeftRoom(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """We are not in the room any more."""

    room: str
    how: RoomExit = RoomExit.LEFT


class RoomEntryRefusal(Explained):
    """Why we are not let into a room."""

    INVALID_NAME = "invalid_name", "no room has a name like this"
    BAD_NAME = "bad_name", "the registry does not accept the name"
    ROOM_FULL = "room_full", "it is full"
    TOO_MANY_ROOMS = "too_many_rooms", "there are too many rooms"
    SHARE_USED_UP = "share_used_up", "people at our address are in too many rooms"
    IN_TOO_MANY = "in_too_many", "we are in as many rooms as one may be in"
    NOT_SERVING = "not_serving", "the registry cannot write to its disk"
    TOO_OFTEN = (
        "too_often",
        "we, or others at our address, entered or made too many rooms in a short time",
    )
    OFFLINE = "offline", "we are offline by our own wish"
    UNREACHABLE = "unreachable", "there is no link to the registry"
    UNANSWERED = "unanswered", "the registry did not answer in time"


class RoomEntryDenied(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """We may not enter a room. We stay in those where we are."""

    room: str
    reason: RoomEntryRefusal


class NotInRoom(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A command is about a room that we are not in."""

    room: str = ""
    """Empty: it needs a room, and we are in none."""


class MemberJoined(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Somebody entered a room of ours, or came back."""

    room: str
    name: str


class MemberLeft(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Somebody left a room of ours, quit, or vanished."""

    room: str
    name: str


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """A room, and how many people are in it now."""

    name: str
    here: int
    is_ours: bool = False
    """Whether we are among them."""


class RoomsKnown(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The answer to `/rooms`."""

    rooms: tuple[Room, ...]


class NoAnswer(Explained):
    """Why the registry did not answer a question."""

    OFFLINE = "offline", "we are offline by our own wish"
    UNREACHABLE = "unreachable", "there is no link to the registry"
    UNANSWERED = "unanswered", "the registry did not answer in time"


class RoomsUnknown(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The registry did not say which rooms there are. `RoomsKnown` with our own rooms follows, if we
    are in any."""

    reason: NoAnswer


class MembersListed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The answer to `/names`: everybody in a room of ours, ourselves included."""

    room: str
    members: tuple[Person, ...]


class TopicKnown(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The topic of a room of ours: the answer to `/topic`, or `is_change`, somebody has set or cleared
    it."""

    room: str
    text: str
    """Empty: the room has none."""
    author: str
    """Who set it; empty if that is not known, and for the server's administrator."""
    at: float
    is_change: bool = False
    is_administrators: bool = False
    """Whether the server's administrator set it."""


class TopicUnknown(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The registry has not told us the topic of a room of ours yet."""

    room: str


class TopicFailure(Explained):
    """Why a topic of ours is not set."""

    TOO_LONG = "too_long", "it has too many characters"
    NOT_HERE = "not_here", "the registry does not see us in the room"
    NOT_SERVING = "not_serving", "the registry cannot write to its disk"
    TOO_OFTEN = "too_often", "we set topics too often"
    OFFLINE = "offline", "we are offline by our own wish"
    UNREACHABLE = "unreachable", "there is no link to the registry"
    UNANSWERED = "unanswered", "the registry did not answer in time"


class TopicNotSet(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The topic of a room of ours was not set."""

    room: str
    reason: TopicFailure


RoomsEvent = (
    EnteredRoom
    | LeftRoom
    | RoomEntryDenied
    | NotInRoom
    | MemberJoined
    | MemberLeft
    | RoomsKnown
    | RoomsUnknown
    | MembersListed
    | TopicKnown
    | TopicUnknown
    | TopicNotSet
)


class MessageChanged(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A message or line of ours has this state now. It is told once, except that KEPT is told for
    each `reason`."""

    conversation: Conversation
    id: int
    """The id of the line in our history; 0 when the message was never begun."""
    state: MessageState
    reason: MessageReason | None = None
    """Why it is KEPT (None: the registry is away), REFUSED or EXPIRED."""
    through_server: bool = False
    """DELIVERED: whether it went through the registry."""
    was_saved: bool = False
    """DELIVERED: whether it was SAVED before. Faces say nothing then: they have said that it is
    saved."""
    file: int = 0
    """SAVED, at the desk: by which number the file is fetched that the line brings; 0 for none."""
    text: str = ""
    """EXPIRED: the text of the message."""


class Unacknowledged(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The recipient did not answer, or is away, so the message goes to the registry as mail."""

    conversation: Conversation
    id: int
    """As in `MessageChanged`."""


class Addressed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The name of kept messages is resolved: they are in this conversation now."""

    name: str
    conversation: Conversation


class TooLong(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The text is longer than the limit (bytes of UTF-8), and nothing was sent."""

    conversation: Conversation
    """That with a visitor has the visitor's name."""
    size: int
    limit: int


class LinesAbandoned(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """We left a room while `count` lines of ours still waited for the registry: not everybody there
    gets them."""

    room: str
    count: int


SentEvent = MessageChanged | Unacknowledged | Addressed | TooLong | LinesAbandoned


class HistoryMissing(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The history's database was missing or empty, so the history begins again. `found`: how many
    of the newest lines were in its journal still."""

    path: str
    found: int


class LinesLost(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The newest `count` lines of the history are gone: its files were damaged. `kept_as`: the name
    under which the damaged journal is kept; None if it was missing."""

    path: str
    count: int
    kept_as: str | None


class StorageFailed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Our own disk takes nothing; messages are not acknowledged until it does. `error`: as the
    system words it, for people and logs."""

    error: str


class HistoryBehind(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Messages are stored in the journal, but the history's database cannot be written: it lacks
    the newest ones until it can. `error`: as SQLite words it, for people and logs."""

    error: str


class ReadersBehind(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A reader of these events is so far behind that no more messages are taken until it catches
    up."""


class FolderNotMoved(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Our folder could not be given our new name; the next start tries again. `error`: as the
    system words it."""

    name: str
    error: str


class EventsMissed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """This program is attached to another one and was so slow that it was not told everything. What
    was said is in the history."""


class ProgramChanged(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The program to which this one was attached has ended. Another one runs the peer from now on,
    or this one does; what was said meanwhile has been told."""

    process: int
    """Its number."""


class ProgramEnded(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The program to which this one is attached has ended."""

    name: str
    """The name of the person whose program it is."""


AttachmentEvent = EventsMissed | ProgramChanged | ProgramEnded
"""The events of a program that is attached to another one."""


StorageEvent = (
    HistoryMissing | LinesLost | StorageFailed | HistoryBehind | ReadersBehind | FolderNotMoved
)


class FileChanged(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A file is offered, or stands otherwise than before: a few times a second while its bytes are
    on their way."""

    file: FileTransfer


Event = (
    ReceivedEvent
    | SentEvent
    | RoomsEvent
    | PeopleEvent
    | RegistryEvent
    | DutyEvent
    | StorageEvent
    | AttachmentEvent
    | FileChanged
)
"""All events."""
