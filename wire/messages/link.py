"""The requests and notices on the sealed link between a peer and its registry (clause 9)."""

import msgspec

from chatapp.wire.messages.desk import DeskNotice, DeskRequest
from chatapp.wire.messages.direct import DatagramRelayed, RelayDatagram, RelayFailed, ReportSilence
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
    EnterRoom,
    FetchGroup,
    GroupAccepted,
    GroupGranted,
    GroupPage,
    GroupRefused,
    LeaveRoom,
    ListRooms,
    RoomChanged,
    RoomEntered,
    RoomLeft,
    RoomRefused,
    RoomsListed,
    SetTopic,
    TopicChanged,
    TopicRefused,
)
from chatapp.wire.messages.table import FetchTable, TablePage


class Attach(msgspec.Struct, frozen=True, array_like=True, tag=60):
    """Peer to registry: the first frame, which opens the link."""


PeerRequest = (
    Attach
    | FetchTable
    | DepositMail
    | TakeMail
    | AskMail
    | RelayDatagram
    | ReportSilence
    | FetchGroup
    | EnterRoom
    | LeaveRoom
    | ListRooms
    | SetTopic
    | Rename
    | Release
    | DeskRequest
    | Ping
    | Leave
)
"""The requests that a peer may send on its link."""

NodeNotice = (
    TablePage
    | MailSaved
    | MailRefused
    | MailBatch
    | MailExpired
    | DatagramRelayed
    | RelayFailed
    | GroupGranted
    | GroupAccepted
    | GroupRefused
    | GroupPage
    | RoomEntered
    | RoomRefused
    | RoomLeft
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
"""The notices that a registry may send on a link, apart from those that keep the registration alive."""

RegistryNotice = NodeNotice | Pong | Probe | Left
"""The notices that a registry may send on a link."""
