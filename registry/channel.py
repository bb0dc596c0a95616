"""This file is about what is done with the channel: lines relayed at once and kept, keys renewed, the past handed out.

The rules of clause 8, for any group; rooms will be further ones. It decides and sends nothing.
"""

from collections.abc import Callable, Sequence
from typing import Final

from registry.clock import WallClock, remaining
from registry.effects import Caller, Drop, Effect, EpochKept, LineLost, Push, Relay, Reply, Resume, Store
from registry.groups import Group, Line, Verdict
from registry.policy import Policy
from registry.roster import Roster, Seat
from registry.sessions import Randomness
from registry.store import entries
from registry.store.entries import GroupCut, GroupKeyMade
from registry.store.errors import RecordLost, StoreError
from registry.store.protocol import LoadedGroup
from wire.header import GroupHeader, pack_relayed
from wire.limits import GROUP_KEPT_FOR
from wire.messages.group import (
    CHANNEL,
    FetchGroup,
    GroupAccepted,
    GroupGranted,
    GroupLine,
    GroupPage,
    GroupRefused,
)

ReadLines = Callable[[str, Sequence[int]], list[bytes]]
_KEY_SIZE = 32
_NOBODY = Caller(identity=b"")


LIVES_FROM: Final = 2**51
LIFE_SPAN: Final = 2**36
"""Positions of the life that begins with an epoch begin at LIVES_FROM + epoch * LIFE_SPAN: above all that a member may have
heard of in an earlier life, of which no line need be left, and whatever the clock was set to. (Above any clock's
microseconds, which positions once were.)"""


