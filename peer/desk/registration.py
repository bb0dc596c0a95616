"""This file is about what our registration means for a visitor: let in, lost, back, refused, gone.

The session says what happened between us and the registry; here it becomes events, and a link or none.
"""

from collections.abc import Callable

from peer.core.registration import REFUSALS
from peer.core.states import Notice
from peer.desk import events as happened
from peer.desk.stages import PLACED
from peer.desk.uplink import Uplink
from peer.desk.visit import Visit
from wire.identity import fingerprint


class Registration:
    """Heeds the session."""

    def __init__(self, uplink: Uplink, visit: Visit, *, tell: Callable[[happened.VisitEvent], None]) -> None:
        self._uplink = uplink
        self._session = uplink.session
        self._link = uplink.link
        self._visit = visit
        self._tell = tell
        self._last_life = 0
        self._pinned = uplink.session.pinned
        self._has_begun = False
        self._was_lost = False
        self.is_stranger = False
        """Whether who answers at our registry's address is another one."""

    def heed_session(self, *, now: float) -> None:
        """What the session has to tell."""
        for notice in self._session.notices():
            match notice:
                case Notice.WELCOMED:
                    self._welcomed(now)
                case Notice.SILENT:
                    self._end_link()
                case Notice.LOST:
                    self._lost()
                case Notice.DENIED:
                    assert self._session.denied is not None
                    reason = REFUSALS.get(self._session.denied, "it serves no visitors")
                    self._tell(happened.Refused(reason=reason))
                case Notice.LEFT | Notice.LEAVE_UNANSWERED:
                    self._end_link()
                case Notice.WRONG_KEY:
                    self._wrong_key()
        for question in self._session.sealed_questions():
            self._uplink.send(question)  # the link carries it too: there it cannot get lost

    def _welcomed(self, now: float) -> None:
        if self._session.pinned is not None and self._session.pinned != self._pinned:
            key, is_first = fingerprint(self._session.pinned), self._pinned is None
            is_verified = self._session.is_key_named
            self._tell(
                happened.ServerMet(key=key, is_verified=is_verified)
                if is_first
                else happened.ServerKeyAccepted(key=key)
            )
            self._pinned = self._session.pinned
        if self._was_lost:
            self._tell(happened.ServerBack())
        self._has_begun, self._was_lost, self.is_stranger = True, False, False
        if self._session.life != self._last_life:
            self._link.forgive()  # another life of the registry: what its last one did to links is no sign
            self._last_life = self._session.life
        self._link.open(self._session.open_link, now=now)

    def _lost(self) -> None:
        if self._has_begun:
            keep_place = self._visit.keep_place if self._visit.stage in PLACED else None
            self._tell(happened.ServerLost(keep_place=keep_place))
        else:
            self._tell(happened.NoServer())
        self._was_lost = True
        self._end_link()

    def _wrong_key(self) -> None:
        assert self._session.stranger is not None
        got = fingerprint(self._session.stranger)
        self._tell(happened.ServerKeyChanged(expected=self._session.expected, got=got))
        self._was_lost = self.is_stranger = True
        self._end_link()

    def _end_link(self) -> None:
        self._uplink.drop_link()
        self._uplink.wants_close = True
