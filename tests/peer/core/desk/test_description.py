"""What a visitor writes while waiting, and what lets others go first."""

from chatapp.peer.api import visit_events
from chatapp.wire.limits import DESK_DESCRIPTION_MAX
from chatapp.wire.messages import desk as wire
from tests.peer.core.desk.scene import WALL, Scene

KEPT = [visit_events.NotYourTurn(), visit_events.Described()]


def waiting() -> Scene:
    """Return a visitor who waits."""
    scene = Scene()
    scene.join()
    scene.wait()
    scene.visit.events()
    return scene


def described(scene: Scene) -> wire.DescribeVisit:
    """Return the one request that was sent."""
    (request,) = scene.said()
    assert isinstance(request, wire.DescribeVisit)
    return request


def answer(
    scene: Scene, request: wire.DescribeVisit, result: wire.DescriptionResult, text: str
) -> None:
    scene.visit.handle(wire.DescriptionAnswered(request.reference, 7, result, text))


def test_lines_typed_while_waiting_make_up_the_description() -> None:
    scene = waiting()
    scene.visit.say("my book", wall=WALL)
    first = described(scene)
    assert (first.visit, first.text) == (7, "my book")
    assert not scene.settled()
    assert scene.visit.events() == []
    answer(scene, first, wire.DescriptionResult.KEPT, "my book")
    assert scene.settled()
    assert scene.visit.events() == KEPT
    scene.visit.say("it is red", wall=WALL)
    second = described(scene)
    assert second.text == "my book\nit is red"
    answer(scene, second, wire.DescriptionResult.KEPT, second.text)
    assert scene.visit.description == "my book\nit is red"
    scene.visit.events()
    scene.visit.describe("forget it", wall=WALL)
    third = described(scene)
    assert third.text == "forget it"
    answer(scene, third, wire.DescriptionResult.KEPT, third.text)
    assert scene.visit.events() == [visit_events.Described()]


def test_what_is_too_long_is_refused_here() -> None:
    scene = waiting()
    scene.visit.describe("x" * 65_536, wall=WALL)
    limit = DESK_DESCRIPTION_MAX
    assert scene.visit.events() == [
        visit_events.DescriptionRefused(size=65_536, limit=limit, is_line=False)
    ]
    scene.visit.describe("x" * limit, wall=WALL)
    answer(scene, described(scene), wire.DescriptionResult.KEPT, "x" * limit)
    scene.visit.events()
    scene.visit.say("y", wall=WALL)
    assert scene.visit.events() == [
        visit_events.DescriptionRefused(size=limit + 2, limit=limit, is_line=True)
    ]
    assert scene.said() == []
    assert scene.visit.description == "x" * limit


def test_what_comes_too_late_is_said_to_the_operator() -> None:
    scene = waiting()
    scene.visit.say("my book", wall=WALL)
    request = described(scene)
    scene.serve()
    answer(scene, request, wire.DescriptionResult.SERVED, "")
    (line,) = scene.said()
    assert isinstance(line, wire.SendDeskLine)
    assert line.text == "my book"


def test_on_a_new_link_the_whole_is_written_again_behind_the_ticket() -> None:
    scene = waiting()
    scene.visit.say("one", wall=WALL)
    scene.visit.say("two", wall=WALL)
    scene.said()
    scene.relink()
    (back,) = scene.said()
    assert isinstance(back, wire.ReturnToDesk)
    scene.visit.say("three", wall=WALL)
    assert scene.said() == []
    scene.wait(2, wire.PositionCause.RETURNED)
    again = described(scene)
    assert again.text == "one\ntwo\nthree"
    scene.visit.events()
    answer(scene, again, wire.DescriptionResult.KEPT, again.text)
    assert scene.visit.events() == 3 * KEPT


def test_a_restarted_program_learns_the_description() -> None:
    scene = Scene(ticket=b"t" * 16)
    scene.relink()
    scene.wait(1, wire.PositionCause.RETURNED)
    scene.visit.handle(wire.DescriptionAnswered(0, 7, wire.DescriptionResult.KEPT, "my book"))
    assert scene.visit.description == "my book"
    scene.said()
    scene.visit.say("it is red", wall=WALL)
    assert described(scene).text == "my book\nit is red"


