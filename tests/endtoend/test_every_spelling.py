"""Every spelling of every command, between three peers: each does what its table row says."""

import re
import signal

from tests.cast.lines import (
    BACK,
    BYE,
    CHANNEL_TAKEN,
    LOST,
    OFFLINE,
    TIME,
    WELCOME,
    beginning,
    mail,
    on_channel,
    received,
    unknown,
)
from tests.cast.program import Program
from tests.cast.stage import Stage
from tests.endtoend.conftest import Hall

NOT_IN_ROOM = "[You are not in any room.]"


async def enter(room: str, *people: Program) -> None:
    """Enter the room one after the other; each waits until all see it."""
    for number, person in enumerate(people):
        await person.type(f"join {room}")
        await person.sees(beginning(f"[You are in {room}"))
        for earlier in people[:number]:
            await earlier.sees(f"{person.name} joined {room}.")


async def test_direct_messages_and_everybody(hall: Hall) -> None:
    alice, bob, carol = hall.people
    direct = ("send bob {}", "/dm bob {}", "/msg bob {}", "bob:{}", "bob: {}", "SEND BOB {}")
    for number, spelling in enumerate(direct):
        await alice.type(spelling.format(f"direct {number}"))
        await bob.sees(f"alice: direct {number}")
        await alice.sees(received("bob"))
    for number, spelling in enumerate(("send_all {}", "/bm {}", "/all {}", '/bm "{}"')):
        await alice.type(spelling.format(f"to all {number}"))
        await alice.sees(CHANNEL_TAKEN)
        for person in (bob, carol):
            await person.sees(on_channel("alice", f"to all {number}"))


async def test_a_message_is_asked_for(hall: Hall) -> None:
    alice, bob = hall.alice, hall.bob
    for spelling in ("message", "/message"):
        await alice.type(spelling)
        await alice.sees("To: ")
        await alice.type("b/b", "bob")
        await alice.sees(re.compile(r'\["b/b" is not a name.*\]'))
        await alice.sees_times(2, beginning("T"))
        await alice.type(f"send_all {spelling}")
        await bob.sees(f"alice: send_all {spelling}")
    await alice.type("message", "/quit", "message", "bob", "", "send bob last")
    await alice.sees_times(2, "[Nothing was sent.]")
    await bob.sees("alice: last")


async def test_people_help_and_ends(stage: Stage) -> None:
    await stage.registry()
    alice, bob, carol = await stage.welcome("alice", "bob", "carol")
    for spelling in ("who", "/who", "/users", "server:who"):
        await alice.type(spelling)
        await alice.sees_all(*(f"[{name} is online.]" for name in ("alice", "bob", "carol")))
    for spelling in ("help", "/help"):
        await alice.type(spelling, f"{spelling} join")
        await alice.sees(lambda line: line.startswith("join <room>  "))
        await alice.sees("Spellings: join <room> · /join <room> · server:join <room>")
    for spelling, name in (("dereg {}", "alice"), ("/dereg {}", "Alice")):
        await alice.type(spelling.format(name))
        await alice.sees(BYE)
        await alice.type("send bob hi", "who")
        await alice.sees_times(2, OFFLINE)
        await bob.type("send alice while away")
        await bob.sees("[Messages received by the server and saved]")
        await alice.type(spelling.replace("dereg", "reg").format(name))
        await alice.sees_all(WELCOME, mail("bob", "while away"))
    for person, spelling in ((alice, "server:exit"), (bob, "exit"), (carol, "/quit")):
        await person.type(spelling)
        assert await person.ends() == 0


async def test_rooms(hall: Hall) -> None:
    alice, bob, carol = hall.people
    for spelling in ("leave", "/leave", "/out", "server:leave", "/names", "/say hi", "//hi"):
        await alice.type(spelling)
        await alice.sees(NOT_IN_ROOM)
    ways = zip(
        ("join lab", "/join lab", "server:join lab", "/join #lab"),
        ("leave", "/leave", "/out", "server:leave"),
        strict=True,
    )
    await enter("lab", bob)
    for come, go in ways:
        await alice.type(come)
        await alice.sees("[You are in lab with bob.]")
        await bob.sees("alice joined lab.")
        await alice.type(f"said by who came with {come}")
        await bob.sees(f"alice (in lab): said by who came with {come}")
        await alice.type(go)
        await alice.sees("[You left lab.]")
        await bob.sees("alice left lab.")
    await enter("lab", carol)
    await bob.sees("carol joined lab.")
    await alice.type("/rooms")
    await alice.sees("[lab: 2 here.]")
    await bob.type("/names")
    await bob.sees_all("[2 people in lab:]", "[bob is online.]", "[carol is online.]")
    assert alice.shown(lambda line: "(in lab)" in line) == []


