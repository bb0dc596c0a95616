"""Requests of the administrator and their answers, one JSON object a line on the admin socket.

Times are Unix seconds, spans are seconds, sizes are bytes, keys are fingerprints.
"""

import enum
from typing import Annotated, Literal, TypeAlias

import msgspec

from chatapp.wire.limits import ANNOUNCEMENT_MAX, EXCLUSION_TEXT_MAX, INVITES_MAX
from chatapp.wire.messages.rooms import TopicText

JoinCodeKey: TypeAlias = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
AnnouncedText: TypeAlias = Annotated[str, msgspec.Meta(max_length=ANNOUNCEMENT_MAX)]

ExclusionText: TypeAlias = Annotated[str, msgspec.Meta(max_length=EXCLUSION_TEXT_MAX)]

KICK_SPAN_MAX = 86_400
STOP_SPAN_MAX = 7 * 86_400
LOG_SHOWN_MAX = 10_000
BAN_SPAN_MAX = 10 * 365 * 86_400


# --- requests that need no running registry

LogLevel: TypeAlias = Annotated[
    Literal["debug", "info", "warning", "error", "critical"],
    msgspec.Meta(description="one of debug, info, warning, error, critical"),
]


class MakeInvites(msgspec.Struct, frozen=True, tag="invite"):
    """Make join codes with these public halves valid. Codes that are valid already stay as they
    are."""

    codes: Annotated[list[JoinCodeKey], msgspec.Meta(max_length=INVITES_MAX)]


class ListNames(msgspec.Struct, frozen=True, tag="names"):
    """List all names."""


class ReleaseName(msgspec.Struct, frozen=True, tag="release"):
    """Make a name free for anybody."""

    name: str


class AddBan(msgspec.Struct, frozen=True, tag="ban"):
    """Ban a key, a name, an address or a network, beside those of the configured list, for `span`
    seconds (0: for good). The banned are told the reason. `author`: set by the registry, which
    knows who asks."""

    what: str
    span: Annotated[int, msgspec.Meta(ge=0, le=BAN_SPAN_MAX)] = 0
    reason: ExclusionText = ""
    author: str = ""


class LiftBan(msgspec.Struct, frozen=True, tag="unban"):
    """Lift a ban that was added by `AddBan`."""

    what: str


class ListBans(msgspec.Struct, frozen=True, tag="bans"):
    """List the bans that were added by `AddBan`."""


FileRequest: TypeAlias = MakeInvites | ListNames | ReleaseName | AddBan | LiftBan | ListBans
"""Requests that a registry's files can answer as well."""


# --- requests to the core of a running registry


class ShowOnline(msgspec.Struct, frozen=True, tag="who"):
    """List the people who are online."""


class ShowTable(msgspec.Struct, frozen=True, tag="table"):
    """List everybody in the table."""


class ShowRooms(msgspec.Struct, frozen=True, tag="rooms"):
    """List the rooms."""


class ShowMail(msgspec.Struct, frozen=True, tag="mail"):
    """List the mailboxes with waiting letters."""


class ShowQueue(msgspec.Struct, frozen=True, tag="queue"):
    """List the visitors of the help desk."""


class ShowStats(msgspec.Struct, frozen=True, tag="stats"):
    """Show the registry's figures, and those of its help desk."""


class KickPerson(msgspec.Struct, frozen=True, tag="kick"):
    """Disconnect somebody and keep them out for `span` seconds."""

    name: str
    span: Annotated[int, msgspec.Meta(ge=1, le=KICK_SPAN_MAX)]


class Announce(msgspec.Struct, frozen=True, tag="announce"):
    """Tell everybody who is connected."""

    text: AnnouncedText


class TellStop(msgspec.Struct, frozen=True, tag="tell stop"):
    """Tell everybody, newcomers too, that the registry stops in `span` seconds; None: that it does
    not."""

    span: Annotated[int, msgspec.Meta(ge=0, le=STOP_SPAN_MAX)] | None
    reason: AnnouncedText = ""


class ShowPerson(msgspec.Struct, frozen=True, tag="show"):
    """Show all that is known of somebody."""

    name: str


class CloseRoom(msgspec.Struct, frozen=True, tag="room close"):
    """Put everybody out of a room, and delete what was said there."""

    room: str


class KickFromRoom(msgspec.Struct, frozen=True, tag="room kick"):
    """Put somebody out of a room."""

    room: str
    name: str


class SetRoomTopic(msgspec.Struct, frozen=True, tag="room topic"):
    """Set the topic of a room; an empty text clears it."""

    room: str
    text: TopicText


class PurgeMail(msgspec.Struct, frozen=True, tag="mail purge"):
    """Delete the letters that wait for somebody. Their senders are told as of expired ones."""

    name: str


