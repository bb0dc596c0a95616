"""What the operator's page shows, by the events of the operator."""

import re

import msgspec

from chatapp.peer.api import events
from chatapp.peer.api.events import Line, Target
from chatapp.peer.api.past import DeskTalk
from chatapp.peer.api.state import DeskState
from chatapp.peer.faces.web.operators.pages import alert, parts, talk_line
from chatapp.peer.view.desk import DeskFile, DeskView
from chatapp.peer.view.talk import NOTES_MAX, Mark
from chatapp.wire.desk.focus import HeldInput
from chatapp.wire.desk.values import ListedVisitor, PastLine, PastSession
from tests.support.visits import CAME, line_of, own_line, settled

AT = 1_800_000_000.0
HOSTILE = "<script>alert(1)</script>\u202e"


def view_of(*events: events.Event) -> DeskView:
    view = DeskView("bob")
    for event in events:
        view.handle(event, at=AT)
    return view


def moved(move: events.ClientMove) -> events.ClientMoved:
    return events.ClientMoved(name="Asha Rao", move=move)


def said(sender: str, text: str, position: int) -> events.Said:
    return line_of(sender, text, position, at=AT - 5)


def test_past_sessions_are_shown_on_duty_alone_and_those_of_the_own_queue() -> None:
    past = events.PastSessions(sessions=(), total=0, is_quiet=True)
    on, elsewhere, off = (
        events.DutyChanged(is_on=is_on, queue=queue)
        for is_on, queue in ((True, "desk"), (True, "exams"), (False, "desk"))
    )
    assert view_of(on, past, on).past is past
    for change in (elsewhere, off):
        assert view_of(on, past, change).past is None
    failed = events.CommandFailed(reason=events.CommandFailure.NOT_ON_DUTY)
    assert (
        "Only operators on duty can do that: go on duty first." in parts(view_of(failed))["notices"]
    )


def test_a_session_from_the_call_to_its_end() -> None:
    view = view_of(events.DutyChanged(is_on=True, queue="desk"), CAME)
    assert (view.is_on_duty, view.queue, view.visit) == (True, "desk", 7)
    view.said("hello", at=AT, number=1)
    view.handle(said("Asha Rao", "hi", 2), at=AT)
    view.handle(settled(1, is_saved=True), at=AT)
    assert [(one.who, one.text, one.is_ours, one.mark) for one in view.lines] == [
        ("bob", "hello", True, Mark.SAVED),
        ("Asha Rao", "hi", False, None),
    ]
    assert view.lines[-1].at == AT - 5
    view.handle(moved(events.ClientMove.AWAY), at=AT)
    assert (view.visit, view.is_client_here) == (7, False)
    view.handle(moved(events.ClientMove.BACK), at=AT)
    assert view.is_client_here
    talk = view.talk
    view.handle(moved(events.ClientMove.LEFT), at=AT)
    assert (view.visit, len(view.lines)) == (0, 0)
    assert view.talk > talk
    assert "Asha Rao has left." in parts(view)["notices"]


def test_after_a_restart_our_own_lines_are_known_as_ours() -> None:
    view = view_of(CAME, own_line("bob", "hello", 1), said("Asha Rao", "hi", 2))
    assert [(one.is_ours, one.mark) for one in view.lines] == [
        (True, Mark.SAVED),
        (False, None),
    ]


def test_a_line_of_a_visitor_who_is_not_ours_is_not_shown() -> None:
    other = line_of("Ben", "psst", 1, visit=8)
    assert not view_of(CAME, other).lines


def test_a_line_that_was_refused_is_marked_so_and_stays_so() -> None:
    view = view_of(CAME)
    for number, text in enumerate("abc", 1):
        view.said(text, at=AT, number=number)
    too_fast = events.CommandFailure.LINE_TOO_FAST
    for number in (0, 99, 2):  # of a command, of a line from another program, of the second line
        view.handle(events.CommandFailed(reason=too_fast, line=number), at=AT)
    held = events.HeldBack(what=HeldInput.LINE, former="Ben", move=None, client="Asha Rao", line=98)
    view.handle(held, at=AT)
    assert [line.mark for line in view.lines] == [Mark.SENDING, Mark.LOST, Mark.SENDING]
    view.handle(events.CommandFailed(reason=events.CommandFailure.NO_CLIENT, line=3), at=AT)
    for number in (1, 2, 3):
        view.handle(settled(number, is_saved=True), at=AT)
    assert [line.mark for line in view.lines] == [Mark.SAVED, Mark.LOST, Mark.LOST]
    assert "too many lines at once" in parts(view)["notices"]


def noted(text: str, *, visit: int) -> events.CommandSucceeded:
    return events.CommandSucceeded(
        action=events.DeskAction.NOTED, name="Asha Rao", text=text, visit=visit
    )


