"""The registry's lines for people: at its start, after a reload, and in its log."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, assert_never

from chatapp.registry.cluster.health import (
    RESTLESS,
    HealthEvent,
    ServerChanged,
    ServerState,
    StateRestless,
    StreamLed,
    StreamStalled,
)
from chatapp.registry.rules.desk.state import Operators
from chatapp.wire.admission import JoinCode
from chatapp.wire.errors import quoted
from chatapp.wire.identity import fingerprint
from chatapp.wire.text import sanitize

_LOOPBACK: Final = "127.0.0.1"


def address_lines(addresses: Sequence[str], port: int) -> list[str]:
    """Return the lines that say what others type to reach a registry, and what a firewall must let
    through. `addresses`: this machine's; without any, only people on this machine can come."""
    return [
        *(
            f"[Others type: ChatApp -c <name> {host} {port} <client-port>]"
            for host in addresses or [_LOOPBACK]
        ),
        f"[A firewall must let UDP and TCP port {port} through.]",
    ]


NEW_KEY_LINE: Final = (
    "[The registry's key was missing: a new one was made, and peers will warn of it]"
)
_LINE_MAX: Final = 1_000


def start_lines(port: int, key: str, folder: Path) -> Iterator[str]:
    """Yield the first lines of a registry that has started. `key`: the fingerprint of its key."""
    yield f"[Registry listening on UDP and TCP port {port}.]"
    yield f"[Registry key {key}]"
    yield f"[Files in {folder}]"


def serving_text(port: int) -> str:
    """Return what a service manager shows of a registry that serves."""
    return f"Listening on UDP and TCP port {port}"


def beside_text(port: int, engine: str) -> str:
    """Return what a service manager shows of a node of a cluster while the node `engine` keeps the
    state."""
    return f"{serving_text(port)}; {quoted(engine)} keeps the state"


def searching_text(port: int) -> str:
    """Return what a service manager shows of a node of a cluster that sees no node that keeps the
    state."""
    return f"{serving_text(port)}; looking for the node that keeps the state"


def join_code_line(code: JoinCode) -> str:
    """Return the line for a join code made at the start."""
    return f"[Join code {code.text}: lets one newcomer in, within 7 days]"


def operator_lines(operators: Operators) -> Iterator[str]:
    """Yield a line for each operator listed by name: the key that has the name, or the code to get
    it."""
    for key, text in operators.names.items():
        shown, bearer, code = (
            sanitize(text, _LINE_MAX),
            operators.bearer(key),
            operators.codes.get(key),
        )
        if bearer is not None:
            yield f"[Operator {shown}: the key {fingerprint(bearer)}]"
        elif code is not None:
            yield f"[Operator {shown}: start once with --code {code.text}]"
        else:
            yield f"[Operator {shown}: nobody can take this name, as it looks like another one]"


def failure_line(why: str) -> str:
    """Return the line for a start that failed, or for damage that was found."""
    return f"[{sanitize(why, _LINE_MAX)}]"


def port_unusable_line(port: int, why: str) -> str:
    """Return the line for a port that cannot be opened, for another reason than that it is
    taken."""
    return f"[Port {port} cannot be used: {why}]"


def reloaded_line(*, allowed: int, banned: int, gateways: int, evicted: int) -> str:
    """Return the line for access lists that were reloaded. `evicted`: how many people that
    disconnected."""
    gone = f"; {evicted:,} disconnected" if evicted else ""
    known = f", gateways: {gateways:,}" if gateways else ""
    return f"[Lists reloaded: {allowed:,} allowed, {banned:,} banned{known}{gone}]"


def not_reloaded_line(why: str) -> str:
    """Return the line for access lists with a mistake."""
    return f"[{why}; the lists stay as they were]"


def restart_needed_line(keys: Iterable[str]) -> str:
    """Return the line for changed settings that a reload does not apply."""
    return f"[Changed, but applied at the next start only: {quoted(', '.join(keys))}]"


def unshown_line(count: int) -> str:
    """Return the line for console lines that were dropped because nobody read them."""
    return f"[{count} lines were not shown.]"


TRYING_LINE: Final = "[The servers of the cluster do not answer; trying for 30 seconds.]"
UNSEEN_LINE: Final = (
    '[Whether the servers sync at once cannot be seen: sync_interval must be "always" in their configuration '
    "(cluster_monitors lets the registry check it).]"
)
LOST_LINE: Final = "[The cluster's lease is lost: this node no longer keeps the state.]"
TAKING_OVER_LINE: Final = "[Taking over.]"
KEEPS_STATE_LINE: Final = "[This node keeps the state.]"


def new_key_line(path: Path) -> str:
    """Return the line for a cluster key that was made."""
    return f"[The cluster is new. Copy its key to the same place on the other nodes: {path}]"


def serving_beside_line(engine: str) -> str:
    """Return the line for a node that serves, while the node `engine` keeps the state."""
    return f"[Serving beside {quoted(engine)}, which keeps the state.]"


def no_engine_line(trouble: str | None) -> str:
    """Return the line for a node that sees no node that keeps the state. `trouble`: why the servers
    of the cluster do not answer, empty if that is not known; None if they do."""
    if trouble is None:
        return "[No node that keeps the state is seen: nobody is served here until one is.]"
    why = f" ({quoted(trouble)})" if trouble else ""
    return f"[The servers of the cluster do not answer{why}: nobody is served here until they do.]"


def console_elsewhere_line(engine: str) -> str:
    """Return the line for what was typed at the console of a node that does not keep the state."""
    where = quoted(engine) if engine else "another node"
    return f"[The console is open at {where}, which keeps the state.]"


def unmonitored_line(url: str, why: str) -> str:
    """Return the line for a server whose monitoring does not answer."""
    return f"[Whether the server {quoted(url)} syncs at once cannot be seen: {quoted(why)}]"


_SERVER_STATES: Final = {
    ServerState.WELL: "is well again",
    ServerState.BEHIND: (
        "has no current copy of a stream: look at its log. If its disk is full, make room there and start it again"
    ),
    ServerState.OFF: (
        "has switched JetStream off, as it does when its disk is full: make room there and start it again"
    ),
    ServerState.AWAY: "does not answer: start it, or look at the network between it and this node",
}


def health_line(event: HealthEvent) -> str:
    """Return the line for a server or a stream of the cluster that has changed."""
    match event:
        case ServerChanged(server, state):
            return f"[The server {quoted(server)} of the cluster {_SERVER_STATES[state]}.]"
        case StreamStalled(stream):
            return (
                f"[No server leads the stream {stream}, so nothing is stored: two of three servers must have room on "
                "their disks, and must have been started again since they had none.]"
            )
        case StreamLed(stream):
            return f"[The stream {stream} has a leader again.]"
        case StateRestless(node):
            return (
                f"[The state has moved {RESTLESS} times within an hour, last to {quoted(node)}: look whether the "
                "machines of the nodes are too busy to renew the lease, and how long the servers elect.]"
            )
    assert_never(event)
