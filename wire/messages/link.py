"""This file is about what is said on the sealed link between a peer and its registry (clause 9)."""

import msgspec

from wire.messages.desk import DeskNotice, DeskRequest
from wire.messages.direct import DatagramRelayed, RelayDatagram, RelayFailed, ReportSilence
from wire.messages.group import FetchGroup, GroupAccepted, GroupGranted, GroupPage, GroupRefused
from wire.messages.mail import AskMail, DepositMail, MailBatch, MailExpired, MailRefused, MailSaved, TakeMail
from wire.messages.presence import Leave, Left, Ping, Pong, Probe
from wire.messages.renaming import Rename, RenameAccepted, RenameRefused
from wire.messages.room import (
    EnterRoom,
    LeaveRoom,
    ListRooms,
    RoomChanged,
    RoomEntered,
    RoomLeft,
    RoomRefused,
    RoomsListed,
)
from wire.messages.table import FetchTable, TablePage


class Attach(msgspec.Struct, frozen=True, array_like=True, tag=60):
    """Peer to registry: the first frame; opens the link."""


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
    | Rename
    | DeskRequest
    | Ping
    | Leave
)
"""All that a peer may say on its link."""

RegistryNotice = (
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
    | RenameAccepted
    | RenameRefused
    | DeskNotice
    | Pong
    | Probe
    | Left
)
"""All that a registry may say on a link."""
