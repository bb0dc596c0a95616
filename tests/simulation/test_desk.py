"""This file is about the help desk in a bad network: first come, first served, nobody lost or served twice (I6).

Visitors and operators are real cores, the registry crashes and forgets what was not synced, the seed tells it all.
"""

import os
import random

import pytest

from peer.core.events.duty import ClientCame, ClientSaid
from registry.desk.settings import DeskSettings
from tests.support.guests import Guest
from tests.support.house import House
from tests.support.network import Network, Weather
from tests.support.people import Person

SEEDS = range(int(os.environ.get("CHATAPP_SEEDS", "20")))
VISITORS = ("Ana", "Ben", "Cem", "Dan", "Eve", "Fay")
OPERATORS = ("bob", "rob")
PATIENCE = 60.0
BAD = Weather(loss=0.2, doubled=0.1, delay_most=0.05)


class Operator(Person):
    """Serves one visitor after the other: says two lines to each, and ends the session when both were answered, or
    when the answers were typed into a program that was killed."""

    def __init__(self, network: Network, name: str, house: House, host: str) -> None:
        super().__init__(network, name, house.address, host)
        self.connect = house.connect
        self.served: list[str] = []
        self.heard: list[str] = []
        self._seen = 0
        self._patient_until = 0.0
        self.tick()

    def tick(self) -> None:
        """Look at what has happened, as a person does now and then."""
        self.network.after(0.2, self.tick)
        if not self.is_running:
            return
        duty = self.core.duty
        events = self.screen.events[self._seen :]
        self._seen += len(events)
        for event in events:
            match event:
                case ClientCame(name=name):
                    if name not in self.served:
                        self.served.append(name)
                        self._patient_until = self.network.now + PATIENCE
                        for number in range(2):
                            self.core.speech.say_on_duty(f"{name} {number}", now=self.network.now)
                case ClientSaid(text=text, visit=visit, position=position):
                    self.heard.append(text)
                    duty.lines_shown(visit, position)
                case _:
                    pass
        if self.core.is_ready and duty.commands.is_answered:
            if not duty.is_on:
                duty.commands.take_duty("")
            elif duty.client is None:
                pass
            elif f"{duty.client} 1: heard" in self.heard or self.network.now > self._patient_until:
                duty.commands.end_session()  # again, when the registry was away
        self.pump()


class Office:
    """Everybody and everything, from one seed."""

    def __init__(self, seed: int) -> None:
        self.network = Network(seed, BAD)
        self.chance = random.Random(seed)
        self.house = House(self.network, "9.9.9.9")
        self.house.desk = DeskSettings(operators=OPERATORS, restart_grace=60.0, keep_place=600.0)
        self.house.start()
        self.operators = [
            Operator(self.network, name, self.house, f"2.2.2.{at}") for at, name in enumerate(OPERATORS, 1)
        ]
        self.guests = [
            Guest(self.network, name, self.house.address, f"1.1.1.{at}")
            for at, name in enumerate(VISITORS, 1)
        ]
        for guest in self.guests:
            guest.connect = self.house.connect

    def restart(self) -> None:
        """The registry is killed, and started again a moment later."""
        if self.house.is_running:
            self.house.crash()
            self.network.after(self.chance.uniform(0.1, 4.0), self.house.start)

    def come_in(self) -> None:
        """Visitors one after the other: each has joined before the next one starts."""
        for guest in self.guests:
            guest.start()
            assert self.network.run_until(lambda guest=guest: bool(guest.disk.ticket), within=120)  # type: ignore[misc]
            self.network.run_for(0.5)

    def is_over(self) -> bool:
        return all(guest.is_done for guest in self.guests)

    def check(self, *, is_all_answered: bool) -> None:
        """Everybody was served once, and every line was shown once, in order."""
        served = [name for operator in self.operators for name in operator.served]
        assert sorted(served) == sorted(VISITORS)
        for guest in self.guests:
            lines = [f"{guest.name} {number}" for number in range(2)]
            assert guest.heard == lines
            assert guest.turns <= 1
            (operator,) = (one for one in self.operators if guest.name in one.served)
            said = [text for text in operator.heard if text.startswith(guest.name)]
            answers = [f"{line}: heard" for line in lines]
            assert said == answers or (not is_all_answered and said == answers[: len(said)])


@pytest.mark.parametrize("seed", SEEDS)
def test_first_come_first_served_though_the_registry_crashes_and_datagrams_get_lost(seed: int) -> None:
    office = Office(seed)
    office.come_in()
    for _ in range(3):
        office.network.after(office.chance.uniform(0, 20), office.restart)
    bob = office.operators[0]
    bob.start()
    assert office.network.run_until(office.is_over, within=600)
    office.network.run_for(1)
    office.check(is_all_answered=True)
    assert bob.served == list(VISITORS)


@pytest.mark.parametrize("seed", SEEDS)
def test_nobody_is_lost_or_served_twice_though_visitors_crash_too(seed: int) -> None:
    office = Office(seed)
    for operator in office.operators:
        operator.start()
    for guest in office.guests:
        office.network.after(office.chance.uniform(0, 5), guest.start)
        office.network.after(office.chance.uniform(6, 12), lambda guest=guest: cut_off(office, guest))  # type: ignore[misc]
    office.network.after(office.chance.uniform(0, 15), office.restart)
    assert office.network.run_until(office.is_over, within=900)
    office.network.run_for(1)
    office.check(is_all_answered=False)


def cut_off(office: Office, guest: Guest) -> None:
    """Killed, and started again a moment later; whoever is done stays away."""
    if guest.is_running and not guest.is_done:
        guest.crash()
        office.network.after(office.chance.uniform(0.1, 5.0), guest.start)
