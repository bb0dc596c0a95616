"""A group's file: rewritten when most of it is obsolete, removed with the group."""

import errno
from pathlib import Path

from tests.registry.store.playbook import cut, dropped, gone, key, line, opened, topic
from tests.wire.storage.disks import FailingDisk, WatchedDisk


def test_a_group_is_rewritten_when_most_of_it_is_obsolete(tmp_path: Path) -> None:
    store, _ = opened(tmp_path, WatchedDisk())
    sizes = []
    for position in range(1, 60):
        store.append([line(position, size=5000), cut(position - 3)])
        store.checkpoint()
        sizes.append(sum(path.stat().st_size for path in (tmp_path / "groups").iterdir()))
    assert max(sizes) < 100_000
    store.close()
    store, loaded = opened(tmp_path, WatchedDisk())
    assert [head.position for head in loaded.groups["tea"].lines] == [57, 58, 59]
    store.close()


def test_lines_that_were_dropped_among_others_do_not_come_back(tmp_path: Path) -> None:
    store, _ = opened(tmp_path, WatchedDisk())
    store.append([line(position, size=500) for position in range(1, 10)])
    store.checkpoint()
    store.append([dropped(2, 3, 7)])
    store.checkpoint()
    (file,) = (tmp_path / "groups").iterdir()
    assert line(3, size=500).frame not in file.read_bytes()
    store.append([dropped(8)])
    store.close()
    for _ in range(2):
        store, loaded = opened(tmp_path, WatchedDisk())
        assert [head.position for head in loaded.groups["tea"].lines] == [1, 4, 5, 6, 9]
        store.checkpoint()
        store.close()


def test_many_lines_at_once(tmp_path: Path) -> None:
    store, _ = opened(tmp_path, WatchedDisk())
    positions = range(1, 2501)
    store.append([line(position, size=position % 30) for position in positions])
    store.checkpoint()
    assert store.read_lines("tea", positions) == [line(n, size=n % 30).frame for n in positions]
    store.close()


def test_a_group_that_is_gone_leaves_the_disk(tmp_path: Path) -> None:
    store, _ = opened(tmp_path, WatchedDisk())
    store.append([key(1, "#a"), line(1, "#a", size=500)])
    store.checkpoint()
    assert len(list((tmp_path / "groups").iterdir())) == 1
    store.append([gone("#a")])
    store.checkpoint()
    assert list((tmp_path / "groups").iterdir()) == []
    store.append([key(2, "#a"), line(7, "#a", epoch=2)])
    store.checkpoint()
    store.append([gone("#a"), key(3, "#a"), line(9, "#a", epoch=3, size=20)])
    store.close()
    (file,) = (tmp_path / "groups").iterdir()
    assert line(1, "#a", size=500).frame not in file.read_bytes()
    _, loaded = opened(tmp_path, WatchedDisk())
    assert [head.position for head in loaded.groups["#a"].lines] == [9]
    assert list(loaded.groups["#a"].keys) == [3]


def test_the_hollow_file_of_a_group_that_could_not_be_removed_goes_at_the_next_start(
    tmp_path: Path,
) -> None:
    disk = FailingDisk()
    store, _ = opened(tmp_path, disk)
    store.append([key(1, "#a"), line(1, "#a")])
    store.checkpoint()
    store.append([gone("#a")])
    disk.wrong = lambda what: errno.EACCES if what == "remove" else None
    store.checkpoint()
    disk.kill()
    assert len(list((tmp_path / "groups").iterdir())) == 1
    store, loaded = opened(tmp_path, WatchedDisk())
    assert loaded.groups == {}
    assert loaded.damage == []
    assert list((tmp_path / "groups").iterdir()) == []
    store.close()


def test_a_group_that_goes_while_its_file_is_written_does_not_come_back(tmp_path: Path) -> None:
    """The checkpoint under way writes the state of its beginning."""
    disk = FailingDisk()
    store, _ = opened(tmp_path, disk)
    store.append([key(1, "#a"), line(1, "#a", size=70_000), line(2, "#a"), cut(1, "#a")])
    store.checkpoint()
    store.append([line(3, "#a"), cut(2, "#a")])
    said: list[None] = []

    def meanwhile(what: str) -> int | None:
        if what == "rename" and not said:
            said.append(None)
            store.append([gone("#a"), key(5, "#a"), line(8, "#a", epoch=5)])
        return None

    disk.wrong = meanwhile
    store.checkpoint()
    assert said
    disk.wrong = lambda what: None
    store.checkpoint()
    assert store.read_lines("#a", [8]) == [line(8, "#a", epoch=5).frame]
    store.close()
    _, loaded = opened(tmp_path, WatchedDisk())
    assert [head.position for head in loaded.groups["#a"].lines] == [8]
    assert list(loaded.groups["#a"].keys) == [5]


def test_a_topic_comes_to_rest_in_the_groups_file_and_goes_with_it(tmp_path: Path) -> None:
    store, _ = opened(tmp_path, WatchedDisk())
    store.append([key(1, "#a"), topic("first", "#a")])
    store.checkpoint()
    store.append([topic("Exam", "#a"), topic("", "#b")])
    store.checkpoint()
    store.close()
    store, loaded = opened(tmp_path, WatchedDisk())
    assert (loaded.groups["#a"].topic, loaded.groups["#b"].topic) == (
        topic("Exam", "#a"),
        topic("", "#b"),
    )
    store.append([gone("#a"), gone("#b")])
    store.checkpoint()
    assert list((tmp_path / "groups").iterdir()) == []
    store.close()


def test_topics_that_were_replaced_do_not_fill_the_file(tmp_path: Path) -> None:
    store, _ = opened(tmp_path, WatchedDisk())
    for number in range(1_000):
        store.append([topic(f"{number:0200}", "#a")])
        if number % 10 == 0:
            store.checkpoint()
    store.checkpoint()
    assert sum(path.stat().st_size for path in (tmp_path / "groups").iterdir()) < 50_000
    store.close()
