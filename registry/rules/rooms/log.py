"""A group as the registry sees it: its keys, the order of its lines, and an index of its log
(clause 8).

A line is relayed as its sender sealed it; the registry never opens one. The channel is a group with
everybody in it.
"""

import enum
from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from heapq import heapify, heapreplace
from typing import Final, NamedTuple

from chatapp.wire.codec import GROUP_OVERHEAD, GroupHeader
from chatapp.wire.limits import (
    BODY_MAX,
    GROUP_BYTES_MAX,
    GROUP_KEPT_FOR,
    GROUP_LINES_MAX,
    GROUP_PAGE_MAX,
)
from chatapp.wire.messages.rooms import EpochKey
from chatapp.wire.sealing import GroupKey

FRAME_MAX: Final = GROUP_OVERHEAD + BODY_MAX
"""Bytes of a group frame. Relayed, with its position before it, it is still a legal frame for every
reader."""

_LINE_OVERHEAD: Final = 64
"""Bytes of a line in a page beside its frame."""
_KEY_OVERHEAD: Final = 48
"""Bytes of a key in a page."""
_PAGE_LINES: Final = 1_024
_KEYS_UNCHECKED: Final = 64
"""Keys that may be held before a check whether lines need them."""


class LogLine(NamedTuple):
    """A stored line without its frame."""

    position: int
    sender: bytes
    epoch: int
    size: int
    expires_at: float


class Verdict(enum.Enum):
    """The verdict on a frame that a member wants relayed."""

    TAKEN = enum.auto()
    """Keep and relay it."""
    OVER = enum.auto()
    """Its epoch is over: the sender has to seal it again."""
    FOREIGN = enum.auto()
    """Drop it: it is not of this group, has another sender index, or is too long."""


class Page(NamedTuple):
    """Lines for one reader, without their frames, complete up to `position`."""

    lines: list[LogLine]
    keys: list[EpochKey]
    position: int
    more: bool


class Cut(NamedTuple):
    """The lines that a cut dropped: all up to a position (None for none), and some behind it."""

    upto: int | None
    positions: list[int]
    last_uses: list[tuple[int, int]]
    """For each epoch of the lines in `positions`: the position of its last line that stays, or
    -1."""


class _Sender:
    """The lines of one sender."""

    def __init__(self) -> None:
        self.cost = 0.0
        self.lines: deque[LogLine] = deque()


class _Network:
    """The lines of one network."""

    def __init__(self) -> None:
        self.cost = 0.0
        self.lines = 0
        self._senders: dict[bytes, _Sender] = {}
        self._heaviest: list[tuple[float, bytes]] = []

    def add(self, line: LogLine, cost: float) -> None:
        sender_lines = self._senders.setdefault(line.sender, _Sender())
        sender_lines.lines.append(line)
        sender_lines.cost += cost
        self.cost += cost
        self.lines += 1

    def drop_oldest(self, cost_of: Callable[[LogLine], float]) -> LogLine:
        """Remove and return the oldest line of the sender who has most."""
        if not self._heaviest:
            self._heaviest = [
                (-sender_lines.cost, identity) for identity, sender_lines in self._senders.items()
            ]
            heapify(self._heaviest)
        sender_lines = self._senders[self._heaviest[0][1]]
        line = sender_lines.lines.popleft()
        cost = cost_of(line)
        sender_lines.cost -= cost
        self.cost -= cost
        self.lines -= 1
        heapreplace(self._heaviest, (-sender_lines.cost, line.sender))
        return line


