"""The table: cards, which people sign about themselves, and rows, which the registry adds.

Shapes are arrays in the order of their fields (protocol.md, clause 3).
"""

import enum
from typing import Annotated, Final

import msgspec

from chatapp.wire.limits import (
    CARDS_MAX,
    STATUS_MAX,
    TABLE_PAGE_MAX,
    Count,
    Host,
    Key,
    Name,
    Port,
    Signature,
)

RUN_BITS: Final = 28
"""How many bits of a table version count the changes; those above name the run of the registry
(clause 3.2)."""


def run_of(version: int) -> int:
    """Return which run of the registry has given this version to its table."""
    return version >> RUN_BITS


class Card(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A person's keys and name, signed with the identity key (clause 3.1). The registry's own card
    has no name.

    Only this shape refuses further elements: whoever checks, stores or passes on a card builds the
    signed bytes anew from these fields, so nobody would have signed what else stood in it.
    """

    name: Name
    identity: Key
    mail: Key
    counter: Count
    signature: Signature

    @property
    def is_signed(self) -> bool:
        """Whether it has a signature: a card made from a roster has none, since its owner has not
        been asked for it."""
        return self.signature != _UNSIGNED


_UNSIGNED: Final = bytes(64)
_NO_KEY: Final = bytes(32)


def listed_card(name: str, identity: bytes) -> Card:
    """Return what a roster tells of a card."""
    return Card(name, identity, _NO_KEY, 0, _UNSIGNED)


def outdated(card: Card, *, name: str) -> Card:
    """Return a card that may not be its owner's newest one."""
    return msgspec.structs.replace(card, name=name, signature=_UNSIGNED)


class Presence(enum.IntEnum):
    """Whether somebody is online, as the registry knows it."""

    AWAY = 0
    """They left on purpose, or have not been online since the registry started."""
    ONLINE = 1
    LOST = 2
    """They vanished: their link broke or their lease ran out."""
    BANNED = 3
    """Banned by the server's owner: nothing they send counts."""
    RELEASED = 4
    """They have no name any more: whoever bears it from now on is somebody else, or they themselves
    anew."""
    SLOW = 5
    """Online by a slow link: if they vanish silently, that is known only after the lease of a slow
    link."""


ONLINE: Final = frozenset({Presence.ONLINE, Presence.SLOW})
"""What somebody online has."""


StatusText = Annotated[str, msgspec.Meta(max_length=STATUS_MAX)]


class Row(msgspec.Struct, frozen=True, array_like=True):
    """One person in the table (clause 3.2)."""

    card: Card
    host: Host
    port: Port
    presence: Presence
    since: Count
    """Unix time in seconds of the last change between online and not."""
    sender_index: Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
    """The sender's number in group frames while this link lasts; 0 for none (0 is the registry's
    own)."""
    version: Count
    """The version of the table in which this row changed."""
    status: StatusText = ""
    """What they say of themselves."""
    away: StatusText | None = None
    """Why they do not answer now, though their program does; None: they do."""

    @property
    def online(self) -> bool:
        """Whether they are online, as far as the registry knows."""
        return self.presence in ONLINE

    @property
    def is_placed(self) -> bool:
        """Whether they have been online since the registry started: otherwise the row has no
        address."""
        return self.port != 0


class TableBatch(msgspec.Struct, frozen=True, array_like=True):
    """Changed rows, broadcast. Rows stay encoded, so that each is encoded only once for everybody
    (clause 3.3)."""

    since: Count
    version: Count
    rows: Annotated[list[msgspec.Raw], msgspec.Meta(max_length=64)]


class SetStatus(msgspec.Struct, frozen=True, array_like=True, tag=22):
    """Peer to registry: what my row is to say of me (clause 3.8)."""

    status: StatusText
    away: StatusText | None


class FetchTable(msgspec.Struct, frozen=True, array_like=True, tag=20):
    """Peer to registry: the rows that changed after version `since`."""

    since: Count
    is_whole: bool = False
    """Whether a roster is to give everybody's name and whole key: the peer does not know all that
    it should by that version."""


class TablePage(msgspec.Struct, frozen=True, array_like=True, tag=21):
    """Registry to peer: rows changed in (since, version]; `more` means that the peer has to ask for
    the next page."""

    since: Count
    version: Count
    more: bool
    rows: Annotated[list[msgspec.Raw], msgspec.Meta(max_length=4_096)]


class RosterPage(msgspec.Struct, frozen=True, array_like=True, tag=23):
    """Registry to peer: as a `TablePage`, of many rows: in columns, without cards and addresses
    (`wire.roster`)."""

    since: Count
    version: Count
    more: bool
    keys: Annotated[bytes, msgspec.Meta(max_length=TABLE_PAGE_MAX)]
    """The identity keys of people whom the peer may not know."""
    cuts: Annotated[bytes, msgspec.Meta(max_length=TABLE_PAGE_MAX)]
    """The first bytes of the keys of those whom it knows. Nobody is known by them alone."""
    check: Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
    """A hash of the whole keys and names of the latter."""
    columns: Annotated[bytes, msgspec.Meta(max_length=TABLE_PAGE_MAX)]


class FetchCards(msgspec.Struct, frozen=True, array_like=True, tag=24):
    """Peer to registry: the whole rows of these people."""

    identities: Annotated[list[Key], msgspec.Meta(max_length=CARDS_MAX)]


class CardsShown(msgspec.Struct, frozen=True, array_like=True, tag=25):
    """Registry to peer: the rows that were asked for, as they are at this version of the table; of
    somebody without a name there is none."""

    version: Count
    rows: Annotated[list[msgspec.Raw], msgspec.Meta(max_length=CARDS_MAX)]
