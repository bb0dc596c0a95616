"""This file is about rooms in worlds that a seed tells: people who come, go, crash, quit and change their names; a registry
that dies and returns; partitions. Nobody is shown a line twice, nobody who was not a member sees one, and after the
calm every member who stayed has every line.

CHATAPP_SEEDS says how many worlds; a failing one is printed, and `CHATAPP_SEED=<n>` runs it alone.
"""

import os
import random
from typing import Final

import pytest

from peer.core import events as happened
from peer.core.standing import Standing
from peer.core.streamkeys import group_mark
from tests.support.network import Weather
from tests.support.people import Person
from tests.support.world import World

SEEDS: Final = int(os.environ.get("CHATAPP_SEEDS", "200")) // 4
BATCH: Final = 20
ROOMS: Final = ("lab", "Yard")
FOUND: Final = {
    "a station of the registry's last life named another sender": 1890,
    "and the line was missed under its own": 2775,
    "a line said between two answers about the room was never said again": 10186,
    "and what was asked for between them was awaited for ever": 11286,
}
"""Seeds that once failed."""


class Play(World):
    """A world, and what is to be true of its rooms: who was a member when."""

    def __init__(self, seed: int, *, people: int) -> None:
        super().__init__(seed, people=people)
        self.spans: dict[tuple[str, str], list[list[float]]] = {}
        """By person and room: from when to when they were in it, as their own program said (or asked to be)."""
        self.said: list[tuple[Person, str, str, float]] = []
        """Who said what in which room (empty: the channel) and when."""
        self._seen = dict.fromkeys((person.name for person in self.people), 0)
        self._lines_seen = dict(self._seen)
        self._texts: dict[str, tuple[Person, str, float]] = {}

    def begin(self, person: Person, room: str) -> None:
        """Somebody asks to be in a room: from now on they may be."""
        self.spans.setdefault((person.name, room), []).append([self.network.now, float("inf")])

    def end(self, person: Person) -> None:
        """Somebody is in no room any more, as they see it."""
        for (name, _), spans in self.spans.items():
            if name == person.name:
                spans[-1][1] = min(spans[-1][1], self.network.now)

    def say(self, person: Person, text: str) -> None:
        """A line to the room where somebody is, or to the channel."""
        room = person.room
        if room is not None:
            self._texts[text] = (person, room, self.network.now)
            self.said.append((person, room, text, self.network.now))
            person.say(text)

    def check(self) -> None:
        super().check()
        for person in self.people:
            self._check_membership(person)
            self._check_news(person)

    def _check_membership(self, person: Person) -> None:
        lines = person.screen.lines
        for line in lines[self._lines_seen[person.name] :]:
            if isinstance(line, happened.RoomReceived) and line.text in self._texts:
                author, room, at = self._texts[line.text]
                assert line.identity == author.identity.public, (
                    f"{person.name} was shown {line.text!r} of {author.name} as {line.sender}'s"
                )
                spans = self.spans.get((person.name, room), [])
                assert line.room == room, f"{line.text!r} was said in {room}, and shown in {line.room}"
                assert any(start <= self.network.now and at <= end for start, end in spans), (
                    f"{person.name} was shown {line.text!r} and was not in {room} since"
                )
        self._lines_seen[person.name] = len(lines)

    def _check_news(self, person: Person) -> None:
        """Joins and leaves of one person take turns."""
        events = person.screen.events
        for event in events[self._seen[person.name] :]:
            match event:
                case happened.RoomEntered(members=members):
                    self._here[person.name] = set(members)
                case happened.MemberJoined(name=name):
                    assert name not in self._here.get(person.name, set()), f"{name} joined twice"
                    self._here.setdefault(person.name, set()).add(name)
                case happened.MemberLeft(name=name):
                    assert name in self._here.get(person.name, set()), f"{name} left and was not there"
                    self._here[person.name].discard(name)
                case happened.Renamed(old=old, new=new):
                    here = self._here.get(person.name, set())
                    if old in here:
                        here.discard(old)
                        here.add(new)
                case _:
                    pass
        self._seen[person.name] = len(events)

    def is_calm(self) -> bool:
        """As for any world; and everybody knows in which room they are."""
        return super().is_calm() and all(person.core.rooms.is_settled for person in self.people)

    @property
    def _here(self) -> dict[str, set[str]]:
        if not hasattr(self, "_here_now"):
            self._here_now: dict[str, set[str]] = {}
        return self._here_now


