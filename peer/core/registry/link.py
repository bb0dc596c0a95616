"""Our end of the link to the registry: its session and the renewal of its keys, its frames, and
when to connect again."""

import enum
from typing import Final, Protocol

from chatapp.peer.api.events import LinkTrouble, LinkTroubled
from chatapp.peer.core.context import Context
from chatapp.peer.core.registry.session import Backoff, RegistrySession
from chatapp.wire.codec import Kind, encode, frame
from chatapp.wire.errors import SealError
from chatapp.wire.limits import (
    LINK_FIRST_FRAME_TIMEOUT,
    LINK_KEEPALIVE_SPAN,
    LINK_RATE_LEAST,
    LINK_STALL_TIMEOUT,
)
from chatapp.wire.messages.link import Attach, PeerRequest
from chatapp.wire.messages.registration import AskLease, LeaseNamed, Ping, Pong
from chatapp.wire.sessions.link import LinkOpening, LinkSession
from chatapp.wire.sessions.session import RENEW_AFTER

_GROUP_RELAYED: Final = bytes((Kind.GROUP_RELAYED,))
_RENEWAL: Final = bytes((Kind.RENEWAL,))
_SIGNS: Final = frozenset(encode(notice)[:2] for notice in (Pong(0, 0), LeaseNamed(0)))
"""What the answers to signs of life begin with: their lengths and tags."""
_PONG: Final = encode(Pong(0, 0))[:2]
STABLE_AFTER: Final = 2.0
"""Seconds after which a link counts as stable: when it breaks after that, we reconnect without a
pause."""


ASKED_AFTER: Final = 2.5
"""Seconds without hearing the registry after which we send a Ping, which it always answers, to test
the link."""

SPOKEN_WITHIN: Final = 7 / 8
"""The share of a lease after which a silent link carries a Ping. What is left of the usual lease of
30 s is enough to notice that no answer comes, and to send another by UDP."""

SPOKEN_WITHIN_OF_SEVERAL: Final = 1 / 3
"""The same where the registry names other servers: an idle peer, too, leaves a frozen one soon."""

SLOW_ROUND_TRIP: Final = 0.5
"""Seconds from a Ping to its answer from which on a link is slow."""

MEASURES: Final = 3
"""Round trips in a row that make a link a slow one, or a usual one again."""

FRAME_RATE_LEAST: Final = LINK_RATE_LEAST // 4
"""Bytes a second, after a pause of `LINK_STALL_TIMEOUT`, at which a long frame shows that the
registry is not silent: four people may share a radio link. No frame can take longer than that, so
whoever sends bytes that never end one does not keep us from other servers."""

LATE_AFTER: Final = 2.5
"""Seconds by which a late timer shows that the program itself was suspended: then what came
meanwhile is still unread."""


class OpenLink(Protocol):
    """Begins the session of a link with our registry."""

    def __call__(self, sender_index: int, *, now: float) -> tuple[bytes, LinkOpening]:
        """Return the first frame, which names the sender index that we had, and the object that
        opens the answer. Raises SealError."""


class LinkState(enum.Enum):
    """The state of our link."""

    DOWN = "no connection, and none is wanted now"
    WAITING = "no connection; the next attempt is a moment away"
    OPENING = "the driver is to connect"
    ATTACHED = "our first frame is sent; the registry's answer is awaited"
    UP = "the registry has answered"


