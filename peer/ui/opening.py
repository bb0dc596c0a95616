"""Opening a peer in a program: what stands in the way as lines, and the offer to other programs."""

import logging
import sqlite3
from typing import TYPE_CHECKING

from chatapp.peer.client import Peer
from chatapp.peer.keystore import FolderInUse
from chatapp.peer.starts import Taken, TakenBy
from chatapp.peer.ui.texts import answers
from chatapp.wire.errors import ChatAppError, PortInUse

if TYPE_CHECKING:
    from chatapp.peer.rpc.attached.remote import RemotePeer
    from chatapp.peer.rpc.offer import Offer

_log = logging.getLogger("chatapp.peer")


def elsewhere_line(peer: "RemotePeer") -> str:
    """Say that a running peer is at another server than the user asked for."""
    return answers.runs_elsewhere_line(peer.name, peer.server, peer.process, peer.port)


def offered(peer: Peer) -> "Offer | None":
    """Offer an open peer to other programs; None if the disk prevents that, which only they notice."""
    try:
        return peer.offer()
    except OSError as error:
        _log.warning("other programs cannot attach to this one: %s", error)
        return None


async def open_peer(peer: Peer) -> list[str] | None:
    """Open the peer. Returns None, or why that failed: lines in `[ ]`, or one that begins with `ChatApp:`."""
    try:
        await peer.open()
    except PortInUse as error:
        return [f"[{error}]"]
    except FolderInUse as error:
        taken = Taken(name=peer.name, by=TakenBy.OWN_PROGRAM, process=error.process, port=error.port)
        return [answers.name_taken(peer.name), answers.taken_line(taken)]
    except sqlite3.Error as error:
        # SQLite reports damage as this very class; its subclasses mean something else, such as a full disk.
        is_damaged = type(error) is sqlite3.DatabaseError
        return [answers.history_failed(str(peer.folder / "history.db"), error, is_damaged=is_damaged)]
    except OSError as error:
        # When a new file cannot take an old one's place, filename2 is the old one, which is the one that the user knows.
        where = error.filename2 or error.filename or peer.folder
        return [f"ChatApp: {where}: {error.strerror or error}"]
    except ChatAppError as error:
        return [f"ChatApp: {error}"]
    return None
