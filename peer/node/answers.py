"""What an open peer of this program does for each request: one table."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, assert_never

import msgspec

from chatapp.peer.api import events, requests
from chatapp.peer.api.errors import NameTaken, NotAdmitted, NotAnswered, NotLetIn, OtherRegistry
from chatapp.peer.api.requests import Moment, Request, Sent
from chatapp.peer.core.desk.operator import VisitTarget
from chatapp.peer.core.registry.session import State
from chatapp.peer.node import past
from chatapp.peer.node.keystore import NameHasKeys
from chatapp.wire.names import is_same_name

if TYPE_CHECKING:
    from chatapp.peer.node.local import PeerNode

# --- messages, and what can be waited for


async def _send(node: "PeerNode", request: requests.Send) -> Sent:
    receipt = await node.send(request)
    if request.wait is requests.Outcome.SETTLED:
        await receipt.settled()
    elif request.wait is requests.Outcome.FINAL:
        await receipt.final()
    return receipt.sent()


async def _find_sent(node: "PeerNode", request: requests.FindSent) -> Sent | None:
    return node.sent_by(request.key) or await past.sent_by(node, request.key)


def _tell_typing(node: "PeerNode", request: requests.TellTyping) -> None:
    node.core.direct.send_typing(request.to, now=node.now())


async def _wait(node: "PeerNode", request: requests.Wait) -> None:
    match request.until:
        case Moment.READY:
            await _be_ready(node)
        case Moment.SETTLED:
            await node.until(lambda core: core.is_settled)
        case Moment.IN_ROOM:
            await _be_in_room(node)
        case Moment.LEFT:
            await node.until(
                lambda core: core.state is not State.LEAVING and not node.driver.is_turn_due
            )
        case Moment.RELEASED:
            await node.until(
                lambda core: not core.registry.releasing.is_pending and not node.driver.is_turn_due
            )
        case Moment.DESK_ANSWERED:
            await node.until(lambda core: core.desk.commands.is_answered)
        case Moment.DESK_SAID:
            await node.until(lambda core: core.desk.is_said)
        case _:
            assert_never(request.until)


async def _be_ready(node: "PeerNode") -> None:
    if not node.has_been_ready:
        await node.until(lambda core: core.is_ready or core.not_let_in is not None)
    core = node.core
    if core.not_let_in is not None and not (
        node.has_been_ready and core.state is not State.REFUSED
    ):
        raise _refusal(core.not_let_in)
    node.has_been_ready = True
    await _be_in_room(node)


async def _be_in_room(node: "PeerNode") -> None:
    await node.until(lambda core: core.rooms.is_settled or core.state is State.REFUSED)


def _refusal(why: events.NotLetIn) -> NotLetIn:
    match why:
        case events.NameUnavailable(name=name):
            return NameTaken(name)
        case events.AdmissionRefused(reason=reason, key=key):
            return NotAdmitted(reason, key)
        case events.RegistryKeyChanged(expected=expected, got=got):
            return OtherRegistry(expected, got)
        case _:
            assert_never(why)


# --- rooms


def _enter_room(node: "PeerNode", request: requests.EnterRoom) -> None:
    node.core.rooms.enter(request.room, now=node.now())


def _leave_room(node: "PeerNode", _: requests.LeaveRoom) -> None:
    node.core.rooms.leave(now=node.now())


def _set_topic(node: "PeerNode", request: requests.SetTopic) -> None:
    node.core.rooms.topic.ask(request.text, now=node.now())


def _show_topic(node: "PeerNode", _: requests.ShowTopic) -> None:
    node.core.rooms.topic.show()


def _show_rooms(node: "PeerNode", _: requests.ShowRooms) -> None:
    node.core.rooms.room_list.ask(now=node.now())


async def _list_rooms(node: "PeerNode", _: requests.ListRooms) -> tuple[events.Room, ...]:
    node.post(requests.ShowRooms())
    await node.until(lambda core: core.rooms.room_list.pending is None)
    answer = node.core.rooms.room_list.answer
    if isinstance(answer, tuple):
        return answer
    raise NotAnswered(answer or events.NoAnswer.UNANSWERED)


# --- people, and we among them


def _rename(node: "PeerNode", request: requests.Rename) -> None:
    is_possible = node.core.registry.renaming.refusal_of(request.new) is None
    refused = _mark(node, request.new) if is_possible else None
    if refused is not None:
        node.tell([refused])
    else:
        node.core.registry.renaming.request(request.new, now=node.now())


def _mark(node: "PeerNode", new: str) -> events.NameUnavailable | events.RenameFailed | None:
    """Note on disk that we are about to ask for this name. Return why we cannot, if so."""
    try:
        node.keys.mark(new)
    except NameHasKeys:
        # Several people may share a machine. That a name is taken tells the user more than where
        # its keys are.
        if any(is_same_name(person.name, new) for person in node.core.people()):
            return events.NameUnavailable(name=new)
        return events.RenameFailed(
            name=new, reason=events.RenameRefusal.KEYS_EXIST, detail=str(node.folder)
        )
    except OSError as error:
        detail = f"{error.filename or node.folder}: {error.strerror or error}"
        return events.RenameFailed(name=new, reason=events.RenameRefusal.OWN_DISK, detail=detail)
    return None


def _release_name(node: "PeerNode", _: requests.ReleaseName) -> None:
    node.core.registry.releasing.request(now=node.now())


def _leave(node: "PeerNode", _: requests.Leave) -> None:
    node.leave()


def _come_back(node: "PeerNode", _: requests.ComeBack) -> None:
    node.has_been_ready = False
    node.core.start(now=node.now())


async def _examine(node: "PeerNode", request: requests.Examine) -> Any:
    from chatapp.peer.doctor.examination import examine, examine_person  # deferred: rarely needed

    if request.name is None:
        return tuple(await examine(node))
    return tuple(await examine_person(node, request.name))


# --- keys, and whom to ignore


def _accept_key(node: "PeerNode", request: requests.AcceptKey) -> Any:
    return node.core.roster.trust.accept(request.name, request.digits, now=node.now())


def _accept_registry_key(node: "PeerNode", request: requests.AcceptRegistryKey) -> Any:
    return node.core.registry.trust.accept(request.digits, now=node.now())


# --- the help desk


def _ask_desk(node: "PeerNode", request: requests.AskDesk) -> None:
    target = _target(node, request)._replace(
        asks_first=request.asks_first, is_quiet=request.is_quiet
    )
    node.core.desk.ask(request.request, target)


def _say_at_desk(node: "PeerNode", request: requests.SayAtDesk) -> None:
    target = _target(node, request)._replace(is_maybe=request.is_maybe)
    node.core.desk.say(request.text, target, now=node.now(), line=request.line)


def _target(node: "PeerNode", request: requests.AskDesk | requests.SayAtDesk) -> VisitTarget:
    at = request.entered_at
    return VisitTarget(request.visit, node.now() if at is None else at)


def _read_talk(node: "PeerNode", request: requests.ReadTalk) -> requests.Talk:
    talk = node.core.desk.talk(node.name)
    if talk is not None:
        talk = msgspec.structs.replace(talk, lines=talk.lines[max(request.start, 0) :])
    return requests.Talk(talk=talk)


ANSWERS: Final[Mapping[type[Request[Any]], Callable[["PeerNode", Any], Awaitable[Any] | Any]]] = {
    requests.Send: _send,
    requests.FindSent: _find_sent,
    requests.TellTyping: _tell_typing,
    requests.Wait: _wait,
    requests.EnterRoom: _enter_room,
    requests.LeaveRoom: _leave_room,
    requests.SetTopic: _set_topic,
    requests.ShowTopic: _show_topic,
    requests.ShowRooms: _show_rooms,
    requests.ListRooms: _list_rooms,
    requests.ListPeople: lambda node, _: node.people(),
    requests.ReadState: lambda node, _: node.state,
    requests.Rename: _rename,
    requests.ReleaseName: _release_name,
    requests.Leave: _leave,
    requests.ComeBack: _come_back,
    requests.Examine: _examine,
    requests.ShowSafetyNumber: lambda node, request: node.core.roster.trust.number(request.name),
    requests.AcceptKey: _accept_key,
    requests.ShowRegistryKey: lambda node, _: node.core.registry.trust.key(),
    requests.AcceptRegistryKey: _accept_registry_key,
    requests.Ignore: lambda node, asked: node.core.roster.trust.ignore(asked.name, is_ignored=True),
    requests.Unignore: lambda node, asked: node.core.roster.trust.ignore(
        asked.name, is_ignored=False
    ),
    requests.ReadPage: past.page,
    requests.ReadAround: past.around,
    requests.SearchPast: past.search,
    requests.ExplainDelivery: past.why,
    requests.ListConversations: past.conversations,
    requests.MarkRead: past.mark_read,
    requests.ListUnshown: past.unshown,
    requests.AskDesk: _ask_desk,
    requests.SayAtDesk: _say_at_desk,
    requests.IsLineForDesk: lambda node, asked: node.core.desk.takes_lines(
        entered_at=asked.entered_at
    ),
    requests.ReadTalk: _read_talk,
}
"""What is done for a request; it returns the answer, or what is to be awaited for it."""
