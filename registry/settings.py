"""This file is about what whoever runs a registry may decide: every setting, its range and its default.

A field's `description` is what a wrong value is answered with. It knows values; where they come from (command line,
environment, file) is `configuration`'s and the command line's. Numbers that nobody should have to think about stand in
`policy`.
"""

import difflib
from collections.abc import Iterable, Sequence
from typing import Annotated, Final, Literal, get_args, get_type_hints

import msgspec

from registry.desk.settings import DeskSettings
from registry.doorlists import flaw_of_bans, flaw_of_keys
from registry.doors import DoorSettings
from registry.policy import Policy
from wire.errors import NameRefused, quoted
from wire.forms import is_region
from wire.identity import fingerprint_from
from wire.limits import DESK_MENU_MAX, DESK_MENU_TEXT_MAX, DESK_QUEUES_MAX
from wire.names import name_key, peer_name

DOOR_LIST_MAX: Final = 10_000
"""Entries of a list of who may come in, or may not."""

OPERATORS_MAX: Final = 100
"""Operators in one configuration."""

Path = Annotated[str, msgspec.Meta(min_length=1, description="the path of a folder")]
LogLevel = Annotated[
    Literal["debug", "info", "warning", "error", "critical"],
    msgspec.Meta(description="one of debug, info, warning, error, critical"),
]
Lease = Annotated[int, msgspec.Meta(ge=5, le=3_600, description="whole seconds from 5 to 3600")]
Letters = Annotated[int, msgspec.Meta(ge=1, le=10_000_000, description="a whole number from 1 to 10000000")]
Requests = Annotated[
    int, msgspec.Meta(ge=100, le=10_000_000, description="a whole number from 100 to 10000000")
]
Region = Annotated[
    str,
    msgspec.Meta(pattern=r"\A[A-Z]{2}\Z", description="two capital letters of a country, such as IN or DE"),
]
Issue = Annotated[str, msgspec.Meta(min_length=1, max_length=DESK_MENU_TEXT_MAX, pattern=r"\S")]
Menu = Annotated[
    tuple[Issue, ...],
    msgspec.Meta(
        min_length=1,
        max_length=DESK_MENU_MAX,
        description=f"1 to {DESK_MENU_MAX} texts of 1 to {DESK_MENU_TEXT_MAX} characters",
    ),
]
Queues = Annotated[
    tuple[str, ...],
    msgspec.Meta(
        min_length=1,
        max_length=DESK_QUEUES_MAX,
        description=f"1 to {DESK_QUEUES_MAX} different names of 1-32 letters, digits, _ and -",
    ),
]
Operators = Annotated[
    tuple[str, ...],
    msgspec.Meta(
        max_length=OPERATORS_MAX, description=f"at most {OPERATORS_MAX} different names of people or keys"
    ),
]
InviteOnly = Annotated[bool, msgspec.Meta(description="true or false")]
Allow = Annotated[
    tuple[str, ...],
    msgspec.Meta(
        max_length=DOOR_LIST_MAX,
        description=f"at most {DOOR_LIST_MAX} keys: fingerprints of 32 hexadecimal digits, or all 64 digits",
    ),
]
Ban = Annotated[
    tuple[str, ...],
    msgspec.Meta(
        max_length=DOOR_LIST_MAX, description=f"at most {DOOR_LIST_MAX} keys, names, addresses or networks"
    ),
]
KeepPlace = Annotated[float, msgspec.Meta(ge=1, le=86_400, description="seconds from 1 to 86400")]
OperatorGrace = Annotated[float, msgspec.Meta(ge=0, le=3_600, description="seconds from 0 to 3600")]


class RegistryTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table `[registry]`."""

    data: Path | None = None
    """Where keys, names and mail are kept; None for the platform's place."""
    log_level: LogLevel = "warning"
    lease: Lease = Policy().lease_span
    """Seconds without a sign of life after which somebody counts as away."""
    letters: Letters = Policy().mail_places
    """Places for letters in all mailboxes together."""
    requests: Requests = int(Policy().requests_per_second)
    """Requests a second that one member is served, averaged; a line of a group counts as 20 and more."""
    invite_only: InviteOnly = DoorSettings().invite_only
    """Newcomers need a join code."""
    allow: Allow = DoorSettings().allow
    """Keys of newcomers who need none; once there are any, all others do."""
    ban: Ban = DoorSettings().ban
    """Keys, names, addresses and networks that do not come in."""


class DeskTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table `[desk]`: the help desk (`registry.desk.settings` says what each means)."""

    queues: Queues = DeskSettings().queues
    menu: Menu = DeskSettings().menu
    region: Region = DeskSettings().region
    keep_place: KeepPlace = DeskSettings().keep_place
    operators: Operators = DeskSettings().operators
    operator_grace: OperatorGrace = DeskSettings().operator_grace


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of a configuration file, one field a table."""

    registry: RegistryTable = RegistryTable()
    desk: DeskTable = DeskTable()


def policy_of(settings: RegistryTable) -> Policy:
    """The numbers by which a registry with these settings runs."""
    return Policy(
        lease_span=settings.lease, mail_places=settings.letters, requests_per_second=settings.requests
    )


def doors_of(settings: RegistryTable) -> DoorSettings:
    """What the doors are told."""
    return DoorSettings(invite_only=settings.invite_only, allow=settings.allow, ban=settings.ban)


def desk_of(table: DeskTable, *, utc_offset: int) -> DeskSettings:
    """What the desk is told. `utc_offset`: seconds that local time is ahead of UTC."""
    return DeskSettings(**msgspec.structs.asdict(table), utc_offset=utc_offset)


TABLES: Final = get_type_hints(Settings)
"""The tables of a configuration file."""

KEYS: Final = {key: table for table, shape in TABLES.items() for key in get_type_hints(shape)}
"""Each key, and its table: no key stands in two."""

_SHAPES: Final = {
    key: shape
    for table in TABLES.values()
    for key, shape in get_type_hints(table, include_extras=True).items()
}
_NEAR: Final = 0.6


def check(key: str, value: object) -> None:
    """Raises ValueError for a value that this key cannot have, whose text says what it can be."""
    try:
        msgspec.convert(value, _SHAPES[key])
    except msgspec.ValidationError:
        raise ValueError(f"must be {allowed(key)}") from None
    why = _flaw(key, value)
    if why:
        raise ValueError(f"{why}; must be {allowed(key)}")


def allowed(key: str) -> str:
    """What a setting may be, in words."""
    return _described(_SHAPES[key])


def _described(shape: object) -> str:
    for meta in getattr(shape, "__metadata__", ()):
        if meta.description:
            return str(meta.description)
    return next(_described(one) for one in get_args(shape))


def _flaw(key: str, value: object) -> str:
    """What is wrong with a value of the right shape; empty for nothing."""
    match key, value:
        case "operators", list() | tuple():
            return _names_flaw(fingerprint_from(text) or text for text in value)
        case "queues", list() | tuple():
            return _names_flaw(value)
        case "region", str() if value != DeskSettings().region and not is_region(value):
            return "no such region is known"
        case "allow", list() | tuple():
            return flaw_of_keys(value)
        case "ban", list() | tuple():
            return flaw_of_bans(value)
        case _:
            return ""


def _names_flaw(texts: Iterable[str]) -> str:
    keys: set[str] = set()
    for text in texts:
        try:
            key = name_key(peer_name(text))
        except NameRefused as refusal:
            return str(refusal)
        if key in keys:
            return f'"{quoted(text)}" stands there twice'
        keys.add(key)
    return ""


def unknown_table(word: str) -> str:
    """What to say of a table that there is not."""
    return f"[{quoted(word)}]: unknown table; {_advice(word, tuple(TABLES))}"


def unknown_key(table: str, word: str) -> str:
    """What to say of a key that this table has not."""
    if word in KEYS:
        return f"[{table}] {word}: unknown key; it belongs in [{KEYS[word]}]"
    known = tuple(get_type_hints(TABLES[table]))
    return f"[{table}] {quoted(word)}: unknown key; {_advice(word, known)}"


def _advice(word: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(word.lower(), known, n=1, cutoff=_NEAR)
    return f'did you mean "{near[0]}"?' if near else f"there are {', '.join(known)}"