def test_a_description_of_another_visit_is_ignored() -> None:
    scene = waiting()
    scene.visit.handle(wire.DescriptionAnswered(0, 8, wire.DescriptionResult.KEPT, "not mine"))
    assert scene.visit.description == ""


def report(
    cause: wire.PositionCause, *, is_paused: bool, reference: int = 0
) -> wire.PositionReported:
    return wire.PositionReported(reference, 7, cause, 2, 1, 0, 0, "desk", is_paused)


def test_pausing_and_resuming_is_told_when_the_registry_says_so() -> None:
    scene = waiting()
    for is_paused, cause in (
        (True, wire.PositionCause.PAUSED),
        (False, wire.PositionCause.RESUMED),
    ):
        scene.visit.pause(is_paused=is_paused)
        (request,) = scene.said()
        assert isinstance(request, wire.PauseVisit)
        assert (request.visit, request.is_paused) == (7, is_paused)
        assert not scene.settled()
        scene.visit.handle(report(cause, is_paused=is_paused, reference=request.reference))
        assert scene.visit.events() == [visit_events.PauseChanged(is_paused=is_paused)]
        assert scene.settled()


def test_a_paused_visitor_is_reminded_on_a_new_link_and_not_at_each_step_of_the_line() -> None:
    scene = waiting()
    scene.visit.handle(report(wire.PositionCause.CHANGED, is_paused=True))
    assert scene.visit.events() == []
    scene.relink()
    scene.visit.handle(report(wire.PositionCause.RETURNED, is_paused=True))
    assert scene.visit.events() == [visit_events.PauseChanged(is_paused=True)]


def test_a_visitor_on_hold_or_in_another_queue_reads_why() -> None:
    scene = waiting()
    for cause, why in (
        (wire.PositionCause.HELD, visit_events.SentBackReason.ON_HOLD),
        (wire.PositionCause.LINK_LOST, visit_events.SentBackReason.LINK_LOST),
        (wire.PositionCause.TRANSFERRED, visit_events.SentBackReason.TRANSFERRED),
    ):
        scene.serve()
        scene.visit.events()
        scene.visit.handle(report(cause, is_paused=cause is wire.PositionCause.HELD))
        assert scene.visit.events() == [
            visit_events.SentBack(why=why, queue="desk"),
            visit_events.PositionKnown(position=2, operators=1),
        ]


def test_a_session_can_be_rated_after_its_end_and_once() -> None:
    scene = waiting()
    ticket = scene.disk.ticket
    scene.serve()
    scene.visit.events()
    scene.visit.handle(wire.VisitOver(7, wire.OverCause.ENDED))
    assert scene.visit.events() == [
        visit_events.VisitEnded(cause=wire.OverCause.ENDED, may_rate=True)
    ]
    scene.said()
    scene.visit.rate(4)
    (request,) = scene.said()
    assert request == wire.RateVisit(request.reference, ticket, 4)  # type: ignore[union-attr]
    assert not scene.settled()
    scene.visit.handle(wire.VisitRated(request.reference, is_kept=True))
    assert scene.visit.events() == [visit_events.Rated(is_kept=True)]
    assert scene.settled()


def test_who_has_rated_during_the_session_is_not_asked_again() -> None:
    scene = waiting()
    scene.serve()
    scene.visit.events()
    scene.said()
    scene.visit.rate(5)
    (question,) = scene.said()
    assert isinstance(question, wire.RateVisit)
    scene.visit.handle(wire.VisitRated(question.reference, is_kept=True))
    scene.visit.handle(wire.VisitOver(7, wire.OverCause.ENDED))
    assert scene.visit.events() == [
        visit_events.Rated(is_kept=True),
        visit_events.VisitEnded(cause=wire.OverCause.ENDED),
    ]


def test_who_has_rated_too_early_is_asked_at_the_end() -> None:
    scene = waiting()
    scene.visit.rate(5)
    scene.visit.handle(wire.VisitRated(0, is_kept=False))
    scene.serve()
    scene.visit.events()
    scene.visit.handle(wire.VisitOver(7, wire.OverCause.ENDED))
    assert scene.visit.events() == [
        visit_events.VisitEnded(cause=wire.OverCause.ENDED, may_rate=True)
    ]
