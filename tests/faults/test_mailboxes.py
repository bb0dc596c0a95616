"""Mailboxes that somebody fills: quotas hold, and a sender who is refused is told."""

from chatapp.wire.limits import MAILBOX_PLACES
from chatapp.wire.messages import mail
from tests.cast.lines import SAVED, beginning
from tests.cast.stage import Stage
from tests.faults.conftest import Note
from tests.faults.machine import MIB, memory_of
from tests.faults.size import dose
from tests.faults.visitor import Visitor

LETTERS = dose(1_000, 10_000)
ACCOMPLICES = 6


async def stuff(
    sender: Visitor, recipient: bytes, count: int, letter: bytes
) -> tuple[int, list[mail.MailRefusal]]:
    """Deposit letters until they are refused. Return how many were saved, and why the others were
    not."""
    saved, refused, number = 0, [], 0
    while number < count:
        batch = range(number, min(number + 500, count))
        number = batch.stop
        sender.ask(*(mail.DepositMail(one, recipient, one, letter) for one in batch))
        answers = 0
        while answers < len(batch):
            said = await sender.next_notice()
            answers += isinstance(said, mail.MailSaved | mail.MailRefused)
            if isinstance(said, mail.MailSaved):
                saved += 1
            elif isinstance(said, mail.MailRefused):
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
        assert set(refused) == {mail.MailRefusal.SHARE_USED_UP}
        kept.append(saved)
        sender.close()
    grown = (memory_of(registry.pid) - before) / MIB
    friend = Visitor(stage.port, "friend", host="127.0.3.1")
    await friend.come()
    saved, _ = await stuff(friend, victim.id, 10, b"x" * 40)
    friend.close()
    await victim.come()
    found = 0
    while True:
        batch = await victim.notice(mail.MailBatch)
        found += len(batch.letters)
        if not batch.more:
            break
        victim.ask(mail.TakeMail([letter.serial for letter in batch.letters]))
    victim.close()
    figure(
        f"{LETTERS:,} letters of {ACCOMPLICES} people at one address into one mailbox",
        f"{sum(kept)} saved, at most {max(kept)} of one; every refusal answered; memory + {grown:.1f} MiB; "
        f"{saved} of 10 letters of somebody elsewhere saved",
        "half of the mailbox; others find room; each sender is told",
    )
    assert sum(kept) == MAILBOX_PLACES // 2
    assert saved == 10
    assert found == sum(kept) + saved
    assert grown < 20


async def test_large_letters_take_more_places(stage: Stage) -> None:
    await stage.registry()
    victim, sender = Visitor(stage.port, "victim"), Visitor(stage.port, "sender")
    await victim.come()
    victim.hang_up()
    await sender.come()
    saved, refused = await stuff(sender, victim.id, 12, b"x" * 60_000)
    assert saved == 6, "of 15 places each, a third of 256 in all"
    assert set(refused) == {mail.MailRefusal.SHARE_USED_UP}
    victim.close()
    sender.close()


async def test_a_message_that_does_not_fit_is_kept_and_arrives_when_its_reader_is_back(
    stage: Stage,
) -> None:
    await stage.registry()
    alice, bob = await stage.welcome("alice", "bob")
    await bob.quits()
    await alice.knows(away=["bob"])
    third = 86
    for number in range(third + 4):
        await alice.type(f"send bob {number}")
    await alice.sees_times(third, SAVED)
    await alice.sees_times(4, beginning("[Message to bob kept: too many messages from you"))
    bob = await stage.come("bob")
    await bob.sees_times(third + 4, beginning("alice: "))
    assert [
        line.split()[-1] for line in bob.shown() if line.startswith((">>> alice: ", "alice: "))
    ] == [str(number) for number in range(third + 4)]
