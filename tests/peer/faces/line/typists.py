"""Names and typed lines for parser tests."""

from chatapp.peer.api.conversations import EVERYBODY, person, room
from chatapp.peer.api.requests import Send
from chatapp.peer.commands.meanings import Context, Mistake
from chatapp.peer.commands.parser import parse
from chatapp.wire.names import peer_name

ALICE = Context(me=peer_name("Alice"))
AWAY = Context(me=peer_name("Alice"), offline=True)
IN_LAB = Context(me=peer_name("Alice"), room="lab")
BOB = peer_name("bob")


def said(line: str, context: Context = ALICE) -> str:
    parsed = parse(line, context)
    assert isinstance(parsed, Mistake), parsed
    return parsed.line


def direct(name: str, text: str) -> Send:
    return Send(conversation=person(name), text=text)


def to_all(text: str) -> Send:
    return Send(conversation=EVERYBODY, text=text)


def in_lab(text: str) -> Send:
    return Send(conversation=room("lab"), text=text)