async def test_chat_in_a_room(hall: Hall) -> None:
    alice, bob, carol = hall.people
    await enter("lab", alice, bob)
    texts = {
        "hello": "hello",
        "bob: with a colon": "bob: with a colon",
        "send carol is chat here": "send carol is chat here",
        "who": "who",
        "leave me alone": "leave me alone",
        "//quit is a command": "/quit is a command",
        "/say leave": "leave",
        "  blanks  kept ": "  blanks  kept ",
        "é ✓ 你好": "é ✓ 你好",
    }
    await alice.type(*texts)
    for text in texts.values():
        await bob.sees(f"alice (in lab): {text}")
    assert bob.shown(beginning("alice (in lab): ")) == [
        f"alice (in lab): {text}" for text in texts.values()
    ]
    assert set(alice.prompts) == {"[lab] "}
    await alice.type("/sned carol hi", ".nothing", "server:nothing")
    await alice.sees_all(unknown("/sned"), unknown(".nothing"), unknown("server:nothing"))
    await alice.type("/dm carol aside")
    await carol.sees("alice: aside")
    await alice.type("/join den", "alone here", "/room lab", "in the lab again", "/room attic")
    await bob.sees("alice (in lab): in the lab again")
    await alice.sees_all(
        "[You are in den, alone so far.]",
        "[You are in lab: what you type goes there.]",
        "[You are not in attic.]",
    )
    await alice.type("/rooms")
    await alice.sees_all("[lab: 2 here, you too.]", "[den: 1 here, you too.]")
    await bob.type("/rooms")
    await bob.sees_all("[lab: 2 here, you too.]", "[den: 1 here.]")
    await alice.type("leave")
    await alice.sees_all("[You left lab.]", "[You are in den: what you type goes there.]")
    await bob.sees("alice left lab.")
    await alice.type("still in the den", "leave", "send bob outside again")
    await bob.sees("alice: outside again")
    await alice.sees("[You left den.]")
    assert len(bob.shown(beginning("alice (in lab): "))) == len(texts) + 1
    assert carol.shown(lambda line: "(in " in line) == []


async def test_a_room_from_the_start_and_leaving_the_program(stage: Stage) -> None:
    await stage.registry()
    (bob,) = await stage.welcome("bob")
    await enter("lab", bob)
    alice = await stage.peer("alice", "--room", "lab", "--room", "den")
    await alice.sees_all("[You are in lab with bob.]", "[You are in den, alone so far.]")
    await bob.sees("alice joined lab.")
    await alice.quits("/quit")
    await bob.sees("alice has left.")


async def test_renaming(stage: Stage) -> None:
    await stage.registry()
    alice, bob, carol = await stage.welcome("alice", "bob", "carol")
    before = "alice"
    for spelling, new in (("/nickname", "anna"), ("/nicknames", "ann"), ("/nick", "annie")):
        await alice.type(f"{spelling} {new}")
        await alice.sees(f"[You are {new} now.]")
        for person in (bob, carol):
            await person.sees(f"{before} is now {new}")
        await bob.type(f"send {new} hello")
        await alice.sees("bob: hello")
        await alice.type("send bob me again")
        await bob.sees(f"{new}: me again")
        before = new
    await alice.type("/nick Bob", "/nick a/b", "send carol still annie")
    await alice.sees_all("[Name Bob is taken.]", re.compile(r'\["a/b" is not a name.*\]'))
    await carol.sees("annie: still annie")


