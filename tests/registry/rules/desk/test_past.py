"""Past sessions: what operators can look up, after restarts too, and that it is erased in time."""

from chatapp.registry.rules.desk.settings import DeskSettings
from chatapp.wire.limits import DESK_NOTE_MAX, DESK_PAST_BYTES_SHOWN, DESK_PAST_SHOWN_MAX, TEXT_MAX
from chatapp.wire.messages import desk as wire
from tests.registry.rules.desk.help_desk import HelpDesk, Worker

DAY = 86_400.0
DESK = DeskSettings(operators=("Ann", "Bob"), keep_sessions=3, keep_transcripts=1)


def served(help_desk: HelpDesk, ann: Worker, name: str, *texts: str, note: str = "") -> None:
    """Play a session."""
    visitor = help_desk.joined(name)
    for text in texts:
        visitor.say(text)
    if texts:
        ann.say(ann.client, f"I see, {name}")
    if note:
        ann.ask(wire.NoteVisitor(2, ann.client, note))
    help_desk.advance(10.0)
    ann.ask(wire.EndSession(3, ann.client))
    ann.hear()


def past(worker: Worker, name: str = "", count: int = 0) -> wire.PastShown:
    worker.ask(wire.TakeDuty(7, ""))
    worker.ask(wire.ShowPast(9, name, count))
    return worker.last(wire.PastShown)


def scene(settings: DeskSettings = DESK) -> tuple[HelpDesk, Worker]:
    help_desk = HelpDesk(settings)
    ann = help_desk.operator("Ann")
    ann.ask(wire.TakeDuty(1, ""))
    return help_desk, ann


def test_the_last_sessions_are_shown_with_form_note_length_and_lines() -> None:
    help_desk, ann = scene()
    served(help_desk, ann, "Asha Rao", "my book", "is lost", note="calm")
    served(help_desk, ann, "Ben")
    shown = past(ann)
    assert shown.total == 2
    asha, ben = shown.sessions
    assert (asha.name, asha.number, asha.note, asha.operator) == (
        "Asha Rao",
        "+919876543210",
        "calm",
        "Ann",
    )
    assert (asha.issue, asha.took, asha.waited) == (DESK.menu[0], 10, 0)
    said = [(line.operator, line.text) for line in asha.lines]
    assert said == [("", "my book"), ("", "is lost"), ("Ann", "I see, Asha Rao")]
    assert (ben.name, ben.lines, ben.has_transcript) == ("Ben", [], True)


def test_a_number_and_a_name_choose() -> None:
    help_desk, ann = scene()
    for name in ("Asha Rao", "Ben", "Asha Rao", "Cem"):
        served(help_desk, ann, name, *(f"line {n}" for n in range(30)))
    assert [one.name for one in past(ann, count=2).sessions] == ["Asha Rao", "Cem"]
    of_asha = past(ann, "asha-rao")
    assert ([one.name for one in of_asha.sessions], of_asha.total) == (["Asha Rao"] * 2, 2)
    assert [(len(one.lines), one.left_out) for one in of_asha.sessions] == [(31, 0)] * 2
    (cem,) = past(ann, count=1).sessions
    assert (len(cem.lines), cem.left_out, cem.lines[-1].text) == (20, 11, "I see, Cem")
    assert past(ann, "Nobody") == wire.PastShown(9, [], 0)


def test_the_past_survives_a_kill_and_a_checkpoint() -> None:
    help_desk, ann = scene()
    served(help_desk, ann, "Asha Rao", "my book")
    before = past(ann)
    help_desk.restart(crash=True)
    ann.come_back()
    assert past(ann) == before


def test_transcripts_and_sessions_are_erased_in_time() -> None:
    help_desk, ann = scene()
    served(help_desk, ann, "Asha Rao", "my book")
    help_desk.advance(DAY + 60)
    assert [(one.has_transcript, one.lines) for one in _past_later(help_desk, ann).sessions] == [
        (False, [])
    ]
    help_desk.advance(2 * DAY)
    assert _past_later(help_desk, ann).total == 0
    kept = help_desk.rig.store.load().desk
    assert (kept.sessions, kept.transcripts) == ([], [])


def test_they_are_erased_too_when_the_registry_was_down_meanwhile() -> None:
    help_desk, ann = scene()
    served(help_desk, ann, "Asha Rao", "my book")
    ann.drop()
    help_desk.rig.now += 4 * DAY
    help_desk.restart(crash=True)
    help_desk.advance(1.0)
    ann.come_back()
    assert past(ann).total == 0


def test_nothing_is_kept_where_the_settings_say_so() -> None:
    help_desk, ann = scene(DeskSettings(operators=("Ann",), keep_sessions=0))
    served(help_desk, ann, "Asha Rao", "my book")
    assert past(ann).total == 0
    help_desk, ann = scene(DeskSettings(operators=("Ann",), keep_transcripts=0))
    served(help_desk, ann, "Asha Rao", "my book")
    assert [(one.name, one.has_transcript) for one in past(ann).sessions] == [("Asha Rao", False)]
    loaded = help_desk.rig.store.load().desk
    assert (len(loaded.sessions), loaded.transcripts) == (1, [])


