"""The help desk's waiting line with real programs through pipes: first come, first served, whatever
is killed in between."""

import asyncio

from tests.cast import desk
from tests.cast.lines import BACK, beginning
from tests.cast.stage import Stage


async def test_four_visitors_are_served_in_their_order_whatever_is_killed(stage: Stage) -> None:
    registry = await stage.registry("--operator", "bob")
    bob = await stage.operator()
    ana = await stage.served("Ana", by=bob)
    ben, cem, dan, eve = [
        await stage.joined(name, at) for at, name in enumerate(("Ben", "Cem", "Dan", "Eve"), 1)
    ]
    await bob.room_is("Ben", "Cem", "Dan", "Eve")

    await cem.type("/quit")  # one who waits leaves: whoever is active notices nothing
    assert await cem.ends() == 0
    await asyncio.gather(dan.sees(desk.position(2)), eve.sees(desk.position(3)))
    await ana.type("still here")
    await bob.sees("Ana: still here")

    await ana.kill()  # the active one
    await bob.sees("[Ana lost the connection; the place is kept for a while.]")
    await bob.type(".next")
    await ben.sees(desk.TURN)
    await bob.gets("Ben")
    await asyncio.gather(dan.sees(desk.position(1)), eve.sees(desk.position(2)))

    await registry.kill()
    await asyncio.gather(ben.sees(desk.LOST), dan.sees(desk.LOST), eve.sees(desk.LOST))
    await ben.type("said while it was away")
    await stage.registry("--operator", "bob")
    await asyncio.gather(*(person.sees(BACK) for person in (ben, dan, eve)))
    await bob.sees("Ben: said while it was away")
    await bob.room_is("Dan", "Eve")
    await dan.type(".queue")
    await dan.sees(beginning("[You are number 1 in the waiting room: 0 ahead, "))

    await bob.type("back again", ".next")
    await ben.sees_all("bob: back again", desk.ENDED)
    assert await ben.ends() == 0
    await bob.gets("Dan")
    await asyncio.gather(dan.sees(desk.TURN), eve.sees(desk.position(1)))
    await bob.type(".next")
    await dan.sees(desk.ENDED)
    await bob.gets("Eve")
    await eve.sees(desk.TURN)
    await bob.type(".end", ".room")
    await bob.sees_all(desk.NO_CLIENT, desk.EMPTY)
    assert await eve.ends() == 0
    assert len(ben.shown(desk.TURN)) == len(dan.shown(desk.TURN)) == len(eve.shown(desk.TURN)) == 1
    assert cem.shown(desk.TURN) == []
    assert len(ben.shown(desk.LOST)) == len(ben.shown(BACK)) == 1


async def test_a_waiting_and_an_active_visitor(stage: Stage) -> None:
    await stage.registry("--operator", "bob")
    bob = await stage.operator()
    await bob.type("anybody?")
    await bob.sees(desk.NO_CLIENT)
    ana = await stage.served("Ana", by=bob)
    ben = await stage.joined("Ben", 1)
    await ana.type(".queue")
    await ana.sees(desk.ACTIVE)
    await ben.type("hello?", ".queue", "/nonsense", "/help")
    await ben.sees_all(
        "[Please wait for your turn.]",
        "[You are number 1 in the waiting room: 0 ahead, no estimate yet.]",
    )
    await ben.sees(beginning('[Unknown command "/nonsense": nothing was sent.'))
    await ben.sees(beginning(".queue "))
    long = "é✓" * 1_500
    await ana.type("é ✓ 日本", long)
    await bob.sees_all("Ana: é ✓ 日本", f"Ana: {long}")
    await bob.type("é ✓ back", long, "//etc")
    await ana.sees_all("bob: é ✓ back", f"bob: {long}", "bob: /etc")
    assert "[desk: Ana] " in bob.prompts
    assert ben.shown(beginning("bob: ")) == []


async def test_calls_while_everybody_is_away_take_no_later_visitor(stage: Stage) -> None:
    await stage.registry("--operator", "bob")
    bob = await stage.operator()
    await stage.served("Ana", by=bob)
    ben = await stage.joined("Ben", 1)
    await ben.kill()
    await bob.room_is("Ben")
    await bob.type(*[".next"] * 100, ".stats")
    await bob.sees(beginning("[Nobody in the waiting room can be called just now"))
    await bob.sees(beginning("[Served today "))
    ben = await stage.visitor("Ben")
    await ben.sees_all(desk.RESUMED, desk.ACTIVE)
    await ben.type("still mine")
    await bob.sees("Ben: still mine")
    assert ben.shown(desk.ENDED) == []


async def test_drop_and_move(stage: Stage) -> None:
    await stage.registry("--operator", "bob")
    bob = await stage.operator()
    await stage.served("Ana", by=bob)
    ben, cem, dan = [
        await stage.joined(name, at) for at, name in enumerate(("Ben", "Cem", "Dan"), 1)
    ]
    await bob.type(".move 3 1")
    await bob.sees("[Dan is number 1 now.]")
    await asyncio.gather(
        dan.sees(desk.position(1)), ben.sees(desk.position(2)), cem.sees(desk.position(3))
    )
    await bob.type(".drop 2", ".drop 9")
    await bob.sees_all(
        "[Ben was taken out of the waiting room.]", "[Nobody has that number in the waiting room.]"
    )
    await ben.sees("[An operator has taken you out of the waiting room. Bye.]")
    assert await ben.ends() == 0
    await cem.sees(desk.position(2))