def do_something(play: Play, chance: random.Random, count: int) -> None:
    """One thing that people, machines or networks do."""
    one, other = chance.choice(play.people), chance.choice(play.people)
    is_there = one.is_running and not one.core.is_offline
    dice = chance.random()
    if dice < 0.38:
        if is_there:
            play.say(one, f"{count} from {one.name}")
    elif dice < 0.46:
        if is_there:
            play.said.append((one, "", f"{count} to all from {one.name}", play.network.now))
            one.send_all(f"{count} to all from {one.name}")
    elif dice < 0.52:
        if is_there:
            one.send(other.called, f"{count} to {other.name} from {one.name}")
    elif dice < 0.64:
        if is_there:
            go_in(play, one, chance.choice(ROOMS))
    elif dice < 0.67:
        if is_there:
            play.end(one)
            one.leave_room()
    elif dice < 0.70:
        if is_there:
            one.rename(f"{one.name}{chance.randint(1, 3)}")
    elif dice < 0.82:
        let_programs_come_and_go(play, one, dice)
    else:
        let_the_network_change(play, one, other, dice)


def let_programs_come_and_go(play: Play, one: Person, dice: float) -> None:
    """A crash, a quit or `dereg`, and the way back."""
    if dice < 0.76:
        one.crash() if one.is_running else one.start()
    elif one.is_running and dice < 0.79:
        one.quit()
        if one.history.load().room.group is None:  # else lines of theirs have yet to be told there
            play.end(one)
    elif one.is_running:
        one.come_back() if one.core.is_offline else one.leave()


def let_the_network_change(play: Play, one: Person, other: Person, dice: float) -> None:
    """The registry dies or returns, a partition begins or all of them end."""
    if dice < 0.90:
        play.house.crash() if play.house.is_running else play.house.start()
    elif dice < 0.94:
        if one is not other:
            play.network.cut(one.address.host, other.address.host)
    elif dice < 0.97:
        play.network.cut(one.address.host, play.house.address.host)
    else:
        play.network.heal()


def go_in(play: Play, one: Person, room: str) -> None:
    """Ask to be in a room; the answer, whatever it is, is waited for."""
    if one.room == room:
        return
    before = one.room
    play.begin(one, room)
    one.enter(room)
    play.network.run_until(lambda: not one.is_running or one.core.rooms.is_settled, within=6.0)
    if one.is_running and before is not None and one.room == room:
        for start_end in play.spans[(one.name, before)]:
            start_end[1] = min(start_end[1], play.network.now)
    elif one.is_running and one.room != room:
        play.spans[(one.name, room)][-1][1] = play.network.now
        if before is not None:
            # No answer in time: the registry may have led them out and in again, and what was said between is not theirs.
            play.spans[(one.name, before)].append([play.network.now, float("inf")])


def live_through(seed: int) -> Play:
    """A world from its beginning to the calm after."""
    chance = random.Random(seed)
    play = Play(seed, people=chance.randint(2, 4))
    play.start()
    play.network.run_for(2.0)
    for person in play.people[: chance.randint(1, 4)]:
        go_in(play, person, ROOMS[0])
    play.network.weather = Weather(
        loss=chance.choice((0.0, 0.0, 0.1, 0.3)),
        doubled=chance.choice((0.0, 0.5)),
        delay_least=0.001,
        delay_most=chance.choice((0.005, 0.1, 0.8)),
    )
    for count in range(chance.randint(10, 50)):
        do_something(play, chance, count)
        play.network.run_for(chance.choice((0.0, 0.01, 0.3, 2.0, 4.0)))
    play.heal()
    assert play.network.run_until(play.is_calm, within=120.0), "liveness: no calm within two minutes"
    play.network.run_for(40.0)
    return play


