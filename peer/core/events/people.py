"""This file is about people: who there is, by what name and key, and what we decided about them."""

import enum

import msgspec


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the table for people to read."""

    name: str
    online: bool
    since: float
    is_verified: bool = False
    """Whether the user has compared their key."""
    is_banned: bool = False
    """Whether whoever runs the registry keeps them out."""


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


class PersonBanned(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who was online is kept out by whoever runs the registry."""

    name: str


class Renamed(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody has another name now; `is_me`: we ourselves."""

    old: str
    new: str
    is_me: bool


class KeyChanged(msgspec.Struct, frozen=True, kw_only=True):
    """The registry shows another key for somebody whose key we hold: nothing is sent to that name. `is_again`: it showed
    another one for them before."""

    name: str
    is_again: bool = False


class KeyRestored(msgspec.Struct, frozen=True, kw_only=True):
    """The registry shows the key that we hold again: messages to that name go out."""

    name: str


class SafetyNumber(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `/verify`: 60 digits that both sides read the same when nobody stands between them. `is_verified`: the
    user has compared this key. `is_changed`: it is not the key that we hold."""

    name: str
    digits: str
    is_verified: bool = False
    is_changed: bool = False


class Trusted(msgspec.Struct, frozen=True, kw_only=True):
    """The user has compared the key of a name. `is_new`: it takes the place of the one that we held."""

    name: str
    is_new: bool


class Doubt(enum.Enum):
    """Why a key is not trusted."""

    NO_DIGITS = "the user did not say which key is meant"
    OTHER_DIGITS = "the digits are not those of the key that is shown now"
    CHANGED = "the digits are of the key that was shown before; another one is shown now"


class NotTrusted(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing changes: the key that is shown for a name now is not the one that the user means. `server`: our registry."""

    name: str
    why: Doubt


class RegistryKey(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `/verify server`: fingerprints. `held`: of the key that we hold, empty for none. `other`: of the key
    that answers in its place, empty for none. `is_verified`: the user has compared the one that we hold."""

    held: str
    other: str
    is_verified: bool


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
    | PersonBanned
    | Renamed
    | KeyChanged
    | KeyRestored
    | SafetyNumber
    | RegistryKey
    | Trusted
    | NotTrusted
    | Ignored
    | NobodyKnown
)
