"""This file is about what the registry says on the link: each notice goes to the part that understands it.

It must not know what a notice means to that part, nor how the link carries it.
"""

from peer.core.lookout import Lookout
from peer.core.parts import Parts
from peer.core.renaming import Renaming
from peer.core.returned import Returned
from peer.core.rooms import Rooms
from peer.core.router import Router
from wire.messages.desk import DeskNotice
from wire.messages.desk.visiting import VisitorNotice
from wire.messages.direct import DatagramRelayed, RelayFailed
from wire.messages.group import GroupAccepted, GroupGranted, GroupPage, GroupRefused
from wire.messages.link import RegistryNotice
from wire.messages.mail import MailBatch, MailExpired, MailRefused, MailSaved
from wire.messages.presence import Left, Ping, Pong, Probe
from wire.messages.renaming import RenameAccepted, RenameRefused
from wire.messages.room import RoomChanged, RoomEntered, RoomLeft, RoomRefused, RoomsListed
from wire.messages.table import TablePage


class Notices:
    """Who heeds what."""

    def __init__(
        self, parts: Parts, rooms: Rooms, renaming: Renaming, *, router: Router, lookout: Lookout
    ) -> None:
        self._rooms = rooms
        self._lines = rooms.lines
        self._renaming = renaming
        self._router = router
        self._lookout = lookout
        self._out = parts.out
        self._session = parts.session
        self._table = parts.table
        self._contacts = parts.contacts
        self._hearing = parts.hearing
        self._duty = parts.duty
        self._ladder = parts.ladder
        self._letters = parts.letters
        self._settling = parts.settling
        self._returned = Returned(parts, rooms)

    def link_lost(self) -> None:
        """What waits here is void."""
        self._returned.link_lost()

    def heed(self, notice: RegistryNotice, *, now: float, wall: float) -> None:
        """Any of them. Raises WireError for one that is no good."""
        match notice:
            case TablePage():
                self._page_came(notice, now, wall)
            case MailBatch() | GroupPage():
                self._returned.came(notice, now=now)
            case MailSaved() | MailRefused() | MailExpired():
                self._mail_notice_came(notice, now)
            case DatagramRelayed():
                self._router.datagram_relayed(notice, now)
            case RelayFailed(recipient):
                contact = self._contacts.by_identity(recipient)
                if contact is not None:
                    self._ladder.relay_failed(contact, now=now)
            case GroupGranted():
                self._rooms.granted(notice, now=now)
            case GroupAccepted() | GroupRefused():
                self._lines.answered(notice, now=now)
            case RoomEntered() | RoomRefused() | RoomLeft() | RoomChanged() | RoomsListed():
                self._room_notice_came(notice, now)
            case RenameAccepted() | RenameRefused():
                self._renaming.answered(notice)
            case Pong() | Probe() | Left():
                self._presence_came(notice, now)
            case _:
                self._desk_notice_came(notice, now)

    def _page_came(self, page: TablePage, now: float, wall: float) -> None:
        changes = self._table.take_page(page, now=now, wall=wall)
        self._lookout.look(now=now)
        self._router.rows_changed(changes, now)
        if self._table.is_fresh:
            self._hearing.rows_came(now=now)
        self._returned.take(now=now)

    def _mail_notice_came(self, notice: MailSaved | MailRefused | MailExpired, now: float) -> None:
        match notice:
            case MailSaved(reference):
                reopened = self._letters.saved(reference, now=now)
                if reopened is not None:
                    self._ladder.climb(reopened, now=now)
            case MailRefused(reference, reason):
                self._letters.refused(reference, reason, now=now)
            case MailExpired(recipient, number):
                # A key that gave way to another is nobody's any more, but what was sealed to it is still ours to be told of.
                contact = self._contacts.by_identity(recipient) or self._settling.waiting.get(recipient)
                if contact is not None:
                    self._settling.expired(contact, number, now=now)

    def _room_notice_came(
        self, notice: RoomEntered | RoomRefused | RoomLeft | RoomChanged | RoomsListed, now: float
    ) -> None:
        match notice:
            case RoomEntered():
                self._rooms.entered(notice, now=now)
            case RoomRefused():
                self._rooms.refused(notice, now=now)
            case RoomLeft():
                self._rooms.left(notice)
            case RoomChanged():
                self._rooms.where.changed(notice, now=now)
            case RoomsListed():
                self._rooms.list.listed(notice)

    def _presence_came(self, notice: Pong | Probe | Left, now: float) -> None:
        match notice:
            case Pong():
                self._session.receive_pong(notice, now=now)
            case Probe():
                self._out.requests.append(Ping(reference=0))
            case Left():
                self._session.receive_left(notice, now=now)

    def _desk_notice_came(self, notice: DeskNotice, now: float) -> None:
        """No honest registry says to somebody with a name what is for visitors."""
        if not isinstance(notice, VisitorNotice):
            self._duty.heed(notice, now=now)
