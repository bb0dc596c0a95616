"""Going somewhere: conversations with news first, then all places, by a few letters."""

import asyncio
from functools import partial

import msgspec

from chatapp.peer.api import events
from chatapp.peer.api.conversations import EVERYBODY, person, room
from chatapp.peer.api.errors import NotAnswered
from chatapp.peer.api.events import NoAnswer
from chatapp.peer.api.requests import ListPeople, ListRooms
from chatapp.peer.faces.full.overlays.pickers import PeopleOverlay, PlaceOverlay
from chatapp.peer.faces.full.theme import ASCII, UNICODE
from chatapp.peer.view.lookups import PeopleTable, Places
from tests.peer.faces.full.overlays.host import Host, asking, note, rows, somebody, until


class Rooms:
    """The registry's rooms, or why they are not known."""

    def __init__(self, *rooms: tuple[str, int]) -> None:
        self.rooms = tuple(events.Room(name=name, here=here) for name, here in rooms)
        self.error: Exception | None = None
        self.is_known = asyncio.Event()
        self.is_known.set()

    async def answer(self, _: ListRooms) -> tuple[events.Room, ...]:
        await self.is_known.wait()
        if self.error is not None:
            raise self.error
        return self.rooms


def overlay(rooms: Rooms) -> PlaceOverlay:
    """Return the overlay of alice, who knows three conversations and four people."""
    known = [(room("lab"), 0), (person("bob"), 2), (EVERYBODY, 0)]
    people = [
        somebody("alice"),
        somebody("bob"),
        somebody("[/]eve", online=False),
        somebody("carol"),
    ]
    places = Places(known, people, me="alice")
    return PlaceOverlay(places, asking(rooms.answer), signs=UNICODE)


async def test_what_is_unread_comes_first_then_conversations_then_people_and_rooms() -> None:
    host = Host(partial(overlay, Rooms(("lab", 3), ("physics", 12))))
    async with host.run_test() as pilot:
        await until(pilot, lambda: len(rows(host.overlay)) == 6)
        assert [" ".join(row.split()) for row in rows(host.overlay)] == [
            "● bob 2 new lines",
            "# lab 3 here",
            "* everybody",
            "# physics 12 here",
            "● carol online",
            "○ [/]eve away since 2023-11-14 22:13",
        ]
        await pilot.press(*"phy", "enter")
        await until(pilot, lambda: bool(host.results))
    assert host.results == [room("physics")]


async def test_a_name_that_is_no_place_makes_a_room() -> None:
    host = Host(partial(overlay, Rooms()))
    async with host.run_test() as pilot:
        await pilot.press(*"exam-2")
        assert [" ".join(row.split()) for row in rows(host.overlay)] == ["# exam-2 a new room"]
        await pilot.press("enter")
        await until(pilot, lambda: bool(host.results))
    assert host.results == [room("exam-2")]


async def test_rooms_that_come_late_leave_the_choice_and_a_silent_server_is_one_line() -> None:
    known, unknown = Rooms(("physics", 12)), Rooms()
    known.is_known.clear()
    host = Host(partial(overlay, known))
    async with host.run_test() as pilot:
        await pilot.press("down", "down")
        known.is_known.set()
        await until(pilot, lambda: any("physics" in row for row in rows(host.overlay)))
        await pilot.press("enter")
        await until(pilot, lambda: bool(host.results))
    assert host.results == [EVERYBODY]
    unknown.error = NotAnswered(NoAnswer.UNREACHABLE)
    host = Host(partial(overlay, unknown))
    async with host.run_test() as pilot:
        await until(
            pilot,
            lambda: (
                note(host.overlay) == "The rooms are not listed: there is no link to the registry."
            ),
        )
        assert len(rows(host.overlay)) == 5


class Registry:
    """Answers who is in the table."""

    def __init__(self, *people: events.Person) -> None:
        self.people = people
        self.asked: list[object] = []

    async def answer(self, asked: ListPeople) -> tuple[events.Person, ...]:
        self.asked.append(asked)
        return self.people


async def test_the_table_has_a_row_for_each_person_and_finds_them_by_address() -> None:
    people = [somebody("alice"), somebody("[b]eve", online=False)]
    registry = Registry(*people)
    host = Host(partial(PeopleOverlay, PeopleTable(people), asking(registry.answer), signs=ASCII))
    async with host.run_test() as pilot:
        assert rows(host.overlay) == [
            "+ alice   192.0.2.7  4000  online",
            "- [b]eve  192.0.2.7  4000  away since 2023-11-14 22:13",
        ]
        assert note(host.overlay) == "2 people, 1 online."
        await pilot.press(*"[b]", "enter")
        await until(pilot, lambda: bool(host.results))
    assert host.results == [person("[b]eve")]
    assert registry.asked == [ListPeople(needs_addresses=True)]
    host = Host(partial(PeopleOverlay, PeopleTable([]), asking(Registry().answer), signs=ASCII))
    async with host.run_test():
        assert note(host.overlay) == "Still loading the table."


async def test_addresses_that_come_late_are_shown() -> None:
    known = [msgspec.structs.replace(somebody("alice"), host="", port=0)]
    registry = Registry(somebody("alice"))
    host = Host(partial(PeopleOverlay, PeopleTable(known), asking(registry.answer), signs=ASCII))
    async with host.run_test() as pilot:
        await until(pilot, lambda: rows(host.overlay) == ["+ alice  192.0.2.7  4000  online"])
