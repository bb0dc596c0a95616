"""Visitors of the help desk: the form, a ticket that survives the program, scripts, and leaving."""

import asyncio
import re
import signal

from tests.cast import desk
from tests.cast.lines import BACK, beginning
from tests.cast.people import Visitor
from tests.cast.stage import Stage


async def test_wrong_answers_are_told_and_after_three_the_request_is_void(stage: Stage) -> None:
    await stage.registry("--operator", "bob")
    ana = await stage.visitor("ana")
    await ana.type("R2D2", "Ana-9", "Ana Ñ", "12", "98765432101", "9876543210", "7", "0", "x")
    assert await ana.ends() == 1
    assert ana.shown(beginning("[name: ")) == [
        f'[name: "{text}" may contain only letters, spaces and . \' -.]'
        for text in ("R2D2", "Ana-9")
    ]
    no_number = re.compile(
        r'\[number: ".*" is not a mobile number \(IN: 10 digits such as \d{10}\)\.\]'
    )
    assert len(ana.shown(no_number)) == 2
    assert ana.shown(beginning("[issue: ")) == [
        f'[issue: "{one}" is not a number from 1 to 6.]' for one in ("7", "0", "x")
    ]
    assert ana.shown()[-1] == "[Three wrong answers: the request is void. Bye.]"


async def test_a_visitor_who_was_killed_goes_on_with_the_ticket(stage: Stage) -> None:
    await stage.registry("--operator", "bob")
    bob = await stage.operator()
    ana = await stage.served("Ana", by=bob)
    ben = await stage.joined("Ben", 1)
    cem = await stage.joined("Cem", 2)
    await ben.kill()
    await ana.kill()
    await bob.type("are you there?")
    ana, ben = await asyncio.gather(stage.visitor("Ana"), stage.visitor("Ben"))
    await ben.sees_all(desk.RESUMED, desk.position(1))
    await ana.sees_all(desk.RESUMED, desk.ACTIVE, "bob: are you there?")
    await ana.type("yes")
    await bob.sees("Ana: yes")
    await ana.kill()
    ana = await stage.visitor("Ana")
    await ana.sees(desk.RESUMED)
    kept = stage.folder / "kept.txt"
    await ana.type(f".transcript {kept}")
    await ana.sees(f"[What is said is written to {kept}; earlier lines there: 2.]")
    assert [line.split(" ", 2)[2] for line in kept.read_text().splitlines()] == [
        "bob: are you there?",
        "You: yes",
    ]
    await ana.type("/new")
    await ana.sees(desk.NAME)
    await ana.type("Ana", "9876543210", "6")
    await ben.sees(desk.TURN)
    await asyncio.gather(ana.sees(desk.position(2)), cem.sees(desk.position(1)))
    assert ana.shown(beginning("bob: ")) == []
    assert ben.shown(desk.NAME) == []


async def test_a_visitor_who_was_away_when_the_session_was_ended_reads_the_last_words_and_that(
    stage: Stage,
) -> None:
    registry = await stage.registry("--operator", "bob")
    bob = await stage.operator()
    ana = await stage.served("Ana", by=bob)
    await ana.kill()
    await bob.sees("[Ana lost the connection; the place is kept for a while.]")
    await bob.type("call me at 4711", ".end")
    await bob.sees("[Session with Ana ended.]")
    await registry.kill()
    await stage.registry("--operator", "bob")
    ana = await stage.visitor("Ana")
    over = "[The operator has ended the session. Please begin anew.]"
    await ana.sees(over)
    last_words = ana.shown(lambda line: line in ("bob: call me at 4711", over))
    assert last_words == ["bob: call me at 4711", over]
    await ana.sees(desk.NAME)
    await ana.type("Ana", "9876543210", "6")
    await bob.sees(beginning("[Next client; waited "))


async def test_the_end_of_input_settles_and_then_leaves(stage: Stage) -> None:
    await stage.registry("--operator", "bob")
    bob = await stage.operator()
    ana = await stage.visitor("Ana")
    await ana.type("Ana", "9876543210", "6", "in a hurry")
    await ana.end_input()
    assert await ana.ends() == 0
    await bob.sees("Ana: in a hurry")
    await bob.sees("[Ana has left.]")


