"""A registry that is killed while it stores: every letter and name that it confirmed is still
there.

Each life ends with kill -9 after a random number of answers, while more is on its way to the disk.
"""

import asyncio
import itertools
import time
from random import Random

from chatapp.wire.messages.mail import DepositMail, MailBatch, MailRefused, MailSaved, TakeMail
from chatapp.wire.messages.registration import Ping, Pong, RefusalReason, Refused, Welcome
from tests.cast.lines import WELCOME, received
from tests.cast.stage import Stage
from tests.faults.conftest import Note
from tests.faults.size import bar, dose
from tests.faults.visitor import WITHIN, Visitor

KILLS = dose(6, 200)
SENDERS = 4
DEPOSITS = 24
BACK_WITHIN = bar(10.0)
"""Seconds after which `make faults` fails; the bar for the figure is 2."""


class Accounts:
    """The letters that were confirmed, and those that the reader has got."""

    def __init__(self) -> None:
        self.deposited: set[tuple[bytes, int]] = set()
        self.saved: set[tuple[bytes, int]] = set()
        self.read: set[tuple[bytes, int]] = set()
        self.taken: set[tuple[bytes, int]] = set()

    def check(self) -> None:
        """I3: nothing saved is lost; nothing is there that nobody sent; nothing comes back that was
        taken."""
        assert self.saved <= self.read, (
            f"lost: {len(self.saved - self.read)} letters that were saved"
        )
        assert self.read <= self.deposited


async def test_killed_while_storing_letters_and_names(stage: Stage, figure: Note) -> None:
    chance = Random(1)
    accounts, numbers, slowest = Accounts(), itertools.count(1), 0.0
    registry = await stage.registry()
    reader = Visitor(stage.port, "reader")
    senders = [Visitor(stage.port, f"sender{number}") for number in range(SENDERS)]
    alice, bob = await stage.welcome("alice", "bob")
    await reader.come()
    for life in range(KILLS):
        for sender in senders:
            await sender.come()
        is_watched = life % 10 == 0
        if is_watched:
            await asyncio.gather(alice.knows("bob"), bob.knows("alice"))
        bound: list[str] = []
        newcomers = asyncio.create_task(bind_names(stage.port, life, bound))
        for sender in senders:
            deposit(sender, reader.id, numbers, accounts)
        await note_answers(senders, accounts, upto=chance.randrange(1, SENDERS * DEPOSITS))
        await registry.kill()
        newcomers.cancel()
        await asyncio.gather(newcomers, return_exceptions=True)
        for person in (*senders, reader):
            person.close()
        if is_watched:
            await alice.type(f"send bob in life {life}")  # direct talk does not notice
            await bob.sees(f"alice: in life {life}")
            await alice.sees(received("bob"))
        killed_at = time.monotonic()
        registry = await stage.registry()
        await reader.come()
        slowest = max(slowest, time.monotonic() - killed_at)
        if await read(reader, accounts, takes=life == KILLS - 1 or chance.random() < 0.8):
            accounts.check()
        await check_names(stage.port, bound)
    figure(
        f"registry killed at {KILLS} points while storing",
        f"0 of {len(accounts.saved):,} saved letters lost, serving again after {slowest:.2f} s at most",
        "none lost; <= 2 s",
    )
    assert slowest <= BACK_WITHIN
    await asyncio.gather(alice.knows("bob", "reader"), bob.knows("alice", "reader"))
    assert len(alice.shown(WELCOME)) == 1
    reader.close()


def deposit(
    sender: Visitor, recipient: bytes, numbers: "itertools.count[int]", accounts: Accounts
) -> None:
    """Send letters of different sizes, all at once."""
    letters = []
    for _ in range(DEPOSITS):
        number = next(numbers)
        accounts.deposited.add((sender.id, number))
        letters.append(
            DepositMail(number, recipient, number, b"x" * sender.random.choice((40, 400, 2_000)))
        )
    sender.ask(*letters)


async def note_answers(senders: list[Visitor], accounts: Accounts, *, upto: int) -> None:
    """Note answers until there were so many; more are on their way."""
    seen = asyncio.Semaphore(0)

    async def note(sender: Visitor) -> None:
        while True:
            said = await sender.next_notice()
            if isinstance(said, MailSaved):
                accounts.saved.add((sender.id, said.reference))
            if isinstance(said, MailSaved | MailRefused):
                seen.release()

    tasks = [asyncio.create_task(note(sender)) for sender in senders]
    async with asyncio.timeout(WITHIN):
        for _ in range(upto):
            await seen.acquire()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def read(reader: Visitor, accounts: Accounts, *, takes: bool) -> bool:
    """Read the mailbox, and mostly take the letters, which then must not come again. Return whether
    it was all of it."""
    here: set[tuple[bytes, int]] = set()
    while True:
        batch = await reader.notice(MailBatch)
        for letter in batch.letters:
            key = (letter.sender, letter.number)
            assert key not in here, "doubled"
            assert key not in accounts.taken, "came back"
            here.add(key)
        accounts.read |= here
        if not batch.letters or not takes:
            return not batch.more
        reader.ask(TakeMail([letter.serial for letter in batch.letters]))
        if not batch.more:
            reader.ask(Ping(0))
            await reader.notice(
                Pong
            )  # requests of a link are served in order: the letters are taken by now
            return True


async def bind_names(port: int, life: int, bound: list[str]) -> None:
    """Register new people, one after the other, until the registry is gone."""
    for number in range(20):
        newcomer = Visitor(port, f"new{life}x{number}")
        try:
            if isinstance(await newcomer.register(), Welcome):
                bound.append(newcomer.name)
        finally:
            newcomer.close()


async def check_names(port: int, bound: list[str]) -> None:
    """Check that everybody who was welcomed still has their name."""
    for name in bound[-5:]:
        impostor = Visitor(port, name, seed=f"not {name}")
        answer = await impostor.register()
        assert isinstance(answer, Refused) and answer.reason is RefusalReason.NAME_TAKEN
        impostor.close()
