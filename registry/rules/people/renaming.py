"""Renaming: an identity takes another name (clause 4.7).

The new name is in the table when the disk has it. The old one stays reserved for the identity for a
while.
"""

from collections.abc import Callable

from chatapp.registry.rules.directory.directory import Directory, Person
from chatapp.registry.rules.directory.names import key_of
from chatapp.registry.rules.effects import (
    Append,
    Caller,
    Disconnect,
    Drop,
    DropReason,
    Effect,
    Effects,
    Handle,
    LinkEndReason,
    NameChanged,
    Note,
    Reply,
    Rule,
    Store,
)
from chatapp.registry.rules.limits import PendingRequests, RegistryPolicy, WallClock, remaining
from chatapp.registry.store.entries import NameBound, NameFreed, NameReserved
from chatapp.registry.store.protocol import Loaded
from chatapp.wire.buckets import Buckets
from chatapp.wire.codec import decode_card, encode
from chatapp.wire.errors import DecodeError, NameRefused
from chatapp.wire.identity import is_authentic
from chatapp.wire.limits import BUCKETS_MAX, NAME_KEPT_FOR, RENAMES_BURST, RENAMES_SPAN
from chatapp.wire.messages.registration import RefusalReason, Rename, RenameAccepted, RenameRefused
from chatapp.wire.messages.table import Card
from chatapp.wire.names import name_key


class Renaming:
    """Handles renames."""

    def __init__(
        self, directory: Directory, clock: WallClock, *, is_banned: Callable[[str], bool]
    ) -> None:
        """`is_banned`: tells whether the name with this key is banned."""
        self._is_banned = is_banned
        self._directory = directory
        self._clock = clock
        self._renames: Buckets[bytes] = Buckets(
            rate=1 / RENAMES_SPAN, burst=RENAMES_BURST, most=BUCKETS_MAX
        )
        self._pending: PendingRequests[Handle] = PendingRequests()
        """Identities whose new name is on its way to the disk."""

    def rename(self, request: Rename, caller: Caller, *, now: float) -> Effects:
        """Handle a Rename. It is answered when the disk has the name, or at once if it is refused
        or was done before."""
        card, identity = request.card, caller.identity
        person = self._directory.person(identity)
        if person is None or card.identity != identity:
            return [Drop(reason=DropReason.RENAME_OF_ANOTHER)]
        if identity in self._pending:
            is_queued = self._pending.wait(identity, Handle(request=request, to=caller))
            return [] if is_queued else _refusal(request.reference, caller, RefusalReason.FULL)
        if card == person.card:
            return [Reply(to=caller, message=RenameAccepted(request.reference))]
        refusal = self.refusal_of(identity, now=now)
        if refusal is None and not is_authentic(card):
            return [Drop(reason=DropReason.BAD_CARD_SIGNATURE)]
        key = key_of(card.name)
        if refusal is None:
            refusal = RefusalReason.BAD_NAME if key is None else self._flaw(card, key)
        if refusal is not None or key is None:
            return _refusal(request.reference, caller, refusal or RefusalReason.BAD_NAME)
        return self._rename(person, card, key, request.reference, caller, now)

    def _rename(
        self, person: Person, card: Card, key: str, reference: int, caller: Caller, now: float
    ) -> Rule:
        is_stored, now = yield Store(self.begin(person, card, key, now=now))
        refusal, effects = self.settle(card, key, is_stored=is_stored, now=now)
        if refusal is None:
            yield Reply(to=caller, message=RenameAccepted(reference))
        else:
            yield from _refusal(reference, caller, refusal)
        yield from effects
        if refusal is None and self._is_banned(key) and caller.link is not None:
            yield Disconnect(link=caller.link, reason=LinkEndReason.BANNED)

    def _flaw(self, card: Card, key: str) -> RefusalReason | None:
        return (
            RefusalReason.BANNED if self._is_banned(key) else self._directory.refusal_of(card, key)
        )

    def wait(self, identity: bytes, request: Handle) -> bool:
        """Queue a request behind the new name that is on its way to the disk. Return False when too
        many wait."""
        return self._pending.wait(identity, request)

    # --- also for a member who registers under another name

    def is_pending(self, identity: bytes) -> bool:
        """Return whether a new name of this identity is on its way to the disk."""
        return identity in self._pending

    def refusal_of(self, identity: bytes, *, now: float) -> RefusalReason | None:
        """Return why this identity cannot be renamed now: each new name is announced to everybody,
        so there is a rate."""
        return None if self._renames.take(identity, now=now) else RefusalReason.FULL

    def begin(
        self, person: Person, card: Card, key: str, *, now: float
    ) -> tuple[NameBound] | tuple[NameBound, NameReserved]:
        """Claim the name. Return the entries that make it the person's."""
        identity, at = card.identity, self._clock.millis(now)
        self._pending.begin(identity)
        bound = NameBound(
            key, identity, encode(card), person.channel_since, at, network=person.network
        )
        if key == person.name_key:
            return (bound,)
        self._directory.names.claim(card.name, identity)
        # In this order: if a crash loses the second, the newer card still says which name is
        # current.
        return (bound, NameReserved(person.name_key, identity, at))

    def settle(
        self, card: Card, key: str, *, is_stored: bool, now: float
    ) -> tuple[RefusalReason | None, list[Effect]]:
        """Put a stored name into the table, unless a newer card came meanwhile. Return why it is
        not there, and the effects, with the requests that waited."""
        identity = card.identity
        waiting = self._pending.end(identity)
        if not is_stored:
            self._directory.names.release_claim(key, identity)
            return RefusalReason.NOT_SERVING, [*waiting]
        person = self._directory.person(identity)
        assert person is not None, "nobody loses their row"
        before, until = person.card.name, now + NAME_KEPT_FOR
        if card.counter <= person.card.counter:
            is_other = key != person.name_key
            freed = self._directory.names.reserve(key, identity, until=until) if is_other else []
            return RefusalReason.OLD_CARD, [*_let_go(freed), *waiting]
        freed = self._directory.rename(person, card, key, reserved_until=until, now=now)
        changed = Note(event=NameChanged(before=before, name=card.name))
        return None, [changed, *_let_go(freed), *waiting]

    # --- age

    def sweep(self, *, now: float) -> list[Effect]:
        """Free the names whose reservation has expired."""
        return _let_go(self._directory.names.expired(now=now))


