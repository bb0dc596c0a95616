"""The registry's settings: every one with its range and default, and where values come from: a
file, the environment, the command line.

A field's `description` is the answer to a wrong value. Numbers that nobody should have to think
about are in `limits.RegistryPolicy`.
"""

import enum
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import tzinfo
from pathlib import Path
from types import FunctionType
from typing import Annotated, Final, NamedTuple, get_args, get_type_hints

import msgspec

from chatapp.registry.cluster.settings import (
    DEFAULT_NAME,
    ClusterSettings,
    monitor_urls,
    server_urls,
)
from chatapp.registry.cluster.settings import (
    SERVERS_MAX as CLUSTER_SERVERS_MAX,
)
from chatapp.registry.rules.admin_requests import LogLevel
from chatapp.registry.rules.desk.opening import Hours
from chatapp.registry.rules.desk.settings import DeskSettings, ready_answers
from chatapp.registry.rules.limits import RegistryPolicy
from chatapp.registry.rules.people.access import AccessSettings, Bans
from chatapp.registry.telemetry.logs import LogFormat
from chatapp.wire.address import Address, host_name, ip_literal, is_port, is_server, servers_of
from chatapp.wire.desk.form import is_region
from chatapp.wire.desk.kinds import KINDS
from chatapp.wire.errors import AddressRefused, ChatAppError, NameRefused, quoted
from chatapp.wire.folders import path_of
from chatapp.wire.identity import fingerprint_from
from chatapp.wire.limits import (
    DESK_ANSWERS_MAX,
    DESK_HOURS_MAX,
    DESK_MENU_MAX,
    DESK_MENU_TEXT_MAX,
    DESK_QUEUES_MAX,
    NAMES_MOST,
    ROOMS_EACH_MAX,
    SERVER_HOST_MAX,
    SERVERS_MAX,
)
from chatapp.wire.names import name_key, person_name
from chatapp.wire.text import nearest

ACCESS_LIST_MAX: Final = 10_000
"""The most entries of a list of keys or bans."""
GATEWAYS_MAX: Final = 100
METRICS_HOSTS_MAX: Final = 16
OPERATORS_MAX: Final = 100

_MEGABYTE: Final = 1_000_000
_DAY: Final = 86_400.0


class Reading(enum.Enum):
    """How the text of an option becomes a value."""

    AS_IS = enum.auto()
    SWITCH = enum.auto()
    """It has no text, and turns the default around."""
    EACH = enum.auto()
    """A list; the option stands once for each entry."""
    COMMAS = enum.auto()
    """A list, with commas between the entries."""
    FILE = enum.auto()
    """A list: the lines of the named file."""


class Option(NamedTuple):
    """How the command line sets a key."""

    spelling: str
    about: str = ""
    """Empty for an option that peers have, too."""
    value: str = ""
    """What stands for its text in the help."""
    reading: Reading = Reading.AS_IS


def _number(what: str, least: int, most: int) -> msgspec.Meta:
    return msgspec.Meta(ge=least, le=most, description=f"{what} from {least} to {most}")


def _some(what: str, most: int, least: int = 0) -> msgspec.Meta:
    """Return how many entries a list has, and what they are."""
    count = f"{least} to {most}" if least else f"at most {most}"
    return msgspec.Meta(min_length=least, max_length=most, description=f"{count} {what}")


_PATH: Final = "the path of "
_KEYS: Final = "keys: fingerprints of 32 hexadecimal digits, or all 64 digits"
FolderPath = Annotated[str, msgspec.Meta(min_length=1, description=f"{_PATH}a folder")]
FilePath = Annotated[str, msgspec.Meta(min_length=1, description=f"{_PATH}a file")]
TrueOrFalse = Annotated[bool, msgspec.Meta(description="true or false")]
KeptDays = Annotated[float, _number("days", 0, 366)]
Issue = Annotated[str, msgspec.Meta(min_length=1, max_length=DESK_MENU_TEXT_MAX, pattern=r"\S")]
Texts = tuple[str, ...]


# --- what is wrong with a value of the right shape; empty for nothing