def test_an_answer_fits_into_a_frame_whatever_was_said() -> None:
    help_desk, ann = scene()
    for _ in range(DESK_PAST_SHOWN_MAX):
        served(help_desk, ann, "Asha Rao", "é" * 20_000, note="x" * DESK_NOTE_MAX)
    served(
        help_desk, ann, "Ben", "x" * TEXT_MAX, *(f"{number}" + "y" * 1_500 for number in range(60))
    )
    shown = past(ann, count=DESK_PAST_SHOWN_MAX)
    assert shown.sessions[-1].name == "Ben"
    size = sum(
        len((one.note + "".join(line.text for line in one.lines)).encode())
        for one in shown.sessions
    )
    assert 20_000 < size <= DESK_PAST_BYTES_SHOWN
    assert shown.total == DESK_PAST_SHOWN_MAX + 1


def test_the_forms_that_do_not_fit_take_no_room_from_the_lines() -> None:
    help_desk, ann = scene()
    for number in range(DESK_PAST_SHOWN_MAX):
        served(
            help_desk, ann, "Asha Rao", f"line {number}", note="x" * (DESK_NOTE_MAX - 2 * number)
        )
    shown = past(ann, count=DESK_PAST_SHOWN_MAX)
    assert len(shown.sessions) < DESK_PAST_SHOWN_MAX
    assert [line.text for line in shown.sessions[-1].lines] == ["line 39", "I see, Asha Rao"]


def test_sessions_are_kept_for_a_day_unless_the_settings_say_otherwise() -> None:
    help_desk, ann = scene(DeskSettings(operators=("Ann",)))
    served(help_desk, ann, "Asha Rao", "my book")
    help_desk.advance(DAY - 60)
    assert [one.has_transcript for one in _past_later(help_desk, ann).sessions] == [True]
    help_desk.advance(120)
    assert _past_later(help_desk, ann).total == 0


def test_only_operators_on_duty_may_look() -> None:
    help_desk, ann = scene()
    served(help_desk, ann, "Asha Rao", "my book")
    bob = help_desk.operator("Bob")
    for worker in (ann, bob):
        worker.ask(wire.EndDuty(8))
        worker.hear()
        worker.ask(wire.ShowPast(9, "", 0))
        assert worker.hear() == [wire.CommandDone(9, wire.CommandResult.NOT_ON_DUTY, "")]
    bob.ask(wire.TakeDuty(1, ""))
    assert past(bob).total == 1


def test_operators_see_the_sessions_of_their_own_queue() -> None:
    settings = DeskSettings(operators=("Ann", "Bob"), queues=("desk", "exams"))
    help_desk, ann = scene(settings)
    served(help_desk, ann, "Asha Rao", "my book")
    bob = help_desk.operator("Bob")
    bob.ask(wire.TakeDuty(1, "exams"))
    assert (past(bob).total, past(bob, "Asha Rao").total) == (0, 0)
    bob.ask(wire.TakeDuty(1, "desk"))
    assert past(bob).total == 1


def test_sessions_of_a_queue_that_the_settings_name_no_more_are_those_of_the_first_one() -> None:
    settings = DeskSettings(operators=("Ann",), queues=("desk", "exams"))
    help_desk = HelpDesk(settings)
    ann = help_desk.operator("Ann")
    ann.ask(wire.TakeDuty(1, "exams"))
    visitor = help_desk.visitor("Asha Rao")
    visitor.join(queue="exams")
    ann.ask(wire.EndSession(3, ann.client))
    assert past(ann).total == 1
    later = HelpDesk(DeskSettings(operators=("Ann",), queues=("desk",)), store=help_desk.rig.store)
    assert past(later.operator("Ann")).total == 1


def test_only_operators_may_look() -> None:
    help_desk, ann = scene()
    served(help_desk, ann, "Asha Rao", "my book")
    eva = help_desk.operator("Eva")
    eva.ask(wire.ShowPast(4, "", 0))
    assert eva.last(wire.CommandDone).result is wire.CommandResult.NOT_AN_OPERATOR


def test_the_terminal_shows_the_past() -> None:
    help_desk = HelpDesk()
    help_desk.open()
    assert help_desk.type(".past") == ["[No past sessions.]"]
    asha = help_desk.joined()
    help_desk.shown()
    asha.say("my book")
    help_desk.type("which one?")
    help_desk.type(".note calm")
    help_desk.advance(61.0)
    help_desk.type(".end")
    first, head, *rest = help_desk.type(".past 1")
    assert first == "[Past sessions: 1 of 1.]"
    assert head.startswith("[Asha Rao, ")
    assert head.endswith(": waited 0 s, took 1 min 1 s, with desk.]")
    assert rest[:3] == ["Number: +919876543210", "Issue: Depression", "Note: calm"]
    assert [line[9:] for line in rest[3:]] == ["Asha Rao: my book", "desk (operator): which one?"]
    assert help_desk.type(".past asha rao")[0] == "[Past sessions: 1 of 1.]"
    assert help_desk.type(".past 99") == ["[Usage: .past [n or name]]"]


def _past_later(help_desk: HelpDesk, ann: Worker) -> wire.PastShown:
    """The past, asked for by an operator who has been away for long."""
    ann.drop()
    ann.come_back()
    return past(ann)