def check_end(play: Play) -> None:
    """After the calm: every line is with everybody who was in the room from before it was said to now."""
    for speaker, room, text, at in play.said:
        if not is_in_the_log(speaker, room, text):
            continue
        for person in play.people:
            if person is speaker or not stayed(play, person, room, at):
                continue
            shown = [line.text for line in person.screen.lines]
            assert shown.count(text) == 1, f"{person.name} misses {text!r} of {room or 'the channel'}"
    for room in ROOMS:
        inside = [person for person in play.people if person.room == room]
        names = {person.core.me.name for person in inside}
        for person in inside:
            seen = {one.name for one in person.core.rooms.audience.people() if one.online}
            assert seen == names, f"{person.name} sees {seen} in {room}, there are {names}"
        for speaker in inside:
            speaker.say(f"after the storm from {speaker.name}")
            play.network.run_for(2.0)
            for person in inside:
                if person is not speaker:
                    assert person.screen.texts()[-1] == f"after the storm from {speaker.name}"
    for person in play.people:
        assert person.core.me.name == person.called
        names = {one.name for one in person.core.people()}
        assert names == {other.called for other in play.people}, f"names differ at {person.name}"


def is_in_the_log(speaker: Person, room: str, text: str) -> bool:
    """Whether the speaker's program was told that the registry has it. Left before that, a line may be lost."""
    mark = group_mark(f"#{room}" if room else "channel")
    return speaker.standing_of(mark, text) is Standing.DELIVERED


def stayed(play: Play, person: Person, room: str, at: float) -> bool:
    """Whether somebody is in the room now and has been since before."""
    if not room:
        return True
    if person.room != room:
        return False
    start, end = play.spans[(person.name, room)][-1]
    return start < at - 8.0 and end == float("inf")


def try_seed(seed: int) -> None:
    try:
        check_end(live_through(seed))
    except AssertionError as error:
        raise AssertionError(f"seed {seed} (repeat it with CHATAPP_SEED={seed}): {error}") from error
    except Exception as error:
        raise RuntimeError(f"seed {seed} (repeat it with CHATAPP_SEED={seed})") from error


@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_rooms_hold_in_any_weather(first: int) -> None:
    chosen = os.environ.get("CHATAPP_SEED")
    for seed in [int(chosen)] if chosen else range(first, min(first + BATCH, SEEDS)):
        try_seed(seed)


@pytest.mark.parametrize("seed", FOUND.values(), ids=FOUND.keys())
def test_what_once_went_wrong_does_not_again(seed: int) -> None:
    try_seed(seed)


@pytest.mark.parametrize("seed", [1, 9, 18, 24])
def test_a_registry_that_dies_again_and_again_mixes_nobody_up(seed: int) -> None:
    """More links a second than seconds: what stations an earlier life gave is not given again."""
    world, chance = World(seed, people=5, weather=Weather(loss=0.2, delay_most=0.2)), random.Random(seed)
    network = world.network
    world.start()
    network.run_for(1.0)
    for person in world.people:
        person.enter("tea")
    network.run_for(1.0)
    for life in range(6):
        for count in range(12):
            person = chance.choice(world.people)
            say = person.say if chance.random() < 0.7 and person.room else person.send_all
            say(f"{life}.{count} {person.name}")
            network.run_for(chance.uniform(0.01, 0.4))
        world.house.crash()
        network.run_for(chance.uniform(0.01, 0.5))
        world.house.start()
        network.run_for(chance.uniform(0.0, 1.0))
    network.run_for(10.0)
    for person in world.people:
        for line in person.screen.lines:
            author = world.person(line.text.split()[1])
            assert line.identity == author.identity.public, f"{line.text!r} as {line.sender}'s"