def flaw_of_keys(texts: Iterable[str]) -> str:
    """Return what is wrong with a list of keys; empty for nothing."""
    return next(
        (f'"{quoted(text)}" is not a key' for text in texts if fingerprint_from(text) is None), ""
    )


def flaw_of_servers(texts: Sequence[str]) -> str:
    """Return what is wrong with a list of servers; empty for nothing."""
    try:
        servers = servers_of(texts) if texts else ()
    except AddressRefused as refused:
        return f'"{quoted(refused.text)}" {refused.reason}'
    unfit = next((server for server in servers if not is_server(server)), None)
    return "" if unfit is None else f'"{quoted(str(unfit))}" is not a server'


def flaw_of_bans(texts: Iterable[str]) -> str:
    """Return what is wrong with a list of bans; empty for nothing."""
    try:
        Bans(texts)
    except (ValueError, NameRefused) as error:
        return quoted(str(error))
    return ""


def _flaw_of(read: Callable[[Iterable[str]], object], texts: Iterable[str]) -> str:
    try:
        read(texts)
    except ValueError as error:
        return quoted(str(error))
    return ""


def _flaw_of_names(texts: Iterable[str]) -> str:
    keys: set[str] = set()
    for text in texts:
        try:
            key = name_key(person_name(text))
        except NameRefused as refusal:
            return str(refusal)
        if key in keys:
            return f'"{quoted(text)}" is listed twice'
        keys.add(key)
    return ""


def _flaw_of_operators(texts: Iterable[str]) -> str:
    return _flaw_of_names(fingerprint_from(text) or text for text in texts)


def _flaw_of_region(text: str) -> str:
    is_known = text == DeskSettings().region or is_region(text)
    return "" if is_known else "no such region is known"


def _flaw_of_hosts(texts: Iterable[str]) -> str:
    refused = next((text for text in texts if host_name(text) is None), None)
    return "" if refused is None else f'"{quoted(refused)}" is not a name of a host'


def _flaw_of_metrics(text: str) -> str:
    return "" if metrics_address(text) else "it is no address"


def _flaw_of_hours(texts: Iterable[str]) -> str:
    return _flaw_of(Hours, texts)


def _flaw_of_kinds(texts: Iterable[str]) -> str:
    unknown = next((text for text in texts if text not in KINDS), None)
    return (
        "" if unknown is None else f'"{quoted(unknown)}" is no kind of files that a desk can take'
    )


def _flaw_of_answers(texts: Iterable[str]) -> str:
    return _flaw_of(ready_answers, texts)


def _flaw_of_cluster(texts: Iterable[str]) -> str:
    return _flaw_of(server_urls, texts)


def _flaw_of_monitors(texts: Iterable[str]) -> str:
    return _flaw_of(monitor_urls, texts)


# --- the tables: a key's range, what else is checked, its option, its default


class RegistryTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table `[registry]`."""

    data: Annotated[FolderPath | None, Option("--data")] = None
    """The folder for keys, names and mail; None for the platform's place."""
    log_level: Annotated[LogLevel, Option("--log-level")] = "warning"
    log_format: Annotated[
        LogFormat,
        msgspec.Meta(description="text or json"),
        Option("--log-format", "How to log, text or json (one object a line).", "FORMAT"),
    ] = "text"
    """How the log is written."""
    log_file: Annotated[
        FilePath | None, Option("--log-file", "Log to this file; SIGHUP reopens it.", "FILE")
    ] = None
    """The log's file; None for standard error. SIGHUP reopens it."""
    lease: Annotated[int, _number("whole seconds", 5, 3_600)] = RegistryPolicy().lease_span
    """Seconds without a sign of life after which somebody counts as away."""
    letters: Annotated[int, _number("a whole number", 1, 10_000_000)] = RegistryPolicy().mail_places
    """Places for letters in all mailboxes together."""
    keep_mail: Annotated[float, _number("days", 1, 21)] = RegistryPolicy().mail_kept_for / _DAY
    """Days that a letter waits to be fetched."""
    keep_lines: Annotated[float, _number("days", 1, 90)] = RegistryPolicy().group_kept_for / _DAY
    """Days that lines of rooms and the channel are kept, and that somebody who is away stays a
    member of a room."""
    names: Annotated[int, _number("a whole number", 1_000, NAMES_MOST)] = RegistryPolicy().names_max
    """Names that may be bound; newcomers beyond them are refused."""
    broadcast_up_to: Annotated[int, _number("a whole number", 16, 100_000)] = (
        RegistryPolicy().broadcast_up_to
    )
    """People online up to whom everybody is told of everybody."""
    channel_free_up_to: Annotated[int, _number("a whole number", 16, 1_000_000)] = (
        RegistryPolicy().channel_free_up_to
    )
    """People online up to whom the channel takes every line; of more, one a second."""
    rooms: Annotated[int, _number("a whole number", 16, 100_000)] = RegistryPolicy().rooms_max
    """Rooms that there may be at once."""
    rooms_each: Annotated[int, _number("a whole number", 1, ROOMS_EACH_MAX)] = (
        RegistryPolicy().rooms_each
    )
    """Rooms that one person may be in at once."""
    relay_files: Annotated[int, _number("megabytes", 0, 100_000)] = (
        RegistryPolicy().file_relay_bytes // _MEGABYTE
    )
    """Megabytes of files an hour that are passed on for one person whom others reach neither by TCP
    nor by UDP; 0: none."""
    keep_files: Annotated[int, _number("megabytes", 0, 100_000)] = (
        RegistryPolicy().kept_files_each // _MEGABYTE
    )
    """Megabytes of sealed files that are kept for one person while others are away; 0: none."""
    keep_files_total: Annotated[int, _number("megabytes", 1, 10_000_000)] = (
        RegistryPolicy().kept_files_total // _MEGABYTE
    )
    """The same for all people together."""
    sessions: Annotated[int, _number("a whole number", 1_000, 1_000_000)] = (
        RegistryPolicy().sessions_max
    )
    """People with a session; those beyond them who were silent longest register again."""
    requests: Annotated[int, _number("a whole number", 100, 10_000_000)] = int(
        RegistryPolicy().requests_per_second
    )
    """Requests a second of one member, averaged; a line of a group counts as 20 or more."""
    announce: Annotated[
        TrueOrFalse,
        Option("--no-announce", "Do not announce it on the local network.", reading=Reading.SWITCH),
    ] = True
    """Whether the registry announces itself on the local network."""
    metrics: Annotated[
        Annotated[
            str,
            msgspec.Meta(
                min_length=1,
                description="a port of this machine, such as 9464, or an IP address and a port, such as 127.0.0.1:9464",
            ),
        ]
        | None,
        _flaw_of_metrics,
        Option(
            "--metrics",
            "Serve metrics and health checks by HTTP, such as 127.0.0.1:9464 "
            "(a port alone: 127.0.0.1).",
            "[ADDRESS:]PORT",
        ),
    ] = None
    """Where metrics are served by HTTP; None for nowhere. A port alone is one of 127.0.0.1."""
    metrics_hosts: Annotated[
        Texts,
        _some(
            "names of this host, without a port, such as registry.example.org", METRICS_HOSTS_MAX
        ),
        _flaw_of_hosts,
        Option(
            "--metrics-host",
            "A name under which metrics are asked for, beside localhost and IP addresses "
            "(repeatable).",
            "NAME",
            Reading.EACH,
        ),
    ] = ()
    """Names under which metrics are asked for, beside `localhost` and IP addresses."""
    invite_only: Annotated[
        TrueOrFalse, Option("--invite-only", "Newcomers need a join code.", reading=Reading.SWITCH)
    ] = AccessSettings().invite_only
    """Newcomers need a join code."""
    allow: Annotated[
        Texts,
        _some(_KEYS, ACCESS_LIST_MAX),
        flaw_of_keys,
        Option(
            "--allow",
            "A file of keys, one a line; newcomers with other keys need a join code.",
            "FILE",
            Reading.FILE,
        ),
    ] = AccessSettings().allow
    """Keys of newcomers who need no code. Once there are any, all others do."""
    ban: Annotated[
        Texts,
        _some("keys, names, addresses or networks", ACCESS_LIST_MAX),
        flaw_of_bans,
        Option(
            "--ban",
            "A file of keys, names, addresses or networks to ban, one a line.",
            "FILE",
            Reading.FILE,
        ),
    ] = AccessSettings().ban
    """Banned keys, names, addresses and networks."""
    servers: Annotated[
        Texts,
        _some(
            f"different servers as host:port, hosts of at most {SERVER_HOST_MAX} characters",
            SERVERS_MAX,
        ),
        flaw_of_servers,
        Option(
            "--also",
            "Its other servers, such as a:5000,b:5001; peers go there when this one is away.",
            "SERVERS",
            Reading.COMMAS,
        ),
    ] = ()
    """Other servers at which this registry answers, with the same identity: peers go there when
    this one is away."""
    gateways: Annotated[
        Texts,
        _some(_KEYS, GATEWAYS_MAX),
        flaw_of_keys,
        Option(
            "--gateway",
            "The key of a web gateway (ChatApp web), whose visitors have limits of their own "
            "(repeatable).",
            "KEY",
            Reading.EACH,
        ),
    ] = AccessSettings().gateways
    """Keys of gateways: programs through which visitors of the help desk come by browser."""


class DeskTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table `[desk]` (`registry.rules.desk.settings` says what each setting means)."""

    queues: Annotated[
        Texts,
        _some("different names of 1-32 letters, digits, _ and -", DESK_QUEUES_MAX, 1),
        _flaw_of_names,
    ] = DeskSettings().queues
    menu: Annotated[
        tuple[Issue, ...], _some(f"texts of 1 to {DESK_MENU_TEXT_MAX} characters", DESK_MENU_MAX, 1)
    ] = DeskSettings().menu
    region: Annotated[
        str,
        msgspec.Meta(
            pattern=r"\A[A-Z]{2}\Z",
            description="two capital letters of a country, such as IN or DE",
        ),
        _flaw_of_region,
        Option("--region", "The country of the help desk's phone numbers, such as IN.", "CC"),
    ] = DeskSettings().region
    keep_place: Annotated[float, _number("seconds", 1, 86_400)] = DeskSettings().keep_place
    operators: Annotated[
        Texts,
        _some("different names of people or keys", OPERATORS_MAX),
        _flaw_of_operators,
        Option(
            "--operator",
            "An operator of the help desk, by name or key (repeatable).",
            "NAME|KEY",
            Reading.EACH,
        ),
    ] = DeskSettings().operators
    operator_grace: Annotated[float, _number("seconds", 0, 3_600)] = DeskSettings().operator_grace
    no_show_after: Annotated[float, _number("seconds", 1, 86_400)] = DeskSettings().no_show_after
    hours: Annotated[
        Texts,
        _some('entries such as "Mon-Fri 09:00-17:00" or "Sat 10:00-13:00"', DESK_HOURS_MAX),
        _flaw_of_hours,
    ] = DeskSettings().hours
    keep_sessions: KeptDays = DeskSettings().keep_sessions
    keep_transcripts: KeptDays = DeskSettings().keep_transcripts
    files_largest: Annotated[int, _number("bytes", 0, 20_000_000)] = DeskSettings().files_largest
    files_talk: Annotated[int, _number("bytes", 0, 1_000_000_000)] = DeskSettings().files_talk
    files_total: Annotated[int, _number("bytes", 0, 1_000_000_000)] = DeskSettings().files_total
    file_kinds: Annotated[Texts, _some(f"of {', '.join(KINDS)}", len(KINDS)), _flaw_of_kinds] = (
        DeskSettings().file_kinds
    )
    answers: Annotated[
        Texts,
        _some('different entries such as "greet: How can I help?"', DESK_ANSWERS_MAX),
        _flaw_of_answers,
    ] = DeskSettings().answers


class ClusterTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table `[cluster]`."""

    cluster: Annotated[
        Texts,
        _some(
            "different addresses such as nats://10.0.0.1:4222 or tls://n1.example.org",
            CLUSTER_SERVERS_MAX,
        ),
        _flaw_of_cluster,
        Option(
            "--cluster",
            "Keep the state in NATS JetStream, at addresses such as nats://a,b,c. "
            "All registries with the same servers are one: each serves, "
            "and goes on if another one dies.",
            "URL,...",
            Reading.COMMAS,
        ),
    ] = ()
    """The addresses of the NATS servers that keep the state; without any, the registry keeps it in
    its folder."""
    cluster_name: Annotated[
        str,
        msgspec.Meta(
            pattern=r"\A[A-Za-z0-9_-]{1,32}\Z",
            description="1 to 32 letters, digits, _ and - without accents",
        ),
        Option("--cluster-name", "The name of its cluster on these servers.", "NAME"),
    ] = DEFAULT_NAME
    """The name of this cluster on these servers."""
    cluster_key: Annotated[
        FilePath | None,
        Option("--cluster-key", "The file of the key that the nodes of the cluster share.", "FILE"),
    ] = None
    """The file of the key that the nodes share; None for `cluster.key` in the registry's folder."""
    cluster_credentials: Annotated[
        FilePath | None,
        Option(
            "--cluster-credentials", "A file of NATS credentials, or of an nkey's seed.", "FILE"
        ),
    ] = None
    """The file of NATS credentials, or of an nkey's seed."""
    cluster_ca: FilePath | None = None
    """The certificates that sign those of the servers; None for those of the system."""
    cluster_monitors: Annotated[
        Texts,
        _some("addresses such as http://10.0.0.1:8222", CLUSTER_SERVERS_MAX),
        _flaw_of_monitors,
    ] = ()
    """Where the servers' monitoring answers, so that the registry can check their configuration."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole configuration file, one field for each table."""

    registry: RegistryTable = RegistryTable()
    desk: DeskTable = DeskTable()
    cluster: ClusterTable = ClusterTable()


