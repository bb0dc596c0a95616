"""This file is about people: who there is, by what name and key, and what we decided about them."""

import msgspec


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the table for people to read."""

    name: str
    online: bool
    since: float


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


class Renamed(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody has another name now; `is_me`: we ourselves."""

    old: str
    new: str
    is_me: bool


class KeyChanged(msgspec.Struct, frozen=True, kw_only=True):
    """The registry shows another key for somebody whose key we hold: nothing is sent to that name."""

    name: str


class SafetyNumber(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `/verify`: 60 digits that both sides read the same when nobody stands between them."""

    name: str
    digits: str


class Trusted(msgspec.Struct, frozen=True, kw_only=True):
    """The key that is shown for a name now is the one that we hold from now on."""

    name: str


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
    | Renamed
    | KeyChanged
    | SafetyNumber
    | Trusted
    | Ignored
    | NobodyKnown
)
