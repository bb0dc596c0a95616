"""A pretended peer as the node that faces stand on: requests become calls of its methods."""

from collections.abc import Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from chatapp.peer.api import requests
from chatapp.peer.api.conversations import ConversationKind
from chatapp.peer.api.events import Event, Person
from chatapp.peer.api.past import Lines
from chatapp.peer.api.requests import Moment, Request
from chatapp.peer.api.state import DeskState, State

if TYPE_CHECKING:
    from chatapp.peer.node.receipts import Receipt
    from chatapp.peer.sdk.client import Peer

Answer = TypeVar("Answer")

_WAITS: Final = {
    Moment.READY: "ready",
    Moment.SETTLED: "settled",
    Moment.IN_ROOM: "rooms_settled",
    Moment.LEFT: "left",
    Moment.RELEASED: "released",
    Moment.DESK_ANSWERED: "desk.answered",
    Moment.DESK_SAID: "desk.said",
}
"""The method that waits for each."""


class AskedPeer:
    """A peer, asked by requests."""

    def __init__(self, peer: "Peer") -> None:
        self._peer: Final = peer

    @property
    def state(self) -> State:
        """The state now."""
        peer, desk = self._peer, self._peer.desk
        return State(
            name=peer.name,
            state=peer.state,
            server=peer.server,
            address=peer.address,
            folder=str(peer.folder),
            is_offline=peer.is_offline,
            is_server_away=peer.is_server_away,
            is_sending=peer.is_sending,
            sending_try=peer.sending_try,
            rooms=peer.rooms,
            desk=DeskState(
                client=desk.client,
                visit=desk.visit,
                is_operator=desk.is_operator,
                is_on_duty=desk.is_on_duty,
                waiting=desk.waiting,
                answers=desk.answers,
            ),
        )

    def people(self) -> tuple[Person, ...]:
        """Return everybody in the table, by name."""
        return self._peer.people()

    async def next_events(self) -> list[Event]:
        """As `Peer.next_events`."""
        return await self._peer.next_events()

    def take_events(self) -> list[Event]:
        """As `Peer.take_events`."""
        return self._peer.take_events()

    def shown(self, batch: Sequence[Event]) -> None:
        """As `Peer.events_shown`."""
        self._peer.events_shown(batch)

    def post(self, request: Request[None]) -> None:
        """Tell a person that a message to them is being written; tell nobody of drafts."""
        if not isinstance(request, requests.KeepDraft):
            assert isinstance(request, requests.TellTyping)
            self._peer.typing(request.to)

    async def request(self, request: Request[Answer]) -> Answer:
        """Carry out a request and return its answer."""
        return cast("Answer", await self._carry_out(request))

    async def _carry_out(self, request: Any) -> Any:  # noqa: C901 - one case for each
        peer = self._peer
        match request:
            case requests.Send():
                return (await self._send(request)).sent()
            case requests.Wait(until=until):
                return await self._wait(until)
            case requests.EnterRoom(room=room):
                return peer.enter_room(room)
            case requests.LeaveRoom(room=room):
                return peer.leave_room(room)
            case requests.SetTopic(room=room, text=text):
                return peer.set_topic(room, text)
            case requests.ShowTopic(room=room):
                return peer.show_topic(room)
            case requests.ShowRooms():
                return peer.show_rooms()
            case requests.ListPeople():
                return peer.people()
            case requests.CountOnline():
                return sum(one.online for one in peer.people())
            case requests.Rename(new=new):
                return peer.rename(new)
            case requests.ReleaseName():
                return peer.release()
            case requests.Leave():
                return peer.leave()
            case requests.ComeBack():
                return peer.come_back()
            case requests.Examine(name=name):
                return await peer.examine(name)
            case requests.ShowSafetyNumber(name=name):
                return await peer.trust.number(name)
            case requests.AcceptKey(name=name, digits=digits):
                return await peer.trust.accept(name, digits)
            case requests.ShowRegistryKey():
                return await peer.trust.registry_key()
            case requests.AcceptRegistryKey(digits=digits):
                return await peer.trust.accept_registry(digits)
            case requests.Ignore(name=name):
                return await peer.trust.ignore(name)
            case requests.Unignore(name=name):
                return await peer.trust.unignore(name)
            case requests.ReadPage(conversation=where, limit=limit):
                more: dict[str, Any] = {"before": request.before, "after": request.after}
                more = {key: value for key, value in more.items() if value is not None}
                if request.only_shown:
                    more["only_shown"] = True
                return _lines(await peer.past.page(where, limit=limit, **more))
            case requests.SearchPast(words=words):
                return _lines(await peer.past.search(words))
            case requests.ExplainDelivery(id=id_):
                return await peer.past.why(id_)
            case requests.ListConversations():
                return requests.Conversations(conversations=tuple(await peer.past.conversations()))
            case requests.MarkRead(conversation=where, id=id_):
                return await peer.past.mark_read(where, id_)
            case requests.AskDesk():
                asks: dict[str, Any] = {"entered_at": request.entered_at}
                if request.asks_first:
                    asks["asks_first"] = True
                if request.is_quiet:
                    asks["is_quiet"] = True
                return peer.desk.ask(request.request, **asks)
            case requests.SayAtDesk(text=text, line=line):
                at, is_maybe = request.entered_at, request.is_maybe
                return peer.desk.say(text, entered_at=at, is_maybe=is_maybe, line=line)
            case requests.IsLineForDesk(entered_at=entered_at):
                return await peer.desk.takes_lines(entered_at=entered_at)
            case _:
                raise AssertionError(request)

    async def _send(self, request: requests.Send) -> "Receipt":
        match request.conversation.kind:
            case ConversationKind.PERSON:
                return await self._peer.send(request.conversation.name, request.text)
            case ConversationKind.ROOM:
                return await self._peer.say(request.conversation.name, request.text)
            case _:
                return await self._peer.send_all(request.text)

    async def _wait(self, until: Moment) -> None:
        await attrgetter(_WAITS[until])(self._peer)()


def _lines(lines: Any) -> Lines:
    return Lines(lines=tuple(lines))
