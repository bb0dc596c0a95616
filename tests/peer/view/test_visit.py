"""What a visitor's page shows, by the events of the visit."""

from hypothesis import given
from hypothesis import strategies as st

from chatapp.peer.api import visit_events
from chatapp.peer.api.events import Line, Target
from chatapp.peer.view.talk import Mark
from chatapp.peer.view.visit import VisitStage, VisitView, size_of
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


def changed(
    kind: type[visit_events.Edited | visit_events.Retracted], target: int, text: str = ""
) -> visit_events.VisitEvent:
    line = line_of("bob", text, 9, at=AT)
    common = {name: getattr(line, name) for name in Line.__struct_fields__}
    return kind(**common, target=Target(b"", target))


def test_a_line_that_the_operator_changes_reads_otherwise_in_its_place() -> None:
    view = view_of(SERVED, line_of("bob", "helo", 1), line_of("bob", "next", 2))
    first = view.lines[0].id
    view.handle(changed(visit_events.Edited, 1, "hello"))
    assert [(line.text, line.is_edited) for line in view.lines] == [
        ("hello", True),
        ("next", False),
    ]
    assert (view.lines[0].id, view.lines[0].changed) == (first, view.version - 1)
    view.handle(changed(visit_events.Retracted, 1))
    assert (view.lines[0].text, view.lines[0].is_retracted) == ("", True)
    view.handle(changed(visit_events.Edited, 77, "of nothing"))
    assert len(view.lines) == 2


def test_a_change_of_one_s_own_is_shown_when_the_registry_has_it() -> None:
    view = view_of(SERVED)
    view.said("helo", 1, at=AT)
    view.handle(settled(1, is_saved=True))
    view.changing(2, 1, "hello")
    assert (view.lines[0].text, view.lines[0].mark, view.unsent > 0) == ("helo", Mark.SENDING, True)
    view.handle(settled(2, is_saved=True))
    line = view.lines[0]
    assert (line.text, line.mark, line.is_edited, view.unsent) == ("hello", Mark.SAVED, True, 0)
    view.changing(3, 1, None)
    view.handle(settled(3, is_saved=False))
    assert (line.text, line.mark, line.is_retracted, view.unsent) == (
        "hello",
        Mark.SAVED,
        False,
        0,
    )


@given(st.lists(st.tuples(st.integers(1, 3), st.sampled_from([0, 1, 30_000, 60_000])), max_size=12))
def test_whatever_is_changed_the_lines_stay_in_order_and_are_counted(
    changes: list[tuple[int, int]],
) -> None:
    view = view_of(SERVED)
    now = {1: "a", 2: "b", 3: "c"}
    for line, text in now.items():
        view.handle(line_of("bob", text, line))
    for target, size in changes:
        text = now[target] = "xyz"[target - 1] * size
        view.handle(changed(visit_events.Edited, target, text))
        assert view.size == sum(map(size_of, view.lines))
        numbers = [line.number for line in view.lines]
        assert numbers == sorted(set(numbers))
    assert [line.said for line in view.lines] == sorted(line.said for line in view.lines)
    for target, text in now.items():
        assert "".join(line.text for line in view.lines_of(target)) == text
