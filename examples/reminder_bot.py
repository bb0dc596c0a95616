"""A bot that reminds people, in a room or alone, of what they ask for.

python -m examples.reminder_bot <name> <server-ip> <server-port>

In the room `lab`, or in a message to the bot:

    !remind 10 tea is ready       after 10 minutes it says: alice: tea is ready
    !reminders                    how many are pending

The reminders are in memory: a restart forgets them.
"""

import asyncio
from typing import NamedTuple

from chatapp import Peer
from chatapp.bot import Bot, Message
from examples.arguments import name_and_server

MINUTES_MAX = 24 * 60
PENDING_MAX = 1_000
ROOM = "lab"


class Reminder(NamedTuple):
    """What is to be said, and when by the clock of the event loop."""

    due: float
    message: Message
    text: str


def reminder_bot() -> Bot:
    """Return the bot."""
    bot = Bot()
    pending: list[Reminder] = []

    @bot.command("remind")
    def remind(message: Message) -> str:
        minutes, _, text = message.argument.partition(" ")
        if not (
            minutes.isascii() and minutes.isdecimal() and 1 <= int(minutes) <= MINUTES_MAX and text
        ):
            return f"!remind <minutes, 1 to {MINUTES_MAX}> <text>"
        if len(pending) == PENDING_MAX:
            return "I have too much to remember already."
        now = asyncio.get_running_loop().time()
        pending.append(Reminder(now + 60.0 * int(minutes), message, text))
        return f"{message.sender}: in {minutes} min."

    @bot.command("reminders")
    def count(message: Message) -> str:
        return f"{len(pending)} pending"

    @bot.every(1)
    async def tell(peer: Peer) -> None:
        now = asyncio.get_running_loop().time()
        for reminder in [one for one in pending if one.due <= now]:
            pending.remove(reminder)
            await reminder.message.answer(f"{reminder.message.sender}: {reminder.text}")

    return bot


if __name__ == "__main__":
    reminder_bot().run(*name_and_server(), rooms=ROOM)
