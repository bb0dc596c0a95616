"""Why a registry cannot use its cluster."""

import enum
from typing import Final

from chatapp.wire.errors import ChatAppError, needs_extra, quoted


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