def test_a_note_is_shown_once_it_is_stored_and_with_its_own_visitor_alone() -> None:
    view = view_of(CAME, events.CommandFailed(reason=events.CommandFailure.UNREACHABLE))
    assert view.client is not None
    assert view.client.note == ""
    view.handle(noted("is in a hurry", visit=7), at=AT)
    assert view.client.note == "is in a hurry"
    view.handle(noted("of the visitor before", visit=6), at=AT)
    assert view.client.note == "is in a hurry"
    view.handle(moved(events.ClientMove.LEFT), at=AT)
    view.handle(noted("too late", visit=7), at=AT)
    assert view.client is None


def test_the_buttons_beside_a_visitor_in_the_line_name_the_visit() -> None:
    one, two = (
        ListedVisitor(visit=visit, name=name, issue="Other", since=AT, is_here=True, operator="")
        for visit, name in ((31, "Ben"), (32, "Ben"))
    )
    room = events.WaitingRoom(
        queue="desk", operators=1, served=(), waiting=(one, two), total=2, is_quiet=True
    )
    line = parts(view_of(room))["line"]
    for visit, count in ((31, 1), (32, 2)):  # who is at the head cannot be moved there
        assert line.count(f'<input type="hidden" name="visit" value="{visit}">') == count
    assert line.count('data-key="31"') == line.count('data-key="32"') == 1


def test_the_list_of_those_who_wait_is_asked_for_when_it_has_changed() -> None:
    view = view_of(CAME)
    room = events.WaitingRoom(
        queue="desk", operators=1, served=(), waiting=(), total=0, is_quiet=True
    )
    for event in (
        events.VisitorsWaiting(queue="desk", waiting=1, is_first=True),
        moved(events.ClientMove.HELD),
        events.CommandSucceeded(action=events.DeskAction.DROPPED, name="Ben"),
    ):
        view.handle(room, at=AT)
        assert not view.wants_room
        view.handle(event, at=AT)
        assert view.wants_room


def test_an_answer_that_another_program_has_asked_for_is_not_shown() -> None:
    room = events.WaitingRoom(queue="exams", operators=1, served=(), waiting=(), total=4)
    view = view_of(CAME, room, events.PastSessions(sessions=(), total=0))
    assert (view.room, view.past) == (None, None)


def test_what_is_open_has_a_key_of_its_own() -> None:
    """The script opens again what had this key, so two entries must not share one, nor two
    visitors."""
    sessions = tuple(
        PastSession(
            visit=1,
            queue="desk",
            name="Asha Rao",
            number="",
            issue="",
            note="",
            description="",
            operator="",
            at=AT + later,
            waited=1,
            took=1,
            lines=(),
            left_out=0,
            has_transcript=True,
        )
        for later in (0, 60)
    )
    past = events.PastSessions(sessions=sessions, total=2, is_quiet=True)
    html = parts(view_of(CAME, past))
    next_one = parts(view_of(msgspec.structs.replace(CAME, visit=8)))
    keys = re.findall(
        '<details[^>]*data-key="([^"]+)"', html["past"] + html["client"] + next_one["client"]
    )
    assert len(set(keys)) == len(keys) == 4


def test_somebody_who_is_no_operator_reads_that() -> None:
    assert "You are not an operator of this help desk." in alert(None, "bob")
    assert alert(view_of(CAME), "bob") == ""


def test_a_newer_notice_takes_the_place_of_an_old_one() -> None:
    view = view_of(CAME)
    for _ in range(NOTES_MAX + 3):
        view.handle(moved(events.ClientMove.SILENT), at=AT)
        view.handle(events.NothingSaid(name="Asha Rao"), at=AT)
    assert len(view.notices) == NOTES_MAX
    view.dismiss()
    assert parts(view)["notices"] == ""


def test_nothing_that_a_visitor_writes_becomes_html() -> None:
    """Their texts are escaped in every part, and signs that reorder a line are shown as such."""
    one = ListedVisitor(
        visit=3, name=HOSTILE, issue=HOSTILE, since=AT, is_here=True, operator=HOSTILE
    )
    room = events.WaitingRoom(
        queue="desk", operators=1, served=(one,), waiting=(one, one), total=2, is_quiet=True
    )
    line = PastLine(sender=HOSTILE, is_operator=False, at=AT, text=HOSTILE)
    session = PastSession(
        visit=1,
        queue="desk",
        name=HOSTILE,
        number=HOSTILE,
        issue=HOSTILE,
        note=HOSTILE,
        description=HOSTILE,
        operator=HOSTILE,
        at=AT,
        waited=1,
        took=1,
        lines=(line,),
        left_out=0,
        has_transcript=True,
    )
    fields = ("name", "number", "issue", "note", "handed_over_by", "description")
    came = msgspec.structs.replace(CAME, **dict.fromkeys(fields, HOSTILE))
    view = view_of(
        came,
        said(HOSTILE, HOSTILE, 1),
        room,
        events.PastSessions(sessions=(session,), total=1, is_quiet=True),
        events.NothingSaid(name=HOSTILE),
        events.CommandSucceeded(action=events.DeskAction.NOTED, name=HOSTILE),
        events.AnswersKnown(answers={HOSTILE: HOSTILE}),
    )
    html = "".join([*parts(view).values(), *map(talk_line, view.lines)])
    assert "<script" not in html
    assert "\u202e" not in re.sub("<[^>]*>", "", html)  # a value that is sent back stays as it is
    assert html.count("&lt;script&gt;") >= 18


