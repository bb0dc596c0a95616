"""Strategies: entries as a core could write them, in any order that its rules allow."""

from hypothesis import strategies as st

from chatapp.registry.store.entries import (
    Entry,
    NameFreed,
    NameReserved,
    RoomMemberGone,
    SenderIndicesReserved,
)
from tests.registry.store.playbook import (
    ALICE,
    BOB,
    CAROL,
    Model,
    bound,
    cut,
    dropped,
    forgotten,
    gone,
    kept,
    key,
    line,
    member,
    over,
    said,
    stored,
    taken,
    topic,
    transcript,
    visiting,
)

PEOPLE = (ALICE, BOB, CAROL)
GROUPS = ("tea", "a/b")
KINDS = (
    "mail",
    "mail",
    "take",
    "line",
    "line",
    "key",
    "key",
    "cut",
    "drop",
    "gone",
    "topic",
    "name",
    "person",
    "indices",
)


class Author:
    """Makes entries with rising serials, positions and epochs, and takes letters that exist or
    existed."""

    def __init__(self) -> None:
        self.serial = 0
        self.position = dict.fromkeys(GROUPS, 0)
        self.epoch = dict.fromkeys(GROUPS, 0)
        self.said: dict[str, dict[int, int]] = {
            group: {} for group in GROUPS
        }  # the epochs of lines, by position
        self.visit = 0
        self.visits: dict[
            int, tuple[int, int]
        ] = {}  # of those that go on: the first and the last line kept

    def go_on_from(self, model: Model) -> None:
        """Go on after a death, with the lines that it has left. A registry drops lines that it has,
        and never the newest."""
        for group in GROUPS:
            lines = model.lines.get(group, [])
            self.said[group] = {one.position: one.epoch for one in lines}

    def next_entry(self, data: st.DataObject) -> Entry:
        kind = data.draw(st.sampled_from((*KINDS, "desk", "desk")))
        if kind == "desk":
            return self._at_the_desk(data)
        person = data.draw(st.sampled_from(PEOPLE))
        group = data.draw(st.sampled_from(GROUPS))
        if kind == "indices":
            return SenderIndicesReserved(data.draw(st.integers(1, 5)) * 2**14)
        if kind == "mail":
            self.serial += 1
            return stored(self.serial, person, size=data.draw(st.integers(0, 50)))
        if kind == "take":
            return taken(
                *data.draw(st.sets(st.integers(1, self.serial + 1), max_size=6)), recipient=person
            )
        if kind == "line":
            self.position[group] += data.draw(st.integers(1, 3))
            # A line may still be sealed with the key before the newest.
            epoch = max(1, self.epoch[group] - data.draw(st.integers(0, 1)))
            self.said[group][self.position[group]] = epoch
            return line(self.position[group], group, epoch=epoch)
        if kind == "key":
            self.epoch[group] += 1
            return key(self.epoch[group], group)
        if kind == "cut":
            at = data.draw(st.integers(0, self.position[group] + 1))
            self.position[group] = max(self.position[group], at)
            self.said[group] = {
                line: epoch for line, epoch in self.said[group].items() if line > at
            }
            return cut(at, group)
        if kind == "drop":
            return self._drop(data, group)
        if kind == "topic":
            return topic(data.draw(st.text(max_size=9)), group)
        if kind == "gone":
            self.said[group] = {}
            return gone(group)
        if kind == "person":
            seen, is_here = data.draw(st.integers(0, 9)), data.draw(st.booleans())
            here = member(person, group, seen=seen, is_here=is_here)
            gone_from = data.draw(st.sampled_from((group, None)))
            return here if data.draw(st.booleans()) else RoomMemberGone(person, gone_from)
        name = data.draw(st.sampled_from(("alice", "bob")))
        if data.draw(st.booleans()):
            return NameReserved(name, person, 5) if data.draw(st.booleans()) else NameFreed(name)
        return bound(name, person, data.draw(st.binary(max_size=3)))

    def _drop(self, data: st.DataObject, group: str) -> Entry:
        said = self.said[group]
        going = (
            data.draw(st.sets(st.sampled_from(sorted(said)[:-1]), max_size=6))
            if len(said) > 1
            else set()
        )
        last_uses = {said[position]: -1 for position in going}
        for position in going:
            del said[position]
        last_uses.update({epoch: at for at, epoch in sorted(said.items()) if epoch in last_uses})
        return dropped(*sorted(going), group=group, last_uses=last_uses)

    def _at_the_desk(self, data: st.DataObject) -> Entry:
        kind = (
            data.draw(st.sampled_from(("join", "change", "say", "say", "end", "keep", "forget")))
            if self.visits
            else "join"
        )
        if kind == "join":
            self.visit += 1
            self.visits[self.visit] = (1, 0)
            return visiting(self.visit)
        visit = data.draw(st.sampled_from(sorted(self.visits)))
        if kind == "change":
            return visiting(visit, operator=ALICE, note=data.draw(st.text(max_size=3)))
        if kind == "say":
            first, last = self.visits[visit]
            first = data.draw(st.integers(first, last + 1))
            self.visits[visit] = (first, last + 1)
            return said(last + 1, visit, first=first, size=data.draw(st.integers(0, 50)))
        if kind == "keep":
            note = data.draw(st.text(max_size=3))
            return kept(visit, note=note) if data.draw(st.booleans()) else transcript(visit, note)
        if kind == "forget":
            return forgotten(
                [visit] * data.draw(st.integers(0, 1)), [visit] * data.draw(st.integers(0, 1))
            )
        del self.visits[visit]
        return over(visit, called_at=data.draw(st.integers(0, 1)))

    def batch(self, data: st.DataObject) -> list[Entry]:
        return [self.next_entry(data) for _ in range(data.draw(st.integers(1, 6)))]
