"""This file is about us and the registry: let in, lost, found again, left."""

import msgspec


class Registered(msgspec.Struct, frozen=True, kw_only=True):
    """The registry has let us in, for the first time or after `dereg`."""


class NameTaken(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody else holds this name."""

    name: str


class NotAdmitted(msgspec.Struct, frozen=True, kw_only=True):
    """The registry lets us not in, for another reason than the name."""

    reason: str


class RenameRefused(msgspec.Struct, frozen=True, kw_only=True):
    """We keep our name. A name that is taken is told by `NameTaken`."""

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


class NoServerAtStart(msgspec.Struct, frozen=True, kw_only=True):
    """The registry did not answer at start. `table_time`: when the table in hand was saved; None without one."""

    table_time: float | None


class RegistryKeyChanged(msgspec.Struct, frozen=True, kw_only=True):
    """Another registry answers at this address than the one that we know (fingerprints)."""

    expected: str
    got: str


RegistryEvent = (
    Registered
    | NameTaken
    | NotAdmitted
    | RenameRefused
    | Left
    | LeaveUnanswered
    | ServerLost
    | ServerBack
    | NoServerAtStart
    | RegistryKeyChanged
)
