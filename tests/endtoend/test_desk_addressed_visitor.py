"""Lines that an operator types while visitors change: nobody else reads them, and they end no
session."""

import signal

from tests.cast.desk import CONNECTED, ENDED, NO_CLIENT, TURN
from tests.cast.lines import beginning
from tests.cast.stage import Stage
from tests.cast.terminal import Open

UNSAID = "[Ana has left; this was not said to Ben: {}]"
SERVING = "bob · lab · 2 online · serving Ana"
GOES_ON = "[Ana has left; the session with Ben goes on.]"


async def test_lines_typed_before_the_visitor_changes_are_for_the_former_visitor(
    stage: Stage,
) -> None:
    """The operator's program is stopped meanwhile, so that nothing is a matter of milliseconds."""
    await stage.registry("--operator", "bob", "--operator", "eva")
    bob = await stage.operator()
    ana = await stage.served("Ana", by=bob)
    ben = await stage.joined("Ben", 1)
    await bob.type("hello")
    await ana.sees("bob: hello")
    bob.signal(signal.SIGSTOP)
    await ana.quits("/quit")
    await ben.sees(TURN)
    await bob.type("Ana: your result is 42", ".note wants money", ".handover eva", ".next", ".end")
    bob.signal(signal.SIGCONT)
    await bob.sees("[Ana has left.]")
    await bob.sees_all(
        UNSAID.format("Ana: your result is 42"),
        "[Ana has left; this was not noted about Ben: wants money]",
        "[Ana has left; Ben was not handed over.]",
        GOES_ON,
        GOES_ON,
    )
    await ben.type("am I next?")
    await bob.sees("Ben: am I next?")
    assert ben.shown(beginning("bob: ")) == ben.shown(ENDED) == []


async def test_the_registry_s_own_terminal_may_type_on_as_the_visitor_leaves(stage: Stage) -> None:
    registry = await stage.registry()
    ana = await stage.registrant("Ana")
    await ana.sees(CONNECTED)
    ben = await stage.joined("Ben", 1)
    await registry.type("hello")
    await ana.sees("desk: hello")
    await ana.type("/quit")
    await registry.sees("[Ana has left.]")
    await registry.type("your result is 42", ".end", ".next")
    await registry.sees_all(UNSAID.format("your result is 42"), GOES_ON, GOES_ON)
    await ben.type("am I next?")
    await registry.sees("Ben: am I next?")
    assert ben.shown(beginning("desk: ")) == ben.shown(ENDED) == []


async def test_numbers_of_the_waiting_room_mean_the_visitors_who_were_shown(stage: Stage) -> None:
    await stage.registry("--operator", "bob")
    bob = await stage.operator()
    await stage.served("Ana", by=bob)
    ben, cem, dan = [
        await stage.joined(name, at) for at, name in enumerate(("Ben", "Cem", "Dan"), 1)
    ]
    await bob.type(".room")
    await bob.sees("[Waiting room: 3.]")
    await ben.quits("/quit")
    await dan.sees("[Waiting room, position 2.]")
    await bob.type(".drop 2", ".move 1 1", ".drop 3")
    await bob.sees_all(
        "[Cem was taken out of the waiting room.]",
        "[Ben is not in the waiting room any more.]",
        "[Dan was taken out of the waiting room.]",
    )
    assert await cem.ends() == await dan.ends() == 0


async def test_what_is_typed_for_a_visitor_who_has_left_is_not_said_in_the_room(
    stage: Stage, at_terminal: Open
) -> None:
    await stage.registry("--operator", "bob")
    carol = await stage.peer("carol", "--room", "lab")
    await carol.sees("[You are in lab, alone so far.]")
    bob = await at_terminal("bob", "--room", "lab")
    await carol.sees("bob joined lab.")
    bob.press(".on\r")
    await bob.shows("[You are on duty at desk.]")
    ana = await stage.registrant("Ana")
    await ana.sees(CONNECTED)
    await bob.stands("[desk: Ana] >>>", SERVING)
    bob.press(".say hello\r")
    await ana.sees("bob: hello")
    bob.press("your result is 42")
    await bob.stands("[desk: Ana] >>> your result is 42", SERVING)
    await ana.type("/quit")
    await bob.shows("[Ana has left.]")
    bob.press("\r")
    await bob.shows("[Ana has left; this was not said: your result is 42]")
    bob.press("/say to all of lab\r")
    await carol.sees("bob (in lab): to all of lab")
    assert carol.shown(beginning("bob (in lab): your")) == []
    assert NO_CLIENT not in bob.text
