"""This file is about which rules there are, each made with what an earlier life of the registry left.

It must not know which request is whose, or what anything leads to.
"""

from registry.channel import ChannelRules
from registry.clock import WallClock, first_epoch, first_number
from registry.desk.desk import Desk
from registry.desk.settings import DeskSettings
from registry.directory import Directory
from registry.doors import Doors, DoorSettings
from registry.effects import Caller, EpochKept, Resume, Store
from registry.grouprules import Means, ReadLines
from registry.liveness import Liveness
from registry.mailroom import Mailroom, ReadLetters
from registry.office import Office
from registry.operators import Operators
from registry.policy import Policy
from registry.presence import Presence
from registry.promises import DiskState
from registry.recalling import recall
from registry.reception import Reception
from registry.renaming import Renaming
from registry.rooms import Rooms
from registry.roster import Roster
from registry.sessions import Randomness
from registry.store.entries import GroupKeyMade
from registry.store.protocol import Loaded
from wire.messages.group import CHANNEL


class Rules:
    """All of them, over one directory and one roster."""

    def __init__(
        self,
        *,
        loaded: Loaded,
        clock: WallClock,
        policy: Policy,
        rng: Randomness,
        read_letters: ReadLetters,
        read_lines: ReadLines,
        now: float,
        desk: DeskSettings | None = None,
        doors: DoorSettings | None = None,
    ) -> None:
        channel = loaded.groups.get(CHANNEL)
        last_epoch = max(channel.keys if channel is not None else (), default=0)
        epoch = first_epoch(last=last_epoch, wall=clock.seconds(now))
        self.directory = Directory(version=first_number(epoch=epoch, chance=rng.randbytes(4)))
        # Stations begin where the clock is, so that a row of an earlier life does not show a station of this one: links come
        # faster than seconds pass, but not than milliseconds.
        self.roster = Roster(first_station=clock.millis(now))
        self.liveness = Liveness(policy)
        self.presence = Presence(self.directory, self.roster, self.liveness, clock)
        self.clock = clock
        self.disk = DiskState()
        self.mail = Mailroom(self.directory, self.roster, clock, read_letters, self.disk, policy)
        position = first_number(epoch=epoch, chance=rng.randbytes(4))
        means = Means(
            self.roster, clock, rng, read_lines, self.disk, policy, position, self.directory.network_of
        )
        self.channel = ChannelRules(self.directory, means, now=now)
        self.rooms = Rooms(self.directory, means)
        self.doors = Doors(doors or DoorSettings())
        self.renaming = Renaming(self.directory, clock, is_banned=self.doors.bans_name)
        self.reception = Reception(
            self.directory,
            self.roster,
            self.presence,
            self.channel,
            self.renaming,
            self.doors,
            clock,
        )
        self.office = Office(self.directory, self.doors.invites, self.renaming, clock, forget=self._forget)
        settings = desk or DeskSettings()
        self.operators = Operators(settings.operators, self.directory)
        self.desk = Desk(settings, self.operators, self.directory, self.roster, self.liveness, clock)
        self.unreadable_names = recall(loaded, self.directory, clock, policy, now=now)
        """Cards on the disk that are of no shape that we know."""
        self.first = self._load(loaded, wall=clock.seconds(now), now=now)
        """What has to be stored before the first request is served."""

    def _load(self, loaded: Loaded, *, wall: int, now: float) -> Store:
        self.doors.invites.load(loaded.invites, wall=wall, now=now)
        self.mail.load(loaded, now=now)
        self.desk.load(loaded.desk, now=now)
        first_key = self.channel.load(loaded.groups.get(CHANNEL), now=now)
        entries = (first_key, *self.rooms.load(loaded, now=now))
        return Store(
            entries=entries, then=tuple(_kept(one) for one in entries if isinstance(one, GroupKeyMade))
        )

    def _forget(self, identity: bytes, now: float) -> None:
        """Their name is anybody's again."""
        self.rooms.forget(identity, now=now)
        self.channel.members_changed(now=now)


def _kept(key: GroupKeyMade) -> Resume:
    note = EpochKept(group=key.group, epoch=key.epoch, key=key.key, is_kept=True)
    return Resume(request=note, to=Caller(identity=b""))
