"""This file is about us and the registry: let in, lost, found again, left."""

import enum

import msgspec


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