def policy_of(settings: RegistryTable) -> RegistryPolicy:
    """Return the policy of a registry with these settings."""
    return RegistryPolicy(
        lease_span=settings.lease,
        mail_places=settings.letters,
        names_max=settings.names,
        broadcast_up_to=settings.broadcast_up_to,
        channel_free_up_to=settings.channel_free_up_to,
        rooms_max=settings.rooms,
        rooms_each=settings.rooms_each,
        file_relay_bytes=settings.relay_files * _MEGABYTE,
        kept_files_each=settings.keep_files * _MEGABYTE,
        kept_files_total=settings.keep_files_total * _MEGABYTE,
        sessions_max=settings.sessions,
        mail_kept_for=settings.keep_mail * _DAY,
        group_kept_for=settings.keep_lines * _DAY,
        requests_per_second=settings.requests,
        servers=servers_of(settings.servers) if settings.servers else (),
    )


def metrics_address(text: str) -> Address | None:
    """Return the address that a setting names; None for what is no address."""
    host, separator, port = text.rpartition(":")
    if not (port.isascii() and port.isdecimal() and len(port) < 6 and is_port(int(port))):
        return None
    if not separator:
        return Address("127.0.0.1", int(port))
    bare = host.removeprefix("[").removesuffix("]")
    return None if ip_literal(bare) is None else Address(bare, int(port))


def access_of(settings: RegistryTable) -> AccessSettings:
    """Return the settings of access."""
    return AccessSettings(
        invite_only=settings.invite_only,
        allow=settings.allow,
        ban=settings.ban,
        gateways=settings.gateways,
    )


def cluster_of(table: ClusterTable) -> ClusterSettings | None:
    """Return the settings of the cluster; None for a registry without one."""
    if not table.cluster:
        return None
    return ClusterSettings(
        servers=table.cluster,
        name=table.cluster_name,
        key=table.cluster_key,
        credentials=table.cluster_credentials,
        ca=table.cluster_ca,
        monitors=table.cluster_monitors,
    )


def desk_of(table: DeskTable, *, utc_offset: int, zone: tzinfo) -> DeskSettings:
    """Return the settings of the desk. `utc_offset`: seconds that local time is ahead of UTC now;
    `zone`: the local zone."""
    return DeskSettings(**msgspec.structs.asdict(table), utc_offset=utc_offset, zone=zone)


TABLES: Final = get_type_hints(Settings)
"""The tables of a configuration file."""

KEYS: Final = {key: table for table, shape in TABLES.items() for key in get_type_hints(shape)}
"""The table of each key. No key is in two tables."""

_SHAPES: Final = {
    key: shape
    for table in TABLES.values()
    for key, shape in get_type_hints(table, include_extras=True).items()
}


