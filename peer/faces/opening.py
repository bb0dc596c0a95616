"""Opening a peer in a program, or attaching to one that runs under the name: what stands in the way as
lines, and the offer to others."""

import asyncio
import logging
import sqlite3
import sys
from collections.abc import Iterable, Sequence
from typing import Final

from chatapp.peer.api import events
from chatapp.peer.api.errors import NotOpen, NotResponding, NotRunning
from chatapp.peer.faces.program import StartOptions
from chatapp.peer.node.driver import resolved
from chatapp.peer.node.keystore import FolderInUse
from chatapp.peer.node.starts import Taken, TakenBy, note_release, remember
from chatapp.peer.rpc.place import Offer, is_offered
from chatapp.peer.sdk.client import Peer
from chatapp.peer.words import answers
from chatapp.peer.words.events import lines_of
from chatapp.wire.address import Address
from chatapp.wire.delivery.policy import Policy
from chatapp.wire.errors import AddressRefused, ChatAppError, PortInUse
from chatapp.wire.identity import require_fingerprint

_log = logging.getLogger("chatapp.peer")

OFFERED_WITHIN: Final = 2.0
"""Seconds to wait for another program that has our folder or our port and offers nothing: it may be
one of this user that has just started, or is about to end."""

_LOOK_SPAN: Final = 0.1

CLOSES_WITHIN: Final = 0.3
"""Seconds that are given to the registry to answer that we leave."""


class NotOpened(ChatAppError):
    """A program could neither open the peer nor attach to one that runs."""

    def __init__(
        self, lines: Sequence[str], *, is_taken: bool = False, may_pass: bool = False
    ) -> None:
        """`lines`: why, in `[ ]`, or one that begins with `ChatApp:`. `is_taken`: whether another
        program of this user has the name. `may_pass`: whether it can be otherwise a moment
        later."""
        super().__init__(*lines)
        self.lines = lines
        self.is_taken = is_taken
        self.may_pass = may_pass


def peer_for(wanted: StartOptions) -> Peer:
    """Return the peer that was asked for, not open yet."""
    return Peer(
        wanted.name,
        wanted.servers,
        port=wanted.port,
        home=wanted.home,
        policy=None if wanted.ack_timeout is None else Policy(ack_timeout=wanted.ack_timeout),
        rooms=wanted.rooms,
        code=wanted.code,
        registry_key=wanted.registry_key,
        announced_key=wanted.announced_key,
        slow_link=wanted.slow_link,
        downloads=wanted.downloads,
        auto_accept=wanted.auto_accept,
        gives_marks=wanted.gives_marks,
    )


async def open_or_attach(
    peer: Peer, *, shows: bool = True, is_service: bool = False, within: float = OFFERED_WITHIN
) -> "Peer | None":
    """Attach to the program that runs under the peer's name, or open the peer. Returns the running
    one, attached; None if the peer is open now. `shows`, `is_service`: as in `Peer.beside`. `within`: seconds to
    wait for a program that is in our way and offers nothing. Raises NotOpened."""
    loop = asyncio.get_running_loop()
    until = loop.time() + within
    while True:
        try:
            running = await running_program(peer, shows=shows, is_service=is_service)
        except (NotRunning, NotResponding) as error:
            raise NotOpened([answers.not_attached_line(str(error))]) from None
        if running is not None:
            return running
        try:
            await open_peer(peer)
        except NotOpened as error:
            if not error.may_pass or loop.time() >= until:
                raise
        else:
            return None
        await asyncio.sleep(_LOOK_SPAN)  # nothing tells when a lock or a port is free


def elsewhere_line(peer: "Peer") -> str:
    """Say that a running peer is at another server than the user asked for."""
    return answers.runs_elsewhere_line(peer.name, peer.server, peer.process, peer.port)


def offered(peer: Peer) -> "Offer | None":
    """Offer an open peer to other programs; None if the disk prevents that, which only they
    notice."""
    try:
        return Offer(peer)
    except OSError as error:
        _log.warning("other programs cannot attach to this one: %s", error)
        return None


