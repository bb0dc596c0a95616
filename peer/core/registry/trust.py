"""The user's decisions about the key of the registry."""

from typing import Final

from chatapp.peer.api import events
from chatapp.peer.core.contacts import doubt_about
from chatapp.peer.core.context import Context, People
from chatapp.peer.core.records import RegistryVerified
from chatapp.peer.core.registry.session import RegistrySession, State
from chatapp.wire.identity import fingerprint, fingerprint_digits, fingerprint_from

SERVER: Final = "server"
"""Stands for the registry where a name is expected; nobody can have this name."""


class RegistryTrust:
    """Whether the user has compared the registry's key, and which key is accepted."""

    def __init__(
        self, ctx: Context, session: RegistrySession, people: People, *, is_verified: bool
    ) -> None:
        """`is_verified`: whether the user has compared the key before."""
        self._out = ctx.out
        self._session: Final = session
        self._people: Final = people
        self._is_verified = is_verified
        self._shown: str | None = None
        """The digits that were shown last."""

    def key(self) -> events.RegistryKey:
        """Return the fingerprints of the registry's key and of the one that answers in its
        place."""
        held, other = self._session.pinned, self._session.stranger
        self._shown = self._answering_digits()
        return events.RegistryKey(
            held="" if held is None else fingerprint(held),
            other="" if other is None else fingerprint(other),
            is_verified=self._is_verified or self._session.is_key_named,
        )

    @property
    def digits(self) -> str:
        """The digits of the fingerprint of the registry's key that we hold; empty without one."""
        return "" if self._session.pinned is None else fingerprint_digits(self._session.pinned)

    def accept(self, digits: str | None, *, now: float) -> events.Trusted | events.NotTrusted:
        """Trust the key with this fingerprint for our registry: the one that we hold, which then
        counts as compared, or the one that answers in its place, which we hold as soon as that
        registry lets us in."""
        typed = None if digits is None else fingerprint_from(digits) or digits
        held = self._session.pinned
        if held is not None and typed == fingerprint_digits(held):
            self._is_verified = True
            self._out.records.append(RegistryVerified())
            return events.Trusted(name=SERVER, is_new=False)
        doubt = doubt_about(typed, self._answering_digits(), shown=self._shown)
        if doubt is not None:
            return events.NotTrusted(name=SERVER, why=doubt)
        assert typed is not None
        self._session.demand(typed)
        if self._session.state is State.PAUSING:
            self._session.start(table_version=self._people.version, now=now)
        return events.Trusted(name=SERVER, is_new=True)

    def _answering_digits(self) -> str:
        """Return the digits to compare: of the key that answers in place of ours, else of ours;
        empty without a key."""
        key = self._session.stranger or self._session.pinned
        return "" if key is None else fingerprint_digits(key)
