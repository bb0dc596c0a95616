"""Chat for people who share a network: direct, sealed, and going on when the server dies.

These are the public names of the SDK. Each is loaded when it is first used, so that `import
chatapp` costs little.
"""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from chatapp import events
    from chatapp.peer.api.conversations import (
        DESK,
        EVERYBODY,
        Conversation,
        ConversationKind,
        person,
        room,
    )
    from chatapp.peer.api.errors import (
        AlreadyOpen,
        AlreadyRead,
        ChangeRefusal,
        ChangeRefused,
        FellBehind,
        NameTaken,
        NotAdmitted,
        NotAnswered,
        NotLetIn,
        NotOpen,
        NotResponding,
        NotRunning,
        OtherRegistry,
        ServerUnreachable,
    )
    from chatapp.peer.api.events import MessageState
    from chatapp.peer.api.past import ConversationState, DeliveryTrace
    from chatapp.peer.api.state import PeerState
    from chatapp.peer.node.feed import Subscription
    from chatapp.peer.node.keystore import FolderInUse
    from chatapp.peer.node.receipts import Receipt
    from chatapp.peer.rpc.place import Offer
    from chatapp.peer.sdk.client import Peer
    from chatapp.peer.sdk.past import Past
    from chatapp.wire.delivery.policy import Policy
    from chatapp.wire.errors import ChatAppError, PortInUse, TextTooLong

    __version__: str

__all__ = [
    "DESK",
    "EVERYBODY",
    "AlreadyOpen",
    "AlreadyRead",
    "ChangeRefusal",
    "ChangeRefused",
    "ChatAppError",
    "Conversation",
    "ConversationKind",
    "ConversationState",
    "DeliveryTrace",
    "FellBehind",
    "FolderInUse",
    "MessageState",
    "NameTaken",
    "NotAdmitted",
    "NotAnswered",
    "NotLetIn",
    "NotOpen",
    "NotResponding",
    "NotRunning",
    "Offer",
    "OtherRegistry",
    "Past",
    "Peer",
    "PeerState",
    "Policy",
    "PortInUse",
    "Receipt",
    "ServerUnreachable",
    "Subscription",
    "TextTooLong",
    "__version__",
    "events",
    "person",
    "room",
]

_HOMES: Final = {
    "DESK": "chatapp.peer.api.conversations",
    "EVERYBODY": "chatapp.peer.api.conversations",
    "ChatAppError": "chatapp.wire.errors",
    "Conversation": "chatapp.peer.api.conversations",
    "ConversationKind": "chatapp.peer.api.conversations",
    "MessageState": "chatapp.peer.api.events",
    "Offer": "chatapp.peer.rpc.place",
    "Peer": "chatapp.peer.sdk.client",
    "Policy": "chatapp.wire.delivery.policy",
    "Receipt": "chatapp.peer.node.receipts",
    "ConversationState": "chatapp.peer.api.past",
    "DeliveryTrace": "chatapp.peer.api.past",
    "FolderInUse": "chatapp.peer.node.keystore",
    "Past": "chatapp.peer.sdk.past",
    "PeerState": "chatapp.peer.api.state",
    "PortInUse": "chatapp.wire.errors",
    "Subscription": "chatapp.peer.node.feed",
    "TextTooLong": "chatapp.wire.errors",
    "person": "chatapp.peer.api.conversations",
    "room": "chatapp.peer.api.conversations",
}
"""The module of each public name; the names that are missing here are errors of the SDK."""


def __getattr__(name: str) -> object:
    if name == "__version__":
        from chatapp.wire.version import installed_version

        return installed_version()
    if name == "events":
        return importlib.import_module("chatapp.events")
    if name not in __all__:
        raise AttributeError(f"module 'chatapp' has no attribute {name!r}")
    found: object = getattr(_loaded(_HOMES.get(name, "chatapp.peer.api.errors")), name)
    globals()[name] = found
    return found


def _loaded(module: str) -> ModuleType:
    """Import a module of ours. Raises ImportError with one clear sentence on a system that ChatApp
    does not run on."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError:
        from chatapp.system import unsupported

        if why := unsupported():
            raise ImportError(why) from None
        raise
