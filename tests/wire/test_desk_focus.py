"""The addressed visitor: a line typed for one visitor never affects the next, and a number means
the visitor who was shown under it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.wire.desk.focus import (
    HOLD_BACK_FOR,
    NOT_SHOWN,
    Client,
    Focus,
    Held,
    ShownRoom,
    StaleNumber,
    Typed,
)
from chatapp.wire.messages import desk as wire

ASHA, BELA, CEM = Client(1, "Asha"), Client(2, "Bela"), Client(3, "Cem")


def told(
    client: Client, *, is_asked: bool = False, cause: wire.ClientCause = wire.ClientCause.CALLED
) -> wire.ClientAssigned:
    return wire.ClientAssigned(
        client.visit, cause, "desk", client.name, "+91", "Other", 0, True, "", "", is_asked, ""
    )


class Screen:
    """An operator's view, at times that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0
        self.focus = Focus()

    def comes(self, client: Client, *, is_asked: bool = False) -> None:
        self.focus.came(told(client, is_asked=is_asked), now=self.now)

    def goes(self, client: Client, change: wire.ClientChange = wire.ClientChange.LEFT) -> None:
        self.focus.changed(wire.ClientChanged(client.visit, change, client.name), now=self.now)

    def types(self, typed: Typed = Typed.LINE, *, ago: float = 0.0) -> Client | Held | None:
        return self.focus.meant(typed, entered_at=self.now - ago)


def test_a_line_is_for_the_visitor_on_the_screen() -> None:
    screen = Screen()
    assert screen.types() is None
    screen.comes(ASHA)
    assert screen.types() == ASHA
    screen.goes(ASHA, wire.ClientChange.AWAY)
    screen.goes(ASHA, wire.ClientChange.BACK)
    assert screen.types() == ASHA


@pytest.mark.parametrize("typed", [Typed.LINE, Typed.MAYBE_LINE, Typed.COMMAND])
@pytest.mark.parametrize(
    "change", [wire.ClientChange.LEFT, wire.ClientChange.LOST, wire.ClientChange.TAKEN_BACK]
)
def test_what_is_typed_within_two_seconds_of_an_unasked_change_is_held_back(
    typed: Typed, change: wire.ClientChange
) -> None:
    screen = Screen()
    screen.comes(ASHA, is_asked=True)
    screen.now += 60.0
    screen.goes(ASHA, change)
    screen.comes(BELA)
    screen.now += HOLD_BACK_FOR - 0.01
    assert screen.types(typed) == Held(ASHA, change, BELA)
    screen.now += 0.01
    assert screen.types(typed) == BELA
    assert screen.types(typed) == BELA


def test_a_line_that_lay_unread_is_for_the_visitor_of_the_time_at_which_it_was_typed() -> None:
    screen = Screen()
    screen.comes(ASHA, is_asked=True)
    screen.now += 60.0
    screen.goes(ASHA)
    screen.comes(BELA)
    screen.now += 30.0
    assert screen.types(ago=31.0) == Held(ASHA, wire.ClientChange.LEFT, BELA)
    assert screen.types(ago=28.0) == BELA


@pytest.mark.parametrize("change", [wire.ClientChange.ENDED, wire.ClientChange.GIVEN])
def test_a_change_that_the_operator_asked_for_holds_nothing_back(change: wire.ClientChange) -> None:
    screen = Screen()
    screen.comes(ASHA)
    screen.goes(ASHA, change)
    assert screen.types() is None
    screen.comes(BELA, is_asked=True)
    assert screen.types() == BELA
    assert screen.types(Typed.COMMAND) == BELA


def test_who_comes_unasked_after_an_end_that_was_asked_for_is_a_change() -> None:
    screen = Screen()
    screen.comes(ASHA)
    screen.goes(ASHA, wire.ClientChange.ENDED)
    screen.comes(BELA, is_asked=True)
    screen.goes(BELA)
    screen.comes(CEM)
    assert screen.types(Typed.COMMAND) == Held(BELA, wire.ClientChange.LEFT, CEM)


def test_when_nobody_follows_a_line_is_held_back_and_a_command_has_nobody() -> None:
    screen = Screen()
    screen.comes(ASHA)
    screen.goes(ASHA)
    assert screen.focus.takes_lines(entered_at=screen.now)
    assert screen.types() == Held(ASHA, wire.ClientChange.LEFT, None)
    assert screen.types(Typed.COMMAND) is None
    screen.now += 1.0
    screen.comes(BELA)  # the moment begins anew
    screen.now += 1.5
    assert screen.types() == Held(ASHA, wire.ClientChange.LEFT, BELA)
    screen.now += 0.5
    assert screen.types() == BELA