class ChannelRules:
    """The channel: everybody is in it."""

    def __init__(
        self,
        roster: Roster,
        clock: WallClock,
        rng: Randomness,
        read: ReadLines,
        policy: Policy,
        *,
        now: float,
    ) -> None:
        self._roster = roster
        self._clock = clock
        self._rng = rng
        self._read = read
        self._policy = policy
        # Above all that an earlier life may have told and not kept, so that no place in the log is ever two lines'.
        self.group = Group(CHANNEL, position=clock.micros(now))
        self._last_epoch = 0
        self._epoch_began = now
        self._renewal_at: float | None = None

    def load(self, loaded: LoadedGroup | None, *, now: float) -> Store:
        """What earlier lives kept, and a key of this life's own."""
        if loaded is not None:
            wall = self._clock.seconds(now)
            self.group.position = max(self.group.position, loaded.highest)
            lines = [
                Line(
                    head.position,
                    head.sender,
                    head.epoch,
                    head.size,
                    now
                    + remaining(head.at, wall, kept_for=GROUP_KEPT_FOR, at_least=self._policy.restart_grace),
                )
                for head in loaded.lines
            ]
            self.group.load(loaded.keys, lines)
            self._last_epoch = max(loaded.keys, default=0)
        entry = self._new_key()
        self.group.position = max(self.group.position, LIVES_FROM + entry.epoch * LIFE_SPAN)
        self.group.begin_epoch(entry.epoch, entry.key, honoured_until=now)
        return Store(entries=(entry,))

    # --- keys

    def grant(self, seat: Seat) -> Push:
        """The key in force, for somebody with a link."""
        assert seat.link is not None
        key = self.group.key
        message = GroupGranted(CHANNEL, key.epoch, key.key, seat.station, self.group.position)
        return Push(link=seat.link, message=message)

    def members_changed(self, *, now: float) -> None:
        """Somebody new is in: they shall not read what was said before, so a new key is due, though not at once."""
        if self._renewal_at is None:
            self._renewal_at = max(now, self._epoch_began + self._policy.epoch_span)

    def next_timer(self) -> float | None:
        """When a new key is due."""
        return self._renewal_at

    def handle_timer(self, *, now: float) -> list[Effect]:
        """Make the new key; it serves when the disk has it, or has refused it."""
        if self._renewal_at is None or now < self._renewal_at:
            return []
        self._renewal_at, self._epoch_began = None, now
        entry = self._new_key()
        note = EpochKept(group=CHANNEL, epoch=entry.epoch, key=entry.key)
        begin = (Resume(request=note, to=_NOBODY),)
        return [Store(entries=(entry,), then=begin, otherwise=begin)]

    def epoch_kept(self, note: EpochKept, *, now: float) -> list[Effect]:
        """The new key is in force: to everybody with a link."""
        if note.epoch <= self.group.key.epoch:
            return []
        self.group.begin_epoch(note.epoch, note.key, honoured_until=now + self._policy.grace_span)
        return [self.grant(seat) for seat in self._roster.seated()]

    def _new_key(self) -> GroupKeyMade:
        self._last_epoch += 1
        return GroupKeyMade(group=CHANNEL, epoch=self._last_epoch, key=self._rng.randbytes(_KEY_SIZE))

    # --- speaking

    def speak(self, frame: bytes, header: GroupHeader, caller: Caller, *, now: float) -> list[Effect]:
        """A frame from a link: to everybody else as it is, and to the disk; its sender hears when it is there."""
        seat = self._roster.seat(caller.identity)
        if caller.link is None or seat.link != caller.link:
            return [Drop(reason="group frame of a former link")]
        verdict = self.group.judge(header, len(frame), station=seat.station, now=now)
        if verdict is Verdict.FOREIGN:
            return [Drop(reason="foreign group frame")]
        if verdict is Verdict.OVER:
            message = GroupRefused(CHANNEL, header.epoch, header.counter, disk_full=False)
            return [Reply(to=caller, message=message)]
        line = self.group.add(caller.identity, header.epoch, len(frame), now=now)
        effects: list[Effect] = [
            Relay(frame=pack_relayed(line.position, frame), sender=caller.link),
            self._keep(line, frame, header, caller, now),
        ]
        return effects + self.sweep(now=now) if self.group.is_overfull else effects

    def line_lost(self, note: LineLost) -> list[Effect]:
        """The disk did not take a line: those away will not get it."""
        self.group.forget(note.position)
        return []

    def _keep(self, line: Line, frame: bytes, header: GroupHeader, caller: Caller, now: float) -> Store:
        entry = entries.GroupLine(
            CHANNEL, line.position, line.sender, line.epoch, self._clock.millis(now), frame
        )
        accepted = GroupAccepted(CHANNEL, header.epoch, header.counter, line.position)
        refused = GroupRefused(CHANNEL, header.epoch, header.counter, disk_full=True)
        lost = LineLost(group=CHANNEL, position=line.position)
        return Store(
            entries=(entry,),
            then=(Reply(to=caller, message=accepted),),
            otherwise=(Resume(request=lost, to=caller), Reply(to=caller, message=refused)),
        )

    # --- the past

    def fetch(self, request: FetchGroup, caller: Caller, *, not_before: int) -> list[Effect]:
        """The next page of what others said; nothing from before the asker's name was bound."""
        if request.group != CHANNEL:
            return [Drop(reason="unknown group")]
        page = self.group.page(max(request.since, not_before), reader=caller.identity)
        frames = self._frames([line.position for line in page.lines])
        lines = [
            GroupLine(line.position, line.sender, frames[line.position])
            for line in page.lines
            if line.position in frames
        ]
        return [Reply(to=caller, message=GroupPage(CHANNEL, page.keys, lines, page.position, page.more))]

    def _frames(self, positions: list[int]) -> dict[int, bytes]:
        """By position, as far as the disk has them."""
        try:
            return dict(zip(positions, self._read(CHANNEL, positions), strict=True))
        except RecordLost as loss:
            readable = [position for position in positions if position not in set(loss.keys)]
            return self._frames(readable) if len(readable) < len(positions) else {}
        except StoreError:
            return {}

    def sweep(self, *, now: float) -> list[Effect]:
        """Drop what is too old or too much."""
        cut = self.group.cut(now=now)
        return [] if cut is None else [Store(entries=(GroupCut(CHANNEL, cut),))]
