"""Ratings of sessions: during them and after their end, once a visit, and kept through a
restart."""

import pytest

from chatapp.registry.rules.desk.settings import DeskSettings
from chatapp.registry.rules.desk.statistics import MeanRating, Ratings
from chatapp.registry.store.entries import DeskVisitRated
from chatapp.wire.limits import DESK_SESSIONS_MAX
from chatapp.wire.messages.desk import (
    EndSession,
    FiguresShown,
    RateVisit,
    ShowFigures,
    TakeDuty,
    VisitRated,
)
from tests.registry.rules.desk.help_desk import PEERS, HelpDesk, Visitor, Worker

DAY = 86_400_000


def figures(ann: Worker) -> tuple[int, int]:
    ann.ask(ShowFigures(9, ""))
    shown = ann.last(FiguresShown)
    return shown.rated, shown.mean_rating


def rate(visitor: Visitor, rating: int) -> bool:
    visitor.ask(RateVisit(8, visitor.ticket, rating))
    return visitor.last(VisitRated).is_kept


@pytest.mark.parametrize("restarts", [False, True])
def test_a_session_is_rated_while_it_lasts_and_after_its_end(*, restarts: bool) -> None:
    help_desk = HelpDesk(PEERS)
    ann = help_desk.operator("ann")
    asha, bela = help_desk.line_of("Asha", "Bela")
    ann.ask(TakeDuty(1, ""))
    assert not rate(bela, 1), "not served yet"
    assert rate(asha, 2)
    assert figures(ann) == (1, 200)
    ann.ask(EndSession(2, ann.client))
    ann.ask(EndSession(3, ann.client))
    if restarts:
        help_desk.restart(crash=True)
        ann.come_back()
        asha.come_back()
        bela.come_back()
    assert rate(asha, 4), "the second one replaces the first"
    assert rate(bela, 5)
    assert figures(ann) == (2, 450)


def test_a_rating_that_the_disk_refuses_does_not_count() -> None:
    help_desk = HelpDesk(PEERS)
    ann, asha = help_desk.operator("ann"), help_desk.joined("Asha")
    ann.ask(TakeDuty(1, ""))
    help_desk.rig.store.full = True
    assert not rate(asha, 1)
    help_desk.rig.store.full = False
    assert figures(ann) == (0, 0)
    assert rate(asha, 5)
    assert figures(ann) == (1, 500)


def test_nobody_rates_with_a_ticket_of_nobody() -> None:
    help_desk = HelpDesk(PEERS)
    asha = help_desk.visitor()
    assert not rate(asha, 5)


def test_the_mean_is_of_the_day_and_of_the_queue() -> None:
    ratings = Ratings(utc_offset=3_600)
    for visit, (queue, rating, at) in enumerate(
        [("a", 1, DAY - 3_600_001), ("a", 2, DAY - 3_600_000), ("b", 5, DAY), ("a", 3, DAY)]
    ):
        ratings.add(DeskVisitRated(visit=visit, queue=queue, rated_at=at, rating=rating))
    assert ratings.today("a", DAY) == MeanRating(2, 250)
    assert ratings.today("b", DAY) == MeanRating(1, 500)
    assert ratings.today("b", 3 * DAY) == MeanRating(0, 0)


def test_as_many_are_kept_as_sessions() -> None:
    ratings = Ratings(utc_offset=0)
    for visit in range(DESK_SESSIONS_MAX + 3):
        ratings.add(
            DeskVisitRated(visit=visit, queue="a", rated_at=0, rating=1 if visit < 3 else 4)
        )
    assert ratings.today("a", 0) == MeanRating(DESK_SESSIONS_MAX, 400)


def test_the_console_shows_the_mean() -> None:
    help_desk = HelpDesk(DeskSettings())
    help_desk.open()
    asha = help_desk.joined()
    assert "rated" not in help_desk.type(".stats")[0]
    assert rate(asha, 4)
    assert help_desk.type(".stats")[0].endswith("; operators on duty 1; rated 4.0 of 5 by 1.]")
