"""The lines of a registry in a cluster for people."""

from pathlib import Path
from typing import Final

from chatapp.wire.errors import quoted

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
