"""Disks that fill up, fail or were torn under a running registry: nothing is reported as saved that
is not.

The store's own tests try every step of every operation (tests/registry/store); here the operating
system refuses, to the real program.
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatapp.wire.messages import mail
from chatapp.wire.messages.registration import RefusalReason, Refused
from tests.cast.lines import CHANNEL_TAKEN, SAVED, beginning
from tests.cast.stage import Stage, copy_folder
from tests.faults.conftest import Note, disk_or_skip
from tests.faults.machine import limited, registry_under
from tests.faults.size import dose
from tests.faults.visitor import Visitor

LETTER = 2_000
LETTERS = 24
SENDERS = 4
"""Together as many letters as the share of one network allows, and more than the disks below
take."""
REFUSED = "[Channel message refused: the server cannot write to its disk.]"
WORKS_AGAIN = re.compile(r".*the disk takes what is to be stored again")
CUTS = dose(6, 60)


class Post:
    """Several people who write to one, and what became of each letter."""

    def __init__(self, port: int) -> None:
        self.reader = Visitor(port, "reader")
        self.senders = [Visitor(port, f"sender{number}") for number in range(SENDERS)]
        self.saved: set[tuple[bytes, int]] = set()
        self.refused: list[mail.MailRefusal] = []

    async def come(self) -> None:
        """All of them."""
        for person in (self.reader, *self.senders):
            await person.come()

    async def write(self, *, first: int) -> None:
        """Send letters of each sender in turn, and wait for each answer: all at once might not fit
        into a link's queue."""
        for sender in self.senders:
            sender.ask(
                *(
                    mail.DepositMail(number, self.reader.id, number, b"x" * LETTER)
                    for number in range(first, first + LETTERS)
                )
            )
            for _ in range(LETTERS):
                said = await sender.next_notice()
                while not isinstance(said, mail.MailSaved | mail.MailRefused):
                    said = await sender.next_notice()
                if isinstance(said, mail.MailSaved):
                    self.saved.add((sender.id, said.reference))
                else:
                    self.refused.append(said.reason)

    async def read(self) -> set[tuple[bytes, int]]:
        """Read the whole mailbox; letters are taken only to get the rest."""
        found: set[tuple[bytes, int]] = set()
        while True:
            batch = await self.reader.notice(mail.MailBatch)
            found |= {(letter.sender, letter.number) for letter in batch.letters}
            if not batch.more:
                return found
            self.reader.ask(mail.TakeMail([letter.serial for letter in batch.letters]))

    def close(self) -> None:
        """Close all connections."""
        for person in (self.reader, *self.senders):
            person.close()


async def check_full(stage: Stage, post: Post) -> None:
    """Send letters until the disk takes no more, and check what holds then."""
    await post.come()
    await post.write(first=1)
    assert mail.MailRefusal.DISK_FULL in post.refused, "the disk was not full"
    assert post.saved, "the disk was full from the beginning"
    await newcomers_until_refused(stage.port)
    post.close()
    known = Visitor(stage.port, "sender0")
    known.counter = 1
    await known.come()  # who has a name comes in as ever
    known.close()


async def newcomers_until_refused(port: int) -> None:
    """The last small records find room; then new people are told that they cannot register now."""
    for number in range(500):
        newcomer = Visitor(port, f"newcomer{number}")
        answer = await newcomer.register()
        newcomer.close()
        if isinstance(answer, Refused):
            assert answer.reason is RefusalReason.NOT_SERVING
            return
    raise AssertionError("names are bound for ever on a full disk")


async def test_a_limit_of_size(outspoken_stage: Stage, figure: Note) -> None:
    stage = outspoken_stage
    registry = await registry_under(stage, *limited("-f 100"))  # KiB
    post = Post(stage.port)
    await check_full(stage, post)
    assert not registry.has_ended
    await registry.stops()
    registry = await stage.registry()  # with room again
    assert await read_all(stage.port) == post.saved
    figure(
        "disk full (limit of size 100 KiB)",
        f"{len(post.saved)} of {SENDERS * LETTERS} letters saved, all of them there after a restart; "
        f"{len(post.refused)} refused, their senders told",
        "no false *saved*, no crash, old mail readable",
    )
    assert set(post.refused) == {mail.MailRefusal.DISK_FULL}