class RegistryLink:
    """The link of one node. The driver connects when `wants_connection` returns true, and reports
    the result."""

    def __init__(self, ctx: Context) -> None:
        self._ctx: Final = ctx
        self._backoff = Backoff(first=1.0, largest=20.0)
        self._open_link: OpenLink | None = None
        self.sender_index = 0
        """The index that our registry has granted us last; 0 for none. We go on counting under it."""
        self.is_granted = False
        """Whether it has granted one on this link."""
        self._begun: LinkOpening | None = None
        self._session: LinkSession | None = None
        self._renew_at = 0.0
        """When the session is renewed, if `_is_of_use`."""
        self._is_of_use = False
        """Whether more than signs of life was sealed under the present keys."""
        self.outgoing: list[bytes] = []
        """Bytes for the connection."""
        self._deadline: float | None = None
        self._opened_at = 0.0
        self.asks_to_connect = False
        """Whether the driver is to connect."""
        self._spoke_at = self._pinged_at = 0.0
        self._unheard_since: float | None = None
        """When we first sent something after we last heard the registry, or part of a frame came
        since; None: we have sent nothing."""
        self.heard_at = float("-inf")
        """When something of the registry last came: a frame, or part of one."""
        self.is_within_frame = False
        """Whether part of a frame has come. Until the rest comes, or has not come for long, only
        this link says whether the registry is there: TCP may send lost bytes again for seconds."""
        self._frame_since = 0.0
        """When its first part came."""
        self._unheard_bytes = 0
        """What we have sent since then."""
        self._ask_at = float("inf")
        """When to send a Ping to test the link."""
        self.keepalive_span = LINK_KEEPALIVE_SPAN
        """Seconds of silence after which the link carries a Ping."""
        self._is_measuring = False
        """Whether it was a Ping that we sent at `_unheard_since`."""
        self._slow_in_row = self._fast_in_row = 0
        self.is_slow = False
        """Whether the last answers took long."""
        self._is_read = True
        self.renewals = 0
        """How often the keys of our links were renewed."""
        self.state = LinkState.DOWN
        self.tried_since: float | None = None
        """Since when attempts to connect fail, or the first one is pending; None: the last one
        succeeded."""
        self.stalled_since: float | None = None
        """When the link that we closed as stalled went silent; `LinkWatch` takes and clears it."""

    @property
    def is_up(self) -> bool:
        """Whether requests can be sent."""
        return self.state is LinkState.UP

    def wants_connection(self) -> bool:
        """Return, once, whether the driver is to connect now."""
        asked, self.asks_to_connect = self.asks_to_connect, False
        return asked

    def open(self, open_link: OpenLink, *, now: float) -> None:
        """Want a link, as we are registered: at once, or after the backoff that failed attempts
        have earned."""
        self._open_link = open_link
        if self.state is LinkState.DOWN:
            earliest = now
            if self._opened_at:
                earliest = self._opened_at + self._backoff.next_wait(self._ctx.rng.random())
            self.state, self._deadline = LinkState.WAITING, max(now, earliest)
            self.handle_timer(now=now)

    def drop(self) -> None:
        """Want no link any more; the driver closes its connection."""
        self.state, self._deadline, self._begun = LinkState.DOWN, None, None
        self.is_granted = False
        self._heard(self.heard_at)
        if self._session is not None:
            self._session.erase()
            self._session = None
        self.outgoing.clear()

    def grant(self, sender_index: int) -> bool:
        """Note the index that the registry grants us on this link. Return False if we had another
        one."""
        before, self.sender_index = self.sender_index, sender_index
        self.is_granted = True
        return before in (0, sender_index)

    def attach_again(self, attach: Attach, count: int, *, now: float) -> None:
        """Attach us on the same link as if it were new. `count`: how often we were asked to."""
        self.is_granted = False
        for _ in range(count):
            self.send(attach, now=now)

    def forgive(self) -> None:
        """Reset the backoff: earlier failures say nothing about the next attempt."""
        self._opened_at = 0.0
        self._backoff.reset()
        self.tried_since = None

    def connected(self, *, now: float) -> None:
        """Send the first frame, now that TCP is connected: it begins the link's session and
        attaches us (clause 9.1)."""
        self.tried_since = None
        if self.state is not LinkState.OPENING or self._open_link is None:
            return
        try:
            first, self._begun = self._open_link(self.sender_index, now=now)
        except SealError:
            return  # we have another registry by now; the attempt will time out
        self.outgoing.append(frame(first))
        self._spoke_at = self._pinged_at = now
        self.state = LinkState.ATTACHED

    def send(self, request: PeerRequest, *, now: float) -> None:
        """Seal and queue a request."""
        assert self._session is not None
        is_first = self._unheard_since is None
        self._say(self._session.seal(encode(request)), now)
        if type(request) is Ping:
            self._is_measuring, self._pinged_at = is_first, now
        elif type(request) is not AskLease:
            self._is_of_use = True

    def ask(self, *, now: float) -> None:
        """Send a Ping, because the registry has been silent since we said something; again and again
        while the rest of a frame does not come. The answer waits behind it, but what we say tells
        TCP at the other end at once what was lost, which on a slow link it would find out late."""
        self.send(Ping(reference=0), now=now)
        self._ask_at = now + ASKED_AFTER if self.is_within_frame else float("inf")

    def send_group_frame(self, group_frame: bytes, *, now: float) -> None:
        """Queue a group frame, which is sealed already."""
        self._say(group_frame, now)

    def opened(self, data: bytes, *, now: float) -> bytes | None:
        """Return the payload of a sealed frame: empty for the answer to our first frame and for a
        renewal; None for a group frame. Raises SealError, DecodeError: the link is then
        unusable."""
        if self._begun is not None:
            self._session, self._begun = self._begun.answered(data), None
            self.state, self._deadline = LinkState.UP, None
            self._measured(now - self._spoke_at)
            self._keys_are_new(now)
            self._heard(now)
            return b""
        if self._session is None:
            raise SealError("a frame before our first one")
        kind = data[:1]
        if kind == _GROUP_RELAYED:
            self._heard(now)
            return None
        if kind == _RENEWAL:
            self.outgoing.append(frame(self._session.renewal_came(data)))
            self._keys_are_new(now)
            self.renewals += 1
            payload = b""
        else:
            payload = self._session.open(data)
            if payload[:2] not in _SIGNS:
                self._is_of_use = True
            elif payload[:2] == _PONG and self._is_measuring and self._unheard_since is not None:
                self._measured(now - self._unheard_since)
        self._heard(now)
        if now - self._opened_at >= STABLE_AFTER:
            self._backoff.reset()
        return payload

    def progressed(self, begun: int, *, now: float) -> None:
        """Note that so many bytes of a frame have come: on a slow link a page of the table takes
        longer than the registry may be silent."""
        if not self.is_within_frame:
            self.is_within_frame, self._frame_since = True, now
        if begun >= (now - self._frame_since - LINK_STALL_TIMEOUT) * FRAME_RATE_LEAST:
            self.heard_at = now
            if self._unheard_since is not None:
                self._unheard_since, self._is_measuring = now, False
                self._ask_at = now + ASKED_AFTER

    def read_from(self, *, is_read: bool, now: float) -> None:
        """Note whether the driver reads the link. While it does not, silence says nothing about the
        link."""
        if is_read is not self._is_read:
            self._is_read = is_read
            if self._unheard_since is not None:
                self._unheard_since, self._ask_at = now, now + ASKED_AFTER

    def is_keepalive_due(self, now: float) -> bool:
        """Return whether to send a Ping, as a sign of life and to learn of a newer table."""
        return self.state is LinkState.UP and now >= self._keepalive_due()

    def _keepalive_due(self) -> float:
        """Return when the next Ping is due. What else we say is a sign of life, too, but its answer
        does not tell whether we have the newest table."""
        return min(self._spoke_at, self._pinged_at + self.keepalive_span) + self.keepalive_span

    def is_in_doubt(self, now: float) -> bool:
        """Return whether to `ask`: we have waited long for an answer."""
        return (
            self.state is LinkState.UP
            and self._unheard_since is not None
            and self._is_read
            and now >= self._ask_at
        )

    def handle_timer(self, *, now: float) -> bool:
        """Connect when the pause is over, and renew old keys. Return whether to close the
        connection: it took too long, or it stalled."""
        if self.state is LinkState.UP:
            if (due := self._renewal_due()) is not None and now >= due:
                self._renew(now)
            return self._stands_still(now)
        if self._deadline is None or now < self._deadline:
            return False
        if self.state is LinkState.WAITING:
            self.state, self.asks_to_connect = LinkState.OPENING, True
            self._opened_at = now
            if self.tried_since is None:
                self.tried_since = now
            self._deadline = now + LINK_FIRST_FRAME_TIMEOUT
            return False
        return True

    def next_timer(self) -> float | None:
        """Return the earliest deadline."""
        if self.state is not LinkState.UP:
            return self._deadline
        due = self._keepalive_due()
        if (renewal := self._renewal_due()) is not None:
            due = min(due, renewal)
        if self._unheard_since is None or not self._is_read:
            return due
        if self._ask_at <= self._unheard_since + LINK_STALL_TIMEOUT:
            return min(due, self._ask_at)
        return min(due, self._unheard_since + self._stall_timeout())

    def bytes_to_send(self) -> list[bytes]:
        """Return the bytes for the connection, once, in order."""
        out, self.outgoing = self.outgoing, []
        return out

    def _measured(self, round_trip: float) -> None:
        """Note how long an answer took. One that was late by chance decides nothing."""
        if round_trip >= SLOW_ROUND_TRIP:
            self._slow_in_row, self._fast_in_row = self._slow_in_row + 1, 0
        else:
            self._slow_in_row, self._fast_in_row = 0, self._fast_in_row + 1
        if max(self._slow_in_row, self._fast_in_row) >= MEASURES:
            self.is_slow = self._slow_in_row > 0

    def _heard(self, now: float) -> None:
        self.heard_at = now
        self._unheard_since, self._is_measuring, self._unheard_bytes = None, False, 0
        self.is_within_frame = False

    def _say(self, body: bytes, now: float) -> None:
        self.outgoing.append(frame(body))
        self._spoke_at = now
        self._unheard_bytes += len(body)
        if self._unheard_since is None:
            self._unheard_since, self._ask_at = now, now + ASKED_AFTER

    def _renewal_due(self) -> float | None:
        """Return when to begin a renewal; None for not at all. An idle link keeps its keys, which
        sealed nothing of use."""
        session = self._session
        if session is None or session.is_renewing:
            return None
        if session.is_worn:
            return self._spoke_at  # long ago: now
        return self._renew_at if self._is_of_use else None

    def _renew(self, now: float) -> None:
        assert self._session is not None
        self._say(self._session.renew(), now)

    def _keys_are_new(self, now: float) -> None:
        self._renew_at, self._is_of_use = now + RENEW_AFTER, False

    def _stall_timeout(self) -> float:
        """Return how long the registry may be silent: long frames take a slow link long."""
        return LINK_STALL_TIMEOUT + self._unheard_bytes // LINK_RATE_LEAST

    def _stands_still(self, now: float) -> bool:
        if self._unheard_since is None or not self._is_read:
            return False
        late = now - (self._unheard_since + self._stall_timeout())
        if late < 0:
            return False
        if late >= LATE_AFTER:
            self._unheard_since, self._ask_at = now, now + ASKED_AFTER
            return False
        self.stalled_since = self._unheard_since
        return True


