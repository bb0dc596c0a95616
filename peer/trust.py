"""Trust as programs and faces ask for it: safety numbers, keys that changed, people who are ignored.

What a decision means stands in `peer.core.trust`; receipts are kept in step here.
"""

from collections.abc import Callable

from peer.core import events as happened
from peer.core.engine import PeerCore
from peer.receipts import Receipts


class PeerTrust:
    """What the user of a peer decides about others. A name that nobody here has is answered with `NobodyKnown`."""

    def __init__(
        self,
        core: Callable[[], PeerCore],
        receipts: Receipts,
        *,
        now: Callable[[], float],
        changed: Callable[[], None],
    ) -> None:
        """`core` raises NotOpen while there is none; `changed`: the core has something to send or to store."""
        self._core = core
        self._receipts = receipts
        self._now = now
        self._changed = changed

    def number(self, name: str) -> happened.SafetyNumber | happened.NobodyKnown:
        """60 digits to compare with theirs: over another way, or side by side. Raises NotOpen."""
        return self._core().trust.number(name)

    def accept(
        self, name: str, digits: str | None
    ) -> happened.Trusted | happened.NotTrusted | happened.NobodyKnown:
        """Hold the key of this name whose safety number has these 60 digits, if it is the one that is shown now, and send
        there what was on its way. Raises NotOpen."""
        answer, numbers = self._core().trust.accept(name, digits, now=self._now())
        self._receipts.renumber(answer.name, numbers)
        self._changed()
        return answer

    def registry_key(self) -> happened.RegistryKey:
        """The fingerprint of the registry's key, and of one that answers in its place. Raises NotOpen."""
        return self._core().trust.registry_key()

    def accept_registry(self, digits: str | None) -> happened.Trusted | happened.NotTrusted:
        """Take the key with this fingerprint for the registry's: the one that we hold, or the one that answers in its
        place. Raises NotOpen."""
        answer = self._core().trust.accept_registry(digits, now=self._now())
        self._changed()
        return answer

    def ignore(self, name: str) -> happened.Ignored | happened.NobodyKnown:
        """Show nothing of theirs from now on; it is acknowledged and stored all the same. Raises NotOpen."""
        return self._ignore(name, is_ignored=True)

    def unignore(self, name: str) -> happened.Ignored | happened.NobodyKnown:
        """Show again what they say. Raises NotOpen."""
        return self._ignore(name, is_ignored=False)

    def _ignore(self, name: str, *, is_ignored: bool) -> happened.Ignored | happened.NobodyKnown:
        answer = self._core().trust.ignore(name, is_ignored=is_ignored)
        self._changed()
        return answer
