"""Conversations at the help desk: each line is shown once, in order, and in the end both sides have
all accepted lines.

Checked by what visitors and operators were shown.
"""

from typing import TYPE_CHECKING, Final

from chatapp.peer.api.events import ClientCame, Edited, Retracted, Said
from tests.support.guests import Guest
from tests.support.people import Person

if TYPE_CHECKING:
    from tests.support.world import World


Told = Said | Edited | Retracted
_LINES: Final = (Said, Edited, Retracted)


class TalkPromise:
    """Checks the lines shown in each visit."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._seen: dict[str, int] = {}
        self._turns: dict[str, int] = {}
        """For each operator: how often a visitor came to them. Each time the visit may be shown
        from its beginning."""
        self._to_visitor: dict[int, list[Told]] = {}
        self._to_operator: dict[tuple[str, int, int, int], list[Told]] = {}
        """By operator, run of their program, turn and visit."""

    def look(self) -> None:
        """After every step."""
        for guest in self._world.guests:
            for visit, told in guest.told[self._seen.get(guest.name, 0) :]:
                if isinstance(told, _LINES) and not told.is_late:
                    _append(self._to_visitor.setdefault(visit, []), told)
            self._seen[guest.name] = len(guest.told)
        for person in self._world.people:
            events = person.screen.events
            for event in events[self._seen.get(person.name, 0) :]:
                turn = self._turns.get(person.name, 0)
                if isinstance(event, ClientCame):
                    self._turns[person.name] = turn + 1
                elif isinstance(event, _LINES) and event.visit:
                    key = (person.name, person.lives, turn, event.visit)
                    _append(self._to_operator.setdefault(key, []), event)
            self._seen[person.name] = len(events)

    def check_complete(self) -> None:
        """At the end: both sides have read everything that the other side said."""
        desk = self._world.registry.engine.hub.desk
        for guest in self._world.guests:
            visit = desk._queue.visits.get(guest.visit)
            if visit is None or not guest.is_placed:
                continue
            transcript = desk.state.visits.transcripts.get(visit.number, ())
            said = [line for line in transcript if not line.target]
            ours = [line.text for line in said if not line.author]
            theirs = [line.text for line in said if line.author]
            shown = list(_now(self._to_visitor.get(visit.number, [])).values())
            assert shown == theirs, f"{guest.name} was shown {shown}, operators said {theirs}"
            changes = {line.position: "" for line in transcript if line.target}
            self._check_whole(guest, {line.position: line.text for line in said} | changes)
            waiting = guest.guest._visit._conversation.unsaid()  # for the next turn
            known = {*ours, *guest.unsaid, *guest.replaced, *(said.text for said in waiting)}
            lost = [text for text in guest.said if text not in known]
            assert not lost, f"{lost} of {guest.name} went nowhere"
            if visit.operator:
                of_guest = {line.position: line.text for line in said if not line.author}
                self._check_operator(guest, visit.operator, of_guest)

    def _check_whole(self, guest: Guest, said: dict[int, str]) -> None:
        """The visitor's present program knows the whole conversation, also what was said before it
        was started."""
        known = guest.heard | {
            at: text for at, text in said.items() if text in guest.typed or not text
        }
        whole = {
            at: text for at, text in said.items() if at in known or at >= min(known, default=0)
        }
        assert {at: known.get(at) for at in whole} == whole, f"{guest.name} knows {known} of {said}"
        own = [text for text in guest.heard.values() if text in guest.typed]
        assert not own, f"{guest.name} was told {own}, which this program has said itself"

    def _check_operator(self, guest: Guest, operator: bytes, said: dict[int, str]) -> None:
        (person,) = (one for one in self._world.people if one.identity.public == operator)
        assert person.core.desk.client == guest.name
        shown = self._lines_of(person, guest.visit)
        of_guest = {at: text for at, text in shown.items() if at in said}
        assert of_guest == said, f"{person.name} was shown {of_guest} of {said}"

    def _lines_of(self, person: Person, visit: int) -> dict[int, str]:
        """Return all lines of a visit that this person's present program was shown, as they are
        now, by position."""
        told: list[Told] = []
        for (name, life, _, number), lines in self._to_operator.items():
            if (name, life, number) == (person.name, person.lives, visit):
                told += lines
        return _now(sorted(told, key=lambda one: one.number))


def _append(lines: list[Told], told: Told) -> None:
    assert not lines or told.number > lines[-1].number, f"{told.text!r} came behind {lines[-1]}"
    lines.append(told)


def _now(told: list[Told]) -> dict[int, str]:
    """Return what the lines are now that were told so, by position."""
    lines: dict[int, str] = {}
    places: dict[int, int] = {}
    for one in told:
        if isinstance(one, Said):
            lines[one.number] = one.text
            places[one.id] = one.number
        elif one.target.number in places:
            lines[places[one.target.number]] = one.text
    return lines
