"""M1: letters saved a second, 50 senders at once, each waiting for its answer before the next.

Ours are sealed letters in sealed frames, made in advance so that the load is a replay; each answer
is opened afterwards. Everything ends on the same file system: the registry's journal, Redis's
append-only file, the plain file.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from bench.bareletters import BareLetters
from bench.crowd import Crowd, script_of
from bench.figures import HIGHER, LOWER, Figure, middle
from bench.machine import Failed, Process, built, said, scratch
from bench.measures import Plan, Side
from bench.members import Member
from bench.registry import RegistryProcess
from bench.rivals import Absent, redis
from chatapp.wire.codec import FrameReader, decode_notice, encode, frame
from chatapp.wire.limits import LINK_FRAME_MAX, MAILBOX_PLACES
from chatapp.wire.messages.mail import DepositMail, LetterBody, MailSaved
from chatapp.wire.sealing import seal_letter

SENDERS: Final = 50
LETTERS: Final = 8_000
_SYNCS: Final = 500
_TEXT: Final = "x" * 100


def letter_of(sender: Member, reader: Member) -> bytes:
    """A real letter. The registry cannot tell it from another one, so each sender's frames all
    carry its one."""
    now = time.time_ns() // 1_000_000
    body = LetterBody(
        number=now * 1_000,
        floor=now * 1_000,
        since=now * 1_000,
        sender=sender.identity.public,
        sender_name=sender.card.name,
        recipient=reader.identity.public,
        recipient_name=reader.card.name,
        at=now,
        text=_TEXT,
    )
    return seal_letter(body, author=sender.identity, mail_key=reader.mail.public)


def deposits(sender: Member, readers: list[Member], count: int) -> Iterator[bytes]:
    """Frames of one sender, its readers in turn, so that no mailbox fills before the others."""
    assert sender.session is not None
    letter = letter_of(sender, readers[0])
    for place in range(count):
        reader = readers[(sender.index * 7 + place) % len(readers)]
        asked = DepositMail(
            reference=place, recipient=reader.identity.public, number=1 + place, letter=letter
        )
        yield frame(sender.session.seal(encode(asked)))


def letters_each(count: int) -> int:
    """Return how many of `count` letters a sender needs to have at hand: who is answered sooner
    asks more."""
    return -(-count // SENDERS) + count // SENDERS // 2 + 100


class Office:
    """A registry with senders in place."""

    def __init__(
        self, registry: RegistryProcess, crowd: Crowd, load: Process, scripts: list[Path], size: int
    ) -> None:
        self.registry, self.crowd, self.load, self.size = registry, crowd, load, size
        self.folder = registry.folder
        self._scripts = scripts

    def prove(self, count: int) -> None:
        """Check that every answer opens and says that a letter is saved, in order for each
        sender."""
        saved = 0
        for member, script in zip(self.crowd.members, self._scripts, strict=True):
            reader = FrameReader()
            reader.largest = LINK_FRAME_MAX
            reader.feed(script.with_name(f"{script.name}.answers").read_bytes())
            assert member.session is not None
            reference = 0
            while (whole := reader.next_frame()) is not None:
                notice = decode_notice(member.session.open(whole))
                if not isinstance(notice, MailSaved) or notice.reference != reference:
                    raise Failed(
                        f"letter {reference} of {member.card.name} was answered by {notice}"
                    )
                reference += 1
            saved += reference
        if saved != count:
            raise Failed(f"{saved} letters saved of {count}")


@contextmanager
def office(
    count: int, *, readers: int | None = None, options: Sequence[str] = ()
) -> Iterator[Office]:
    """Make room for `count` letters at a registry with these options. Names are bound in an earlier
    run, because a newcomer causes a new channel key later."""
    readers_wanted = readers or count // (MAILBOX_PLACES // 2 - 8) + SENDERS
    each = letters_each(count)
    counter = time.time_ns() // 1_000_000
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        everybody = [Member(index, counter=counter) for index in range(SENDERS + readers_wanted)]
        boxes = everybody[SENDERS:]
        first = RegistryProcess(folder / "data", options=options)
        with first, Crowd(first.servers, everybody, sockets=100) as crowd:
            crowd.join(links=False)
        registry = stack.enter_context(RegistryProcess(folder / "data", first.port, options))
        senders = [Member(index, counter=counter + 1) for index in range(SENDERS)]
        crowd = stack.enter_context(Crowd(registry.servers, senders))
        crowd.join()
        crowd.quiet()
        scripts = []
        for sender in senders:
            script = folder / f"letters-{sender.index}"
            script.write_bytes(script_of(deposits(sender, boxes, each)))
            scripts.append(script)
        fds = [sender.link.fileno() for sender in senders if sender.link is not None]
        words: list[str | Path] = [
            built("clerks"),
            "links",
            "-",
            str(SENDERS),
            *scripts,
            *map(str, fds),
        ]
        load = stack.enter_context(Process(words, fds=fds))
        load.line()
        yield Office(registry, crowd, load, scripts, len(letter_of(senders[0], boxes[0])))


@contextmanager
def redis_clerks(size: int) -> Iterator[tuple[Process, Process]]:
    """Redis, and as many clients that append values of `size` bytes. Raises Absent."""
    with redis(durable=True) as server:
        words: list[str | Path] = [
            built("clerks"),
            "redis",
            str(server.port),
            str(SENDERS),
            str(size),
        ]
        with Process(words) as load:
            load.line()
            yield server.process, load


class Pace:
    """The rates of saved letters by round, and the cost for server and load generator."""

    def __init__(self) -> None:
        self.rates: list[float] = []
        self.costs: list[float] = []
        """Microseconds of the server's CPU a letter."""
        self.waits: list[float] = []
        self.sides = (Side("server"), Side("load"))

    def measure(self, server: RegistryProcess | Process, load: Process, count: int) -> None:
        """Measure one round of `count` letters."""
        before = server.cpu()
        found = load.ask(f"run {count}")
        self.rates.append(found["rate"])
        self.waits.append(found["p50"] * 1e3)
        spent = server.cpu() - before
        self.costs.append(spent / count * 1e6)
        self.sides[0].add(spent, found["seconds"])
        self.sides[1].add(found["cpu"], found["seconds"])