def test_somebody_who_comes_to_a_free_operator_gets_what_can_only_be_for_them() -> None:
    screen = Screen()
    screen.comes(ASHA)
    screen.goes(ASHA)
    screen.now += 60.0
    assert not screen.focus.takes_lines(entered_at=screen.now)
    screen.comes(BELA)
    assert screen.types(Typed.MAYBE_LINE) == Held(None, None, BELA)
    assert screen.types(ago=0.1) == Held(None, None, BELA), "typed while nobody was shown"
    assert screen.types(Typed.COMMAND) == BELA
    assert screen.types(Typed.MAYBE_LINE) == BELA, "the operator has noticed who came"


def test_a_repeated_notice_of_a_visitor_changes_nothing() -> None:
    screen = Screen()
    screen.comes(ASHA, is_asked=True)
    screen.focus.came(told(ASHA, cause=wire.ClientCause.RETURNED), now=screen.now)
    assert screen.types(Typed.MAYBE_LINE) == ASHA


def test_what_was_refused_names_whom_it_was_meant_for() -> None:
    screen = Screen()
    screen.comes(ASHA)
    screen.goes(ASHA)
    screen.comes(BELA)
    assert screen.focus.missed(ASHA.visit) == Held(ASHA, wire.ClientChange.LEFT, BELA)
    assert screen.focus.missed(0) == Held(None, None, BELA)
    screen.focus.lost(None, now=screen.now)
    assert screen.focus.missed(BELA.visit) == Held(BELA, None, None)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["comes", "called", "leaves", "ended", "types"]),
        st.sampled_from([0.0, 0.1, 1.0, 1.9, 2.0, 5.0]),
        st.sampled_from([0.0, 0.5, 3.0]),
    ),
    max_size=40,
)


@given(STEPS)
def test_nothing_reaches_a_visitor_who_was_not_shown_when_it_was_typed(
    steps: list[tuple[str, float, float]],
) -> None:
    """No other visitor was served in the two seconds before, unless the operator has requested the
    change since."""
    screen, count, entered_at = Screen(), 0, 0.0
    shown: list[tuple[float, Client | None, bool]] = [(screen.now, None, True)]
    for what, pause, ago in steps:
        screen.now += pause
        client = screen.focus.client
        if what in ("comes", "called") and client is None:
            count += 1
            new = Client(count, f"V{count}")
            screen.comes(new, is_asked=what == "called")
            shown.append((screen.now, new, what == "called"))
        elif what in ("leaves", "ended") and client is not None:
            screen.goes(
                client, wire.ClientChange.LEFT if what == "leaves" else wire.ClientChange.ENDED
            )
            shown.append((screen.now, None, what == "ended"))
        elif what == "types":
            entered_at = max(entered_at, screen.now - ago)  # lines are carried out in their order
            meant = screen.focus.meant(Typed.LINE, entered_at=entered_at)
            if isinstance(meant, Client):
                asked = [position for position, (_, _, is_asked) in enumerate(shown) if is_asked]
                since = shown[asked[-1] :]
                assert {who for at, who, _ in since if at > entered_at - HOLD_BACK_FOR} <= {
                    meant,
                    None,
                }
                seen = [who for at, who, _ in since if at <= entered_at]
                assert not seen or seen[-1] == meant, "somebody else was shown, or nobody"


# --- numbers of the waiting room


def room(*visits: int, total: int | None = None) -> wire.RoomShown:
    waiting = [
        wire.RoomVisitor(visit, f"V{visit}", "Other", 0, True, "", False, False) for visit in visits
    ]
    return wire.RoomShown(1, "desk", 1, [], waiting, len(visits) if total is None else total)


def test_a_number_means_the_visitor_shown_there() -> None:
    line = ShownRoom()
    assert line.at(1) == NOT_SHOWN
    line.shown(room(4, 5, 6))
    assert [line.at(position) for position in (0, 1, 3, 4)] == [
        None,
        Client(4, "V4"),
        Client(6, "V6"),
        None,
    ]
    line.shown(room(5, 6, total=40))
    assert [line.at(position) for position in (1, 3, 40, 41)] == [
        Client(5, "V5"),
        NOT_SHOWN,
        NOT_SHOWN,
        None,
    ]


def test_a_number_that_the_operator_s_own_command_gave_to_somebody_else_is_not_clear() -> None:
    line = ShownRoom()
    line.shown(room(4, 5, 6, 7))
    line.moved(6, 1)
    assert [line.at(position) for position in (1, 2, 3, 4)] == [
        StaleNumber("V4", "V6"),
        StaleNumber("V5", "V4"),
        StaleNumber("V6", "V5"),
        Client(7, "V7"),
    ]
    line.shown(room(6, 4, 5, 7))
    line.dropped(7)
    assert line.at(3) == Client(5, "V5")
    assert line.at(4) == Client(7, "V7"), "refused by the registry, which knows that they are gone"
    line.dropped(6)
    assert line.at(1) == StaleNumber("V6", "V4")