async def read_all(port: int) -> set[tuple[bytes, int]]:
    """Return the letters that the reader gets on return."""
    post = Post(port)
    post.reader.counter = 10
    await post.reader.come()
    found = await post.read()
    post.close()
    return found


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a folder on a disk of 256 KiB."""
    with disk_or_skip(tmp_path / "disk", "256k") as folder:
        yield folder


async def test_a_small_disk(outspoken_stage: Stage, small_disk: Path, figure: Note) -> None:
    stage = outspoken_stage
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 120 * 1_024)
    registry = await stage.registry("--data", str(small_disk))
    post = Post(stage.port)
    await check_full(stage, post)
    ballast.unlink()
    assert not registry.has_ended
    await registry.kill()
    await stage.registry("--data", str(small_disk))
    assert await read_all(stage.port) == post.saved
    figure(
        "disk full (256 KiB)",
        f"{len(post.saved)} saved, none lost; {len(post.refused)} told",
        "as above",
    )


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace, to make a sync fail")
async def test_a_sync_that_fails(outspoken_stage: Stage, figure: Note) -> None:
    stage = outspoken_stage
    failing = ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync,fsync"]
    registry = await registry_under(
        stage, *failing, "-e", "inject=fdatasync,fsync:error=EIO:when=40+"
    )
    alice, bob = await stage.welcome("alice", "bob")
    await bob.quits()
    await alice.knows(away=["bob"])
    count = 0
    while not alice.shown(beginning("[Message to bob kept: ")):
        await alice.type(f"send bob {count}")
        await alice.sees(lambda line: line == SAVED or line.startswith("[Message to bob kept: "))
        count += 1
        assert count < 60, "no sync has failed"
    saved = len(alice.shown(SAVED))
    await alice.type("send alice still there")
    await alice.sees("alice: still there")
    assert not registry.has_ended
    assert all("Traceback" not in line for line in registry.complaints)
    await registry.kill()
    await stage.registry()
    bob = await stage.come("bob")
    for number in range(saved):
        await bob.sees(lambda line, number=number: line.endswith(f" {number}"))  # type: ignore[misc]
    figure(
        "a sync fails with EIO",
        f"{saved} saved before, all read; then kept, and told",
        "never *saved*",
    )


async def test_torn_journals(outspoken_stage: Stage, figure: Note) -> None:
    stage = outspoken_stage
    registry = await stage.registry()
    post = Post(stage.port)
    await post.come()
    await post.write(first=1)
    post.close()
    await registry.kill()
    folder = stage.folder / "registry" / "registry" / str(stage.port)
    journal = max(
        (one for one in folder.rglob("*journal*") if one.is_file()),
        key=lambda one: one.stat().st_size,
    )
    whole = journal.read_bytes()
    counts = []
    for cut in range(1, CUTS + 1):
        keep = copy_folder(folder, stage.folder / f"torn{cut}" / "registry" / str(stage.port))
        torn = keep / journal.relative_to(folder)
        torn.write_bytes(whole[: len(whole) * cut // (CUTS + 1)])
        registry = await stage.registry(home=f"torn{cut}")
        assert not registry.complaints
        found = await read_all(stage.port)
        assert found <= post.saved
        counts.append(len(found))
        await registry.kill()
    assert counts == sorted(counts), "a longer journal says more, never less"
    figure(
        f"journal cut at {CUTS} places",
        f"serves each time, with {counts[0]} to {counts[-1]} letters",
        "exact prefix",
    )


@pytest.mark.parametrize("is_emptied", [False, True], ids=["removed", "emptied"])
async def test_a_journal_that_is_gone(
    outspoken_stage: Stage, is_emptied: bool, figure: Note
) -> None:
    stage = outspoken_stage
    registry = await stage.registry()
    alice, bob = await stage.welcome("alice", "bob")
    await bob.quits()
    await alice.knows(away=["bob"])
    await alice.type("send bob saved")
    await alice.sees(SAVED)
    await registry.kill()
    folder = stage.folder / "registry" / "registry" / str(stage.port)
    (journal,) = folder.glob("journal-*")
    journal.write_bytes(b"") if is_emptied else journal.unlink()
    for _ in range(2):
        registry = await stage.begin_registry()
        said = await registry.sees(
            beginning(f"[{journal}: {'empty' if is_emptied else 'missing'}; ")
        )
        assert await registry.ends() == 1
        assert len(registry.lines) == 1
        assert not registry.complaints
    lost = f"{journal}.lost"
    assert f"run: touch {lost};" in said
    assert f"move {folder} away" in said
    journal.with_name(f"{journal.name}.lost").touch()
    registry = await stage.registry()
    assert registry.shown(beginning(f"[{journal.name}: "))
    await registry.stops()
    registry = await stage.registry()
    await registry.sees(beginning("[Files in "))
    assert registry.lines[0].text.startswith("[Registry listening"), "it lacks nothing now"
    figure(
        f"the journal {'emptied' if is_emptied else 'removed'}",
        "named in one line, status 1, each time; with the word of whoever runs it, it goes on without it",
        "one line that names the file; names are not free",
    )


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace, to make a sync fail")
async def test_a_sync_that_fails_once(outspoken_stage: Stage, figure: Note) -> None:
    """What was refused is shown to nobody, now or later; the channel and a room work again without
    a restart."""
    stage = outspoken_stage
    failing = ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync,fsync"]
    registry = await registry_under(
        stage, *failing, "-e", "inject=fdatasync,fsync:error=EIO:when=30"
    )
    alice, bob = await stage.welcome("alice", "bob")
    for person in (alice, bob):
        await person.type("join lab")
        await person.sees(beginning("[You are in lab"))
    said = 0

    async def is_taken() -> bool:
        """Say a line to everybody and one to the room. Return whether the server takes it."""
        nonlocal said
        said += 1
        assert said < 300
        await alice.type(f"/all to all {said}", f"to the room {said}")
        return await alice.sees(lambda line: line in (CHANNEL_TAKEN, REFUSED)) == CHANNEL_TAKEN

    while await is_taken():
        pass
    failures = 1
    await registry.complains(WORKS_AGAIN)
    while not await is_taken():  # the sync of another thread failed
        failures += 1
        await registry.complains(WORKS_AGAIN, times=failures)
    await bob.sees(f"[Channel_Message alice: to all {said}]")
    await bob.sees(f"alice (in lab): to the room {said}")
    reasons = {line.split("refused: ")[1] for line in alice.shown(lambda line: "refused: " in line)}
    assert reasons == {"the server cannot write to its disk.]"}
    await stage.come("carol")
    taken, refused = len(alice.shown(CHANNEL_TAKEN)), len(alice.shown(REFUSED))
    assert len(bob.shown(beginning("[Channel_Message alice: "))) == taken
    await registry.stops()
    kinds = ["not stored: " in line for line in registry.complaints]
    assert kinds == [True, False] * failures
    assert failures <= 2, "strace counts the syncs of each thread"
    figure(
        "a sync fails once with EIO",
        f"{taken} lines of the channel shown, {refused} refused and shown to nobody; one line, and one when it worked",
        "works again without a restart",
    )
