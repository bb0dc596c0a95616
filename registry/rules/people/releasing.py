"""Giving up a name: an identity has no name here any more, and anybody may take it (clause 4.9).

The name is free when that is on the disk. Until then its owner is served nothing more.
"""

from collections.abc import Callable

from chatapp.registry.rules.directory.connections import Connections
from chatapp.registry.rules.directory.directory import Directory, Person
from chatapp.registry.rules.effects import (
    Caller,
    Disconnect,
    Drop,
    DropReason,
    Effect,
    Effects,
    Handle,
    LinkEndReason,
    NameGivenUp,
    Note,
    Reply,
    Rule,
    Store,
)
from chatapp.registry.rules.people.renaming import Renaming
from chatapp.registry.store.entries import Entry, NameFreed, RoomMemberGone
from chatapp.wire.messages.registration import RefusalReason, Release, Released, ReleaseRefused


class Releasing:
    """Handles the requests of people who give up their names."""

    def __init__(
        self,
        directory: Directory,
        connections: Connections,
        renaming: Renaming,
        *,
        forget: Callable[[Person, float], list[Effect]],
    ) -> None:
        """`forget`: removes a person, who may be online, from the table and from everything
        else."""
        self._directory = directory
        self._connections = connections
        self._renaming = renaming
        self._forget = forget
        self.pending: set[bytes] = set()
        """Identities whose release is on its way to the disk."""

    def release(self, request: Release, caller: Caller, *, now: float) -> Effects:
        """Handle a Release. It is answered when the disk has it, or at once if it is refused."""
        identity = caller.identity
        person = self._directory.person(identity)
        if (
            person is None
            or caller.link is None
            or self._connections.link_of(identity) != caller.link
        ):
            return [Drop(reason=DropReason.RELEASE_FROM_OLD_LINK)]
        if self._renaming.is_pending(identity):
            is_queued = self._renaming.wait(identity, Handle(request=request, to=caller))
            return [] if is_queued else _refusal(request.reference, caller, RefusalReason.FULL)
        if self._directory.names.is_operator_name(person.name_key):
            return _refusal(request.reference, caller, RefusalReason.KEPT_FOR_OPERATOR)
        return self._release(person, request.reference, caller)

    def _release(self, person: Person, reference: int, caller: Caller) -> Rule:
        identity = caller.identity
        self.pending.add(identity)
        is_stored, now = yield Store(self._entries(person))
        self.pending.discard(identity)
        if not is_stored:
            yield from _refusal(reference, caller, RefusalReason.NOT_SERVING)
            return
        if self._directory.person(identity) is not person:
            return  # the administrator has freed the name meanwhile; somebody may have it
        link = self._connections.link_of(identity)
        for key in self._directory.names.reserved_for(identity):
            self._directory.names.release(key, identity)
        forgotten = self._forget(person, now)
        yield Reply(to=caller, message=Released(reference))
        if link is not None:
            yield Disconnect(link=link, reason=LinkEndReason.LEFT)
        yield from forgotten
        yield Note(event=NameGivenUp(name=person.card.name))

    def _entries(self, person: Person) -> tuple[Entry, ...]:
        """Return what the disk must have: the name is free, and so are those that were reserved for
        its owner."""
        identity = person.card.identity
        reserved = self._directory.names.reserved_for(identity)
        return (
            *(NameFreed(key) for key in (*reserved, person.name_key)),
            RoomMemberGone(identity),
        )


def _refusal(reference: int, caller: Caller, reason: RefusalReason) -> list[Effect]:
    return [Reply(to=caller, message=ReleaseRefused(reference, reason))]