def test_a_talk_that_is_found_is_shown_once() -> None:
    lines = (
        line_of("Asha Rao", "hi", 1),
        own_line("bob", "hello", 0, id=5),
        own_line("bob", "and now?", 0, id=6, state=events.MessageState.UNSETTLED),
    )
    view = DeskView("bob")
    view.found_talk(DeskTalk(client=CAME, lines=lines))
    view.handle(
        said("Asha Rao", "hi", 1), at=AT
    )  # an event that was told before the talk was found
    assert [(one.text, one.mark) for one in view.lines] == [
        ("hi", None),
        ("hello", Mark.SAVED),
        ("and now?", Mark.SENDING),
    ]
    view.handle(settled(6, is_saved=True), at=AT)
    assert view.lines[-1].mark is Mark.SAVED
    view.handle(said("Asha Rao", "now it works", 3), at=AT)
    assert view.lines[-1].text == "now it works"
    view.handle(msgspec.structs.replace(CAME, visit=8), at=AT)
    view.handle(msgspec.structs.replace(said("Ravi", "me too", 1), visit=8), at=AT)
    assert [one.text for one in view.lines] == ["me too"]


def test_the_queue_of_a_program_that_has_run_before_is_learned() -> None:
    view = DeskView("bob")
    view.found(DeskState(is_on_duty=True, is_operator=True))
    assert "bob</bdi>, on duty</span>" in parts(view)["duty"]
    room = events.WaitingRoom(
        queue="physics", operators=1, served=(), waiting=(), total=0, is_quiet=True
    )
    view.handle(room, at=AT)
    assert "bob</bdi>, on duty at physics</span>" in parts(view)["duty"]


def test_lines_that_are_changed_read_otherwise_and_escaped() -> None:
    view = view_of(events.DutyChanged(is_on=True, queue="desk"), CAME, said("Asha Rao", "helo", 1))
    line = view.lines[0]
    change = {name: getattr(said("Asha Rao", HOSTILE, 2), name) for name in Line.__struct_fields__}
    view.handle(events.Edited(**change, target=Target(b"", line.said)), at=AT)
    assert (line.text, line.is_edited) == (HOSTILE, True)
    shown = str(talk_line(line))
    assert "(edited)" in shown
    assert "<script" not in shown
    assert 'class="change"' not in shown  # only one's own
    view.handle(events.Retracted(**change | {"text": ""}, target=Target(b"", line.said)), at=AT)
    assert "[taken back]" in talk_line(line)
    other = {**change, "visit": 8}
    view.handle(events.Edited(**other, target=Target(b"", line.said)), at=AT)
    assert line.is_retracted


def test_a_change_of_ours_is_shown_in_all_windows_when_it_is_saved() -> None:
    view = view_of(events.DutyChanged(is_on=True, queue="desk"), CAME)
    view.said("helo", at=AT, number=5)
    view.handle(settled(5, is_saved=True), at=AT)
    (line,) = view.lines
    assert 'href="desk/change?line=5"' in talk_line(line)
    change = {name: getattr(said("bob", "hello", 0), name) for name in Line.__struct_fields__}
    edited = events.Edited(**change | {"id": 6}, target=Target(b"", 5))
    view.handle(events.SaidByUs(line=edited), at=AT)
    assert (line.text, line.mark) == ("helo", Mark.SENDING)
    view.handle(settled(6, is_saved=True), at=AT)
    assert (line.text, line.mark, line.is_edited) == ("hello", Mark.SAVED, True)
    view.changing(7, 5, None)
    failed = events.CommandFailed(reason=events.CommandFailure.LINE_TOO_FAST, line=7)
    view.handle(failed, at=AT)
    assert (line.text, line.mark) == ("hello", Mark.SAVED)


def test_a_file_that_the_operator_has_sent_gets_its_link_once_the_registry_has_it() -> None:
    view = view_of(events.DutyChanged(is_on=True, queue="desk"), CAME)
    line = msgspec.structs.replace(
        own_line("bob", "plan.pdf", 9), id=9, file=events.OfferedFile(size=20_000)
    )
    view.sent(line)
    (shown,) = view.lines
    assert view.file_here(9) is None and "download" not in talk_line(shown)
    view.handle(msgspec.structs.replace(settled(9, is_saved=True), file=4), at=AT)
    assert view.file_here(9) == DeskFile(view.visit, 4, "plan.pdf", 20_000)
    assert 'href="desk/file/9" download' in talk_line(shown)


def test_files_are_to_be_chosen_only_where_the_desk_takes_some() -> None:
    def takes_files(files_largest: int) -> bool:
        duty = events.DutyChanged(is_on=True, queue="desk", files_largest=files_largest)
        return "takes-no-files" not in parts(view_of(duty, CAME))["ready"]

    assert takes_files(20_000_000) and not takes_files(0)
    view = DeskView("bob")
    view.found(DeskState(is_on_duty=True, is_operator=True, files_largest=5))
    assert view.files_largest == 5
