"""This file is about mailboxes that somebody stuffs: quotas hold, and whoever is refused is told."""

from tests.endtoend.lines import SAVED, WELCOME, beginning
from tests.faults.conftest import Note
from tests.faults.machine import MIB, memory_of
from tests.faults.size import dose
from tests.faults.visitor import Visitor
from tests.support.stage import Stage, knows
from wire.limits import MAILBOX_BYTES_MAX, MAILBOX_LETTERS_MAX, MAILBOX_LETTERS_PER_SENDER
from wire.messages.mail import DepositMail, MailBatch, MailRefusal, MailRefused, MailSaved, TakeMail

LETTERS = dose(1_000, 10_000)
ACCOMPLICES = 6


async def stuff(
    sender: Visitor, recipient: bytes, count: int, letter: bytes
) -> tuple[int, list[MailRefusal]]:
    """Deposit without end; how many were saved, and why the others were not."""
    saved, refused, number = 0, [], 0
    while number < count:
        batch = range(number, min(number + 500, count))
        number = batch.stop
        sender.ask(*(DepositMail(one, recipient, one, letter) for one in batch))
        answers = 0
        while answers < len(batch):
            said = await sender.next_notice()
            answers += isinstance(said, MailSaved | MailRefused)
            if isinstance(said, MailSaved):
                saved += 1
            elif isinstance(said, MailRefused):
                refused.append(said.reason)
    return saved, refused


async def test_a_stuffed_mailbox(stage: Stage, figure: Note) -> None:
    registry = await stage.registry()
    victim = Visitor(stage.port, "victim")
    await victim.come()
    victim.hang_up()
    before = memory_of(registry.pid)
    kept = []
    for place in range(ACCOMPLICES):
        sender = Visitor(stage.port, f"stuffer{place}")
        await sender.come()
        saved, refused = await stuff(sender, victim.id, LETTERS // ACCOMPLICES, b"x" * 40)
        assert saved + len(refused) == LETTERS // ACCOMPLICES, "some letters were not answered"
        assert saved <= MAILBOX_LETTERS_PER_SENDER
        kept.append(saved)
        sender.close()
    grown = (memory_of(registry.pid) - before) / MIB
    await victim.come()
    found = 0
    while True:
        batch = await victim.notice(MailBatch)
        found += len(batch.letters)
        if not batch.more:
            break
        victim.ask(TakeMail([letter.serial for letter in batch.letters]))
    victim.close()
    figure(
        f"{LETTERS:,} letters of {ACCOMPLICES} people into one mailbox",
        f"{found} kept, at most {max(kept)} of one; every refusal answered; memory + {grown:.1f} MiB",
        "128 kept, the sender told",
    )
    assert found == sum(kept) == MAILBOX_LETTERS_MAX
    assert grown < 20


async def test_large_letters_fill_a_mailbox_by_bytes(stage: Stage) -> None:
    await stage.registry()
    victim, sender = Visitor(stage.port, "victim"), Visitor(stage.port, "sender")
    await victim.come()
    victim.hang_up()
    await sender.come()
    saved, refused = await stuff(sender, victim.id, 12, b"x" * 60_000)
    assert saved == MAILBOX_BYTES_MAX // 60_000
    assert set(refused) == {MailRefusal.MAILBOX_FULL}
    victim.close()
    sender.close()


async def test_who_writes_into_a_full_mailbox_reads_so(stage: Stage) -> None:
    await stage.registry()
    alice, bob = await stage.welcome("alice", "bob")
    await bob.type("quit")
    await bob.ends()
    await knows(alice, away=["bob"])
    for number in range(MAILBOX_LETTERS_PER_SENDER):
        await alice.type(f"send bob {number}")
    await alice.sees_times(MAILBOX_LETTERS_PER_SENDER, SAVED)
    await alice.type("send bob one too many")
    await alice.sees(beginning("[Message to bob refused: "))
    bob = await stage.peer("bob")
    await bob.sees(WELCOME)
    await bob.sees_times(MAILBOX_LETTERS_PER_SENDER, beginning("alice: "))
    await knows(alice, "bob")
    await alice.type("send bob after all")
    await bob.sees("alice: after all")