def _let_go(names: list[str]) -> list[Effect]:
    return [Append(tuple(NameFreed(name) for name in names))] if names else []


def _refusal(reference: int, caller: Caller, reason: RefusalReason) -> list[Effect]:
    return [Reply(to=caller, message=RenameRefused(reference, reason))]


def restore_names(
    loaded: Loaded, directory: Directory, clock: WallClock, policy: RegistryPolicy, *, now: float
) -> int:
    """Restore the names of earlier runs; their rows are not told yet. Return how many cards or names
    could not be read."""
    unreadable, wall = 0, clock.seconds(now)
    for kept in loaded.names:
        try:
            if isinstance(kept, NameReserved):
                left = remaining(
                    kept.at, wall, kept_for=NAME_KEPT_FOR, at_least=policy.restart_grace
                )
                directory.names.reserve(kept.name_key, kept.identity, until=now + left)
            else:
                _restore_bound(kept, directory, wall, now)
        except (DecodeError, NameRefused):
            unreadable += 1
    return unreadable


def _restore_bound(bound: NameBound, directory: Directory, wall: int, now: float) -> None:
    """Bind a name. An identity with two names was being renamed when the registry stopped; its
    newer card decides."""
    card = decode_card(bound.card)
    person = directory.person(card.identity)
    until = now + NAME_KEPT_FOR
    if person is None:
        at = min(bound.at // 1_000, wall)
        since, network = bound.channel_since, bound.network
        directory.bind(card, channel_since=since, at=at, network=network, is_told=False)
    elif card.counter > person.card.counter:
        key = name_key(card.name)
        directory.rename(person, card, key, reserved_until=until)
    else:
        directory.names.reserve(bound.name_key, card.identity, until=until)
