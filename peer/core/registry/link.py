"""Our end of the link to the registry: opening, session and its renewal, frames in and out, taking it up again.

It knows seals and when to try again.
"""

import enum
import random
from typing import Final, Protocol

from chatapp.peer.core.registry.session import Backoff
from chatapp.wire.codec import encode
from chatapp.wire.errors import SealError
from chatapp.wire.framing import Kind, frame
from chatapp.wire.limits import LINK_FIRST_FRAME_TIMEOUT, LINK_KEEPALIVE_SPAN, LINK_STALL_TIMEOUT
from chatapp.wire.messages.link import Attach, PeerRequest
from chatapp.wire.messages.registration import Ping, Pong
from chatapp.wire.sessions.link import LinkOpening, LinkSession
from chatapp.wire.sessions.session import RENEW_AFTER

_GROUP_RELAYED: Final = bytes((Kind.GROUP_RELAYED,))
_RENEWAL: Final = bytes((Kind.RENEWAL,))
_PONG: Final = encode(Pong(0, 0))[:2]
"""What a Pong begins with: its length and its tag."""
STABLE_AFTER: Final = 2.0
"""Seconds after which a link counts as good, so that the next loss is answered at once and not after a pause."""


ASKED_AFTER: Final = 2.5
"""Seconds without an answer after which a Ping, which has one in any case, shows whether the link still carries anything."""

LATE_AFTER: Final = 2.5
"""Seconds by which a timer is so late that the program was stopped: what came meanwhile is still to be read."""


class OpenLink(Protocol):
    """Begins the session of a link with our registry."""

    def __call__(self, payload: bytes, *, now: float) -> tuple[bytes, LinkOpening]:
        """The first frame, which carries this, and what understands the answer. Raises SealError."""


class LinkState(enum.Enum):
    """Where our link stands."""

    DOWN = "no connection, none wanted right now"
    WAITING = "none, the next attempt is a moment away"
    OPENING = "the shell is to connect"
    ATTACHED = "our first frame is sent; the answer of the registry is awaited"
    UP = "frames went both ways"


