"""The lines of a registry in a cluster for people."""

from pathlib import Path
from typing import Final

from chatapp.wire.errors import quoted

TRYING_LINE: Final = "[The servers of the cluster do not answer; trying for 30 seconds.]"
UNSEEN_LINE: Final = (
    '[Whether the servers sync at once cannot be seen: sync_interval must be "always" in their configuration '
    "(cluster_monitors lets the registry check it).]"
)
LOST_LINE: Final = "[The cluster's lease is lost: this registry serves nobody until it has it again.]"
TAKING_OVER_LINE: Final = "[Taking over.]"


def new_key_line(path: Path) -> str:
    """Return the line for a cluster key that was made."""
    return f"[The cluster is new. Copy its key to the same place on the other nodes: {path}]"


def standby_line(serving: str | None, trouble: str = "") -> str:
    """Return the line for a registry that waits. `serving`: the name of the registry that serves, empty for none; None if
    the servers do not answer. `trouble`: why they do not, if that is known."""
    if serving is None:
        why = f" ({quoted(trouble)})" if trouble else ""
        return f"[Standing by: the servers of the cluster do not answer{why}.]"
    return (
        f"[Standing by: {quoted(serving)} serves.]" if serving else "[Standing by: no registry serves now.]"
    )


def unmonitored_line(url: str, why: str) -> str:
    """Return the line for a server whose monitoring does not answer."""
    return f"[Whether the server {quoted(url)} syncs at once cannot be seen: {quoted(why)}]"