async def test_a_visitor_who_stays_is_served_behind_the_end_of_input(stage: Stage) -> None:
    await stage.registry("--operator", "bob")
    bob = await stage.operator()
    ben = await stage.visitor("Ben", "--stay")
    await ben.type("Ben", "9876543210", "6")
    await ben.end_input()
    await ben.sees(desk.CONNECTED)
    await bob.gets("Ben")
    await bob.type("wait")
    await ben.sees("bob: wait")
    ben.signal(signal.SIGINT)
    assert await ben.ends() == 130
    await bob.sees("[Ben has left.]")


async def test_what_a_script_asks_last_is_answered_before_it_ends(stage: Stage) -> None:
    await stage.registry("--operator", "bob")
    ana = await stage.visitor("Ana")
    await ana.type("Ana", "/new", ".queue", "Ana Rao", "9876543210", "6", ".queue")
    await ana.end_input()
    assert await ana.ends() == 0
    assert ana.shown(beginning("[You are ")) == [
        "[You are not in the waiting room yet: fill in the form first.]",
        "[You are number 1 in the waiting room: 0 ahead, no estimate yet.]",
    ]
    assert ana.shown(beginning("[name: ")) == []
    ben = await stage.visitor("Ben")
    await ben.type("Ben", "9876543210", "6", ".queue", "/quit")
    assert await ben.ends() == 0
    assert ben.shown()[-1] == "[You are number 1 in the waiting room: 0 ahead, no estimate yet.]"


async def test_a_visitor_who_comes_while_the_registry_is_away_waits_for_it(stage: Stage) -> None:
    ana = await stage.visitor("Ana")
    await ana.sees(desk.TRYING)
    await ana.type("Ana", "9876543210", "6")
    await stage.registry("--operator", "bob")
    await ana.sees_all(BACK, desk.position(1))
    assert len(ana.shown(desk.TRYING)) == 1


async def test_without_a_registry_a_visitor_may_leave_and_a_script_ends(stage: Stage) -> None:
    ana = await stage.visitor("Ana")
    await ana.sees(desk.TRYING)
    await ana.quits("/quit")
    ben = await stage.visitor("Ben")
    await ben.type("Ben")
    await ben.end_input()
    await ben.sees(desk.TRYING)
    assert await ben.ends() == 1
    cem = await stage.visitor("Cem")
    await cem.sees(desk.TRYING)
    cem.signal(signal.SIGINT)
    assert await cem.ends() == 130


async def test_a_visitor_can_leave_while_the_registry_is_away(stage: Stage) -> None:
    registry = await stage.registry("--operator", "bob")
    ana = await stage.registrant("Ana")
    await ana.sees(desk.position(1))
    await ana.kill()
    await registry.kill()
    ana = await stage.visitor("Ana")
    await ana.type("what is typed now waits", "/quit")
    await ana.sees(desk.TRYING)
    assert await ana.ends() == 0
    ana = await cut_off(stage)
    await ana.type("what is typed now waits")
    await ana.end_input()
    assert await ana.ends() == 1


async def cut_off(stage: Stage) -> Visitor:
    """Return a visitor with a position, whose registry is away."""
    registry = await stage.registry("--operator", "bob")
    eve = await stage.registrant("Eve")
    await eve.sees(beginning("[Waiting room, position "))
    await eve.kill()
    await registry.kill()
    return await stage.visitor("Eve")


async def test_a_visitor_who_has_just_written_is_not_told_to_have_said_nothing(
    stage: Stage,
) -> None:
    await stage.registry("--operator", "bob")
    bob = await stage.operator()
    ana = await stage.served("Ana", by=bob)
    await ana.type("one moment please")
    await bob.sees("Ana: one moment please")
    await bob.type(".hold")
    await ana.sees(beginning("[You are on hold: others are called first"))
    await ana.type("here I am")
    await ana.sees(desk.TURN)
