"""Names and typed lines for parser tests."""

from chatapp.peer.commands.intents import Context, Mistake
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
