"""The demo: a registry, three people and a visitor, each a real process on free loopback ports.

python -m examples.demo

It types what people would type, prints who typed and saw what and when, and checks every step. The
exit status is 0, or 1 at the first step that goes wrong. `scenes` has the steps of each scene;
`theatre` drives the processes.
"""

import asyncio
import signal
import sys
from typing import Final

from examples import scenes, web
from examples.theatre import Play, Stage, StepFailed, operator_code, stage_for

PLAY_WITHIN: Final = 120.0
"""Seconds after which the demo has failed. It takes about nine on an idle machine."""


async def perform(play: Play, stage: Stage) -> None:
    """Play all scenes in order."""
    play.scene("1. A registry, and three people register")
    registry = await stage.registry("--operator", "alice")
    people = await scenes.come_in(stage, await operator_code(registry, "alice"))
    alice, bob, carol = people

    play.scene("2. Direct messages, all ways and to oneself")
    await scenes.conversation(people)

    play.scene("3. Carol leaves; messages to her wait, sealed, at the registry")
    await scenes.write_to_absent_carol(alice, bob, carol)

    play.scene("4. Carol returns and finds her mail, oldest first")
    await scenes.return_to_mail(
        carol, scenes.late("alice", "Lunch at noon?"), scenes.late("bob", "I have your book")
    )

    play.scene("5. A message to everybody")
    await scenes.tell_everybody(alice, bob, carol)

    play.scene("6. A room: a line without a command is said there")
    await scenes.meet_in_the_lab(people)

    play.scene("7. Carol leaves, and the registry is killed: room and direct chat go on")
    await scenes.outlive(registry, alice, bob, carol)

    play.scene("8. A message for Carol, who is away too, stays with Alice")
    await scenes.keep_for_carol(alice)

    play.scene("9. The registry is back, and the kept message goes out by itself")
    registry = await stage.registry("--operator", "alice")
    await scenes.hear_of_it(alice, bob)
    await scenes.return_to_mail(
        carol, scenes.late("alice", "See you tomorrow"), *scenes.MISSED_IN_THE_LAB
    )

    play.scene("10. Bob changes his name; messages to the new name find him")
    await scenes.rename_bob(alice, bob, carol)

    play.scene("11. A help desk: a visitor without an account is served by Alice")
    await scenes.serve(stage, alice)

    title = "12. A visitor with nothing but a browser; the web desk is killed, and nothing is lost"
    if play.scene(title, needs=web.LIBRARIES):
        await scenes.serve_a_browser(stage, alice)

    title = "13. Alice opens her page in a browser, beside her terminal, and goes on there"
    if play.scene(title, needs=web.LIBRARIES):
        await scenes.serve_from_a_page(stage, alice)

    title = "14. Erin signs in at the web desk: all that she has is a browser"
    if play.scene(title, needs=web.LIBRARIES):
        await scenes.sign_in_at_the_web_desk(stage, carol)

    if play.scene("15. Dana uses the full screen", needs=scenes.FULL_SCREEN):
        await scenes.look_at_the_full_screen(stage, carol)

    play.scene("16. Everybody goes home")
    await scenes.go_home(registry, people)
    scenes.check_once(people)


async def main() -> int:
    """Play the demo. Returns the exit status."""
    task = asyncio.current_task()
    assert task is not None
    for number in (
        signal.SIGTERM,
        signal.SIGINT,
    ):  # a shell starts what runs behind it with SIGINT ignored
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    play = Play()
    try:
        async with stage_for(play) as stage, asyncio.timeout(PLAY_WITHIN):
            await perform(play, stage)
    except StepFailed as failure:
        print(f"\nFAILED: {failure}", flush=True)
        return 1
    except TimeoutError:
        print(f"\nFAILED: the demo was not over after {PLAY_WITHIN:.0f} s", flush=True)
        return 1
    print(f"\nEverything went well: {play.checks} checks in {play.seconds:.1f} s", flush=True)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main()))
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(130)
