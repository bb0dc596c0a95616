"""The registry of an open peer: the servers that lead to it, the key that it must have, and what
happens when another registry than the one that we knew lets us in."""

import asyncio
import contextlib
import sqlite3
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from chatapp.peer.api import events
from chatapp.peer.node.driver import resolved
from chatapp.peer.node.storage import NodeStorage
from chatapp.wire.address import Address
from chatapp.wire.errors import AddressRefused

if TYPE_CHECKING:
    from chatapp.peer.core.core import PeerCore
    from chatapp.peer.node.local import NodeSettings, PeerNode


class KnownRegistry:
    """What a node and its history know of the registry."""

    def __init__(
        self,
        node: "PeerNode",
        storage: NodeStorage,
        settings: "NodeSettings",
        addresses: Mapping[Address, Address],
    ) -> None:
        """`addresses`: the IP addresses of the servers, each with the server to which it
        belongs."""
        self._node: Final = node
        self._storage: Final = storage
        self._names: Final = settings.server_names
        self.addresses: Final = dict(addresses)
        self.key = settings.registry_key
        """The digits of the fingerprint that its key must have; None for any."""
        self._announced_key: Final = settings.announced_key
        self._has_slow_link: Final = settings.slow_link
        self._looking_up: asyncio.Task[None] | None = None
        self._met: bytes | None = None
        """One that has let us in, of which the history was not asked yet."""
        self._is_changing = False
        self.is_unsettled = False
        """Whether `settle` has to be called again."""
        self.is_new_pin = False
        """Whether one has let us in whose key is not on our disk yet."""
        self._note_servers()

    def begin(self, core: "PeerCore", *, is_offline: bool = False) -> None:
        """Begin to register, unless we are to be offline."""
        if self.key is not None:
            core.registry.demand(self.key)
        if self._announced_key is not None:
            core.registry.expect_announced(self._announced_key)
        if self._has_slow_link:
            core.registry.spare_link()
        if not is_offline:
            core.start(now=self._node.now())

    def close(self) -> None:
        """Look up no servers any more."""
        if self._looking_up is not None:
            self._looking_up.cancel()

    def look_up(self, servers: Sequence[Address]) -> None:
        """Find the addresses of servers that the registry has named, unless others are looked up
        now."""
        if self._looking_up is None:
            self._looking_up = asyncio.get_running_loop().create_task(self._look_up(list(servers)))

    async def _look_up(self, servers: Sequence[Address]) -> None:
        """One that is not found is looked up at another start."""
        addresses: dict[Address, Address] = {}
        with contextlib.suppress(AddressRefused):
            addresses = await resolved(servers)
        self.addresses.update(addresses | self.addresses)
        self._node.core.registry.add_servers(servers, addresses)
        self._looking_up = None
        self._node.schedule()

    def _note_servers(self) -> None:
        """Note that all our servers lead to the registry that we know, so that each alone is enough
        at a later start."""
        registries = self._storage.history.registries
        if registries.is_met:
            with contextlib.suppress(sqlite3.Error):  # it is noted at another start
                registries.lead_here(self._names)

    def settle(self, core: "PeerCore") -> bool:
        """Find out what the history knows of a registry that has let us in, and change to it if
        need be. False while the disk prevents that."""
        self.is_unsettled = True
        self._met = core.registry.take_pinned() or self._met
        if self._met is not None:
            if not self._storage.file_stored():
                return False
            self._is_changing |= self._storage.history.registries.is_change(self._met)
            self._met = None
            self.is_new_pin = True
            if not self._is_changing:
                self._note_servers()
        self.is_unsettled = self._is_changing and not self._change(core)
        return not self.is_unsettled

    def _change(self, core: "PeerCore") -> bool:
        """Begin again with what the history knows of the registry that has let us in: it is not the
        one whose people the core began with. False while the disk does not take the change."""
        if not self._storage.file_all():
            return False
        self._storage.sync()  # what the old core has acknowledged counts as on the disk for the new
        self._is_changing = False
        self._note_servers()
        # The new core registers again and tells these again.
        repeated = events.Registered | events.RegistryMet
        batch = [event for event in core.events() if not isinstance(event, repeated)]
        if servers := self._storage.history.registries.other_servers():
            batch.append(events.RegistryRecognized(servers=tuple(servers)))
        self._node.tell(batch)
        self.key = core.registry.demanded
        self._node.begin_anew()
        return True

    def keep_pin(self) -> None:
        """Put a new registry's key on the disk, before the user is told of the registry."""
        self.is_new_pin = not self._storage.sync()