# --- diagnosis of the link to a registry that answers by UDP: TCP is blocked, or the connection stalled.

BLOCKED_AFTER: Final = 3.0
"""Seconds without a TCP connection, to a registry that answers by UDP, after which TCP counts as
blocked."""

TOLD_AGAIN_AFTER: Final = 600.0
"""Seconds until a stalled link is reported again. Where large packets are lost it stalls again and
again."""


class LinkWatch:
    """Watches one link."""

    def __init__(self, session: RegistrySession, link: RegistryLink) -> None:
        self._session = session
        self._link = link
        self._asked_of: float | None = None
        """The start of the series of failed attempts in which we pinged the registry by UDP."""
        self.is_blocked = False
        """Whether the user was told that TCP is blocked."""
        self._stall_told_at = float("-inf")

    def look(self, *, now: float) -> LinkTroubled | None:
        """Return what to tell the user, if anything."""
        link, session = self._link, self._session
        if session.is_lost:
            link.tried_since = link.stalled_since = None
        if link.stalled_since is not None:
            stalled_since, link.stalled_since = link.stalled_since, None
            if session.heard_at >= stalled_since and now >= self._stall_told_at + TOLD_AGAIN_AFTER:
                self._stall_told_at = now
                return self._told(LinkTrouble.STALLED)
        if link.is_up and self.is_blocked:
            self.is_blocked = False
            return self._told(LinkTrouble.OVER)
        since = link.tried_since
        if since is None or self.is_blocked or now < since + BLOCKED_AFTER:
            return None
        if session.heard_at >= since + BLOCKED_AFTER:
            self.is_blocked = True
            return self._told(LinkTrouble.BLOCKED)
        if self._asked_of != since:
            self._asked_of = since
            session.ping(now=now)
        return None

    def next_timer(self) -> float | None:
        """Return when to ping the registry by UDP, to find out why there is no link."""
        since = self._link.tried_since
        return (
            None
            if since is None or self.is_blocked or since == self._asked_of
            else since + BLOCKED_AFTER
        )

    def _told(self, trouble: LinkTrouble) -> LinkTroubled:
        welcome = self._session.welcome
        return LinkTroubled(port=0 if welcome is None else welcome.link_port, trouble=trouble)
