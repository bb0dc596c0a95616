"""The state that entries add up to, and that applying them again changes nothing."""

from hypothesis import given
from hypothesis import strategies as st

from chatapp.registry.store.entries import (
    DeskEntry,
    DeskOwner,
    DeskPastDropped,
    Entry,
    GroupCut,
    GroupKeyMade,
    GroupLineKept,
    MailStored,
    Owner,
    RoomTopicKept,
)
from chatapp.registry.store.state import StoreState
from tests.registry.store.playbook import BOB, bound, cut, gone, key, line, stored, taken
from tests.registry.store.strategies import Author


def image_of(*entries: Entry) -> StoreState[Entry]:
    state: StoreState[Entry] = StoreState()
    for entry in entries:
        state.apply(entry, entry)
    return state


def content(state: StoreState[Entry]) -> object:
    groups = {
        name: (dict(group.keys), group.lines, group.cuts) for name, group in state.groups.items()
    }
    desk = (
        *(
            state.desk.visits,
            state.desk.lines,
            state.desk.served,
            state.desk.last,
            state.desk.highest_visit,
        ),
        *(state.desk.sessions, state.desk.transcripts),
    )
    highest = (state.highest_serial, state.sender_indices)
    return list(state.names.items()), state.members, state.mail, groups, highest, desk


@given(st.data())
def test_saying_everything_again_changes_nothing(data: st.DataObject) -> None:
    entries = Author().batch(data) + Author().batch(data)
    once = image_of(*entries)
    assert content(image_of(*entries, *entries)) == content(once)
    assert content(once.copy()) == content(once)


@given(st.data())
def test_what_is_not_freed_is_held(data: st.DataObject) -> None:
    """Each place is either in a table or was handed back once: the files' count of dead bytes
    depends on it."""
    author = Author()
    state: StoreState[int] = StoreState()
    freed: list[int] = []
    kept = set()
    for where, entry in enumerate(author.batch(data) + author.batch(data) + author.batch(data)):
        freed.extend(state.apply(entry, where))
        if isinstance(
            entry, MailStored | GroupLineKept | GroupKeyMade | GroupCut | RoomTopicKept | DeskEntry
        ) and not isinstance(entry, DeskPastDropped):
            kept.add(where)
    owners: list[Owner] = [*state.mail, *state.groups, DeskOwner.DESK]
    held = [
        where for owner in owners for holder in state.holders(owner) for where in holder.values()
    ]
    assert len(held) == len(set(held))
    assert len(freed) == len(set(freed))
    assert set(held) | set(freed) == kept
    assert not set(held) & set(freed)


def test_a_mailbox_that_is_emptied_is_forgotten() -> None:
    assert image_of(stored(1), stored(2), taken(1, 2)).mail == {}
    assert list(image_of(stored(1), stored(2), taken(1, 7)).mail[BOB]) == [2]


def test_the_first_place_of_a_record_is_its_place() -> None:
    state: StoreState[int] = StoreState()
    entries: list[Entry] = [stored(1), line(1), key(1), cut(0)]
    for where in (1, 2):
        for number, entry in enumerate(entries):
            freed = state.apply(entry, 10 * where + number)
            assert list(freed) == ([] if where == 1 else [20 + number])


def test_the_latest_binding_of_a_name_holds_and_is_the_last() -> None:
    state = image_of(bound("alice"), bound("bob", BOB), bound("alice", card=b"new"))
    assert list(state.names.values()) == [bound("bob", BOB), bound("alice", card=b"new")]


def test_a_cut_takes_the_keys_that_only_its_lines_needed() -> None:
    said: list[Entry] = [
        entry for epoch in range(1, 6) for entry in (key(epoch), line(epoch, epoch=epoch))
    ]
    assert list(image_of(*said).groups["tea"].keys) == [1, 2, 3, 4, 5]
    assert list(image_of(*said, cut(1)).groups["tea"].keys) == [2, 3, 4, 5]
    assert list(image_of(*said, cut(9)).groups["tea"].keys) == [3, 4, 5]


def test_keys_that_no_line_needs_go_when_newer_ones_come() -> None:
    said: list[Entry] = [key(1), line(1, epoch=1), *map(key, range(2, 90))]
    assert list(image_of(*said).groups["tea"].keys) == [1, 87, 88, 89]
    assert list(image_of(*said).groups["tea"].last_use) == [1]


def test_a_removed_group_may_start_again() -> None:
    said: list[Entry] = [key(7), line(8, epoch=7), cut(8), gone(), key(2), line(3, epoch=2)]
    group = image_of(*said).groups["tea"]
    assert (list(group.keys), list(group.lines), group.cut, group.highest) == ([2], [3], -1, 3)
    assert image_of(*said, gone()).groups == {}


def test_no_line_comes_back_behind_a_cut() -> None:
    group = image_of(line(1), line(2), cut(5), line(2), line(4), line(6)).groups["tea"]
    assert list(group.lines) == [6]
    assert (group.cut, group.highest) == (5, 6)
