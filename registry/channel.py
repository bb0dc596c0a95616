"""This file is about the channel: the group that everybody is in (clause 8). What is done in it, any group's rules say."""

from collections.abc import Iterable

from registry.directory import Directory
from registry.effects import Caller, Effect, Relay
from registry.grouprules import GroupRules, Means
from registry.groups import Group
from registry.roster import Seat
from wire.messages.group import CHANNEL


class ChannelRules(GroupRules):
    """The channel: whoever has a name is in it."""

    def __init__(self, directory: Directory, means: Means, *, now: float) -> None:
        # Above all that an earlier life may have told and not kept, so that no place in the log is ever two lines'.
        group = Group(CHANNEL, position=means.clock.micros(now))
        super().__init__(group, means, epoch_span=means.policy.epoch_span, now=now)
        self._directory = directory

    def listeners(self) -> Iterable[Seat]:
        """All who have a link."""
        return self._means.roster.seated()

    def may_speak(self, caller: Caller) -> bool:
        """Everybody."""
        return True

    def not_before(self, identity: bytes) -> int | None:
        """Nothing from before their name was bound."""
        person = self._directory.person(identity)
        return None if person is None else person.channel_since

    def relay(self, frame: bytes, sender: int) -> list[Effect]:
        """To all links."""
        return [Relay(frame=frame, sender=sender)]
