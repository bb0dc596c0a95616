"""The table: cards, which people sign about themselves, and rows, which the registry adds.

Shapes are arrays in the order of their fields (protocol.md, clause 3).
"""

import enum
from typing import Annotated, Final, TypeAlias

import msgspec

from chatapp.wire.limits import (
    CARDS_MAX,
    FOUND_MAX,
    SIGHTS_MAX,
    STATUS_MAX,
    TABLE_PAGE_MAX,
    WATCHED_MAX,
    Count,
    Host,
    Key,
    Name,
    Port,
    Reference,
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
    the next page. Rows stay encoded, so that each is encoded only once for everybody. Broadcast,
    signed, it is a table batch (clause 3.3)."""

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


Page: TypeAlias = TablePage | RosterPage
"""Changes of the table: the answer to `FetchTable`, or, signed, a broadcast."""


class FetchCards(msgspec.Struct, frozen=True, array_like=True, tag=24):
    """Peer to registry: the whole rows of these people."""

    identities: Annotated[list[Key], msgspec.Meta(max_length=CARDS_MAX)]


class CardsShown(msgspec.Struct, frozen=True, array_like=True, tag=25):
    """Registry to peer: the rows that were asked for, as they are at this version of the table; of
    somebody without a name there is none."""

    version: Count
    rows: Annotated[list[msgspec.Raw], msgspec.Meta(max_length=CARDS_MAX)]


# --- above the limit up to which everybody is told of everybody (clause 3.9)


class Scope(enum.IntEnum):
    """Of whom a link is told."""

    WHOLE = 0
    """Of everybody: the table is broadcast."""
    INTEREST = 1
    """Of the people whom the peer watches."""


class TableScope(msgspec.Struct, frozen=True, array_like=True, tag=26):
    """Registry to peer: of whom you are told from now on, and how things stand."""

    scope: Scope
    online: Count
    """How many people are online."""
    version: Count
    """The version of the table up to which you are told of those whom you watch."""
    digest: Annotated[bytes, msgspec.Meta(min_length=8, max_length=8)] = bytes(8)
    """Of what their rows say (`wire.roster.sight_digest`), all by XOR."""


class Watch(msgspec.Struct, frozen=True, array_like=True, tag=27):
    """Peer to registry: tell me of changes of these people, beside those whom I watch already, and
    of `drop` no more. Of `add`, first what has changed since this version."""

    reference: Reference
    since: Count
    add: Annotated[list[Key], msgspec.Meta(max_length=WATCHED_MAX)]
    drop: Annotated[list[Key], msgspec.Meta(max_length=WATCHED_MAX)]


class Sight(msgspec.Struct, frozen=True, array_like=True):
    """What a row says, with the number of the card in its place."""

    key: Key
    name: Name
    host: Host
    port: Port
    presence: Presence
    since: Count
    sender_index: Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
    counter: Count
    """That of the newest card."""
    version: Count
    status: StatusText
    away: StatusText | None


class PresenceChanged(msgspec.Struct, frozen=True, array_like=True, tag=28):
    """Registry to peer: the rows of people whom you watch. `reference`: of the Watch that this
    answers; 0 for changes."""

    reference: Reference
    more: bool
    """Whether more of the answer follows."""
    people: Annotated[list[Sight], msgspec.Meta(max_length=SIGHTS_MAX)]


class By(enum.IntEnum):
    """By what somebody is looked for."""

    NAME = 0
    PREFIX = 1
    """The people whose names begin so; all with an empty one."""
    SENDER_INDEX = 2


class Find(msgspec.Struct, frozen=True, array_like=True, tag=29):
    """Peer to registry: who is that?"""

    reference: Reference
    by: By
    name: Name
    sender_index: Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)] = 0
    after: Name = ""
    """Only those behind this name."""
    limit: Annotated[int, msgspec.Meta(ge=1, le=FOUND_MAX)] = FOUND_MAX
    only_online: bool = False


class Found(msgspec.Struct, frozen=True, array_like=True, tag=34):
    """Registry to peer: who was found, by name. `wait`: nobody was looked for, ask again after so
    many seconds."""

    reference: Reference
    people: Annotated[list[Sight], msgspec.Meta(max_length=FOUND_MAX)]
    more: bool = False
    wait: Count = 0
