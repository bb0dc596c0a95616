"""Messages in the streams that no registry of the cluster wrote there: they are passed over,
wherever they are."""

import itertools
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.registry.cluster.stream.bundles import KEY_SIZE, WARN_SPAN, ClusterKey, Kind, Sealer
from chatapp.registry.cluster.stream.ledger import Publication, Stream, Subject
from chatapp.registry.cluster.stream.store import Clocks, Seals, StreamStore, StreamUnusable
from tests.registry.cluster.stream.test_store import Home, grown
from tests.registry.store.playbook import stored
from tests.support.memory_ledger import MemoryLedger

OTHERS = Sealer(ClusterKey(bytes([1]) * KEY_SIZE), "c", bytes(16))


def copies(ledger: MemoryLedger, subject: Subject) -> list[bytes]:
    """Return what was published under a subject and is still there."""
    return [
        message
        for stream in ledger.streams.values()
        for of, message in stream.values()
        if of is subject
    ]


def strays(ledger: MemoryLedger, subject: Subject = Subject.JOURNAL) -> list[bytes]:
    """Return strays of each kind: what was there, a part of it, its header alone, and what others
    made up."""
    found = copies(ledger, subject)
    altered = (
        [found[-1][:-1], found[-1][:60], found[-1][:2] + b"\x02" + found[-1][3:]] if found else []
    )
    kind = Kind.JOURNAL if subject is Subject.JOURNAL else Kind.MANIFEST
    return [*found, *altered, b"", b"nonsense", OTHERS.seal(kind, 1, bytes(32), b"x")]


def put(ledger: MemoryLedger, count: int, subject: Subject = Subject.JOURNAL) -> None:
    """Publish so many strays, as anybody may who reaches the servers."""
    for stray in itertools.islice(itertools.cycle(strays(ledger, subject)), count):
        ledger.store(Publication(subject=subject, message=stray, after=None))


def save(node: StreamStore, *serials: int) -> None:
    node.append([stored(serial) for serial in serials])
    node.sync()


def saved(ledger: MemoryLedger, home: Home) -> list[int]:
    """Return the letters that a node finds when it takes over."""
    [heads] = home.node(ledger).load().letters.values()
    return [head.serial for head in heads]


@pytest.mark.parametrize("count", [1, 100, 10_000])
def test_strays_stop_neither_the_owner_nor_those_who_take_over(count: int) -> None:
    home, ledger = Home(), MemoryLedger()
    node = home.serving(ledger)
    save(node, 1)
    put(ledger, count)  # at the writer
    save(node, 2)
    save(node, 3)
    assert node.strays == count
    put(ledger, count)  # before a start
    node.close()
    assert saved(ledger, home) == [1, 2, 3]
    again = home.serving(ledger)
    save(again, 4)
    again.checkpoint()
    put(ledger, count)  # behind a snapshot
    save(again, 5)
    assert again.verify().damage == ()
    again.close()
    assert saved(ledger, home) == [1, 2, 3, 4, 5]
    assert saved(ledger, Home()) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("count", [1, 100])
def test_stray_manifests_hide_no_snapshot(count: int) -> None:
    home, ledger = Home(), MemoryLedger()
    node = home.serving(ledger)
    save(node, 1)
    node.checkpoint()
    old = strays(ledger, Subject.MANIFEST)
    save(node, 2)
    node.checkpoint()
    for stray in [*old, *strays(ledger, Subject.MANIFEST)] * count:
        ledger.store(Publication(subject=Subject.MANIFEST, message=stray, after=None))
        ledger.store(Publication(subject=Subject.SNAPSHOT, run="x", message=stray, after=None))
    assert node.verify().damage == ()
    save(node, 3)
    assert saved(ledger, home) == [1, 2, 3]
    again = home.serving(ledger)
    save(again, 4)
    again.checkpoint()
    assert len(ledger.streams[Stream.SNAPSHOTS]) == 2, (
        "the strays are gone with what the snapshot covers"
    )
    assert saved(ledger, home) == [1, 2, 3, 4]


def test_many_strays_bring_a_snapshot_that_removes_them() -> None:
    ledger = MemoryLedger()
    node = Home().serving(ledger)
    put(ledger, 10_000)
    save(node, 1)
    assert node.checkpoint_due(0.0)
    node.checkpoint()
    assert len(ledger.streams[Stream.JOURNAL]) == 0


