"""What the entries mean together, and that saying them again changes nothing."""

from hypothesis import given
from hypothesis import strategies as st

from registry.store.entries import DeskOwner, Entry, Owner
from registry.store.image import Image
from tests.registry.store.playbook import BOB, bound, cut, key, line, stored, taken
from tests.registry.store.strategies import Author


def image_of(*entries: Entry) -> Image[Entry]:
    image: Image[Entry] = Image()
    for entry in entries:
        image.apply(entry, entry)
    return image


def content(image: Image[Entry]) -> object:
    groups = {name: (dict(group.keys), group.lines, group.cuts) for name, group in image.groups.items()}
    desk = (image.desk.visits, image.desk.lines, image.desk.served, image.desk.last, image.desk.highest_visit)
    return list(image.names.items()), image.mail, groups, image.highest_serial, desk


@given(st.data())
def test_saying_everything_again_changes_nothing(data: st.DataObject) -> None:
    entries = Author().batch(data) + Author().batch(data)
    once = image_of(*entries)
    assert content(image_of(*entries, *entries)) == content(once)
    assert content(once.copy()) == content(once)


@given(st.data())
def test_what_is_not_freed_is_held(data: st.DataObject) -> None:
    """Each place is either in a table or was handed back, once: the files' account of dead bytes rests on it."""
    author = Author()
    image: Image[int] = Image()
    freed: list[int] = []
    kept = set()
    for where, entry in enumerate(author.batch(data) + author.batch(data) + author.batch(data)):
        freed.extend(image.apply(entry, where))
        if type(entry).__name__ not in {"MailTaken", "NameBound"}:
            kept.add(where)
    owners: list[Owner] = [*image.mail, *image.groups, DeskOwner.DESK]
    held = [where for owner in owners for holder in image.holders(owner) for where in holder.values()]
    assert len(held) == len(set(held))
    assert len(freed) == len(set(freed))
    assert set(held) | set(freed) == kept
    assert not set(held) & set(freed)


def test_a_mailbox_that_is_emptied_is_forgotten() -> None:
    assert image_of(stored(1), stored(2), taken(1, 2)).mail == {}
    assert list(image_of(stored(1), stored(2), taken(1, 7)).mail[BOB]) == [2]


def test_the_first_place_of_a_record_is_its_place() -> None:
    image: Image[int] = Image()
    entries: list[Entry] = [stored(1), line(1), key(1), cut(0)]
    for where in (1, 2):
        for number, entry in enumerate(entries):
            freed = image.apply(entry, 10 * where + number)
            assert list(freed) == ([] if where == 1 else [20 + number])


def test_the_latest_binding_of_a_name_holds_and_is_the_last() -> None:
    image = image_of(bound("alice"), bound("bob", BOB), bound("alice", card=b"new"))
    assert list(image.names.values()) == [bound("bob", BOB), bound("alice", card=b"new")]


def test_a_cut_takes_the_keys_that_only_its_lines_needed() -> None:
    keys = [key(1), key(2), key(3), key(4)]
    lines = [line(1, epoch=1), line(2, epoch=2), line(3, epoch=3)]
    assert list(image_of(*keys, *lines).groups["tea"].keys) == [1, 2, 3, 4]
    assert list(image_of(*keys, *lines, cut(1)).groups["tea"].keys) == [2, 3, 4]
    assert list(image_of(*keys, *lines, cut(9)).groups["tea"].keys) == [3, 4]


def test_no_line_comes_back_behind_a_cut() -> None:
    group = image_of(line(1), line(2), cut(5), line(2), line(4), line(6)).groups["tea"]
    assert list(group.lines) == [6]
    assert (group.cut, group.highest) == (5, 6)
