"""The methods that clients may call: those of the SDK, by their own names and parameters (clause
5)."""

import enum
import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from chatapp.peer.api.codec import Shape, shape_of
from chatapp.peer.api.findings import Finding
from chatapp.peer.node.receipts import Receipt
from chatapp.peer.rpc import pages
from chatapp.peer.rpc.protocol import Code, RpcError
from chatapp.peer.rpc.shared import Sent
from chatapp.peer.sdk.client import OperatorDesk, Peer, PeerTrust
from chatapp.wire.errors import DecodeError

_LOCAL_NAMES: Final = {"Finding": Finding}
"""Types that the SDK's annotations name without importing them."""


def sent(receipt: Receipt) -> Sent:
    """Return what a receipt says now."""
    return Sent(
        conversation=receipt.conversation,
        id=receipt.id,
        state=receipt.state,
        reason=receipt.reason,
        through_server=receipt.through_server,
    )


class Method(NamedTuple):
    """One method: how it is carried out, its parameters, and the shape of its result."""

    run: Callable[..., Any]
    """Takes the peer and the parameters; returns the result, or an awaitable of it."""
    parameters: Mapping[str, tuple[str, Shape, bool]]
    """Of each: what `run` calls it, its shape, and whether it must be given."""
    result: Shape

    def arguments(self, given: dict[str, Any] | list[Any]) -> dict[str, Any]:
        """Return the values of parameters. Raises RpcError."""
        if isinstance(given, list):
            if len(given) > len(self.parameters):
                raise _wrong(f"at most {len(self.parameters)} parameters are taken")
            given = dict(zip(self.parameters, given, strict=False))
        for name in given:
            if name not in self.parameters:
                allowed = ", ".join(self.parameters) or "none"
                raise _wrong(f'there is no parameter "{name[:_NAME_SHOWN]}"; allowed: {allowed}')
        values = {}
        for name, (argument, shape, is_needed) in self.parameters.items():
            if name in given:
                try:
                    values[argument] = shape.decode(given[name], name)
                except DecodeError as error:
                    raise _wrong(f"{error.subject}: {error.reason}") from None
            elif is_needed:
                raise _wrong(f'the parameter "{name}" is missing')
        return values


_NAME_SHOWN: Final = 40


def _wrong(message: str) -> RpcError:
    return RpcError(Code.WRONG_PARAMETERS, message)


def method(
    run: Callable[..., Any], owner: Callable[[Peer], Any] | None = None, *, own: int = 1
) -> Method:
    """Make a method of a function. Its first `own` parameters are not the client's; the first one
    is the peer, or what `owner` returns for it."""
    hints = typing.get_type_hints(run, localns=_LOCAL_NAMES, include_extras=True)
    parameters = {
        name.rstrip("_"): (name, shape_of(hints[name]), one.default is one.empty)
        for name, one in list(inspect.signature(run).parameters.items())[own:]
    }
    result = shape_of(hints["return"])
    if owner is None:
        return Method(run, parameters, result)
    return Method(lambda peer, **given: run(owner(peer), **given), parameters, result)


# --- methods that are not just the SDK's


class Wait(enum.Enum):
    """For what the answer to a request to send waits."""

    SETTLED = "for the first outcome"
    FINAL = "for the outcome that does not change any more"


async def _send(peer: Peer, to: str, text: str, wait: Wait | None = None) -> Sent:
    return await _waited(await peer.send(to, text), wait)


async def _send_all(peer: Peer, text: str, wait: Wait | None = None) -> Sent:
    return await _waited(await peer.send_all(text), wait)


async def _say(peer: Peer, text: str, wait: Wait | None = None) -> Sent:
    return await _waited(await peer.say(text), wait)


async def _waited(receipt: Receipt, wait: Wait | None) -> Sent:
    if wait is Wait.SETTLED:
        await receipt.settled()
    elif wait is Wait.FINAL:
        await receipt.final()
    return sent(receipt)


def _of_trust(run: Callable[..., Any]) -> Method:
    return method(run, lambda peer: peer.trust)


def _of_desk(run: Callable[..., Any]) -> Method:
    return method(run, lambda peer: peer.desk)


METHODS: Final[Mapping[str, Method]] = {
    "send": method(_send),
    "send_all": method(_send_all),
    "say": method(_say),
    "typing": method(Peer.typing),
    "settled": method(Peer.settled),
    "ready": method(Peer.ready),
    "people": method(Peer.people),
    "enter_room": method(Peer.enter_room),
    "leave_room": method(Peer.leave_room),
    "room_settled": method(Peer.room_settled),
    "set_topic": method(Peer.set_topic),
    "show_topic": method(Peer.show_topic),
    "rooms": method(Peer.rooms),
    "list_rooms": method(Peer.list_rooms),
    "rename": method(Peer.rename),
    "leave": method(Peer.leave),
    "release": method(Peer.release),
    "released": method(Peer.released),
    "left": method(Peer.left),
    "come_back": method(Peer.come_back),
    "examine": method(Peer.examine),
    "trust.number": _of_trust(PeerTrust.number),
    "trust.accept": _of_trust(PeerTrust.accept),
    "trust.registry_key": _of_trust(PeerTrust.registry_key),
    "trust.accept_registry": _of_trust(PeerTrust.accept_registry),
    "trust.ignore": _of_trust(PeerTrust.ignore),
    "trust.unignore": _of_trust(PeerTrust.unignore),
    "past.page": method(pages.page),
    "past.around": method(pages.around),
    "past.search": method(pages.search),
    "past.why": method(pages.why),
    "past.conversations": method(pages.conversations),
    "past.mark_read": method(pages.mark_read),
    "desk.talk": method(pages.talk),
    "desk.takes_lines": _of_desk(OperatorDesk.takes_lines),
    "desk.say": _of_desk(OperatorDesk.say),
    "desk.ask": _of_desk(OperatorDesk.ask),
    "desk.answered": _of_desk(OperatorDesk.answered),
    "desk.said": _of_desk(OperatorDesk.said),
}
