"""The requests and notices on the sealed link between a peer and its registry (clause 9)."""

import enum
from typing import Annotated

import msgspec

from chatapp.wire.limits import ANNOUNCEMENT_MAX, Count
from chatapp.wire.messages.desk import DeskNotice, DeskRequest
from chatapp.wire.messages.direct import (
    DatagramRelayed,
    FileRelayRefused,
    RelayDatagram,
    RelayFailed,
    RelayFile,
    ReportSilence,
)
from chatapp.wire.messages.mail import (
    AskMail,
    DepositMail,
    MailBatch,
    MailExpired,
    MailRefused,
    MailSaved,
    TakeMail,
)
from chatapp.wire.messages.registration import (
    AskLease,
    LeaseNamed,
    Leave,
    Left,
    Ping,
    Pong,
    Probe,
    Release,
    Released,
    ReleaseRefused,
    Rename,
    RenameAccepted,
    RenameRefused,
)
from chatapp.wire.messages.rooms import (
    EnterRooms,
    FetchGroup,
    GroupAccepted,
    GroupGranted,
    GroupPage,
    GroupRefused,
    LeaveRoom,
    ListRooms,
    RoomChanged,
    RoomEntered,
    RoomEvicted,
    RoomLeft,
    RoomRefused,
    RoomsListed,
    SenderIndex,
    SetTopic,
    TopicChanged,
    TopicRefused,
)
from chatapp.wire.messages.table import (
    CardsShown,
    FetchCards,
    FetchTable,
    Find,
    Found,
    PresenceChanged,
    RosterPage,
    SetStatus,
    TablePage,
    TableScope,
    Watch,
)


class Attach(msgspec.Struct, frozen=True, array_like=True, tag=60):
    """Peer to registry: the first frame, which opens the link."""

    sender_index: SenderIndex = 0
    """The index that this run of the program was granted last; 0 for none (clause 8.1)."""
    version: Count = 0
    """Of the peer's table."""


class AttachFiles(msgspec.Struct, frozen=True, array_like=True, tag=69):
    """Peer to registry: the first frame of a link on which files are given and fetched."""


class AttachAgain(msgspec.Struct, frozen=True, array_like=True, tag=59):
    """Registry to peer: what the peer asked on this link and was not answered is lost, and nothing
    that was granted on it holds (clause 9.8). The peer sends Attach, and asks again."""


class AnnouncementKind(enum.IntEnum):
    """What an announcement is about (clause 9.7)."""

    TEXT = 1
    STOP_PLANNED = 2
    STOP_CANCELLED = 3
    STOPPING = 4


class Announcement(msgspec.Struct, frozen=True, array_like=True, tag=84):
    """Registry to everybody: its owner says `text`, or the registry stops in `seconds`, or does
    not, or stops now."""

    kind: AnnouncementKind
    text: Annotated[str, msgspec.Meta(max_length=ANNOUNCEMENT_MAX)]
    seconds: Count


PeerRequest = (
    Attach
    | FetchTable
    | FetchCards
    | Watch
    | Find
    | SetStatus
    | DepositMail
    | TakeMail
    | AskMail
    | RelayDatagram
    | RelayFile
    | ReportSilence
    | FetchGroup
    | EnterRooms
    | LeaveRoom
    | ListRooms
    | SetTopic
    | Rename
    | Release
    | DeskRequest
    | Ping
    | AskLease
    | Leave
)
"""The requests that a peer may send on its link."""

NodeNotice = (
    TablePage
    | RosterPage
    | CardsShown
    | TableScope
    | PresenceChanged
    | Found
    | MailSaved
    | MailRefused
    | MailBatch
    | MailExpired
    | DatagramRelayed
    | FileRelayRefused
    | RelayFailed
    | GroupGranted
    | GroupAccepted
    | GroupRefused
    | GroupPage
    | RoomEntered
    | RoomRefused
    | RoomLeft
    | RoomEvicted
    | RoomChanged
    | RoomsListed
    | TopicChanged
    | TopicRefused
    | RenameAccepted
    | RenameRefused
    | Released
    | ReleaseRefused
    | DeskNotice
)
"""The notices that a registry may send on a link, apart from announcements and those that keep the
registration alive."""

RegistryNotice = NodeNotice | Announcement | AttachAgain | Pong | LeaseNamed | Probe | Left
"""The notices that a registry may send on a link."""
