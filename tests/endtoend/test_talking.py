"""Chat with everybody online: direct messages, the channel, `who`, help, and typing errors."""

import asyncio
import re

from tests.cast.lines import (
    CHANNEL_TAKEN,
    UPDATED,
    WELCOME,
    beginning,
    channel_mail,
    mail,
    on_channel,
    received,
    unknown,
)
from tests.cast.people import Person
from tests.cast.stage import Stage
from tests.endtoend.conftest import Hall


async def test_direct_messages_all_ways_and_to_oneself(hall: Hall) -> None:
    people = hall.people
    for sender in people:
        for recipient in people:
            await sender.type(f"send {recipient.name} from {sender.name} to {recipient.name}")
    for sender in people:
        await sender.sees_all(*(received(recipient.name) for recipient in people))
        for recipient in people:
            await recipient.sees(f"{sender.name}: from {sender.name} to {recipient.name}")
    for person in people:
        assert len(person.shown(lambda line: ": from " in line)) == 3
        assert len(person.shown(re.compile(r"\[Message received by .*"))) == 3


async def test_everybody_is_told_once_of_each_who_comes_in_and_of_each_who_goes(
    stage: Stage,
) -> None:
    """The assignment: whoever comes first reads it for all, themselves too, the last one for
    themselves alone."""
    await stage.registry()
    people: list[Person] = []
    for name in ("alice", "bob", "carol"):
        people += await stage.welcome(name)
        for person in people:
            await person.knows(name)
    assert [len(person.shown(UPDATED)) for person in people] == [3, 2, 1]
    alice, bob, carol = people
    await carol.quits()
    await asyncio.gather(alice.knows(away=["carol"]), bob.knows(away=["carol"]))
    assert [len(person.shown(UPDATED)) for person in (alice, bob)] == [4, 3]


async def test_text_passes_as_typed(hall: Hall) -> None:
    alice, bob = hall.alice, hall.bob
    texts = {
        "send bob plain": "plain",
        "send bob   two  inner   blanks ": "  two  inner   blanks ",
        "send bob \"quoted\" and 'so'": "\"quoted\" and 'so'",
        'send bob "all of it"': '"all of it"',
        '/dm bob "all of it but the quotes"': "all of it but the quotes",
        '/msg bob "kept"': '"kept"',
        "bob:with a colon": "with a colon",
        "bob: and a blank: and another colon": "and a blank: and another colon",
        "send bob send carol hi": "send carol hi",
        "send bob héllo ✓ 你好 שלום 👩‍👩‍👧 é": "héllo ✓ 你好 שלום 👩‍👩‍👧 é",
        "send bob a\ttab": "a\ttab",
        "SEND bob shouted": "shouted",
        "send BOB you": "you",
    }
    await alice.type(*texts)
    for _ in texts:
        await alice.sees(received("bob"))
    await bob.sees_times(len(texts), beginning("alice: "))
    said = [line.removeprefix("alice: ") for line in bob.shown(beginning("alice: "))]
    assert said == list(texts.values())


async def test_who_and_help(stage: Stage) -> None:
    await stage.registry()
    alice, bob = await stage.welcome("alice", "bob")
    assert await alice.who() == {"alice": "is online", "bob": "is online"}
    await bob.quits()
    await alice.knows("alice", away=["bob"])
    assert re.fullmatch(r"was last seen \d{4}-\d\d-\d\d \d\d:\d\d", (await alice.who())["bob"])
    for spelling in ("/who", "/users", "server:who"):
        shown = [line for line in await alice.answer(spelling) if line != UPDATED]
        assert [line[:7] for line in shown] == ["[alice ", "[bob wa"]

    shown = await alice.answer("help", "/help send")
    for command in (
        "send <name> <text>",
        "send_all <text>",
        "dereg <name>",
        "reg <name>",
        "who",
        "help [command]",
        "quit",
    ):
        assert sum(line.startswith(f"{command} ") for line in shown) >= 1, command
    await alice.sees(lambda line: line.startswith("Spellings: ") and "/dm <name> <text>" in line)
    await alice.sees(beginning("Example: send "))


async def test_what_was_mistyped_is_told_and_sends_nothing(hall: Hall) -> None:
    alice, bob = hall.alice, hall.bob
    await alice.type(
        "sned bob hi",
        "/snd bob hi",
        ".nonsense",
        "server:nothing",
        "hello everybody",
        "send",
        "send bob",
        "send_all",
        "",
        "   ",
    )
    await alice.sees(lambda line: line.startswith('[Unknown command "sned": ') and '"send"' in line)
    await alice.sees_all(*map(unknown, ("/snd", ".nonsense", "server:nothing")))
    await alice.sees(beginning("[Nobody was named: "))
    await alice.sees_all(
        "[Usage: send <name> <text>]", "[Usage: send <name> <text>]", "[Usage: send_all <text>]"
    )
    await alice.type("dereg bob", "reg bob")
    await alice.sees_times(2, "[You are alice, not bob.]")
    await alice.type("send nobody hi", "send a/b hi", "send bob last")
    await alice.sees(re.compile(r"\[Message to nobody refused: .+\.\]"))
    await alice.sees(re.compile(r'\["a/b" is not a name.*\]'))
    await alice.sees(received("bob"))
    await bob.sees("alice: last")
    assert bob.shown(beginning("alice")) == ["alice: last"]


async def test_the_channel_reaches_all_but_its_sender_and_waits_for_the_absent(
    stage: Stage,
) -> None:
    await stage.registry()
    alice, bob, carol = await stage.welcome("alice", "bob", "carol")
    await alice.type("send_all one", '/bm "two"', "/all three")
    await alice.sees_times(3, CHANNEL_TAKEN)
    for person in (bob, carol):
        await person.sees_all(*(on_channel("alice", text) for text in ("one", "two", "three")))
    await carol.quits()
    await bob.type("send_all while carol is away", "send carol and a letter")
    await bob.sees_all(CHANNEL_TAKEN, "[Messages received by the server and saved]")
    await alice.type("send_all from both")
    await alice.sees(CHANNEL_TAKEN)
    carol = await stage.peer("carol")
    await carol.sees(channel_mail("alice", "from both"))
    shown = carol.shown(lambda line: line != UPDATED)
    assert shown[:2] == [WELCOME, "[You have messages]"]
    assert len(shown) == 5, str(carol)
    for text in (channel_mail("bob", "while carol is away"), mail("bob", "and a letter")):
        assert any(text.fullmatch(line) for line in shown[2:4]), str(carol)
    assert channel_mail("alice", "from both").fullmatch(shown[4]), str(carol)
    await alice.sees(on_channel("bob", "while carol is away"))
    channel = alice.shown(beginning("[Channel_Message"))
    assert channel == [on_channel("bob", "while carol is away")]


async def test_many_lines_for_everybody_keep_their_order(hall: Hall) -> None:
    people = hall.people
    texts = [f"line {number}" for number in range(30)]
    for person in people:
        await person.type(*(f"send_all {text}" for text in texts))
    for person in people:
        await person.sees_times(30, CHANNEL_TAKEN)
        for other in people:
            if other is not person:
                await person.sees(on_channel(other.name, texts[-1]))
                said = person.shown(beginning(f"[Channel_Message {other.name}:"))
                assert said == [on_channel(other.name, text) for text in texts]