class Group:
    """One group: its keys, its positions, its log."""

    def __init__(
        self,
        name: str,
        *,
        position: int,
        lines_max: int = GROUP_LINES_MAX,
        bytes_max: int = GROUP_BYTES_MAX,
        kept_for: float = GROUP_KEPT_FOR,
    ) -> None:
        """`kept_for`: seconds that a line is kept."""
        self._kept_for: Final = kept_for
        self.name: Final = name
        self._lines_max: Final = lines_max
        self._bytes_max: Final = bytes_max
        self.position = position
        """The newest line's position, or the one after which lines begin."""
        self._keys: dict[int, bytes] = {}
        self._keys_checked_at = _KEYS_UNCHECKED
        self._current: GroupKey | None = None
        self._former_epoch = 0
        self._former_until = 0.0
        self._log: list[LogLine] = []
        self._bytes = 0
        self._unsettled: dict[int, None] = {}
        """Positions of lines that are on their way to the disk, in order."""

    # --- keys

    @property
    def key(self) -> GroupKey:
        """The current key, for sealing as sender index 0."""
        assert self._current is not None, "no epoch has begun"
        return self._current

    def load(self, keys: dict[int, bytes], lines: list[LogLine]) -> None:
        """Restore the keys and lines of earlier runs."""
        self._keys.update(keys)
        for line in lines:
            self.position = max(self.position, line.position)
            self._append(line)

    def begin_epoch(self, epoch: int, key: bytes, *, honoured_until: float) -> None:
        """Begin an epoch. Frames under the previous key are accepted until `honoured_until`."""
        if self._current is not None:
            self._former_epoch, self._former_until = self._current.epoch, honoured_until
        self._current = GroupKey(self.name, epoch=epoch, key=key)
        self._keys[epoch] = key
        if len(self._keys) > self._keys_checked_at:
            self._forget_keys()
            self._keys_checked_at = 2 * len(self._keys) + _KEYS_UNCHECKED

    # --- speaking

    def judge(self, header: GroupHeader, size: int, *, sender_index: int, now: float) -> Verdict:
        """Return whether to relay a frame with this header that came on the link with this sender
        index."""
        if header.tag != self.key.tag or header.sender_index != sender_index or size > FRAME_MAX:
            return Verdict.FOREIGN
        is_former = header.epoch == self._former_epoch and now < self._former_until
        return Verdict.TAKEN if header.epoch == self.key.epoch or is_former else Verdict.OVER

    @property
    def settled(self) -> int:
        """The position up to which all lines are stored or lost. No line beyond it is sent to
        anybody."""
        return next(iter(self._unsettled)) - 1 if self._unsettled else self.position

    def add(self, sender: bytes, epoch: int, size: int, *, now: float) -> LogLine:
        """Add the next line, which is on its way to the disk."""
        self.position += 1
        self._unsettled[self.position] = None
        line = LogLine(self.position, sender, epoch, size, now + self._kept_for)
        self._append(line)
        return line

    def settle(self, position: int) -> None:
        """Note that a line is on the disk."""
        self._unsettled.pop(position, None)

    def forget(self, position: int) -> None:
        """Remove a line that was not stored. Its position stays empty."""
        self._unsettled.pop(position, None)
        place = self._place_after(position) - 1
        if place >= 0 and self._log[place].position == position:
            self._bytes -= self._log.pop(place).size

    def _append(self, line: LogLine) -> None:
        self._log.append(line)
        self._bytes += line.size

    # --- reading

    def page(self, since: int, *, reader: bytes) -> Page:
        """Return the oldest settled lines after `since` that others sent, as many as fit with the
        keys they need."""
        lines: list[LogLine] = []
        epochs: dict[int, None] = {}
        size, upto, settled = 0, since, self.settled
        for place in range(self._place_after(since), self._place_after(settled)):
            line = self._log[place]
            if line.sender != reader:
                size += line.size + _LINE_OVERHEAD + (0 if line.epoch in epochs else _KEY_OVERHEAD)
                if lines and (size > GROUP_PAGE_MAX or len(lines) == _PAGE_LINES):
                    return Page(lines, self._keys_of(epochs), upto, more=True)
                lines.append(line)
                epochs[line.epoch] = None
            upto = line.position
        return Page(lines, self._keys_of(epochs), max(settled, since), more=False)

    def count_after(self, position: int, *, reader: bytes) -> int:
        """Return how many settled lines of others stand after `position`."""
        lines = self._log[self._place_after(position) : self._place_after(self.settled)]
        return sum(line.sender != reader for line in lines)

    def _keys_of(self, epochs: dict[int, None]) -> list[EpochKey]:
        return [
            EpochKey(epoch=epoch, key=self._keys[epoch]) for epoch in epochs if epoch in self._keys
        ]

    def _place_after(self, position: int) -> int:
        return bisect_right(self._log, position, key=_position)

    # --- keeping

    def cut(self, *, now: float, network_of: Callable[[bytes], str]) -> Cut:
        """Drop expired lines. If there are still too many, drop the oldest lines of whoever has
        most."""
        expired = 0
        for line in self._log:
            if line.expires_at > now:
                break
            expired += 1
        upto = self._log[expired - 1].position if expired else None
        self._bytes -= sum(line.size for line in self._log[:expired])
        del self._log[:expired]
        excess = self._excess(network_of)
        last_uses = {line.epoch: -1 for line in self._log if line.position in excess}
        self._log = [line for line in self._log if line.position not in excess]
        if expired or excess:
            self._forget_keys()
        dropped = sorted(excess)
        if dropped and dropped[-1] < self._log[0].position:
            return Cut(dropped[-1], [], [])
        last_uses.update(
            {line.epoch: line.position for line in self._log if line.epoch in last_uses}
        )
        return Cut(upto, dropped, list(last_uses.items()))

    def drop_of(self, sender: bytes) -> Cut:
        """Drop all lines of a sender that are on the disk."""
        dropped = [
            line
            for line in self._log
            if line.sender == sender and line.position not in self._unsettled
        ]
        gone = {line.position for line in dropped}
        last_uses = {line.epoch: -1 for line in dropped}
        self._log = [line for line in self._log if line.position not in gone]
        self._bytes -= sum(line.size for line in dropped)
        if dropped:
            self._forget_keys()
        last_uses.update(
            {line.epoch: line.position for line in self._log if line.epoch in last_uses}
        )
        return Cut(None, sorted(gone), list(last_uses.items()))

    def _excess(self, network_of: Callable[[bytes], str]) -> set[int]:
        """Return the positions of lines to drop until the log is within its caps: those of the
        network that has most, and in it of the sender who has most, so that a flood costs nobody
        else a line."""
        excess: set[int] = set()
        if len(self._log) <= self._lines_max and self._bytes <= self._bytes_max:
            return excess
        networks: dict[str, _Network] = {}
        for line in self._log[:-1]:  # the newest line stays: it says how far positions go
            network = network_of(line.sender)
            networks.setdefault(network, _Network()).add(line, self._cost(line))
        heaviest = [(-network.cost, name) for name, network in networks.items()]
        heapify(heaviest)
        while heaviest and (
            len(self._log) - len(excess) > self._lines_max or self._bytes > self._bytes_max
        ):
            _, name = heaviest[0]
            if not networks[name].lines:
                break
            line = networks[name].drop_oldest(self._cost)
            excess.add(line.position)
            self._bytes -= line.size
            heapreplace(heaviest, (-networks[name].cost, name))
        return excess

    def _cost(self, line: LogLine) -> float:
        """Return the share of the log's limits that a line takes."""
        return 1 / self._lines_max + line.size / self._bytes_max

    @property
    def is_overfull(self) -> bool:
        """Whether the log is a tenth over its caps, so that a cut is due now. A cut costs a
        walk."""
        return len(self._log) > self._lines_max * 1.1 or self._bytes > self._bytes_max * 1.1

    def __len__(self) -> int:
        return len(self._log)

    @property
    def is_empty(self) -> bool:
        """Whether the log is empty."""
        return not self._log

    def _forget_keys(self) -> None:
        needed = {line.epoch for line in self._log} | {self.key.epoch, self._former_epoch}
        self._keys = {epoch: key for epoch, key in self._keys.items() if epoch in needed}


def _position(line: LogLine) -> int:
    return line.position
