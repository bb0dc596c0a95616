"""Bots: what they answer, where, and what they leave alone."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chatapp import NotAdmitted, Peer, events
from chatapp.bot import Bot, Message
from chatapp.peer.rpc.place import Offer
from chatapp.registry.rules.people.access import AccessLists, AccessSettings
from chatapp.testing import Town


@pytest.fixture
async def town() -> AsyncIterator[Town]:
    async with Town() as town:
        yield town


def echo(**options: int) -> Bot:
    bot = Bot(**options)  # type: ignore[arg-type]
    bot.on_message(lambda message: message.text)
    return bot


async def texts(town: Town, peer: Peer, count: int) -> list[str]:
    return [(await town.event(peer, events.Said)).text for _ in range(count)]


async def hears_nothing_more(town: Town, peer: Peer, kind: type[events.Said]) -> bool:
    try:
        await town.event(peer, kind, within=30.0)
    except TimeoutError:
        return True
    return False


async def test_an_answer_goes_to_where_the_message_came_from(town: Town) -> None:
    bot = Bot()

    @bot.on_message
    @bot.on_room
    @bot.on_channel
    async def answer(message: Message) -> str:
        return f"{message.sender} said {message.text} in {message.room}"

    await town.bot(bot, "robot", rooms="lab")
    alice = await town.peer("alice", rooms="lab")
    await alice.send("robot", "a")
    assert await texts(town, alice, 1) == ["alice said a in None"]
    await alice.say("lab", "b")
    heard = await town.event(alice, events.Said)
    assert (heard.sender, heard.text) == ("robot", "alice said b in lab")
    await alice.send_all("c")
    assert (await town.event(alice, events.Said)).text == "alice said c in None"


async def test_a_bot_can_tell_what_is_meant_for_it(town: Town) -> None:
    bot = Bot()

    @bot.on_message
    @bot.on_room
    async def answer(message: Message) -> str | None:
        return message.text if message.is_addressed else None

    await town.bot(bot, "robot", rooms="lab")
    alice = await town.peer("alice", rooms="lab")
    for text in ("a robot", "@robots", "@Robot?"):
        await alice.say("lab", text)
    await alice.send("robot", "to you")
    assert sorted(await texts(town, alice, 2)) == ["@Robot?", "to you"]


async def test_a_bot_in_several_rooms_answers_in_the_room_where_it_was_asked(town: Town) -> None:
    bot = Bot()
    bot.on_room(lambda message: f"{message.text}, in {message.room}")
    robot = await town.bot(bot, "robot", rooms=("lab", "den"))
    alice, bob = await town.peer("alice", rooms=("den", "lab")), await town.peer("bob", rooms="lab")
    for room in ("den", "lab"):
        await alice.say(room, "a question")
        heard = await town.event(alice, events.Said)
        assert (heard.conversation.name, heard.text) == (room, f"a question, in {room}")
    assert await texts(town, bob, 2) == ["a question", "a question, in lab"]
    robot.leave_room("den")
    await alice.say("den", "a question")
    assert await hears_nothing_more(town, alice, events.Said)


async def test_a_command_is_taken_wherever_it_is_said_and_by_its_handler_alone(town: Town) -> None:
    bot = echo()

    @bot.command("Weather")
    def weather(message: Message) -> str:
        return f"no idea about {message.argument}"

    await town.bot(bot, "robot", rooms="lab")
    alice = await town.peer("alice", rooms="lab")
    for text in ("!weather  new york ", "!WEATHER", "!other", "weather", "!"):
        await alice.send("robot", text)
    assert await texts(town, alice, 5) == [
        "no idea about new york",
        "no idea about ",
        "!other",
        "weather",
        "!",
    ]
    await alice.say("lab", "!weather here")
    assert (await town.event(alice, events.Said)).text == "no idea about here"


@pytest.mark.parametrize("name", ["", "two words", " ", "same"])
def test_a_command_is_one_word_with_one_handler(name: str) -> None:
    bot = Bot()
    bot.command("Same")
    bot.command("same")(lambda message: None)
    with pytest.raises(ValueError, match="one word"):
        bot.command(name)


async def test_an_error_of_a_handler_is_told_and_ends_nothing(
    town: Town, caplog: pytest.LogCaptureFixture
) -> None:
    bot = Bot()
    told: list[tuple[str, str | None]] = []

    @bot.on_message
    async def fail(message: Message) -> str:
        return str(1 // int(message.text))

    @bot.every(3_600)
    def fail_as_well(peer: Peer) -> None:
        raise LookupError(peer.name)

    @bot.on_error
    def report(error: Exception, message: Message | None) -> None:
        told.append((type(error).__name__, message.text if message is not None else None))
        raise RuntimeError

    await town.bot(bot, "robot")
    alice = await town.peer("alice")
    for text in ("0", "1"):
        await alice.send("robot", text)
    assert await texts(town, alice, 1) == ["1"]
    await town.wait(3_600.0)
    assert told == [("ZeroDivisionError", "0"), ("LookupError", None)]
    assert caplog.text.count("a handler of the bot failed") == 2
    assert "ZeroDivisionError" in caplog.text


async def test_messages_from_before_the_start_are_answered_and_lines_are_not(town: Town) -> None:
    heard: list[str] = []
    bot = echo()
    bot.on_room(lambda message: heard.append(message.text))
    bot.on_channel(lambda message: heard.append(message.text))
    robot = await town.bot(bot, "robot", rooms="lab")
    alice = await town.peer("alice", rooms="lab")
    await town.kill(robot)  # so that it still belongs to the room
    await town.event(alice, events.PersonAway)
    await alice.send("robot", "letter")
    await alice.say("lab", "old line")
    await alice.send_all("old news")
    await town.wait(60.0)
    await town.bot(bot, "robot", rooms="lab")
    assert await texts(town, alice, 1) == ["letter"]
    await alice.say("lab", "new line")
    await alice.send_all("new news")
    await town.wait(10.0)
    assert heard == ["new line", "new news"]


async def test_lines_that_are_late_while_it_runs_are_answered(town: Town) -> None:
    heard: list[str] = []
    bot = Bot()
    bot.on_room(lambda message: heard.append(message.text))
    robot = await town.bot(bot, "robot", rooms="lab")
    alice = await town.peer("alice", rooms="lab")
    town.partition(robot, town.registry)
    town.partition(robot, alice)
    await town.wait(60.0)
    await alice.say("lab", "while you were cut off")
    await town.wait(1.0)
    town.heal()
    await town.wait(120.0)
    assert heard == ["while you were cut off"]


async def test_a_message_that_a_crash_interrupts_is_handled_again_and_one_that_is_done_is_not(
    town: Town,
) -> None:
    begun: list[str] = []
    bot = Bot()

    @bot.on_message
    async def work(message: Message) -> str:
        begun.append(message.text)
        await asyncio.sleep(100.0 if message.text == "long" else 0.0)
        return f"done: {message.text}"

    robot = await town.bot(bot, "robot")
    alice = await town.peer("alice")
    await alice.send("robot", "short")
    assert await texts(town, alice, 1) == ["done: short"]
    await alice.send("robot", "long")
    await town.wait(10.0)
    await town.kill(robot)
    await town.bot(bot, "robot")
    assert (await town.event(alice, events.Said, within=200.0)).text == "done: long"
    assert begun == ["short", "long", "long"]


async def test_a_slow_handler_holds_up_its_own_conversation_only(town: Town) -> None:
    bot = Bot()

    @bot.on_message
    async def answer(message: Message) -> str:
        await asyncio.sleep(1_000.0 if message.sender == "alice" else 0.0)
        return message.text

    await town.bot(bot, "robot")
    alice, bob = await town.peer("alice"), await town.peer("bob")
    for text in ("1", "2"):
        await alice.send("robot", text)
    await bob.send("robot", "quick")
    assert (await town.event(bob, events.Said, within=5.0)).text == "quick"
    await town.wait(2_000.0)
    assert await texts(town, alice, 2) == ["1", "2"]


async def test_two_bots_that_answer_each_other_fall_silent(
    town: Town, caplog: pytest.LogCaptureFixture
) -> None:
    answered: list[str] = []

    def bot() -> Bot:
        made = echo(answers_a_minute=5)
        made.on_message(lambda message: answered.append(message.sender))
        return made

    await town.bot(bot(), "one")
    two = await town.bot(bot(), "two")
    await two.send("one", "hi")
    await town.wait(3_600.0)
    assert 8 <= len(answered) <= 12
    assert "no answer: " in caplog.text


async def test_bots_in_a_room_fall_silent_as_well(town: Town) -> None:
    bots = [Bot(answers_a_minute=5) for _ in range(3)]
    count = 0

    def talk(message: Message) -> str:
        nonlocal count
        count += 1
        return "indeed"

    for number, bot in enumerate(bots):
        bot.on_room(talk)
        await town.bot(bot, f"bot{number}", rooms="lab")
    alice = await town.peer("alice", rooms="lab")
    await alice.say("lab", "hello, bots")
    await town.wait(600.0)
    assert await hears_nothing_more(town, await town.peer("bob", rooms="lab"), events.Said)
    assert 15 <= count <= 3 + 15 * 2


async def test_a_person_gets_as_many_answers_again_after_a_minute(town: Town) -> None:
    await town.bot(echo(answers_a_minute=2), "robot")
    alice = await town.peer("alice")
    for number in range(4):
        await alice.send("robot", f"{number}")
    assert await texts(town, alice, 2) == ["0", "1"]
    assert await hears_nothing_more(town, alice, events.Said)
    await town.wait(60.0)
    await alice.send("robot", "again")
    assert await texts(town, alice, 1) == ["again"]


async def test_a_task_is_repeated_and_one_that_takes_long_leaves_turns_out(town: Town) -> None:
    times: dict[str, list[int]] = {"quick": [], "slow": []}
    bot = Bot()

    @bot.every(60)
    def quick(peer: Peer) -> None:
        times["quick"].append(round(town.now - began))

    @bot.every(60)
    async def slow(peer: Peer) -> None:
        times["slow"].append(round(town.now - began))
        await asyncio.sleep(150.0)

    with pytest.raises(ValueError, match="more than 0 seconds"):
        bot.every(0)
    await town.bot(bot, "robot")
    began = town.now
    await town.wait(330.0)
    assert times == {"quick": [60, 120, 180, 240, 300], "slow": [60, 210]}


async def test_the_bot_ends_with_its_peer_and_cancels_what_is_under_way(town: Town) -> None:
    ended: list[str] = []
    bot = Bot()

    @bot.on_message
    async def wait(message: Message) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(message.text)

    robot, alice = await town.peer("robot"), await town.peer("alice")
    serving = asyncio.create_task(bot.serve(robot))
    await alice.send("robot", "endless")
    await town.wait(1.0)
    await robot.close()
    await serving
    assert ended == ["endless"]


async def test_many_messages_wait_without_bound_at_nobody(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatapp.bot.WAITING_MAX", 3)
    handled: list[str] = []
    bot = Bot()

    @bot.on_message
    async def work(message: Message) -> None:
        await asyncio.sleep(1.0)
        handled.append(message.text)

    await town.bot(bot, "robot")
    alice = await town.peer("alice")
    for number in range(20):
        await alice.send("robot", f"{number}")
    await town.wait(60.0)
    assert handled == [f"{number}" for number in range(20)]


async def test_a_bot_works_at_a_program_that_runs_already(town: Town) -> None:
    heard: list[str] = []
    bot = echo()
    bot.on_room(lambda message: heard.append(message.text))
    robot = await town.peer("robot", rooms="lab")
    alice = await town.peer("alice", rooms="lab")
    await alice.send("robot", "before the bot")
    await alice.say("lab", "old line")
    await town.wait(5.0)
    offer = Offer(robot)
    async with Peer.attach("robot", home=robot.folder.parents[1]) as attached:
        serving = asyncio.create_task(bot.serve(attached))
        assert await texts(town, alice, 1) == ["before the bot"]
        await alice.say("lab", "new line")
        await alice.send("robot", "hello")
        assert await texts(town, alice, 1) == ["hello"]
        await town.wait(1.0)  # the line may take longer than the message
        offer.close()  # the program ends
        await serving
    assert heard == ["new line"]


async def test_a_bot_that_is_banned_says_so(town: Town) -> None:
    robot = await town.peer("robot")
    serving = asyncio.create_task(echo().serve(robot))
    await town.wait(1.0)
    assert town.registry._running is not None
    town.registry._running.change_lists(AccessLists(AccessSettings(ban=("robot",))))
    with pytest.raises(NotAdmitted, match="banned"):
        await serving


async def test_a_bot_that_is_not_let_into_its_room_says_so_and_tries_again(
    town: Town, caplog: pytest.LogCaptureFixture
) -> None:
    robot = await town.bot(echo(), "robot")
    await town.registry.stop()
    for room in ("lab", "a/b"):
        robot.enter_room(room)
    await town.wait(60.0)
    await town.registry.start()
    await town.wait(120.0)
    assert [room.name for room in robot.rooms] == ["lab"]
    assert [record.getMessage() for record in caplog.records][:2] == [
        "robot cannot enter the room a/b: no room has a name like this",
        "robot cannot enter the room lab: there is no link to the registry; again in 10 s",
    ]


async def test_a_town_tells_what_ended_a_bot() -> None:
    async def live() -> None:
        async with Town() as town:
            await town.bot(echo(), "robot")
            assert town.registry._running is not None
            town.registry._running.change_lists(AccessLists(AccessSettings(ban=("robot",))))
            await town.wait(10.0)

    with pytest.raises(NotAdmitted):
        await live()


def test_what_keeps_a_bot_from_running_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        echo().run("a/b", ("127.0.0.1", 5_000))
    assert "a/b" in str(ended.value)
    with pytest.raises(SystemExit) as ended:
        echo().run("robot", ("127.0.0.1", 80))
    assert "80" in str(ended.value)
    with pytest.raises(SystemExit) as ended:
        echo().run("robot", home=tmp_path)
    assert "robot" in str(ended.value)