def m1(plan: Plan) -> Iterator[Figure]:
    """Measure M1."""
    count, syncs = plan.count(LETTERS), plan.count(_SYNCS)
    ours, rival, bare = Pace(), Pace(), Pace()
    limit: list[float] = []
    with ExitStack() as stack:
        total = count * (plan.rounds_wanted + 1)
        here = stack.enter_context(office(total))
        folder = stack.enter_context(scratch())
        there: tuple[Process, Process] | None = None
        try:
            there = stack.enter_context(redis_clerks(here.size))
            there[1].ask(f"run {count}")
        except Absent as absence:
            plan.skip(f"M1: {absence}")
        here.load.ask(f"run {count}")
        python = stack.enter_context(BareLetters(SENDERS, letters_each(total), bytes(here.size)))
        python.load.ask(f"run {count}")
        for _ in plan.rounds():
            limit.append(
                said([built("sync"), folder / "plain", str(syncs), str(here.size)])["rate"]
            )
            if there is not None:
                rival.measure(*there, count)
            ours.measure(here.registry, here.load, count)
            bare.measure(python.server, python.load, count)
        here.prove(total)
    plan.side(
        "M1 ours", *ours.sides, **{"letter bytes": float(here.size), "p50 ms": min(ours.waits)}
    )
    if rival.rates:
        plan.side("M1 Redis", *rival.sides, **{"us a letter": middle(rival.costs)})
    plan.side(
        "M1 bare Python",
        *bare.sides,
        **{"us a letter": middle(bare.costs), "letters/s": middle(bare.rates)},
    )
    plan.side("M1 one fdatasync each", **{"letters/s": middle(limit)})
    if rival.rates:
        yield Figure(
            goal="M1",
            what=f"letters saved, {SENDERS} senders at once",
            unit="/s",
            ours=ours.rates,
            against="Redis, appendfsync always",
            theirs=rival.rates,
            sense=HIGHER,
            bound=0.6,
        )
    yield Figure(
        goal="M1",
        what=f"letters saved, {SENDERS} senders at once, CPU a letter",
        unit="us",
        ours=ours.costs,
        sense=LOWER,
        bound=30.0,
        note=f"Redis: {middle(rival.costs):.1f} us",
    )
