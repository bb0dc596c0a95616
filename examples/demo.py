"""This file is about the main job as a play: a registry and three people, each a real process on free loopback ports.

    python -m examples.demo

It types what people would type, shows who typed and saw what and when, checks every step, and ends with status 0, or
with 1 at the first step that went wrong. How processes are driven stands in `theatre`.
"""

import asyncio
import re
import signal
import sys
from typing import Final

from examples.theatre import Actor, Play, Stage, StepFailed, Wanted, stage_for

PLAY_WITHIN: Final = 38.0
"""Seconds after which the play has failed. It takes about twelve."""

WELCOME: Final = "[Welcome, You are registered.]"
BYE: Final = "[You are Offline. Bye.]"
NO_ACK: Final = "[No ACK from carol, message sent to server.]"
SAVED: Final = "[Messages received by the server and saved]"
MAIL: Final = "[You have messages]"
LOST: Final = "[Server not responding] Direct chat goes on."
KEPT: Final = "[Server not responding] Message to carol kept; it goes out when the server is back."
BACK: Final = "[Server is back.]"
LATE: Final = re.compile(r" \d{4}-\d\d-\d\d \d\d:\d\d:\d\d ")
"""The time at which mail was written."""


async def perform(play: Play, stage: Stage) -> None:
    """The main job, scene by scene."""
    play.scene("1. A registry, and three people register")
    registry = await stage.registry()
    people = await come_in(stage)

    play.scene("2. Direct messages, all ways and to oneself")
    await talk(people)

    play.scene("3. Carol leaves; what is said to her waits, sealed, at the registry")
    await write_to_absent_carol(*people)

    play.scene("4. Carol returns and finds her mail, oldest first")
    await return_to_mail(people[2], late("alice", "Lunch at noon?"), late("bob", "I have your book"))

    play.scene("5. A line for everybody")
    await tell_everybody(*people)

    play.scene("6. Carol leaves, and the registry is killed: direct chat goes on")
    await outlive(registry, *people)

    play.scene("7. A message for Carol, who is away too, stays with Alice")
    await people[0].types("send carol See you tomorrow")
    await people[0].sees(KEPT)

    play.scene("8. The registry is back, and the kept message goes out by itself")
    registry = await stage.registry()
    await hear_of_it(*people[:2])
    await return_to_mail(people[2], late("alice", "See you tomorrow"))

    play.scene("9. Everybody goes home")
    await go_home(registry, people)
    check_once(people)


async def come_in(stage: Stage) -> list[Actor]:
    """Three people start their programs."""
    people = [await stage.person(name) for name in ("alice", "bob", "carol")]
    for person in people:
        await person.sees(WELCOME)
    return people


async def talk(people: list[Actor]) -> None:
    """Each says something to each, also to themself."""
    for sender in people:
        for recipient in people:
            await says(
                sender, recipient, f"Hello {recipient.name.capitalize()}, this is {sender.name.capitalize()}"
            )


async def write_to_absent_carol(alice: Actor, bob: Actor, carol: Actor) -> None:
    """She goes offline, and two people write to her all the same."""
    await carol.types("dereg carol")
    await carol.sees(BYE)
    for person, said in ((alice, "Lunch at noon?"), (bob, "I have your book")):
        await person.types(f"send carol {said}")
        await person.sees(NO_ACK, SAVED)


async def return_to_mail(person: Actor, *mail: Wanted) -> None:
    """Somebody comes back online and finds this."""
    await person.types(f"reg {person.name}")
    await person.sees(WELCOME, MAIL, *mail)


async def tell_everybody(alice: Actor, bob: Actor, carol: Actor) -> None:
    """Bob speaks to the channel."""
    await bob.types("send_all The bus leaves at five")
    await bob.sees("[Message received by Server.]")
    for person in (alice, carol):
        await person.sees("[Channel_Message bob: The bus leaves at five]")


async def outlive(registry: Actor, alice: Actor, bob: Actor, carol: Actor) -> None:
    """The registry is killed; those who are there talk on, and are told."""
    await carol.types("dereg carol")
    await carol.sees(BYE)
    registry.send(signal.SIGKILL)
    await registry.ends(-signal.SIGKILL)
    await says(alice, bob, "Still there?")
    await says(bob, alice, "Still here")
    for person in (alice, bob):
        await person.sees(LOST)


async def hear_of_it(alice: Actor, bob: Actor) -> None:
    """The registry is back, and what Alice has kept is saved there."""
    for person in (alice, bob):
        await person.sees(BACK)
    await alice.sees(NO_ACK, SAVED)


async def go_home(registry: Actor, people: list[Actor]) -> None:
    """All programs end, as they should."""
    for person in people:
        await person.types("quit")
    for person in people:
        await person.ends(0)
    registry.send(signal.SIGTERM)
    await registry.ends(0)


async def says(sender: Actor, recipient: Actor, text: str) -> None:
    """One direct message, there and acknowledged."""
    await sender.types(f"send {recipient.name} {text}")
    await recipient.sees(f"{sender.name}: {text}")
    await sender.sees(f"[Message received by {recipient.name}.]")


def check_once(people: list[Actor]) -> None:
    """Nothing that somebody said was shown twice to anybody. Raises StepFailed."""
    for person in people:
        said = [
            LATE.sub(" ", line)
            for line in person.seen
            if line[0] != "[" or line.startswith("[Channel_Message")
        ]
        twice = {line for line in said if said.count(line) > 1}
        if twice:
            raise StepFailed(f"{person.name} saw twice: {', '.join(sorted(twice))}")


def late(sender: str, text: str) -> re.Pattern[str]:
    """Mail on return."""
    return re.compile(re.escape(f"{sender}:") + LATE.pattern + re.escape(text))


async def main() -> int:
    """Play. Returns the exit status."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    play = Play()
    try:
        async with stage_for(play) as stage, asyncio.timeout(PLAY_WITHIN):
            await perform(play, stage)
    except StepFailed as failure:
        print(f"\nFAILED: {failure}", flush=True)
        return 1
    except TimeoutError:
        print(f"\nFAILED: the play was not over after {PLAY_WITHIN:.0f} s", flush=True)
        return 1
    print(f"\nEverything went as it should: {play.checks} checks in {play.seconds:.1f} s", flush=True)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main()))
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(130)
