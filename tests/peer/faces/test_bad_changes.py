"""Changes that are none: each gets one clear line or nothing, and what is said next arrives."""

import asyncio
from typing import Final

from chatapp.peer.api import events
from chatapp.peer.api.conversations import person
from chatapp.peer.api.requests import Send
from chatapp.peer.core.records import Related, RelationKind
from chatapp.peer.sdk.client import Peer
from chatapp.peer.words.changes import CANNOT_SHOW
from tests.peer.faces.windows import Seen, pipe
from tests.peer.village import WITHIN, Village, next_of, outcome_of, sees, village  # noqa: F401
from tests.support.nodes import node_of

NONE: Final = "[There is no such message.]"
NOT_OURS: Final = "[Only who wrote a message can change it: nothing was sent.]"
GONE: Final = "[That message was taken back: nothing was sent.]"
NO_EMOJI: Final = "[That is not one emoji, such as 👍: nothing was sent.]"

TYPED: Final = (
    ("/edit 9 x", NONE),
    ("/edit #99999 x", NONE),
    ("/edit #999999999999999999 x", NONE),
    ("/edit #{theirs} x", NOT_OURS),
    ("/retract #{theirs}", NOT_OURS),
    ("/cancel #{theirs}", NOT_OURS),
    ("/retract #{gone}", GONE),
    ("/edit #{gone} x", GONE),
    ("/reply #{gone} yes", GONE),
    ("/react #{gone} 👍", GONE),
    ("/react #{theirs} :)", NO_EMOJI),
    ("/react #{theirs} 👍👍", NO_EMOJI),
    ("/react #{theirs} \x1b[2J", NO_EMOJI),
    (
        "/cancel #{ours}",
        "[It got through already (/retract takes it back): nothing was sent.]",
    ),
    ("/cancel", "[Nothing of yours waits.]"),
    ("/edit #{ours} " + "x" * 66_560, "[Message to bob not sent: 66,560 bytes, at most 65,536.]"),
    ("/edit", "[Usage: /edit [n] <text>]"),
    ("/retract it", "[Usage: /retract [n]]"),
    ("/mute box 1h", '[No person or room called "box".]'),
    ("send bob, hi", "[Write several names without blanks between them: bob,carol.]"),
)


async def lines_of(window: Seen) -> list[str]:
    return (await window.text()).split("\n")[:-1]


async def said(sender: Peer, reader: Peer, text: str) -> events.Said:
    """Say something, and return it as its reader has it."""
    await outcome_of(await sender.send(reader.name, text))
    while (line := await next_of(reader, events.Said)).text != text:
        pass
    return line


async def test_what_is_typed_wrongly_is_answered_and_sends_nothing(
    village: Village,  # noqa: F811
) -> None:
    async with asyncio.timeout(WITHIN), village.peer("alice") as alice, village.peer("bob") as bob:
        await sees(alice, "bob", online=True)
        ours = await alice.send("bob", "one")
        gone = await alice.send("bob", "gone")
        theirs = await said(bob, alice, "two")
        await outcome_of(await alice.retract(gone))
        ids = {"ours": ours.id, "gone": gone.id, "theirs": theirs.id}
        await next_of(bob, events.Retracted)
        async with pipe(alice) as window:
            await window.type("/query bob")
            await window.shows("[Talking to bob. /query ends it.]")
            before = len(await lines_of(window))
            for typed, _ in TYPED:
                await window.type(typed.format(**ids))
            await window.type("end")
            assert (await next_of(bob, events.Said)).text == "end"
            await window.shows("[Message received by bob.]")
            assert (await lines_of(window))[before:-1] == [answer for _, answer in TYPED]


UNKNOWN: Final = [f"bob: {CANNOT_SHOW}"]


async def test_what_another_program_sends_wrongly_is_one_line_or_none(
    village: Village,  # noqa: F811
) -> None:
    async with asyncio.timeout(WITHIN), village.peer("alice") as alice, village.peer("bob") as bob:
        await sees(bob, "alice", online=True)
        mine, kept, gone = [await said(bob, alice, text) for text in ("mine", "kept", "gone")]
        theirs = await said(alice, bob, "theirs")
        number, never = mine.number, 10**15
        wrong: list[tuple[RelationKind, bool, int, str, list[str]]] = [
            (RelationKind.EDIT, True, never, "x", []),
            (RelationKind.RETRACT, True, never, "", []),
            (RelationKind.REACT, False, never, "👍", []),
            (RelationKind.UNREACT, True, never, "👍", []),
            (RelationKind.REPLY, True, never, "yes", ["bob (to an earlier message): yes"]),
            (RelationKind.EDIT, False, theirs.number, "x", UNKNOWN),
            (RelationKind.RETRACT, False, theirs.number, "", UNKNOWN),
            (RelationKind.REACT, False, theirs.number, "no emoji", UNKNOWN),
            (RelationKind.REACT, False, theirs.number, "👍" * 9, UNKNOWN),
            (RelationKind.REACT, False, theirs.number, "", UNKNOWN),
            (
                RelationKind.EDIT,
                True,
                kept.number,
                "\x1b[2J",
                ['[bob changed "kept" to "\\x1b[2J".]'],
            ),
            (RelationKind.RETRACT, True, number, "", ["[bob took back a message"]),
            (RelationKind.EDIT, True, number, "again", []),
            (RelationKind.REACT, True, number, "👍", []),
            (RelationKind.REPLY, True, number, "yes", ["bob (to a message taken back): yes"]),
            (RelationKind.RETRACT, True, gone.number, "text", ["[bob took back a message"]),
        ]
        async with pipe(alice) as window:
            node, where = node_of(bob), person("alice")
            for kind, is_ours, target, text, _ in wrong:
                related = Related(
                    kind, node_of(alice).core.me.identity.public, is_ours=is_ours, number=target
                )
                await node.say(where, text, related, asked=Send(conversation=where, text=text))
            await bob.send("alice", "end")
            await window.shows("bob: end")
            shown = await lines_of(window)
        expected = [line for *_, lines in wrong for line in lines]
        shown = shown[shown.index(expected[0]) : shown.index("bob: end")]
        assert [line.split(" of ")[0] for line in shown] == expected
        texts = {line.id: line.text for line in await alice.past.page(person("bob"))}
        assert (texts[mine.id], texts[kept.id], texts[gone.id]) == ("", "\x1b[2J", "")
        found = {line.text for line in await alice.past.search("theirs")}
        assert found == {"theirs"}
