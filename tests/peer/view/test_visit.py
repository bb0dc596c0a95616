"""What a visitor's page shows, by the events of the visit."""

from chatapp.peer.api import visit_events
from chatapp.peer.view.talk import Mark
from chatapp.peer.view.visit import VisitStage, VisitView
from tests.support.visits import line_of, own_line, settled

AT = 1_800_000_000.0


def view_of(*events: visit_events.VisitEvent) -> VisitView:
    view = VisitView()
    for event in events:
        view.handle(event)
    return view


WAITING = visit_events.PositionKnown(position=3, operators=1)
SERVED = visit_events.Served(turn=visit_events.Turn.CALLED, operator="bob")


def test_a_visit_from_the_line_to_its_end() -> None:
    view = view_of()
    assert view.stage is VisitStage.ARRIVING
    view.handle(WAITING)
    assert (view.stage, view.position, view.estimate_known) == (VisitStage.WAITING, 3, False)
    estimate = visit_events.Estimate(least=60, most=200)
    view.handle(visit_events.PositionAnswered(position=3, estimate=estimate))
    assert (view.estimate, view.estimate_known) == (estimate, True)
    view.handle(visit_events.PositionKnown(position=2, operators=1))
    assert (view.position, view.estimate_known) == (2, False)
    view.handle(SERVED)
    assert (view.stage, view.operator, view.position) == (VisitStage.TALKING, "bob", 0)
    view.handle(visit_events.VisitEnded(cause=visit_events.OverCause.ENDED, may_rate=True))
    assert (view.stage, view.may_rate, view.was_served) == (VisitStage.OVER, True, True)


def test_lines_and_what_became_of_them() -> None:
    view = view_of(SERVED)
    view.said("one", 1, at=AT)
    view.said("two", 2, at=AT)
    version = view.version
    view.handle(line_of("bob", "hi", 1, at=AT))
    view.handle(settled(1, is_saved=True))
    view.handle(settled(2, is_saved=False))
    view.handle(settled(7, is_saved=True))
    assert [(line.who, line.text, line.mark) for line in view.lines] == [
        ("", "one", Mark.SAVED),
        ("", "two", Mark.LOST),
        ("bob", "hi", None),
    ]
    assert all(line.changed > version for line in view.lines)
    assert len({line.id for line in view.lines}) == 3


def test_after_a_restart_the_whole_conversation_is_there_with_its_times_and_marks() -> None:
    view = view_of(
        visit_events.Resumed(),
        visit_events.ServedAnswered(),
        line_of("bob", "hi", 1, at=AT - 60, is_late=True),
        own_line("", "hello", 2, at=AT - 50, is_late=True),
        line_of("bob", "still there?", 3, at=AT - 1),
    )
    assert [(line.who, line.text, line.mark, line.at) for line in view.lines] == [
        ("bob", "hi", None, AT - 60),
        ("", "hello", Mark.SAVED, AT - 50),
        ("bob", "still there?", None, AT - 1),
    ]
    assert (view.stage, view.operator) == (VisitStage.TALKING, "bob")


def test_the_version_rises_with_everything_and_tells_a_new_stage() -> None:
    view = view_of(WAITING)
    first = view.version
    assert view.stage_version <= first
    view.handle(visit_events.PauseChanged(is_paused=True))
    assert first < view.version
    assert view.stage_version <= first
    view.handle(SERVED)
    assert first < view.stage_version <= view.version
    assert not view.is_paused


def test_a_registry_that_is_away_costs_nothing() -> None:
    view = view_of(WAITING, visit_events.VisitorServerLost(keep_place=60))
    assert (view.is_away, view.keep_place, view.stage) == (True, 60, VisitStage.WAITING)
    view.handle(visit_events.ServerBack())
    assert not view.is_away


def test_who_is_put_back_reads_why_until_the_next_turn() -> None:
    back = visit_events.SentBack(why=visit_events.SentBackReason.ON_HOLD, queue="")
    view = view_of(WAITING, SERVED, back, visit_events.PositionKnown(position=1, operators=1))
    assert (view.stage, list(view.notes)) == (VisitStage.WAITING, [back])
    assert view.is_paused, "the page offers to be called again"
    view.handle(SERVED)
    assert not view.notes
    assert not view.is_paused


def test_only_the_first_end_counts() -> None:
    refused = visit_events.VisitRefused(reason=visit_events.DeskRefusal.LINE_FULL)
    view = view_of(refused, visit_events.VisitEnded(cause=visit_events.OverCause.LEFT))
    assert view.end == refused
