"""What a registry is told about its cluster, how the addresses of servers are written, and why a registry
cannot use its cluster."""

import enum
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

import msgspec

from chatapp.wire.errors import ChatAppError, needs_extra, quoted

SERVERS_MAX: Final = 16
"""The most servers of a cluster that can be named."""
DEFAULT_NAME: Final = "chatapp"
VERSION_LEAST: Final = (2, 15)
"""The oldest version of the servers."""
_SCHEMES: Final = ("nats", "tls")
_DEFAULT_PORT: Final = 4222
_MONITORED: Final = ("http", "https")
_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9a-f:]+")


class ClusterSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of a registry in a cluster. Files are paths; None for the default or for
    none."""

    servers: tuple[str, ...]
    name: str = DEFAULT_NAME
    key: str | None = None
    credentials: str | None = None
    ca: str | None = None
    monitors: tuple[str, ...] = ()


def server_urls(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the servers' addresses, each with its scheme and port. The scheme of one holds for
    those behind it. Raises ValueError, whose text names the wrong one."""
    scheme, found = _SCHEMES[0], list[str]()
    for text in texts:
        given, separator, rest = text.partition("://")
        if separator:
            scheme = given.lower()
        if scheme not in _SCHEMES:
            raise ValueError(
                f'"{quoted(without_secrets(text))}" does not begin with nats:// or tls://'
            )
        place = rest if separator else text
        url = f"{scheme}://{place}"
        port = _port_of(url, text)
        if port is None:
            url = f"{url.rstrip('/')}:{_DEFAULT_PORT}"
        if url in found:
            raise ValueError(f'"{quoted(without_secrets(text))}" is listed twice')
        found.append(url)
    return tuple(found)


def monitor_urls(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the addresses of the servers' monitoring. Raises ValueError, whose text names the
    wrong one."""
    found = []
    for text in texts:
        if urlsplit(text).scheme not in _MONITORED:
            raise ValueError(
                f'"{quoted(without_secrets(text))}" does not begin with http:// or https://'
            )
        _port_of(text, text)
        found.append(text.rstrip("/"))
    return tuple(found)


def demands_tls(servers: Iterable[str], ca: object) -> bool:
    """Return whether nothing may be said to these servers without TLS. `ca`: the certificates that
    sign theirs, or None."""
    return ca is not None or any(server.startswith("tls:") for server in servers)


def is_old(version: str) -> bool:
    """Return whether servers of this version are too old."""
    numbers = re.match(r"v?(\d+)\.(\d+)", version)
    return numbers is None or (int(numbers[1]), int(numbers[2])) < VERSION_LEAST


def _port_of(url: str, text: str) -> int | None:
    """Return the port in an address. Raises ValueError."""
    shown = quoted(without_secrets(text))
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(f'"{shown}" has no valid host and port') from None
    if (
        parts.hostname is None
        or not _HOST.fullmatch(parts.hostname)
        or parts.path.strip("/")
        or port == 0
    ):
        raise ValueError(f'"{shown}" has no valid host and port')
    return port


def without_secrets(text: str) -> str:
    """Return an address, or a text about one, without user and password, so that it may be
    shown."""
    return re.sub(r"^(\w*:/+)?.*@", r"\1", text, flags=re.DOTALL)


class ClusterProblem(enum.Enum):
    """What is wrong with a cluster."""

    AWAY = enum.auto()
    DENIED = enum.auto()
    NO_JETSTREAM = enum.auto()
    NO_STREAM = enum.auto()
    MESSAGES_VANISH = enum.auto()
    ONE_REPLICA = enum.auto()
    OTHER_STREAM = enum.auto()
    OLD_SERVER = enum.auto()
    SMALL_MESSAGES = enum.auto()
    SYNCS_LATE = enum.auto()
    NO_LIBRARY = enum.auto()
    BAD_FILE = enum.auto()
    FORBIDDEN = enum.auto()


_SENTENCES: Final = {
    ClusterProblem.AWAY: "no server of the cluster can be reached ({})",
    ClusterProblem.DENIED: (
        "the servers of the cluster refuse the password or the credentials ({}); see --cluster-credentials"
    ),
    ClusterProblem.NO_JETSTREAM: (
        "JetStream is disabled on the servers of the cluster, or for this account; enable it (docs/howto/cluster.md)"
    ),
    ClusterProblem.NO_STREAM: "the cluster has no leader, or cannot make its streams ({})",
    ClusterProblem.MESSAGES_VANISH: (
        "the stream {} may drop messages: it must have file storage, limits retention, no maximum age or number of "
        "messages, and discard new ones when it is full"
    ),
    ClusterProblem.OTHER_STREAM: (
        "the stream {} was made or changed by another program: its subjects or limits are not those of a registry; "
        "choose another name by --cluster-name"
    ),
    ClusterProblem.OLD_SERVER: "the servers of the cluster are of version {}; they must be of version 2.15 or newer",
    ClusterProblem.SMALL_MESSAGES: (
        "the servers of the cluster allow messages of {} bytes only: set max_payload in their configuration to 1MB, its "
        "default"
    ),
    ClusterProblem.ONE_REPLICA: (
        "the stream {0} has too few copies: run nats stream edit {0} --replicas 3, or name one server only"
    ),
    ClusterProblem.SYNCS_LATE: (
        'the server {} confirms messages before they are on its disk: set sync_interval to "always" in its configuration'
    ),
    ClusterProblem.FORBIDDEN: "the servers do not let this registry use the streams of its cluster ({})",
    ClusterProblem.BAD_FILE: "{}: neither NATS credentials nor the seed of an nkey's user",
    ClusterProblem.NO_LIBRARY: f"--cluster {needs_extra('cluster')}",
}


class ClusterUnavailable(ChatAppError):
    """The cluster cannot be used. `detail`: a name, or what the servers said."""

    def __init__(self, problem: ClusterProblem, detail: str = "") -> None:
        super().__init__(problem, detail)
        self.problem = problem
        self.detail = detail

    def __str__(self) -> str:
        return _SENTENCES[self.problem].format(quoted(self.detail) or "no answer")