def check(key: str, value: object) -> None:
    """Check a value. Raises ValueError, whose text says what the key can be."""
    try:
        msgspec.convert(value, _SHAPES[key])
    except msgspec.ValidationError:
        raise ValueError(f"must be {allowed(key)}") from None
    why = _flaw(key, value)
    if why:
        raise ValueError(f"{why}; must be {allowed(key)}")


def allowed(key: str) -> str:
    """Return what a setting may be, in words."""
    return _described(_SHAPES[key])


def _described(shape: object) -> str:
    for meta in getattr(shape, "__metadata__", ()):
        if isinstance(meta, msgspec.Meta) and meta.description:
            return meta.description
    return next(_described(inner) for inner in get_args(shape))


def _flaw(key: str, value: object) -> str:
    """Return what is wrong with a value of the right shape; empty for nothing."""
    if isinstance(value, list | tuple | str):
        for meta in getattr(_SHAPES[key], "__metadata__", ()):
            if isinstance(meta, FunctionType):
                return str(meta(value))
    return ""


def unknown_table(word: str) -> str:
    """Return what to say about an unknown table, or a key that stands in none."""
    if word in KEYS:
        return f"{word}: it is outside of a table; it belongs in [{KEYS[word]}]"
    return f"[{quoted(word)}]: unknown table; {_advice(word, tuple(TABLES))}"


def unknown_key(table: str, word: str) -> str:
    """Return what to say about a key that this table does not have."""
    if word in KEYS:
        return f"[{table}] {word}: unknown key; it belongs in [{KEYS[word]}]"
    known = tuple(get_type_hints(TABLES[table]))
    return f"[{table}] {quoted(word)}: unknown key; {_advice(word, known)}"


def _advice(word: str, known: Sequence[str]) -> str:
    near = nearest(word.lower(), known)
    return f'did you mean "{near}"?' if near else f"there are {', '.join(known)}"


FILE_MAX: Final = 1_000_000
"""The most bytes of a configuration file, for somebody who names a disk image by mistake."""

OPTIONS: Final = {
    key: meta
    for key, shape in _SHAPES.items()
    for meta in getattr(shape, "__metadata__", ())
    if isinstance(meta, Option)
}
"""The options of keys that the command line can set."""

VARIABLES: Final = {key: f"CHATAPP_{key.upper()}" for key in KEYS} | {"data": "CHATAPP_HOME"}
"""The environment variable of each key."""

_BETWEEN: Final = {"menu": "|", "operators": None, "queues": None, "hours": "|", "answers": "|"}
"""The separator of a list in a variable where it is no comma; None for blanks."""

_NOT_IN_CLUSTER: Final = (
    "keep_files and cluster: a registry in a cluster keeps no files; leave keep_files at 0"
)
_TRUTH: Final = {"true": True, "false": False}
_DIGITS_MOST: Final = 20


class Misconfigured(ChatAppError):
    """Settings that cannot be used; the text names the place, the key and what is allowed."""


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """Settings, and the source of each that is not a default."""

    settings: Settings
    sources: dict[str, str]


def configure(
    file: Path | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    options: Mapping[str, object] | None = None,
) -> Configuration:
    """Return the settings. `options`: values from the command line by key, None for those not
    given.

    Raises Misconfigured.
    """
    found: dict[str, dict[str, object]] = {table: {} for table in TABLES}
    sources: dict[str, str] = {}

    def take(source: str, values: Mapping[str, object]) -> None:
        for key, value in values.items():
            found[KEYS[key]][key] = value
            option = OPTIONS[key].spelling if key in OPTIONS else ""
            sources[key] = source.format(option=option, variable=VARIABLES[key])

    if file is not None:
        take(quoted(str(file)), _from_file(file))
    take("{variable}", _from_environment(environment or {}))
    take("{option}", _from_options(options or {}))
    settings = msgspec.convert(found, Settings)
    if settings.registry.keep_files and settings.cluster.cluster:
        raise Misconfigured(_NOT_IN_CLUSTER)
    return Configuration(settings=settings, sources=sources)


