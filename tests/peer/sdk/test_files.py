"""A file from one person to another, over a network and machines that fail."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from chatapp import Peer, events, person, room
from chatapp.events import FileState, FileTrouble
from chatapp.peer.api import requests
from chatapp.peer.api.conversations import Conversation
from chatapp.peer.api.errors import ChangeRefusal, ChangeRefused, FileRefusal, FileRefused, NotOpen
from chatapp.peer.api.files import AutoAccept
from chatapp.peer.api.findings import Check, Finding, Trouble
from chatapp.peer.core.files.book import FileBook
from chatapp.peer.core.files.holders import WRONG_MAX
from chatapp.peer.core.records import Related, RelationKind
from chatapp.peer.node.bounds import FolderBounds
from chatapp.peer.node.files.disk import PartFile
from chatapp.peer.node.files.fetching import Fetching
from chatapp.testing import Town
from chatapp.wire.aio.link import TcpLink
from chatapp.wire.limits import CHUNK_SIZE, FILE_OFFERS_BURST
from tests.support.nodes import node_of

ConversationOf = Callable[[str], Conversation]
CONTENT = os.urandom(40 * CHUNK_SIZE + 5)


@pytest.fixture(name="plan")
def _plan(tmp_path: Path) -> Path:
    path = tmp_path / "plan.pdf"
    path.write_bytes(CONTENT)
    return path


def write(path: Path, content: bytes, *, modified: int = 2) -> None:
    """Write a file, and say when it was changed."""
    path.write_bytes(content)
    os.utime(path, ns=(modified, modified))


class Nobody:
    """Says nothing on a link."""

    def link_opened(self, _: TcpLink) -> None:
        pass

    def link_frames(self, *_: object) -> None:
        pass

    def link_progressed(self, *_: object) -> None:
        pass

    def link_closed(self, *_: object) -> None:
        pass


def wrong(findings: list[Finding]) -> dict[Check, Trouble | None]:
    """Return what is wrong with the way to a person, or with our port."""
    kinds = (Check.OWN_PORT, Check.REACHED, Check.PERSON, Check.DIRECT)
    return {one.check: one.trouble for one in findings if one.check in kinds and one.trouble}


def is_plan(file: events.FileTransfer) -> bool:
    """Whether a file is there, and has come as it was."""
    return file.state is FileState.DONE and Path(file.path).read_bytes() == CONTENT


def left_of(peer: Peer) -> list[str]:
    """Return the suffixes of all files that others gave."""
    return [path.suffix for path in (peer.folder.parents[1] / "Downloads").glob("*")]


async def offered(town: Town, to: Peer) -> events.Said:
    """Return the offer that comes next."""
    while (line := await town.event(to, events.Said)).file is None:
        pass
    return line


async def under_way(town: Town, peer: Peer) -> events.FileTransfer:
    """Wait until some of a file is there, but not all."""
    while True:
        file = (await town.event(peer, events.FileChanged)).file
        if file.state is FileState.RUNNING and 0 < file.done < file.size:
            return file


async def settled(town: Town, peer: Peer) -> events.FileTransfer:
    """Wait until a file does not go on by itself."""
    while True:
        file = (await town.event(peer, events.FileChanged, within=1_000.0)).file
        if file.state in (FileState.DONE, FileState.FAILED, FileState.WITHDRAWN):
            return file


async def test_a_file_comes_and_both_know(plan: Path) -> None:
    async with Town() as town:
        alice, bob = await town.peer("alice"), await town.peer("bob")
        ours = await alice.send_file("bob", plan)
        line = await offered(town, bob)
        assert (line.text, line.file) == (
            "plan.pdf",
            events.OfferedFile(size=len(CONTENT), number=1),
        )
        transfer = await bob.accept_file(line)
        got = await transfer.settled()
        assert got.state is FileState.DONE
        assert is_plan(got)
        assert (await ours.settled()).state is FileState.DONE
        answer = await town.event(alice, events.FileAnswered)
        assert answer.reply is events.FileReply.HAS and answer.sender == "bob"
        told = [event for event in bob.take_events() if isinstance(event, events.MessageChanged)]
        assert told == []  # bob has written nothing
        assert [file.id for file in await alice.files()] == [ours.id]


async def test_who_gives_a_file_is_told_a_few_times_a_second(plan: Path) -> None:
    async with Town() as town:
        alice, bob = await town.peer("alice"), await town.peer("bob")
        ours = await alice.send_file("bob", plan)
        await (await bob.accept_file(await offered(town, bob))).settled()
        await ours.settled()
        told = [event for event in alice.take_events() if isinstance(event, events.FileChanged)]
        running = [event for event in told if event.file.state is FileState.RUNNING]
        assert 0 < len(running) < 10  # not one for each of 41 chunks


async def test_nothing_is_fetched_before_it_is_accepted(plan: Path) -> None:
    async with Town() as town:
        alice, bob = await town.peer("alice"), await town.peer("bob")
        await alice.send_file("bob", plan)
        await offered(town, bob)
        await town.wait(3_600.0)
        assert [file.state for file in await bob.files()] == [FileState.OFFERED]
        assert left_of(bob) == []


WELCOME = AutoAccept(people=("Bob",), size_most=len(CONTENT))


async def test_files_of_some_people_are_fetched_without_a_question(plan: Path) -> None:
    async with Town() as town:
        alice = await town.peer("alice", auto_accept=WELCOME, rooms="lab")
        bob, carol = await town.peer("bob", rooms="lab"), await town.peer("carol")
        for to in ("alice", room("lab")):
            await bob.send_file(to, plan)
            line = await offered(town, alice)
            assert line.file is not None and line.file.is_coming
            assert is_plan(await settled(town, alice))
        await carol.send_file("alice", plan)
        await offered(town, alice)
        write(plan, CONTENT + b"!")
        await bob.send_file("alice", plan)
        await offered(town, alice)
        await town.wait(100.0)
        states = [file.state for file in await alice.files()]
        assert states == [FileState.DONE, FileState.DONE, FileState.OFFERED, FileState.OFFERED]


async def test_a_name_that_another_has_taken_is_not_welcome(plan: Path) -> None:
    """Bob gave up his name after alice had known him, and mallory has it now."""
    async with Town() as town:
        alice, bob = await town.peer("alice", auto_accept=WELCOME), await town.peer("bob")
        await bob.send("alice", "hi")
        await town.event(alice, events.Said)
        bob.release()
        await bob.released()
        await bob.close()
        mallory = await town.peer("mallory")
        mallory.rename("bob")
        await town.event(mallory, events.Renamed)
        assert mallory.name == "bob"
        await mallory.send_file("alice", plan)
        await town.wait(100.0)
        assert not any(file.state is FileState.DONE for file in await alice.files())
        assert left_of(alice) == []


async def test_who_offers_too_many_fills_no_disk(tmp_path: Path) -> None:
    async with Town() as town:
        alice, bob = await town.peer("alice", auto_accept=WELCOME), await town.peer("bob")
        small = tmp_path / "small.txt"
        small.write_text("hi")
        for _ in range(FILE_OFFERS_BURST + 5):
            await bob.send_file("alice", small)
        await town.wait(100.0)
        assert len(await alice.files()) == len(left_of(alice)) == FILE_OFFERS_BURST


async def test_all_in_a_room_get_it_from_who_offers_it(plan: Path) -> None:
    async with Town() as town:
        alice, *others = [await town.peer(name, rooms="lab") for name in ("alice", "bob", "carol")]
        ours = await alice.send_file(room("lab"), plan)
        for peer in others:
            line = await offered(town, peer)
            assert line.conversation == room("lab")
            assert is_plan(await (await peer.accept_file(line)).settled())
        await town.wait(10.0)
        assert (await ours.now()).state is FileState.OFFERED
        await alice.send_file(room("den"), plan)
        assert [one.conversation for one in await alice.files()] == [room("lab")]


async def test_one_in_a_room_ends_it_for_nobody_else(plan: Path) -> None:
    async with Town() as town:
        alice, bob, carol = [
            await town.peer(name, rooms="lab") for name in ("alice", "bob", "carol")
        ]
        ours = await alice.send_file(room("lab"), plan)
        line, node = await offered(town, bob), node_of(bob)
        kept = await node.storage.read(lambda lines: lines.by_id(line.id), by_index=False)
        assert kept is not None
        no = Related(RelationKind.WANTS_NO_FILE, kept.stream, is_ours=False, number=kept.number)
        await node.say(room("lab"), "", no, asked=requests.Send(conversation=room("lab"), text=""))
        await town.event(alice, events.FileAnswered)
        await town.wait(10.0)
        assert (await ours.now()).state is FileState.OFFERED
        assert is_plan(await (await carol.accept_file(await offered(town, carol))).settled())


async def test_who_accepts_twice_gets_it_once(plan: Path) -> None:
    async with Town() as town:
        alice, bob = await town.peer("alice"), await town.peer("bob")
        await alice.send_file("bob", plan)
        line = await offered(town, bob)
        both = await asyncio.gather(
            bob.accept_file(line), bob.accept_file(line), return_exceptions=True
        )
        assert [type(one) for one in both if isinstance(one, Exception)] == [FileRefused]
        assert is_plan(await settled(town, bob))
        await town.wait(100.0)
        assert left_of(bob) == [".pdf"]


async def test_what_is_refused_while_it_is_accepted_is_not_fetched(
    plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Town() as town:
        alice, bob = await town.peer("alice"), await town.peer("bob")
        await alice.send_file("bob", plan)
        line, files = await offered(town, bob), node_of(bob).files
        stored = files._stored

        async def refused_first() -> None:
            monkeypatch.setattr(files, "_stored", stored)
            await bob.refuse_file(line)

        monkeypatch.setattr(files, "_stored", refused_first)
        await bob.accept_file(line)
        await town.wait(100.0)
        assert [file.state for file in await bob.files()] == [FileState.REFUSED]
        assert left_of(bob) == []


async def test_loss_and_delay_do_not_change_it(plan: Path) -> None:
    async with Town(3) as town:
        alice, bob = await town.peer("alice"), await town.peer("bob")
        town.lose(0.05)
        town.delay(0.01, 0.2)
        await alice.send_file("bob", plan)
        got = await (await bob.accept_file(await offered(town, bob))).settled()
        assert is_plan(got)


@pytest.mark.parametrize("killed", ["alice", "bob"])
async def test_it_goes_on_from_what_is_there_when_one_is_killed(plan: Path, killed: str) -> None:
    async with Town() as town:
        alice, bob = await town.peer("alice"), await town.peer("bob")
        town.delay(0.3)
        await alice.send_file("bob", plan)
        await bob.accept_file(await offered(town, bob))
        before = (await under_way(town, bob)).done
        victim = alice if killed == "alice" else bob
        await town.kill(victim)
        await town.wait(100.0)
        await town.restart(victim)
        again = await under_way(town, bob)
        assert again.done >= before
        assert is_plan(await settled(town, bob))


@pytest.mark.parametrize("where", [person, room])
@pytest.mark.parametrize("has_part", [False, True])
async def test_one_that_has_its_name_is_not_fetched_again_after_a_kill(
    plan: Path, monkeypatch: pytest.MonkeyPatch, has_part: bool, where: ConversationOf
) -> None:
    """The kill comes between its name and the note of it, or between the two names of it."""
    async with Town() as town:
        alice, bob = [await town.peer(name, rooms="lab") for name in ("alice", "bob")]
        to = where("bob" if where is person else "lab")
        (bob.folder.parents[1] / "Downloads").mkdir()
        mine = bob.folder.parents[1] / "Downloads" / "plan.pdf"
        mine.write_bytes(bytes(len(CONTENT)))  # another one, as long
        finish, named = PartFile.finish, asyncio.Event()

        async def dies(self: Fetching, part: PartFile) -> Path:
            path = finish(part)
            if has_part:
                os.link(path, part.path)
            named.set()
            await asyncio.Event().wait()
            return path

        with monkeypatch.context() as patch:
            patch.setattr(Fetching, "_finish", dies)
            await alice.send_file(to, plan)
            await bob.accept_file(await offered(town, bob))
            await named.wait()
            await town.kill(bob)
        await alice.close()
        await town.restart(bob)
        got = await settled(town, bob)
        assert is_plan(got) and Path(got.path).name == "plan (2).pdf"
        assert sorted(path.name for path in mine.parent.iterdir()) == ["plan (2).pdf", "plan.pdf"]


async def test_it_waits_for_somebody_who_is_away(plan: Path) -> None:
    async with Town() as town:
        alice, bob = await town.peer("alice"), await town.peer("bob")
        await bob.close()
        await alice.send_file("bob", plan)
        await alice.settled()
        await town.wait(60.0)
        await alice.close()
        await town.restart(bob)
        await bob.accept_file(await offered(town, bob))
        await town.wait(3_600.0)
        assert [file.state for file in await bob.files()] == [FileState.WAITING]
        await town.restart(alice)
        assert is_plan(await settled(town, bob))


async def test_it_goes_on_after_a_partition(plan: Path) -> None:
    async with Town() as town:
        alice, bob = await town.peer("alice"), await town.peer("bob")
        town.delay(0.3)
        await alice.send_file("bob", plan)
        await bob.accept_file(await offered(town, bob))
        await under_way(town, bob)
        town.partition(alice, bob)
        await town.wait(200.0)
        town.heal()
        assert is_plan(await settled(town, bob))


async def test_what_is_paused_waits_for_its_user(plan: Path) -> None:
    async with Town() as town:
        alice, bob = await town.peer("alice"), await town.peer("bob")
        town.delay(0.3)
        await alice.send_file("bob", plan)
        line = await offered(town, bob)
        await bob.accept_file(line)
        await under_way(town, bob)
        assert (await bob.pause_file(line)).state is FileState.PAUSED
        with pytest.raises(FileRefused):
            await bob.pause_file(line)
        await town.restart(bob)
        await town.wait(100.0)
        (paused,) = await bob.files()
        assert paused.state is FileState.PAUSED
        assert is_plan(await (await bob.accept_file(paused)).settled())


async def test_what_was_refused_is_gone_and_the_other_knows(plan: Path) -> None:
    async with Town() as town:
        alice, bob = await town.peer("alice"), await town.peer("bob")
        town.delay(0.3)
        ours = await alice.send_file("bob", plan)
        line = await offered(town, bob)
        await bob.accept_file(line)
        await under_way(town, bob)
        await bob.refuse_file(line)
        answer = await town.event(alice, events.FileAnswered)
        assert answer.reply is events.FileReply.REFUSED
        assert (await ours.settled()).state is FileState.REFUSED
        assert left_of(bob) == []


async def test_what_is_cancelled_is_gone_and_may_be_fetched_again(plan: Path) -> None:
    async with Town() as town:
        alice, bob = await town.peer("alice"), await town.peer("bob")
        town.delay(0.3)
        ours = await alice.send_file("bob", plan)
        line = await offered(town, bob)
        with pytest.raises(FileRefused) as refused:
            await bob.cancel_file(line)
        assert refused.value.reason is FileRefusal.NOT_UNDER_WAY
        await bob.accept_file(line)
        await under_way(town, bob)
        assert (await bob.cancel_file(line)).state is FileState.OFFERED
        assert left_of(bob) == []
        assert (await town.event(alice, events.FileAnswered)).reply is events.FileReply.STOPPED
        await town.wait(100.0)
        (file,) = await bob.files()
        assert (file.state, file.done, file.ways, file.people) == (FileState.OFFERED, 0, (), 0)
        assert (await ours.now()).state is FileState.OFFERED
        assert is_plan(await (await bob.accept_file(line)).settled())
        with pytest.raises(FileRefused):
            await bob.cancel_file(line)


async def test_who_cancels_an_offer_gives_nothing_more(plan: Path) -> None:
    async with Town() as town:
        alice, bob = await town.peer("alice"), await town.peer("bob")
        town.delay(0.3)
        ours = await alice.send_file("bob", plan)
        line = await offered(town, bob)
        await bob.accept_file(line)
        await under_way(town, bob)
        assert (await alice.cancel_file(await ours.now())).state is FileState.WITHDRAWN
        assert (await settled(town, bob)).state is FileState.WITHDRAWN
        await town.wait(1.0)
        assert left_of(bob) == []
        with pytest.raises(FileRefused):
            await alice.cancel_file(await ours.now())


async def test_both_know_which_way_a_file_went(plan: Path) -> None:
    async with Town() as town:
        alice, bob = await town.peer("alice"), await town.peer("bob")
        ours = await alice.send_file("bob", plan)
        line = await offered(town, bob)
        before = await bob.past.why(line.id)
        assert before is not None and before.file is not None
        assert (before.file.ways, before.file.people) == ((), 0)
        await (await bob.accept_file(line)).settled()
        await ours.settled()
        for peer, id_ in ((alice, ours.id), (bob, line.id)):
            trace = await peer.past.why(id_)
            assert trace is not None and trace.file is not None
            assert (trace.file.ways, trace.file.people) == ((events.FileWay.TCP,), 1)


async def test_what_was_taken_back_is_not_given_any_more(plan: Path) -> None:
    async with Town() as town:
        alice, bob = await town.peer("alice"), await town.peer("bob")
        ours = await alice.send_file("bob", plan)
        line = await offered(town, bob)
        assert ours.receipt is not None
        await alice.retract(ours.receipt)
        assert (await settled(town, bob)).state is FileState.WITHDRAWN
        with pytest.raises(FileRefused) as refused:
            await bob.accept_file(line)
        assert refused.value.reason is FileRefusal.IS_OVER
        assert (await ours.settled()).state is FileState.WITHDRAWN


async def test_what_is_taken_back_under_way_leaves_nothing(plan: Path) -> None:
    async with Town() as town:
        alice, bob = await town.peer("alice"), await town.peer("bob")
        town.delay(0.3)
        ours = await alice.send_file("bob", plan)
        await bob.accept_file(await offered(town, bob))
        await under_way(town, bob)
        assert left_of(bob) == [".part"]
        assert ours.receipt is not None
        await alice.retract(ours.receipt)
        assert (await settled(town, bob)).state is FileState.WITHDRAWN
        await town.wait(1.0)
        assert left_of(bob) == []


async def test_a_file_that_is_offered_keeps_its_name(plan: Path) -> None:
    """Clause 6.16: "An Edit of an offer changes nothing."."""
    async with Town() as town:
        alice, bob = await town.peer("alice"), await town.peer("bob")
        ours = await alice.send_file("bob", plan)
        line = await offered(town, bob)
        assert ours.receipt is not None
        with pytest.raises(ChangeRefused) as refused:
            await alice.edit(ours.receipt, "photo.jpg")
        assert refused.value.reason is ChangeRefusal.IS_FILE
        node = node_of(alice)
        kept = await node.storage.read(lambda lines: lines.by_id(ours.id), by_index=False)
        assert kept is not None
        edit = Related(RelationKind.EDIT, kept.stream, is_ours=True, number=kept.number)
        sent = requests.Send(conversation=person("bob"), text="photo.jpg")
        await node.say(sent.conversation, sent.text, edit, asked=sent)
        await town.event(bob, events.Edited)
        shown = await node_of(bob).storage.read(lambda lines: lines.by_id(line.id), by_index=False)
        assert shown is not None
        assert shown.text == "plan.pdf" and shown.folded is None


async def test_a_file_that_changes_meanwhile_is_not_mixed(plan: Path) -> None:
    async with Town() as town:
        alice, bob = await town.peer("alice"), await town.peer("bob")
        town.delay(0.3)
        await alice.send_file("bob", plan)
        line = await offered(town, bob)
        await bob.accept_file(line)
        await under_way(town, bob)
        write(plan, CONTENT[::-1] + b"!")
        failed = await settled(town, bob)
        assert (failed.state, failed.trouble) == (FileState.FAILED, FileTrouble.CHANGED)
        write(plan, CONTENT, modified=1)  # the same again, but who knows
        await bob.accept_file(line)
        assert (await settled(town, bob)).trouble is FileTrouble.CHANGED


async def test_a_holder_of_wrong_bytes_is_left(plan: Path) -> None:
    async with Town() as town:
        alice, bob = await town.peer("alice"), await town.peer("bob")
        await alice.send_file("bob", plan)
        write(plan, CONTENT[::-1], modified=os.stat(plan).st_mtime_ns)
        await bob.accept_file(await offered(town, bob))
        failed = await settled(town, bob)
        assert failed.trouble is FileTrouble.WRONG_BYTES
        assert failed.done <= WRONG_MAX * CHUNK_SIZE
        assert left_of(bob) == [".part"]


async def test_a_full_disk_stops_it_and_accepting_again_goes_on(
    plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chatapp.peer.node.files import disk

    async with Town() as town:
        alice, bob = await town.peer("alice"), await town.peer("bob")
        await alice.send_file("bob", plan)
        line = await offered(town, bob)
        with monkeypatch.context() as patch:
            patch.setattr(disk, "SPARED", 1 << 60)
            await bob.accept_file(line)
            failed = await settled(town, bob)
        assert (failed.state, failed.trouble) == (FileState.FAILED, FileTrouble.NO_SPACE)
        await bob.accept_file(line)
        assert is_plan(await settled(town, bob))


async def test_the_user_says_what_to_call_it(plan: Path, tmp_path: Path) -> None:
    async with Town() as town:
        alice, bob = await town.peer("alice"), await town.peer("bob")
        await alice.send_file("bob", plan)
        await bob.accept_file(await offered(town, bob), tmp_path / "mine.pdf")
        got = await settled(town, bob)
        assert got.path == str(tmp_path / "mine.pdf")
        assert (tmp_path / "mine.pdf").read_bytes() == CONTENT


async def test_a_name_that_was_chosen_among_the_downloads_stays(plan: Path) -> None:
    async with Town() as town:
        alice, bob = await town.peer("alice"), await town.peer("bob")
        town.delay(0.3)
        await alice.send_file("bob", plan)
        line = await offered(town, bob)
        mine = bob.folder.parents[1] / "Downloads" / "mine.pdf"
        await bob.accept_file(line, mine)
        await under_way(town, bob)
        await bob.pause_file(line)
        await town.restart(bob)
        await bob.accept_file(line)
        assert (await settled(town, bob)).path == str(mine)
        assert left_of(bob) == [".pdf"]


async def test_what_cannot_be_offered_says_why(tmp_path: Path, plan: Path) -> None:
    async with Town() as town:
        alice = await town.peer("alice")
        for path, to, reason in (
            (tmp_path / "none", "bob", FileRefusal.NOT_READABLE),
            (tmp_path, "bob", FileRefusal.NO_FILE),
            (plan, "Alice", FileRefusal.IS_US),
        ):
            with pytest.raises(FileRefused) as refused:
                await alice.send_file(to, path)
            assert refused.value.reason is reason
        refused_at_once = await alice.send_file("nobody", plan)
        assert refused_at_once.id == 0
        assert await alice.files() == ()


async def test_a_file_comes_by_udp_where_another_program_has_the_port(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who connects there finds somebody else, who says nothing."""
    monkeypatch.setattr("tests.peer.sdk.test_files.CONTENT", CONTENT[:600_000])
    plan = tmp_path / "plan.pdf"
    plan.write_bytes(CONTENT)
    async with Town() as town:
        alice, bob = await town.peer("alice"), await town.peer("bob")
        node = node_of(alice)
        other = node.files._serving.machine.listen(node.driver.port)
        await other.serve(lambda: TcpLink(Nobody()))
        assert wrong(await alice.examine()) == {Check.OWN_PORT: Trouble.PORT_TAKEN}
        assert wrong(await alice.examine("bob")) == {Check.REACHED: Trouble.NO_ANSWER}
        await alice.send_file("bob", plan)
        got = await (await bob.accept_file(await offered(town, bob))).settled()
        assert is_plan(got) and got.ways == (events.FileWay.UDP,)
        other.close()
        await alice.send_file("bob", plan)
        await offered(town, bob)
        await town.wait(15.0)
        assert wrong(await alice.examine("bob")) == {}