class ErasePerson(msgspec.Struct, frozen=True, tag="erase"):
    """Delete all that is kept of somebody who is away. It leaves the files with the next
    checkpoint."""

    name: str


ShowRequest: TypeAlias = ShowOnline | ShowTable | ShowRooms | ShowMail | ShowQueue | ShowStats
LiveRequest: TypeAlias = (
    KickPerson
    | Announce
    | TellStop
    | ShowPerson
    | CloseRoom
    | KickFromRoom
    | SetRoomTopic
    | PurgeMail
    | ErasePerson
)
CoreRequest: TypeAlias = FileRequest | ShowRequest | LiveRequest
"""Requests that the core answers."""


# --- requests to the program around the core


class ReloadLists(msgspec.Struct, frozen=True, tag="reload"):
    """Read the access lists again."""


class StopRegistry(msgspec.Struct, frozen=True, tag="stop"):
    """Stop in `span` seconds, after telling everybody if that is not at once."""

    span: Annotated[int, msgspec.Meta(ge=0, le=STOP_SPAN_MAX)] = 0
    reason: AnnouncedText = ""


class CancelStop(msgspec.Struct, frozen=True, tag="cancel stop"):
    """Cancel the planned stop."""


class MakeBackup(msgspec.Struct, frozen=True, tag="backup"):
    """Copy everything that is kept into this folder, which must be missing or empty. `folder`: an
    absolute path."""

    folder: str


class VerifyFiles(msgspec.Struct, frozen=True, tag="verify"):
    """Read everything that is kept, and say what is damaged."""


RegistryRequest: TypeAlias = (
    CoreRequest | ReloadLists | StopRegistry | CancelStop | MakeBackup | VerifyFiles
)
"""Requests to a registry, or to a node of one."""


# --- requests to the program on this machine


class ShowLog(msgspec.Struct, frozen=True, tag="log"):
    """Show the newest lines of the administrator's log."""

    count: Annotated[int, msgspec.Meta(ge=1, le=LOG_SHOWN_MAX)]


class SetLogLevel(msgspec.Struct, frozen=True, tag="log-level"):
    """Log from this level on, until the program ends."""

    level: LogLevel


AdminRequest: TypeAlias = RegistryRequest | ShowLog | SetLogLevel


# --- answers


class AdminRefusal(enum.Enum):
    """Why a request was not done."""

    TOO_MANY_CODES = "too many codes"
    BAD_NAME = "bad name"
    NAME_UNKNOWN = "name unknown"
    OPERATOR_NAME = "operator name"
    NAME_PENDING = "name pending"
    """The name is on its way to the disk."""
    NAME_ONLINE = "name online"
    NAME_AWAY = "name away"
    """There is nobody to disconnect."""
    ROOM_UNKNOWN = "room unknown"
    ROOM_ENTERED = "room entered"
    """Somebody is just entering it."""
    NOT_IN_ROOM = "not in room"
    BAD_BAN = "bad ban"
    """It is no key, name, address or network."""
    BANNED_ALREADY = "banned already"
    NOT_BANNED = "not banned"
    TOO_MANY_BANS = "too many bans"
    NOT_STORED = "not stored"
    NO_LISTS = "no lists"
    """The registry was started without files to reload."""
    LISTS_WRONG = "lists wrong"
    """A list has a mistake; `detail` names it."""
    NO_STOP_PLANNED = "no stop planned"
    NO_LOG = "no log"
    """It cannot be read or changed; `detail` says why."""
    NO_BACKUP = "no backup"
    """It could not be made; `detail` says why."""
    NOT_A_REQUEST = "not a request"
    TOO_MANY_CLIENTS = "too many clients"
    OTHER_NODE = "other node"
    """Only the node of a cluster that keeps the state can do it; `subject` names that node."""
    NO_ENGINE = "no engine"
    """This node of a cluster does not reach the one that keeps the state, or lost it before the
    answer."""


class AdminRefused(msgspec.Struct, frozen=True, kw_only=True, tag="refused"):
    """The request was not done."""

    refusal: AdminRefusal
    subject: str = ""
    """The name or the ban that it is about, as it was typed."""
    room: int = 0
    """TOO_MANY_CODES: how many more codes there may be."""
    detail: str = ""
    """A mistake in words, if a check of input gave some."""


class Done(msgspec.Struct, frozen=True, kw_only=True, tag="done"):
    """The request was done, and is on the disk if it changed something that is kept."""

    count: int = 0
    """How many people it disconnected or told."""


class NameShown(msgspec.Struct, frozen=True, gc=False):
    """A name: whose it is, whether its owner is online, and since when."""

    name: str
    key: str
    state: str
    since: int


class NamesListed(msgspec.Struct, frozen=True, tag="names"):
    """All names."""

    names: list[NameShown]