async def test_trust_and_ignoring(stage: Stage) -> None:
    await stage.registry()
    alice, bob, carol = await stage.welcome("alice", "bob", "carol")
    digits = re.compile(r"\[(\d{5} ){11}\d{5}\]")
    await alice.type("/verify bob")
    await bob.type("/verify alice")
    compared = await alice.sees(digits)
    assert compared == await bob.sees(digits)
    await alice.type("/trust bob", f"/trust bob {'1' * 60}", f"/trust bob {compared[1:-1]}", "who")
    await alice.sees_all(
        "[Which key? /verify bob shows its digits: compare them, then type /trust bob <digits>.]",
        "[Those are not the digits of the key of bob; /verify bob shows them.]",
        "[The key of bob is verified.]",
        "[bob is online; verified.]",
    )
    await alice.type("/verify server")
    key = re.compile(r"\[The server's key: ([0-9a-f ]{39})\]")
    shown = key.fullmatch(await alice.sees(key))
    assert shown is not None
    await alice.type(f"/trust server {shown[1]}", "/verify server")
    await alice.sees_all("[The key of the server is verified.]", "[You have verified it.]")
    await alice.type("/ignore bob")
    await alice.sees("[You no longer see what bob says.]")
    await bob.type("send alice unseen", "send_all unseen by alice")
    await bob.sees(received("alice"))
    await carol.sees(on_channel("bob", "unseen by alice"))
    await carol.type("send_all behind it")
    await alice.sees(
        on_channel("carol", "behind it")
    )  # so the line before it has come to alice, too
    await alice.type("/unignore bob")
    await alice.sees("[You see what bob says again.]")
    await bob.type("send alice seen")
    await alice.sees("bob: seen")
    assert alice.shown(lambda line: "unseen" in line) == []
    for spelling in ("/verify", "/trust", "/ignore", "/unignore"):
        await alice.type(f"{spelling} nobody")
        await alice.sees("[Nobody called nobody is known here.]")


async def test_the_past(hall: Hall) -> None:
    alice, bob = hall.alice, hall.bob
    await alice.type("send bob lunch at noon")
    await alice.sees(received("bob"))
    await bob.type("send alice lunch at one")
    await alice.sees("bob: lunch at one")
    first = re.compile(rf"\s*(\d+)  {TIME}  alice to bob: lunch at noon")
    second = re.compile(rf"\s*\d+  {TIME}  bob to alice: lunch at one")
    for spelling in ("/history", "/history 2", "/search lunch", "/search LUN"):
        await alice.type(spelling)
        shown = await alice.sees(first)
        await alice.sees(second)
    found = first.fullmatch(shown)
    assert found is not None
    for spelling in ("/why", "/why last", f"/why {found[1]}"):
        await alice.type(spelling)
        await alice.sees(first)
        await alice.sees(re.compile(r"\[sent \d\d:\d\d:\d\d\.\d{3} try 1\]"))
        await alice.sees(
            re.compile(r"\[acknowledged by bob after \d+ tr(y|ies), \d+\.\d\d s \(.*\)\]")
        )
    await alice.type("/search breakfast", "/why 99999")
    await alice.sees_all("[No messages were found.]", beginning("[No such message"))


async def test_a_room_goes_on_without_the_registry_and_the_prompt_says_so(stage: Stage) -> None:
    registry = await stage.registry()
    alice, bob, carol = await stage.welcome("alice", "bob", "carol")
    await enter("lab", alice, bob, carol)
    registry.signal(signal.SIGKILL)
    await registry.ends()
    for person in (alice, bob, carol):
        await person.sees(LOST)
    await alice.type("still here", "//names", "/names")
    for person in (bob, carol):
        await person.sees("alice (in lab): still here")
        await person.sees("alice (in lab): /names")
    await alice.sees("[3 people in lab:]")
    notice = (
        "[Server not responding] Your line goes straight to 2 members; the others get it later."
    )
    await alice.sees(notice)
    assert "[lab, server away, 2 in reach] " in alice.prompts
    await stage.registry()
    for person in (alice, bob, carol):
        await person.sees(BACK)
    await bob.type("all back")
    for person in (alice, carol):
        # Late, for who came back after it.
        await person.sees(re.compile(rf"bob \(in lab\): ({TIME} )?all back"))
        assert person.prompts[-1] == "[lab] "
        assert len(person.shown(lambda line: line == "alice (in lab): still here")) == (
            person is carol
        )
    assert len(alice.shown(lambda line: line == notice)) == 1
