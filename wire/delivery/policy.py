"""The timing and size constants of reliable delivery, and the values derived from them.

Every number stands here once; a value that must agree with another one is computed from it.
"""

from dataclasses import dataclass

from chatapp.wire.limits import BODY_MAX


@dataclass(frozen=True, slots=True)
class Policy:
    """Constants of a stream. Spans are in seconds, sizes in bytes, windows in parts (the floor also
    in datagrams)."""

    ack_timeout: float = 0.5
    """Time from one timed try of a message to the next."""
    tries: int = 5
    """Timed tries before a path counts as dead."""
    fast_retry_after: int = 3
    """Later datagrams acknowledged before an earlier one counts as lost (RFC 9002, 6.1.1)."""
    probe_rtts: float = 4.0
    """Round trips of silence after which the oldest parts in flight are sent once more."""
    probe_least: float = 0.010
    """The shortest such silence: a receiver may take some milliseconds to write a message to its
    disk."""

    window: int = 64
    """The initial window, in parts."""
    window_floor: int = 8
    """The smallest window, in parts and in datagrams. A smaller one would leave no later datagrams
    for fast retries, so each loss would wait for a timer."""
    window_limit: int = 256
    """The largest window: 300 kB, which the usual socket buffer takes whole."""

    loss_tolerated: float = 0.25
    """The share of lost datagrams that halves the window if the path is also slow. A radio link
    loses single datagrams without being full: if each loss halved the window, as in TCP, 10,000
    messages would take ten times as long at 5 % loss."""
    loss_unexplained: float = 0.5
    """The share of lost datagrams that halves the window however quick the acknowledgements are.
    Silence halves it too."""
    queueing_least: float = 0.010
    """A path counts as slow when its round trips exceed the shortest one by this much and by that
    shortest one again: datagrams then wait in queues. Without this condition, random loss of 30 %
    each way halved the window again and again."""
    loss_memory: int = 32
    """Datagrams over which the share of losses is smoothed; also the number of recent round trips
    that are compared."""

    hold_span: float = 15.0
    """How long a message waits for an earlier one before it is shown without it."""
    hold_numbers: int = 4096
    """Messages that may wait in this way, and ranges remembered. More are dropped: a sender may
    leave holes on purpose."""

    message_limit: int = BODY_MAX
    """The longest body of a message: the longest text and what surrounds it."""
    assemblies: int = 8
    """How many incomplete messages of full length one sender can make us hold."""
    assemblies_in_all: int = 64
    """The same for all senders together, 4 MiB: identities cost nothing, and thousands could send
    incomplete messages only."""
    assembly_span: float = 15.0
    """How long an incomplete message waits for its next part: six times as long as its sender tries
    without an answer."""

    @property
    def give_up_after(self) -> float:
        """From the first try to giving up, if no timer is late: all tries and the wait after the
        last."""
        return self.ack_timeout * self.tries

    @property
    def silence(self) -> float:
        """Silence after which a part that timed out counts as lost rather than slow. Twice the
        timeout: with a satellite's round trip of 0.6 s every first try times out, and must not
        narrow the window each time."""
        return 2 * self.ack_timeout

    @property
    def last_chance(self) -> float:
        """A timer later than this shows that the machine slept: a message at its last try gets one
        more.

        In protocols that forget ids after a time, a late copy would count as new, so they must not
        send then. A receiver here never forgets: a number is either below the sender's floor or in
        the set of seen numbers. So a copy may arrive however late, and the only question is whether
        the other end had its time to answer.
        """
        return self.ack_timeout

    @property
    def extra_sends(self) -> int:
        """Fast retries and probes for each part, besides its timed tries: never more than the timed
        tries after the first."""
        return self.tries - 1

    @property
    def assembly_bytes(self) -> int:
        """Bytes of incomplete messages kept for one sender."""
        return self.assemblies * self.message_limit

    @property
    def assembly_bytes_in_all(self) -> int:
        """Bytes of incomplete messages kept for all senders."""
        return self.assemblies_in_all * self.message_limit

    @property
    def unconfirmed_parts(self) -> int:
        """Parts of whole messages that may wait for the disk: twice what an honest sender has in
        flight."""
        return 2 * self.window_limit

    @property
    def remembered(self) -> int:
        """How many messages that were given up are remembered, so that a late acknowledgement is
        understood: one window."""
        return self.window_limit
