"""This file is about what one can ask of a peer in company: to be in a room, to speak there, to go by another name.

It asks the core; what follows is told as events (`peer.core.events`). Messages to one person, and life, are `peer.node`'s.
"""

from typing import Final

from peer.core import events as happened
from peer.core.reach import Reach
from peer.core.states import State
from peer.keys import NameHasKeys
from peer.pump import Pump
from peer.receipts import Outcome, Receipt
from wire.names import is_same_name

NO_ROOM: Final = "nothing can be stored here, and too much waits to be"


class Company(Pump):
    """One node among others."""

    # --- rooms

    @property
    def room(self) -> str | None:
        """The room where we are, as its maker wrote it. Raises NotOpen."""
        room = self._open_core().rooms.room
        return room.room if room is not None else None

    def enter_room(self, room: str) -> None:
        """Ask to be in this room, and in no other; `RoomEntered` or `RoomRefused` follows. Raises NotOpen."""
        self._open_core().rooms.enter(room, now=self._now())
        self._schedule()

    def leave_room(self) -> None:
        """Be in no room; `RoomLeft` follows, `NotInRoom` in none. Raises NotOpen."""
        self._open_core().rooms.leave(now=self._now())
        self._schedule()

    async def say(self, text: str) -> Receipt:
        """Begin a line for the room where we are; in none it is refused. Raises TooLong, UnicodeEncodeError, NotOpen."""
        core = self._open_core()
        if self._keeper.is_full:
            return self._refuse(self.room or "", NO_ROOM)
        begun = core.speech.say(text, now=self._now())
        self._schedule()
        if begun is not None:
            return self._receipts.open(begun.to, begun.number)
        receipt = Receipt("", 0)
        receipt.settle(Outcome.REFUSED, "you are in no room")
        return receipt

    async def room_settled(self) -> None:
        """Wait until it is known, and told, in which room we are: the answer has come, or is given up. Raises NotOpen."""
        await self._until(lambda core: core.rooms.is_settled or core.state is State.REFUSED)

    def list_rooms(self) -> None:
        """Ask which rooms there are; `RoomsListed` follows: at once, or when the registry is found or known to be away.
        Raises NotOpen."""
        self._open_core().rooms.list.ask(now=self._now())
        self._schedule()

    def members(self) -> tuple[happened.Person, ...]:
        """Everybody in the room where we are, ourselves among them, by name. Raises NotOpen."""
        return self._open_core().rooms.audience.people()

    @property
    def in_reach(self) -> int:
        """How many others of the room a line of ours gets to now. Raises NotOpen."""
        return self._open_core().rooms.audience.in_reach

    @property
    def is_server_away(self) -> bool:
        """Whether the registry is known not to answer. Raises NotOpen."""
        return self._open_core().reach is Reach.LOST

    # --- our name

    def rename(self, new: str) -> None:
        """Ask for another name; `Renamed`, `NameUnavailable` or `RenameRefused` follows. Raises NotOpen."""
        core = self._open_core()
        refused = self._mark(new) if core.renaming.refusal_of(new) is None else None
        if refused is not None:
            self._tell([refused])
            return
        core.renaming.request(new, now=self._now())
        self._schedule()

    def _mark(self, new: str) -> happened.NameUnavailable | happened.RenameRefused | None:
        """Note on disk that we are about to ask for this name; why that cannot be, if it cannot."""
        try:
            self._keys.mark(new)
        except NameHasKeys as error:
            # Of several people on one machine the keys are here, which tells the user less than whose name it is.
            if any(is_same_name(person.name, new) for person in self._open_core().people()):
                return happened.NameUnavailable(name=new)
            return happened.RenameRefused(name=new, reason=str(error))
        except OSError as error:
            why = f"{error.filename or self._keys.folder}: {error.strerror or error}"
            return happened.RenameRefused(name=new, reason=why)
        return None

    def _refuse(self, to: str, reason: str) -> Receipt:
        receipt = Receipt(to, 0)
        receipt.settle(Outcome.REFUSED, reason)
        self._tell([happened.Refused(to=to, number=0, reason=reason)])
        return receipt
