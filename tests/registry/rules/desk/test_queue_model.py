"""The queue against a plain list: any order of joins, losses, returns, calls, moves and restarts
keeps I6.

First come, first served: no visitor who is online is overtaken, served twice or lost, whatever
happens and whenever the registry restarts from its records.
"""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from chatapp.registry.rules.desk.queue.queue import DeskQueue
from chatapp.registry.rules.desk.queue.visit import (
    NOBODY,
    UNRECORDED,
    Change,
    HandoverReleased,
    OperatorId,
    Pause,
    Visit,
    VisitState,
    VisitUpdated,
    is_in_line,
    record_of,
    visit_of,
)
from chatapp.registry.rules.desk.settings import DeskSettings
from chatapp.wire.messages.desk import OverCause
from tests.registry.rules.desk.people import OPERATORS, visit
from tests.registry.rules.desk.witness import Witness

SETTINGS = DeskSettings(queues=("a", "b"), keep_place=60.0, operator_grace=15.0)
QUEUES = st.sampled_from(["a", "a", "a", "b"])
WHO = st.sampled_from(OPERATORS)


class QueueMachine(RuleBasedStateMachine):
    """The queue and its witness: after each step they agree."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self.queue = DeskQueue(SETTINGS)
        self.records: dict[int, Visit] = {}
        self.count = 0
        self.witness = Witness(SETTINGS.queues)

    # --- what happened, as the disk would know it

    def settle(self) -> None:
        """Pass on what happened: records to the disk, facts to the witness."""
        for one in self.queue.take_events():
            self.witness.hear(one)
            if (
                isinstance(one, VisitUpdated | HandoverReleased | Change)
                and one.visit.state is VisitState.OVER
            ):
                self.records.pop(one.visit.number, None)
            elif (
                isinstance(one, VisitUpdated | HandoverReleased | Change)
                and one.visit.number in self.queue.visits
            ):
                self.keep(one.visit)

    def keep(self, one: Visit) -> None:
        self.records[one.number] = visit_of(record_of(one), one.queue)

    def order(self) -> dict[str, list[int]]:
        return {queue: [one.number for one in self.queue.line(queue)] for queue in SETTINGS.queues}

    def some(self, data: st.DataObject, *states: VisitState) -> Visit | None:
        found = [one for one in self.queue.visits.values() if one.state in states]
        return data.draw(st.sampled_from(found)) if found else None

    # --- visitors

    @rule(queue=QUEUES, at_once=st.booleans())
    def joins(self, queue: str, at_once: bool) -> None:
        self.count += 1
        one = visit(self.count, queue)
        self.queue.join(one)
        self.witness.joined(one)
        if at_once:
            self.keep(one)
            self.queue.kept(one, now=self.now)

    @rule(data=st.data(), fate=st.booleans())
    def disk_answers(self, data: st.DataObject, fate: bool) -> None:
        one = self.some(data, *UNRECORDED)
        if one is None:
            return
        if fate:
            self.keep(one)
            self.queue.kept(one, now=self.now)
        else:
            self.queue.end(one, OverCause.NOT_KEPT)

    @rule(data=st.data())
    def loses_the_link(self, data: st.DataObject) -> None:
        one = self.some(data, VisitState.WAITING, VisitState.SERVED, VisitState.JOINING)
        if one is not None:
            self.queue.lost(one, now=self.now)

    @rule(data=st.data())
    def shows_a_sign_of_life(self, data: st.DataObject) -> None:
        one = self.some(data, VisitState.SERVED)
        if one is not None:
            one.has_answered = True

    @rule(data=st.data())
    def comes_back(self, data: st.DataObject) -> None:
        states = [state for state in VisitState if state is not VisitState.OVER]
        one = self.some(data, *states)
        if one is not None:
            place = self.order()
            was = one.state
            self.queue.returned(one)
            if is_in_line(was) and is_in_line(one.state):
                assert place[one.queue].index(one.number) >= self.order()[one.queue].index(
                    one.number
                )

    @rule(
        data=st.data(), cause=st.sampled_from([OverCause.LEFT, OverCause.DROPPED, OverCause.ENDED])
    )
    def goes(self, data: st.DataObject, cause: OverCause) -> None:
        one = self.some(data, *(state for state in VisitState if state is not VisitState.OVER))
        if one is not None:
            self.queue.end(one, cause)

    @rule(data=st.data())
    def lets_others_go_first_or_not(self, data: st.DataObject) -> None:
        one = self.some(data, VisitState.WAITING)
        if one is None:
            return
        if one.pause is Pause.NONE:
            self.queue.pause(one)
        else:
            self.queue.resume(one)

    @rule(data=st.data(), text=st.sampled_from(["", "short", "é" * 100]))
    def writes(self, data: st.DataObject, text: str) -> None:
        one = self.some(data, VisitState.WAITING)
        if one is not None:
            self.queue.describe(one, text)

    # --- operators

    @rule(who=WHO, queue=QUEUES)
    def takes_duty(self, who: OperatorId, queue: str) -> None:
        operator = self.queue.operators.get(who)
        if operator is not None and operator.visit is not None and operator.visit.queue != queue:
            with pytest.raises(ValueError, match="another queue"):
                self.queue.take_duty(who, queue)
        else:
            self.queue.take_duty(who, queue)

    @rule(who=WHO)
    def ends_duty(self, who: OperatorId) -> None:
        self.queue.end_duty(who)

    @rule(who=WHO)
    def operator_is_lost(self, who: OperatorId) -> None:
        self.queue.operator_lost(who, now=self.now)

    @rule(who=WHO)
    def operator_returns(self, who: OperatorId) -> None:
        self.queue.operator_returned(who)

    @rule(who=WHO)
    def operator_leaves(self, who: OperatorId) -> None:
        self.queue.operator_gone(who, now=self.now)

    @rule(data=st.data(), to=WHO)
    def hands_over(self, data: st.DataObject, to: OperatorId) -> None:
        busy = [one for one in self.queue.operators if one.visit is not None]
        other = self.queue.operators.get(to)
        if not busy or other is None:
            return
        who, client = (chosen := data.draw(st.sampled_from(busy))).id, chosen.visit
        assert client is not None
        is_fit = other.is_on and other.queue == client.queue and who != to
        if not is_fit:
            with pytest.raises(ValueError, match="handed over"):
                self.queue.hand_over(client, to, now=self.now)
            return
        if not other.is_free:
            self.witness.waits_for(client, to)
        self.queue.hand_over(client, to, now=self.now)
        assert client.operator == to or client.wanted == to

    @rule(data=st.data(), queue=st.sampled_from([None, "a", "b"]))
    def is_put_on_hold_or_sent_elsewhere(self, data: st.DataObject, queue: str | None) -> None:
        one = self.some(data, VisitState.SERVED, VisitState.ABSENT)
        if one is None or one.queue == queue:
            return
        if queue is None:
            self.queue.hold(one, now=self.now)
            assert one.operator == NOBODY
            assert one.pause is Pause.HELD
        else:
            self.queue.transfer(one, queue, now=self.now)
            assert one.queue == queue

    @rule(data=st.data(), queue=QUEUES)
    def is_moved(self, data: st.DataObject, queue: str) -> None:
        line = self.order()[queue]
        if not line or any(operator.is_free for operator in self.queue.operators):
            return
        place, to = data.draw(st.integers(1, len(line))), data.draw(st.integers(1, len(line) + 2))
        moved = self.queue.line(queue).at(place)
        assert moved is not None
        self.queue.move(moved, to)
        self.witness.moved(moved, to)

    # --- time

    @rule(span=st.sampled_from([0.1, 0.5, 1.0, 5.0, 14.0, 30.0, 61.0]))
    def time_passes(self, span: float) -> None:
        until = self.now + span
        while (due := self.queue.next_timer()) is not None and due <= until:
            assert due > self.now or due <= until
            self.now = max(self.now, due)
            self.queue.handle_timer(now=self.now)
            self.settle()
        self.now = until

    @rule()
    def starts_anew(self) -> None:
        """Restart from the disk: a visit whose record was on its way is gone, and nobody was told
        of it."""
        self.settle()
        promised = {
            number for number, one in self.queue.visits.items() if one.state not in UNRECORDED
        }
        served = {
            one.number: one.operator for one in self.queue.visits.values() if one.operator != NOBODY
        }
        assert promised <= set(self.records)
        kept = {number: record for number, record in self.records.items() if number in promised}
        self.queue = DeskQueue(SETTINGS)
        self.records = {}
        fresh = [visit_of(record_of(record), record.queue) for record in kept.values()]
        self.queue.load(fresh, now=self.now)
        for one in self.queue.visits.values():
            self.keep(one)
        self.witness.starts_anew(promised, served)
        assert self.order() == self.witness.lines, "the order is kept"
        for number, record in kept.items():
            again = self.queue.visits[number]
            assert (again.pause, again.description) == (record.pause, record.description)
        assert {
            one.number: one.operator for one in self.queue.visits.values() if one.operator != NOBODY
        } == served

    # --- what always holds

    @invariant()
    def the_lines_are_those_of_the_witness(self) -> None:
        self.settle()
        assert self.order() == self.witness.lines

    @invariant()
    def nobody_is_lost_or_in_two_places(self) -> None:
        self.settle()
        in_line = [one.number for queue in SETTINGS.queues for one in self.queue.line(queue)]
        with_operators = [one.visit.number for one in self.queue.operators if one.visit is not None]
        assert sorted(in_line + with_operators) == sorted(self.queue.visits)
        for number, one in self.queue.visits.items():
            assert number not in self.witness.over
            assert is_in_line(one.state) == (one.operator == NOBODY)
            assert is_in_line(one.state) or one.pause is Pause.NONE
        for operator in self.queue.operators:
            assert operator.visit is None or operator.visit.operator == operator.id

    @invariant()
    def whoever_is_in_reach_is_called_as_soon_as_somebody_is_free(self) -> None:
        for operator in self.queue.operators:
            if not operator.is_free:
                continue
            for one in self.queue.line(operator.queue):
                if one.wanted not in (NOBODY, operator.id) or one.state is VisitState.AWAY:
                    continue
                if one.pause is not Pause.NONE:
                    continue
                assert one.state in (*UNRECORDED, VisitState.MISSED), "somebody waits for nothing"
                break

    @invariant()
    def whoever_waits_for_one_operator_waits_for_one_on_duty(self) -> None:
        for one in self.queue.visits.values():
            if one.wanted != NOBODY:
                assert is_in_line(one.state)
                assert self.queue.operators[one.wanted].is_on

    @invariant()
    def the_order_is_the_ranks(self) -> None:
        for queue in SETTINGS.queues:
            ranks = [one.rank for one in self.queue.line(queue)]
            assert ranks == sorted(set(ranks))

    @invariant()
    def those_put_back_stand_in_the_order_in_which_they_came(self) -> None:
        for queue in SETTINGS.queues:
            put_back = [one.number for one in self.queue.line(queue) if one.is_put_back]
            assert put_back == sorted(put_back)

    @invariant()
    def nobody_out_of_reach_is_kept_for_ever(self) -> None:
        due = self.queue.next_timer()
        if any(not one.is_here for one in self.queue.visits.values()):
            assert due is not None
            assert due <= self.now + SETTINGS.keep_place


QueueMachine.TestCase.settings = settings(
    max_examples=max(100, settings().max_examples), stateful_step_count=80, deadline=None
)
TestQueue = QueueMachine.TestCase
