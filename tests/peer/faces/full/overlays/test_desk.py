"""The desk pane: who is served and who waits, with spans that go on by the minute and timers that
rest."""

from functools import partial

from textual.app import App, ComposeResult
from textual.widgets import Static

from chatapp.peer.api import events
from chatapp.peer.api.events import ClientMove
from chatapp.peer.api.state import DeskState
from chatapp.peer.faces.full.overlays.desk import DeskPane
from chatapp.peer.faces.full.overlays.pickers import NameOverlay
from chatapp.peer.faces.full.theme import DARK, THEMES, UNICODE
from chatapp.peer.view.desk import DeskView
from tests.peer.faces.full.overlays.host import HOSTILE, Host, note, plain, rows, until
from tests.peer.view.test_desk_line import NOW, came, listed, shown

ON = events.DutyChanged(is_on=True, queue="front desk")


class DeskApp(App[None]):
    """An app with a desk pane, at a time that the test sets."""

    def __init__(self, *, is_on: bool = False) -> None:
        super().__init__()
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = DARK
        self.wall = NOW
        self.desk = DeskView("alice")
        self.desk.found(DeskState(is_operator=True, is_on_duty=is_on))
        self.stale: list[bool] = []

    def compose(self) -> ComposeResult:
        self.pane = DeskPane(self.desk, signs=UNICODE, wall=lambda: self.wall)
        yield self.pane

    def on_desk_pane_stale(self, event: DeskPane.Stale) -> None:
        self.stale.append(event.with_figures)

    def text(self) -> str:
        """Return what the pane shows."""
        shown_now = [one for one in self.pane.query(Static) if one.display]
        return "\n".join(plain(one.content) for one in shown_now)


async def test_a_desk_with_a_visitor_and_a_line() -> None:
    app = DeskApp()
    async with app.run_test() as pilot:
        assert "You serve nobody now." in app.text()
        figures = events.Figures(
            queue="front desk",
            served_today=12,
            median_wait=250,
            ninetieth_wait=600,
            longest_waiting=720,
            waiting=2,
            operators=2,
            rated=3,
            mean_rating=433,
        )
        line = shown(
            listed("Ben", since=NOW - 720),
            listed("[/]Cleo", since=NOW - 90, operator="bob"),
            total=41,
        )
        noted = events.CommandSucceeded(
            action=events.DeskAction.NOTED, name="Asha Rao", text="call back", visit=7
        )
        app.pane.take_events([ON, came(), noted, line, figures])
        await pilot.pause()
        assert app.text().splitlines()[:-1] == [
            "front desk · on duty · 41 waiting",
            "Asha Rao",
            "with you for 0 min, waited 3 min",
            "Number +919876543210",
            "Issue Physics",
            "About Marks",
            "About since June",
            "Note call back",
            "1 12 min Ben  Maths",
            "2  1 min [/]Cleo  Maths · for bob",
            "and 39 more",
            "12 served today; usual wait 4 min; longest wait now 12 min; 2 operators on duty; rated 4.3 of 5.",
        ]
        app.pane.take_events([events.ClientMoved(name="Asha Rao", move=ClientMove.SILENT)])
        await pilot.pause()
        assert "Asha Rao  silent" in app.text()
        app.pane.take_events([events.ClientMoved(name="Asha Rao", move=ClientMove.LEFT)])
        await pilot.pause()
        assert "You serve nobody now." in app.text()


async def test_the_line_is_asked_for_once_however_much_changes_and_figures_once_a_minute() -> None:
    app = DeskApp()
    async with app.run_test() as pilot:
        waits = partial(events.VisitorsWaiting, queue="front desk", is_first=False)
        app.pane.take_events([ON, *(waits(waiting=count) for count in range(1, 300))])
        app.pane.take_events([came()])
        await until(pilot, lambda: bool(app.stale))
        assert app.stale == [True]
        app.wall += 30
        app.pane.take_events([waits(waiting=3)])
        await until(pilot, lambda: len(app.stale) == 2)
        app.wall += 30
        app.pane.take_events([waits(waiting=4)])
        await until(pilot, lambda: len(app.stale) == 3)
        assert app.stale == [True, False, True]
        assert "on duty · 4 waiting" in app.text()


async def test_spans_go_on_when_a_minute_is_over() -> None:
    app = DeskApp(is_on=True)
    async with app.run_test() as pilot:
        app.pane.take_events([shown(listed("Ben", since=NOW - 59.95))])
        await pilot.pause()
        assert "1 0 min Ben" in app.text()
        app.wall += 0.2
        await until(pilot, lambda: "1 1 min Ben" in app.text())


async def test_hostile_forms_are_shown_as_text_and_keys_follow_the_duty() -> None:
    app = DeskApp()
    async with app.run_test() as pilot:
        assert app.pane.command_for("f5") == ".on"
        app.pane.take_events([ON, came(HOSTILE, note=HOSTILE)])
        await pilot.pause()
        assert app.text().count("[@click=app.quit]x[/] \\x1b[31m") == 2
        assert app.pane.command_for("f5") == ".off"
        assert "F5 pause · F6 next · F7 end" in app.text()


async def test_a_name_is_chosen_or_typed() -> None:
    host = Host(
        partial(NameOverlay, "Hand over to which operator?", ["bob", "[b]eve"], signs=UNICODE)
    )
    async with host.run_test() as pilot:
        assert rows(host.overlay) == ["bob", "[b]eve"]
        await pilot.press(*"car")
        assert rows(host.overlay) == ["car"]
        await pilot.press("ctrl+u", *"b")
        assert rows(host.overlay) == ["bob", "b"]
        assert note(host.overlay) == ""
        await pilot.press("enter")
        await until(pilot, lambda: bool(host.results))
    assert host.results == ["bob"]