async def close_offered(peer: Peer, offer: Offer | None) -> None:
    """Close a peer of this program. A window that is attached runs it from now on."""
    if offer is not None:
        await offer.end(within=CLOSES_WITHIN)
    await peer.close(within=CLOSES_WITHIN)


async def open_peer(peer: Peer) -> None:
    """Open the peer. Raises NotOpened."""
    try:
        await peer.open()
    except PortInUse as error:
        raise NotOpened([f"[{error}]"], may_pass=True) from None
    except FolderInUse as error:
        taken = Taken(
            name=peer.name, by=TakenBy.OWN_PROGRAM, process=error.process, port=error.port
        )
        lines = [answers.name_taken(peer.name), answers.taken_line(taken)]
        raise NotOpened(lines, is_taken=True, may_pass=True) from None
    except sqlite3.Error as error:
        # SQLite reports damage as this very class; its subclasses mean something else, such as a
        # full disk.
        is_damaged = type(error) is sqlite3.DatabaseError
        history = str(peer.folder / "history.db")
        raise NotOpened([answers.history_failed(history, error, is_damaged=is_damaged)]) from None
    except OSError as error:
        # When a new file cannot take an old one's place, filename2 is the old one, which is the one
        # that the user knows.
        where = error.filename2 or error.filename or peer.folder
        raise NotOpened([f"ChatApp: {where}: {error.strerror or error}"]) from None
    except ChatAppError as error:
        raise NotOpened([f"ChatApp: {error}"]) from None


def note_start(peer: Peer, batch: Iterable[events.Event]) -> None:
    """Note on the disk what of these events the next start is to know."""
    for event in batch:
        match event:
            case events.Registered() | events.Renamed(is_me=True):
                remember(peer.folder, peer.name, peer.servers, key=peer.server_key)
            case events.NameReleased():
                note_release(peer.folder)
            case _:
                pass


def tell_registry(batch: Iterable[events.Event]) -> None:
    """Say on standard error which registry this is, if these events tell: scripts read standard
    output."""
    told = events.RegistryMet | events.RegistryRecognized | events.RegistryKeyAccepted
    for event in batch:
        if isinstance(event, told):
            print(*lines_of(event), sep="\n", file=sys.stderr, flush=True)


def tell_search(batch: Iterable[events.Event]) -> None:
    """Say on standard error that the registry is still being looked for, if these events tell."""
    for event in batch:
        if isinstance(event, events.SearchingServers):
            print(*lines_of(event), sep="\n", file=sys.stderr, flush=True)


async def running_program(
    own: Peer, *, shows: bool = True, is_service: bool = False
) -> Peer | None:
    """Return the peer that another program runs under the name of this one, as `Peer.beside` does,
    open; None if none runs and offers one. Raises NotResponding, and NotRunning with the reason if
    the program that runs cannot be used."""
    if not is_offered(own.folder):
        return None
    peer = own.beside(shows=shows, is_service=is_service)
    try:
        await peer.open()
    except NotRunning as error:
        if error.reason:
            raise
        return None
    except (NotOpen, OSError):
        return None
    return peer


def runs_as_service(peer: Peer) -> bool:
    """Whether the program that runs an attached peer is one that is started again when it ends."""
    from chatapp.peer.node.window import WindowNode  # deferred: most programs need it not

    return isinstance(peer.node, WindowNode) and peer.node.runs_as_service


async def is_same_server(peer: Peer, servers: Sequence[Address], registry_key: str | None) -> bool:
    """Whether a running peer is at one of these servers, and the registry there has the demanded
    key."""
    if registry_key is not None and peer.server_key not in ("", require_fingerprint(registry_key)):
        return False
    try:
        return not set(servers).isdisjoint(peer.servers) or peer.address in await resolved(servers)
    except AddressRefused:
        return False