def _from_file(path: Path) -> dict[str, object]:
    values: dict[str, object] = {}
    try:
        for table, content in _tables(path).items():
            values |= _checked(table, content)
        for key, named in values.items():
            if isinstance(named, str) and allowed(key).startswith(_PATH):
                values[key] = str(path.parent / path_of(named))
    except ValueError as error:
        raise Misconfigured(f"{quoted(str(path))}: {error}") from None
    except FileNotFoundError as error:
        why = f'[registry] data = "{quoted(error.filename)}": {error.strerror}'
        raise Misconfigured(f"{quoted(str(path))}: {why}") from None
    return values


def _checked(table: str, content: object) -> dict[str, object]:
    """Check the keys of one table. Raises ValueError."""
    if table not in TABLES:
        raise ValueError(unknown_table(table))
    if not isinstance(content, dict):
        raise ValueError(f"{table} is a table: write [{table}] on a line of its own")  # noqa: TRY004 - the file's fault
    for key, value in content.items():
        if KEYS.get(key) != table:
            raise ValueError(unknown_key(table, key))
        _check(f"[{table}] {key} = {_written(value)}", key, value)
    return content


def _tables(path: Path) -> dict[str, object]:
    """Read a file. Raises ValueError."""
    try:
        with path.open("rb") as file:
            content = file.read(FILE_MAX + 1)
        if len(content) > FILE_MAX:
            raise ValueError(f"a configuration has at most {FILE_MAX:,} bytes")
        return tomllib.loads(content.decode())
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from None
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ValueError(f"it is not TOML: {quoted(str(error))}") from None


def _from_environment(environment: Mapping[str, str]) -> dict[str, object]:
    values: dict[str, object] = {}
    for key, variable in VARIABLES.items():
        text = environment.get(variable)
        if not text:
            continue
        value = _from_text(key, text)
        try:
            _check(f"{variable}={quoted(text)}", key, value)
        except ValueError as error:
            raise Misconfigured(str(error)) from None
        values[key] = value
    return values


def _from_text(key: str, text: str) -> object:
    """Read the value of a variable. What cannot be read is left as it is, and refused as such."""
    match getattr(getattr(Settings(), KEYS[key]), key):
        case bool():
            return _TRUTH.get(text.strip(), text)
        case tuple():
            return [part.strip() for part in text.split(_BETWEEN.get(key, ","))]
        case int() | float() if text.strip().isdecimal() and len(text) < _DIGITS_MOST:
            return int(text)
        case _:
            return text


def value_typed(key: str, typed: object) -> object:
    """Return the value that an option of this key gives. `typed`: its text, or its list of
    texts."""
    match OPTIONS[key].reading, typed:
        case Reading.SWITCH, _:
            return not getattr(getattr(Settings(), KEYS[key]), key)
        case Reading.COMMAS, str():
            return [part.strip() for part in typed.split(",")]
        case _:
            return typed


def _from_options(options: Mapping[str, object]) -> dict[str, object]:
    values = {key: value for key, value in options.items() if value is not None}
    for key, value in values.items():
        try:
            _check(f"{OPTIONS[key].spelling} {_written(value)}", key, value)
        except ValueError as error:
            raise Misconfigured(str(error)) from None
    return values


def _check(place: str, key: str, value: object) -> None:
    try:
        check(key, value)
    except ValueError as why:
        raise ValueError(f"{place}: {why}") from None


def _written(value: object) -> str:
    """Return a value about as it would be written in a file."""
    if isinstance(value, str):
        return f'"{quoted(value)}"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return quoted(f"[{', '.join(map(_written, value))}]")
    return quoted(str(value))


def shown(configuration: Configuration) -> list[str]:
    """Return the settings as lines of a file, each with its source behind it."""
    lines: list[str] = []
    for table in TABLES:
        lines += [f"[{table}]"]
        for key, value in msgspec.to_builtins(getattr(configuration.settings, table)).items():
            source = configuration.sources.get(key, "default")
            written = f"# {key} =" if value is None else f"{key} = {_toml(value)}"
            lines.append(f"{written}  # {source}")
    return lines


def _toml(value: object) -> str:
    """Return a value as TOML. JSON is TOML for numbers, texts and lists of them, but for DEL."""
    return msgspec.json.encode(value).decode().replace("\x7f", "\\u007f")