async def test_an_offer_that_is_not_said_is_not_kept(
    plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Town() as town:
        alice = await town.peer("alice")
        node = node_of(alice)

        async def fails(*_: object, **__: object) -> None:
            raise NotOpen

        with monkeypatch.context() as patch:
            patch.setattr(node, "say", fails)
            with pytest.raises(NotOpen):
                await alice.send_file("bob", plan)
        await town.wait(1.0)
        assert node.files._store.load().stored() == []


async def test_nobody_listens_while_nothing_is_offered(plan: Path) -> None:
    async with Town() as town:
        alice, bob = await town.peer("alice"), await town.peer("bob")
        ports = {node_of(peer).driver.port for peer in (alice, bob)}
        listening = town._network._listeners
        assert not ports & {address.port for address in listening}
        await alice.send_file("bob", plan)
        found = ports & {address.port for address in listening}
        assert found == {node_of(alice).driver.port}


async def test_an_offer_that_was_said_in_the_last_moment_is_known_to_the_next_run(
    plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kill comes between the line that offers a file and the note of the line."""
    async with Town() as town:
        alice, bob = await town.peer("alice"), await town.peer("bob")
        with monkeypatch.context() as patch:
            patch.setattr(FileBook, "offer", lambda *_: None)
            await alice.send_file("bob", plan)
            line = await offered(town, bob)
            await town.kill(alice)
        await town.restart(alice)
        await bob.accept_file(line)
        assert is_plan(await settled(town, bob))
        (file,) = await alice.files()
        assert (await alice.cancel_file(file)).state is FileState.WITHDRAWN


async def test_files_that_are_on_their_way_take_room_where_that_is_bounded(plan: Path) -> None:
    async with Town() as town:
        alice, bob = await town.peer("alice"), await town.peer("bob")
        for _ in range(2):
            await alice.send_file("bob", plan)
        first, second = await offered(town, bob), await offered(town, bob)
        home = bob.folder.parents[1]
        bounds = FolderBounds(folder=home, most=2 * len(CONTENT) - 1)
        node_of(bob).files._bounds = bounds  # type: ignore[misc]
        await alice.close()
        await bob.accept_file(first)
        with pytest.raises(FileRefused, match="room"):
            await bob.accept_file(second)
        await bob.cancel_file(first)
        await bob.accept_file(second)