class BanShown(msgspec.Struct, frozen=True, gc=False):
    """A ban as it was typed: why, by whom, since when and until when (0: for good)."""

    what: str
    reason: str
    author: str
    since: int
    until: int


class BansListed(msgspec.Struct, frozen=True, tag="bans"):
    """The bans, the oldest first."""

    bans: list[BanShown]


class PersonShown(msgspec.Struct, frozen=True, gc=False):
    """A person in the table; `rooms` are those of which they are a member, the first one first."""

    name: str
    key: str
    host: str
    port: int
    state: str
    since: int
    rooms: list[str]


class PeopleListed(msgspec.Struct, frozen=True, tag="people"):
    """People by name, and the version of the table."""

    people: list[PersonShown]
    version: int


class PersonFound(msgspec.Struct, frozen=True, kw_only=True, tag="person"):
    """All that is known of a person. `key`: the whole fingerprint of the key."""

    person: PersonShown
    network: str
    """The network with which they are counted."""
    reserved: list[str]
    """Their former names, which nobody else gets yet."""
    letters: int
    """Letters that wait for them."""
    size: int
    is_operator: bool
    bans: list[BanShown]
    """The bans by ChatApp admin ban that keep them out."""
    is_listed: bool
    """Whether a ban of the configuration keeps them out."""
    kicked_for: int
    """Seconds for which they are kept out yet."""


class PersonErased(msgspec.Struct, frozen=True, kw_only=True, tag="erased"):
    """Nothing is kept of a person, once the next checkpoint is done."""

    letters: int
    """How many letters by and for them were deleted."""
    lines: int
    names: list[str]
    """Keys of the names that they had."""
    keys: list[str]
    """The fingerprint of their key, as shown and as digits."""
    bans: list[str]
    """Bans that still name them."""


class Deed(msgspec.Struct, frozen=True, gc=False):
    """A line of the administrator's log. `at`: as RFC 3339. `uid`: the user of the machine who
    asked. `result`: `done`, or why it was refused."""

    at: str
    verb: str
    target: str
    uid: int
    result: str


class LogShown(msgspec.Struct, frozen=True, tag="log"):
    """Lines of the administrator's log, the oldest first."""

    deeds: list[Deed]


class RoomFigures(msgspec.Struct, frozen=True, gc=False):
    """A room: how many members are here and how many there are, and how many lines are kept."""

    name: str
    here: int
    members: int
    lines: int
    topic: str


class RoomsFound(msgspec.Struct, frozen=True, tag="rooms"):
    """All rooms, by name."""

    rooms: list[RoomFigures]


class MailboxFigures(msgspec.Struct, frozen=True, gc=False):
    """A mailbox: how many letters wait, their size, and since when the oldest waits."""

    name: str
    key: str
    letters: int
    size: int
    oldest: int


class MailFound(msgspec.Struct, frozen=True, tag="mail"):
    """The mailboxes with waiting letters, the fullest first."""

    boxes: list[MailboxFigures]
    letters: int


class VisitorFigures(msgspec.Struct, frozen=True, gc=False):
    """A visitor of the help desk. `position`: from 1, 0 while served by `operator`."""

    visit: int
    position: int
    name: str
    issue: str
    since: int
    is_here: bool
    operator: str


class QueueFigures(msgspec.Struct, frozen=True):
    """A queue of the help desk: operators on duty, figures of today, and who is served or waits."""

    queue: str
    operators: int
    served_today: int
    median_wait: int
    ninetieth_wait: int
    visitors: list[VisitorFigures]


class QueuesFound(msgspec.Struct, frozen=True, tag="queue"):
    """The queues of the help desk."""

    queues: list[QueueFigures]


class StatsShown(msgspec.Struct, frozen=True, tag="stats"):
    """The registry's figures by name; `dropped` counts by reason what was not served."""

    figures: dict[str, float]
    dropped: dict[str, int]
    queues: list[QueueFigures]


class ListsReloaded(msgspec.Struct, frozen=True, kw_only=True, tag="reloaded"):
    """The access lists in force now. `later`: changed settings that only a restart applies."""

    allowed: int
    banned: int
    gateways: int
    evicted: int
    later: list[str]


class BackupMade(msgspec.Struct, frozen=True, kw_only=True, tag="backup"):
    """A backup is complete, and on the disk."""

    folder: str
    files: int
    size: int


class FilesVerified(msgspec.Struct, frozen=True, kw_only=True, tag="verified"):
    """Everything was read. `damage`: a line about each damaged or missing file."""

    files: int
    records: int
    size: int
    damage: list[str]


AdminAnswer: TypeAlias = (
    Done
    | AdminRefused
    | NamesListed
    | BansListed
    | PeopleListed
    | PersonFound
    | PersonErased
    | LogShown
    | RoomsFound
    | MailFound
    | QueuesFound
    | StatsShown
    | ListsReloaded
    | BackupMade
    | FilesVerified
)
