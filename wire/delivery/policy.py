"""The numbers of reliable delivery, and the spans that follow from them.

It knows how patient, how greedy and how large a stream may be. Every number stands here once, and what must agree with
another number is derived from it.
"""

from dataclasses import dataclass

from chatapp.wire.limits import BODY_MAX


@dataclass(frozen=True, slots=True)
class Policy:
    """Spans are in seconds, sizes in bytes, windows in parts (the floor also in datagrams)."""

    ack_timeout: float = 0.5
    """Time from one timed try of a message to the next."""
    tries: int = 5
    """Timed tries before a path counts as dead."""
    fast_retry_after: int = 3
    """Later datagrams acknowledged before an earlier one counts as lost (RFC 9002, 6.1.1)."""
    probe_rtts: float = 4.0
    """Round trips of silence after which the oldest parts on the way are sent once more."""
    probe_least: float = 0.010
    """The shortest such silence: a receiver may take some milliseconds to write a message to its disk."""

    window: int = 64
    """Parts on the way at first."""
    window_floor: int = 8
    """The window that loss cannot narrow further, in parts and in datagrams: less would starve fast retries of later
    datagrams, and leave each loss to a timer."""
    window_limit: int = 256
    """The window that success cannot widen further: 300 kB, which the usual socket buffer takes whole."""

    loss_tolerated: float = 0.25
    """The share of datagrams lost that halves the window if the path is also slow. A radio link loses single datagrams
    without being full: halving at each (as TCP does) would make 10,000 messages take ten times as long at 5 % loss."""
    loss_unexplained: float = 0.5
    """The share lost that halves the window however quick the answers are. Silence halves it too."""
    queueing_least: float = 0.010
    """A round trip is longer than it need be, by datagrams that wait on the path, from this much on and from twice the
    shortest one on. Random loss of 30 % each way halved the window again and again before this was asked."""
    loss_memory: int = 32
    """Datagrams over which that share is smoothed, and round trips of which the shortest is the recent one."""

    hold_span: float = 15.0
    """How long a message waits for an earlier one before it is shown all the same."""
    hold_numbers: int = 4096
    """Messages that wait so, and runs remembered: more is dropped, for a sender that leaves holes on purpose."""

    message_limit: int = BODY_MAX
    """The longest body of a message: the longest text and what surrounds it."""
    assemblies: int = 8
    """Longest messages whose parts are kept at once: a sender can make us hold that much and no more."""
    assemblies_in_all: int = 64
    """The same of all senders together, 4 MiB: identities cost nothing, and thousands would send parts alone."""
    assembly_span: float = 15.0
    """How long the parts of a message wait for the next one: six times as long as its sender tries without an answer."""

    @property
    def give_up_after(self) -> float:
        """From the first try to giving up, when no timer is late: all tries and the wait after the last."""
        return self.ack_timeout * self.tries

    @property
    def silence(self) -> float:
        """Without any answer for so long, what timed out was lost rather than slow. Twice the timeout: a satellite's
        round trip of 0.6 s lets every first try time out, and must not narrow the window each time."""
        return 2 * self.ack_timeout

    @property
    def last_chance(self) -> float:
        """A timer later than this shows that the machine slept: a message at its last try gets one more.

        Protocols that forget ids after a time must not send then, since the copy would count as new. A receiver
        here never forgets: a number is either below the sender's floor, or in the set of seen numbers. So a
        copy may come however late, and the only question is whether the other end had its time to answer.
        """
        return self.ack_timeout

    @property
    def extra_sends(self) -> int:
        """Fast retries and probes a part, besides its timed tries: never more than those add to the first."""
        return self.tries - 1

    @property
    def assembly_bytes(self) -> int:
        """Bytes of incomplete messages kept a sender."""
        return self.assemblies * self.message_limit

    @property
    def assembly_bytes_in_all(self) -> int:
        """Bytes of incomplete messages kept of all senders."""
        return self.assemblies_in_all * self.message_limit

    @property
    def unconfirmed_parts(self) -> int:
        """Parts of whole messages that may wait for the disk: twice what an honest sender has on the way."""
        return 2 * self.window_limit

    @property
    def remembered(self) -> int:
        """Numbers given up on whose late acknowledgement is still understood: one window of them."""
        return self.window_limit