def test_a_turn_of_several_messages_may_have_strays_in_between() -> None:
    home, ledger = Home(), MemoryLedger(message_max=8 * 1024)
    node = home.serving(ledger)
    left = [5]

    def meddle(publication: Publication) -> None:
        if publication.subject is Subject.JOURNAL and left[0]:
            left[0] -= 1
            ledger.store(
                Publication(subject=Subject.JOURNAL, message=publication.message, after=None)
            )
            put(ledger, 3)

    ledger.meddle = meddle
    node.append([stored(serial, size=900) for serial in range(1, 60)])
    node.sync()
    assert left == [0]
    node.close()
    assert saved(ledger, home) == list(range(1, 60))


@pytest.mark.parametrize("place", [2, 5, 8])
def test_a_message_that_is_missing_among_strays_is_noticed(place: int) -> None:
    """What is missing may have been saved: nobody goes on without it."""
    ledger = MemoryLedger()
    node = Home().serving(ledger)
    for serial in range(1, 4):
        save(node, serial)
        put(ledger, 2)
    del ledger.streams[Stream.JOURNAL][place]
    with pytest.raises(
        StreamUnusable, match="the message before it is missing, or another one; restore it"
    ):
        Home().node(ledger).load()


def test_strays_that_somebody_removed_are_not_missed() -> None:
    ledger = MemoryLedger()
    node = Home().serving(ledger)
    put(ledger, 3)
    save(node, 1)
    for place in (2, 3, 4):
        del ledger.streams[Stream.JOURNAL][place]
    assert saved(ledger, Home()) == [1]


def test_an_owner_that_was_overtaken_among_strays_writes_nothing_more() -> None:
    ledger = MemoryLedger()
    old = grown(ledger, letters=1)
    put(ledger, 5)
    new = Home().serving(ledger)
    put(ledger, 5)
    save(new, 2000)
    with pytest.raises(Exception, match="another registry of the cluster has taken over"):
        save(old, 3000)
    assert saved(ledger, Home()) == [1, 1000, 2000]


def test_a_wrong_key_is_no_reason_to_pass_everything_over() -> None:
    ledger = MemoryLedger()
    grown(ledger, letters=1)
    for message in (b"", b"nonsense"):
        ledger.store(Publication(subject=Subject.JOURNAL, message=message, after=None))
    wrong = StreamStore(
        ledger,
        Seals(ClusterKey(bytes([7]) * KEY_SIZE), "c", (bytes([200]) * 16, bytes([201]) * 16)),
        node="n",
        founding=lambda: pytest.fail("it begins the cluster anew"),
        clocks=Clocks(pause=lambda seconds: None),
    )
    with pytest.raises(StreamUnusable, match="sealed with another cluster key"):
        wrong.load()


def test_the_log_has_a_line_about_strays_once_a_second_at_most(
    caplog: pytest.LogCaptureFixture,
) -> None:
    home, ledger = Home(), MemoryLedger()
    node = home.serving(ledger)
    with caplog.at_level(logging.WARNING):
        for serial in range(1, 50):
            put(ledger, 1)
            save(node, serial)
            home.now += WARN_SPAN / 10
    assert node.strays == 49
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 5
    assert lines[0].startswith(
        "c: 1 messages in the streams were passed over: no registry of this cluster"
    )


@given(data=st.data())
def test_wherever_strays_are_everything_saved_is_there_once(data: st.DataObject) -> None:
    ledger, home = MemoryLedger(), Home()
    node = home.serving(ledger)
    serials = itertools.count(1)
    wanted: list[int] = []

    def meddle(publication: Publication) -> None:
        if data.draw(st.integers(0, 3)) == 0:
            message = data.draw(
                st.sampled_from([publication.message, *strays(ledger, publication.subject)])
            )
            run = publication.run
            ledger.store(
                Publication(subject=publication.subject, message=message, after=None, run=run)
            )

    ledger.meddle = meddle
    for _ in range(data.draw(st.integers(1, 12))):
        match data.draw(st.sampled_from(("save", "save", "checkpoint", "put", "take over"))):
            case "save":
                wanted.append(next(serials))
                save(node, wanted[-1])
            case "checkpoint":
                node.checkpoint()
            case "put":
                subject = data.draw(st.sampled_from((Subject.JOURNAL, Subject.MANIFEST)))
                put(ledger, data.draw(st.integers(1, 4)), subject)
            case _:
                if data.draw(st.booleans()):
                    node.close()
                node = home.serving(ledger)
    node.close()
    ledger.meddle = lambda publication: None
    loaded = Home().node(ledger).load()
    assert [head.serial for heads in loaded.letters.values() for head in heads] == wanted
