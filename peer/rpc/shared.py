"""What a program tells its clients, besides events and the SDK's own values."""

from pathlib import Path

import msgspec

from chatapp.peer.api.conversations import Conversation
from chatapp.peer.api.events import MessageReason, MessageState, Person, Said
from chatapp.peer.api.past import ConversationState, DeskTalk
from chatapp.peer.api.state import PeerState
from chatapp.wire.address import Address


class PeerSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a peer at one moment, as clients mirror it."""

    name: str
    state: PeerState
    room: str | None = None
    is_offline: bool = False
    is_server_away: bool = False
    is_sending: bool = False
    sending_try: tuple[int, int] = (0, 0)
    in_reach: int = 0
    client: str | None = None
    visit: int = 0
    is_on_duty: bool = False
    is_operator: bool = False
    waiting: int = 0
    answers: dict[str, str] = {}
    server_key: str = ""
    members: tuple[Person, ...] = ()


class Greeting(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `hello` (clause 3.1)."""

    protocol: int
    program: str
    process: int
    run: str
    last: int
    server: Address
    servers: tuple[Address, ...]
    address: Address
    port: int
    folder: Path
    state: PeerSnapshot


class Subscribed(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `subscribe`: the events after this number follow; `missed`: others are lost."""

    after: int
    missed: bool


class Unshown(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `unshown`. `more`: whether there are more lines after these."""

    lines: tuple[Said, ...]
    more: bool


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """A receipt, as it is now."""

    conversation: Conversation
    id: int
    state: MessageState
    reason: MessageReason | None
    through_server: bool


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Lines of the past. `more`: whether further ones of those that were asked for follow."""

    lines: tuple[Said, ...]
    more: bool


class Conversations(msgspec.Struct, frozen=True, kw_only=True):
    """Conversations. `more`: whether further ones follow."""

    conversations: tuple[ConversationState, ...]
    more: bool


class TalkPage(msgspec.Struct, frozen=True, kw_only=True):
    """Lines of the conversation with a visitor of the help desk. `more`: whether further ones
    follow."""

    talk: DeskTalk | None
    more: bool