class RegistryLink:
    """The link of one node. The shell connects when `wants_connection` says so, and reports what became of it."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._backoff = Backoff(first=1.0, largest=20.0)
        self._open_link: OpenLink | None = None
        self._begun: LinkOpening | None = None
        self._session: LinkSession | None = None
        self._renew_at = 0.0
        """When the session is renewed, if it is of use."""
        self._is_of_use = False
        """Whether more than signs of life went under the present keys."""
        self._out: list[bytes] = []
        self._deadline: float | None = None
        self._opened_at = 0.0
        self._asked_to_connect = False
        self._spoke_at = 0.0
        self._unheard_since: float | None = None
        """When we said the first thing after the registry was last heard; None: nothing since."""
        self._is_asked = False
        """Whether a Ping was among it."""
        self._is_read = True
        self.state = LinkState.DOWN
        self.tried_since: float | None = None
        """Since when attempts to connect have failed, or the first one is under way; None: the last one succeeded."""
        self.stalled_since: float | None = None
        """Since when a link carried nothing that we have closed for that; whoever tells of it forgets it."""

    @property
    def is_up(self) -> bool:
        """Whether requests can be made."""
        return self.state is LinkState.UP

    def wants_connection(self) -> bool:
        """Drained: whether the shell is to connect now."""
        asked, self._asked_to_connect = self._asked_to_connect, False
        return asked

    def open(self, open_link: OpenLink, *, now: float) -> None:
        """We are registered: have a link, at once or so long after the last attempt as those that failed have earned."""
        self._open_link = open_link
        if self.state is LinkState.DOWN:
            earliest = now
            if self._opened_at:
                earliest = self._opened_at + self._backoff.next_wait(self._rng.random())
            self.state, self._deadline = LinkState.WAITING, max(now, earliest)
            self.handle_timer(now=now)

    def drop(self) -> None:
        """No link is wanted any more; the shell closes what it has."""
        self.state, self._deadline, self._begun = LinkState.DOWN, None, None
        self._unheard_since = None
        if self._session is not None:
            self._session.erase()
            self._session = None
        self._out.clear()

    def forgive(self) -> None:
        """We ended the link by our own wish: the next one need not wait."""
        self._opened_at = 0.0
        self._backoff.reset()
        self.tried_since = None

    def connected(self, *, now: float) -> None:
        """TCP stands: our first frame begins the link's session and says what we want (clause 9.1)."""
        self.tried_since = None
        if self.state is not LinkState.OPENING or self._open_link is None:
            return
        try:
            first, self._begun = self._open_link(encode(Attach()), now=now)
        except SealError:
            return  # we are at another registry by now: the time to answer runs out
        self._out.append(frame(first))
        self._spoke_at = now
        self.state = LinkState.ATTACHED

    def send(self, request: PeerRequest, *, now: float) -> None:
        """Seal and queue a request."""
        assert self._session is not None
        self._say(self._session.seal(encode(request)), now)
        if type(request) is Ping:
            self._is_asked = True
        else:
            self._is_of_use = True

    def send_group_frame(self, group_frame: bytes, *, now: float) -> None:
        """Queue a group frame: it carries its own seal."""
        self._say(group_frame, now)

    def opened(self, data: bytes, *, now: float) -> bytes | None:
        """The payload of a sealed frame, empty for the answer to our first one and for a renewal, None for a group frame.
        Raises SealError, DecodeError: the link is then no good."""
        if self._begun is not None:
            self._session, self._begun = self._begun.answered(data), None
            self.state, self._deadline = LinkState.UP, None
            self._keys_are_new(now)
            return b""
        if self._session is None:
            raise SealError("a frame before ours")
        kind = data[:1]
        if kind == _GROUP_RELAYED:
            self._unheard_since = None
            return None
        if kind == _RENEWAL:
            self._out.append(frame(self._session.renewal_came(data)))
            self._keys_are_new(now)
            payload = b""
        else:
            payload = self._session.open(data)
            if payload[:2] != _PONG:
                self._is_of_use = True
        self._unheard_since = None
        if now - self._opened_at >= STABLE_AFTER:
            self._backoff.reset()
        return payload

    def read_from(self, *, is_read: bool, now: float) -> None:
        """Whether the shell reads what comes. While it does not, nothing is heard, and the link is as good as before."""
        if is_read is not self._is_read:
            self._is_read = is_read
            if self._unheard_since is not None:
                self._unheard_since, self._is_asked = now, False

    def is_keepalive_due(self, now: float) -> bool:
        """Whether to say Ping: we have been silent for long, or wait for an answer."""
        if self.state is not LinkState.UP:
            return False
        return now >= self._spoke_at + LINK_KEEPALIVE_SPAN or (
            self._unheard_since is not None
            and self._is_read
            and not self._is_asked
            and now >= self._unheard_since + ASKED_AFTER
        )

    def handle_timer(self, *, now: float) -> bool:
        """Connect when the pause is over, renew the keys when they are old. True when a connection is to be closed: it took
        too long, or stands still."""
        if self.state is LinkState.UP:
            if (due := self._renewal_due()) is not None and now >= due:
                self._renew(now)
            return self._stands_still(now)
        if self._deadline is None or now < self._deadline:
            return False
        if self.state is LinkState.WAITING:
            self.state, self._asked_to_connect = LinkState.OPENING, True
            self._opened_at = now
            if self.tried_since is None:
                self.tried_since = now
            self._deadline = now + LINK_FIRST_FRAME_TIMEOUT
            return False
        return True

    def next_timer(self) -> float | None:
        """The earliest deadline."""
        if self.state is not LinkState.UP:
            return self._deadline
        due = self._spoke_at + LINK_KEEPALIVE_SPAN
        if (renewal := self._renewal_due()) is not None:
            due = min(due, renewal)
        if self._unheard_since is None or not self._is_read:
            return due
        return min(due, self._unheard_since + (LINK_STALL_TIMEOUT if self._is_asked else ASKED_AFTER))

    def bytes_to_send(self) -> list[bytes]:
        """Drained: pieces for the connection, in order."""
        out, self._out = self._out, []
        return out

    def _say(self, body: bytes, now: float) -> None:
        self._out.append(frame(body))
        self._spoke_at = now
        if self._unheard_since is None:
            self._unheard_since, self._is_asked = now, False

    def _renewal_due(self) -> float | None:
        """When to begin a renewal; None for not at all. An idle link keeps its keys: they have sealed nothing of use."""
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

    def _stands_still(self, now: float) -> bool:
        if self._unheard_since is None or not self._is_read:
            return False
        late = now - (self._unheard_since + LINK_STALL_TIMEOUT)
        if late < 0:
            return False
        if late >= LATE_AFTER:
            self._unheard_since, self._is_asked = now, False
            return False
        self.stalled_since = self._unheard_since
        return True
