"""A crowd of visitors in virtual time, with lost links, people who give up, and a restart of the
registry."""

import os
import random
from typing import Final

from chatapp.registry.rules.desk.settings import DeskSettings
from chatapp.wire.messages import desk as wire
from tests.registry.rules.desk.help_desk import HelpDesk, Visitor, Worker

OPERATORS = ("ann", "bob", "cat")
VISITORS: Final = 1_000 if "CHATAPP_WORLDS" in os.environ else 250
"""The work grows with the square of the crowd: `make fuzz` takes the large one."""


def letters(number: int) -> str:
    return "".join(chr(65 + int(digit)) for digit in str(number))


class Crowd:
    """A simulated desk that records the order of service, to compare it with the order of
    arrival."""

    def __init__(self, seed: int, count: int) -> None:
        self.chance = random.Random(seed)
        self.help_desk = HelpDesk(DeskSettings(operators=OPERATORS))
        self.workers = [self.help_desk.operator(name) for name in OPERATORS]
        self.visitors = [self.help_desk.joined(letters(number)) for number in range(count)]
        self.by_visit = {one.visit: one for one in self.visitors}
        self.away: set[int] = set()
        self.shaken: set[int] = set()
        """Who was out of reach at some time, or left."""
        self.served: list[int] = []
        self.ended: set[int] = set()

    def hear(self) -> None:
        for worker in self.workers:
            for notice in worker.hear():
                if isinstance(notice, wire.ClientAssigned) and notice.visit not in self.served:
                    self.served.append(notice.visit)

    def shake(self) -> None:
        """Some lose their links, some come back, one leaves."""
        waiting = [
            visit for visit in self.by_visit if visit not in self.served and visit not in self.ended
        ]
        for visit in self.chance.sample(waiting, min(3, len(waiting))):
            one = self.by_visit[visit]
            self.shaken.add(visit)
            if visit in self.away:
                one.come_back()
                self.away.discard(visit)
            else:
                one.drop()
                self.away.add(visit)
        here = [visit for visit in waiting if visit not in self.away]
        if here and self.chance.random() < 0.2:
            gone = self.chance.choice(here)
            self.by_visit[gone].ask(wire.LeaveDesk(1))
            self.ended.add(gone)

    def restart(self) -> None:
        self.help_desk.restart()
        for worker in self.workers:
            worker.come_back()
            worker.ask(wire.TakeDuty(1, ""))
        back = [visit for visit in self.by_visit if visit not in self.ended]
        self.chance.shuffle(back)
        for visit in back:
            self.by_visit[visit].come_back()
            self.away.discard(visit)
        self.hear()


def test_a_crowd_is_served_in_order() -> None:
    pending = Crowd(1, VISITORS)
    turns = 0
    while (
        len(pending.served) + len(pending.ended - set(pending.served)) < VISITORS and turns < 2_000
    ):
        turns += 1
        worker: Worker = pending.chance.choice(pending.workers)
        worker.ask(wire.CallNext(1, "", worker.client))
        pending.help_desk.advance(1.0)
        pending.hear()
        given_up = {
            visit
            for visit in pending.away
            if visit not in pending.help_desk.rig.core.engine.hub.desk._queue.visits
        }
        pending.ended |= given_up
        pending.away -= given_up
        if turns < 2 * VISITORS // 5:
            pending.shake()
        elif pending.away:
            visit = pending.away.pop()
            pending.by_visit[visit].come_back()
            if any(
                isinstance(notice, wire.OperatorAssigned | wire.VisitOver)
                for notice in pending.by_visit[visit].heard
            ):
                pending.ended.add(visit)
        if turns == VISITORS // 7:
            pending.restart()
    assert len(pending.served) == len(set(pending.served)), "served twice"
    undisturbed = [visit for visit in pending.served if visit not in pending.shaken]
    assert len(undisturbed) > VISITORS // 20
    assert undisturbed == sorted(undisturbed), "somebody was overtaken"
    assert set(pending.served) | pending.ended == set(pending.by_visit), "somebody was lost"
    assert isinstance(pending.visitors[0], Visitor)
