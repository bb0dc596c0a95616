"""Files at the desk: stored with their line and erased with it, within the settings, whatever a
hostile program sends."""

import msgspec
import pytest

from chatapp.registry.rules.desk.settings import DeskSettings
from chatapp.wire.limits import DESK_FILES_BURST, DESK_PIECE_SIZE, DESK_UPLOAD_IDLE_MAX
from chatapp.wire.messages import desk as wire
from chatapp.wire.messages.desk import LineMark, LineRefusal, PieceResult
from tests.registry.rules.desk.help_desk import PEERS, HelpDesk, Talker, Visitor, Worker
from tests.support.memory_store import MemoryStore

PDF = b"%PDF-" + bytes(range(256)) * 300
SMALL = msgspec.structs.replace(PEERS, files_largest=100_000, files_talk=150_000)


def scene(settings: DeskSettings = PEERS) -> tuple[HelpDesk, Worker, Visitor]:
    help_desk = HelpDesk(settings)
    return (help_desk, *pair(help_desk, "Ann", "Asha"))


def pair(
    help_desk: HelpDesk, operator: str, visitor: str, *, host: str | None = None
) -> tuple[Worker, Visitor]:
    worker = help_desk.operator(operator)
    worker.ask(wire.TakeDuty(1, ""))
    guest = help_desk.joined(visitor, host=host)
    worker.hear()
    guest.hear()
    return worker, guest


def pieces_of(
    content: bytes, name: str = "report.pdf", *, upload: bytes = b"u" * 16, visit: int = 1
) -> list[wire.SendDeskPiece]:
    return [
        wire.SendDeskPiece(
            visit, upload, name, len(content), index, content[at : at + DESK_PIECE_SIZE]
        )
        for index, at in enumerate(range(0, len(content) or 1, DESK_PIECE_SIZE))
    ]


def put(talker: Talker, *pieces: wire.SendDeskPiece) -> list[PieceResult]:
    """Send pieces. Return what became of each."""
    results: list[PieceResult] = []
    for piece in pieces:
        talker.ask(piece)
        answers = [one for one in talker.hear() if isinstance(one, wire.DeskPieceAnswered)]
        results += [one.result for one in answers]
    return results


def send(
    talker: Talker,
    content: bytes = PDF,
    name: str = "report.pdf",
    *,
    visit: int = 1,
    upload: bytes | None = None,
) -> None:
    """Send a whole file, and the line that brings it."""
    talker._number += 1
    upload = upload or talker._number.to_bytes(16, "big")
    assert set(put(talker, *pieces_of(content, name, upload=upload, visit=visit))) == {
        PieceResult.TAKEN
    }
    talker.ask(wire.SendDeskLine(visit, talker._number, "", upload=upload))


def fetched(talker: Talker, position: int, *, visit: int = 1, ticket: bytes = b"") -> bytes:
    content = b""
    while True:
        index = len(content) // DESK_PIECE_SIZE
        talker.ask(wire.FetchDeskPiece(9, visit, position, index, ticket))
        data = talker.last(wire.DeskPieceShown).data
        content += data
        if len(data) < DESK_PIECE_SIZE:
            return content


def told(talker: Talker) -> list[tuple[str, int, int]]:
    talker.hear()
    return [(line.text, line.file_size, line.position) for line in talker.lines]


def refusals(talker: Talker) -> list[LineRefusal]:
    return [one.reason for one in talker.hear() if isinstance(one, wire.LineRefused)]


def end(help_desk: HelpDesk, worker: Worker, visit: int = 1) -> None:
    worker.ask(wire.EndSession(3, visit))
    worker.hear()


def test_both_ends_send_files_as_lines_and_fetch_them() -> None:
    _, ann, asha = scene()
    asha.say("see")
    send(asha)
    send(ann, b"\x89PNG\r\n\x1a\n", "plan.PNG")
    assert told(ann) == [("see", 0, 1), ("report.pdf", len(PDF), 2)]
    assert told(asha) == [("plan.PNG", 8, 3)]
    assert fetched(ann, 2) == fetched(asha, 2) == PDF
    assert fetched(asha, 3) == b"\x89PNG\r\n\x1a\n"
    assert fetched(ann, 1) == fetched(ann, 4) == b""


def test_a_file_survives_a_kill_and_its_line_is_stored_with_it() -> None:
    help_desk, ann, asha = scene()
    send(asha)
    asha.hear()
    help_desk.restart()
    for talker in (asha, ann):
        talker.come_back()
    assert told(ann) == [("report.pdf", len(PDF), 1)]
    assert fetched(ann, 1) == PDF


def test_a_line_without_its_file_is_refused() -> None:
    help_desk, ann, asha = scene()
    pieces = pieces_of(PDF)
    put(asha, *pieces[:-1])
    asha._number = 3
    asha.ask(wire.SendDeskLine(1, 1, "x", upload=b"u" * 16))
    asha.ask(wire.SendDeskLine(1, 2, "x", upload=b"v" * 16))
    assert refusals(asha) == [LineRefusal.NO_UPLOAD] * 2
    help_desk.restart()  # what has come is not on the disk
    asha.come_back()
    assert put(asha, pieces[-1]) == [PieceResult.LOST]
    assert told(ann) == []


@pytest.mark.parametrize(
    ("name", "content", "result"),
    [
        ("report.pdf", b"", PieceResult.TOO_LARGE),
        ("report.pdf", PDF * 100, PieceResult.TOO_LARGE),
        ("page.html", b"<script>", PieceResult.WRONG_KIND),
        ("report", PDF, PieceResult.WRONG_KIND),
        ("report.pdf.exe", PDF, PieceResult.WRONG_KIND),
        ("fdp.\u202eexe", PDF, PieceResult.WRONG_KIND),
        ("report.pdf", b"MZ" + PDF, PieceResult.NOT_WHAT_IT_SAYS),
        ("photo.png", b"<svg onload='x'>", PieceResult.NOT_WHAT_IT_SAYS),
        ("notes.txt", b"a\0b", PieceResult.NOT_WHAT_IT_SAYS),
    ],
)
def test_what_the_settings_do_not_allow_is_refused(
    name: str, content: bytes, result: PieceResult
) -> None:
    _, _, asha = scene()
    assert result in put(asha, *pieces_of(content, name))


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/report.pdf", "report.pdf"),
        ("C:\\x\\con.pdf", "_con.pdf"),
        ("\u202efdp.pdf\x1b", "fdp.pdf"),
        (".hidden.pdf", "hidden.pdf"),
    ],
)
def test_names_are_cleaned_before_anybody_sees_them(name: str, shown: str) -> None:
    _, ann, asha = scene()
    send(asha, PDF, name)
    assert [text for text, _, _ in told(ann)] == [shown]


def test_a_desk_that_takes_no_files_says_so() -> None:
    _, _, asha = scene(msgspec.structs.replace(PEERS, files_largest=0))
    assert asha.last_shown.files_largest == 0
    assert put(asha, pieces_of(PDF)[0]) == [PieceResult.OFF]


def test_a_talk_has_place_for_so_many_bytes_and_what_is_taken_back_makes_room() -> None:
    _, ann, asha = scene(SMALL)
    send(asha)
    assert put(ann, pieces_of(PDF, upload=b"w" * 16)[0]) == [PieceResult.TALK_FULL]
    asha._number += 1
    asha.ask(wire.SendDeskLine(1, asha._number, "", LineMark.RETRACTED, 1))
    send(ann)
    assert told(ann) == [("report.pdf", len(PDF), 1), ("", 0, 1 + 1)]
    assert fetched(ann, 1) == b""
    assert fetched(asha, 3) == PDF


def test_only_its_author_takes_a_file_back_and_nobody_renames_it() -> None:
    _, ann, asha = scene()
    send(asha)
    for talker, mark in ((ann, LineMark.RETRACTED), (asha, LineMark.EDITED)):
        talker._number += 1
        talker.ask(wire.SendDeskLine(1, talker._number, "evil.exe", mark, 1))
        assert refusals(talker) == [LineRefusal.NO_SUCH_LINE]
    assert fetched(ann, 1) == PDF


def test_who_waits_and_who_is_in_another_talk_can_neither_send_nor_fetch() -> None:
    help_desk, _, asha = scene()
    send(asha)
    waiting = help_desk.joined("Bela")
    waiting.hear()
    stranger = help_desk.visitor("Carol")
    outside = help_desk.operator("Bob")
    outside.ask(wire.TakeDuty(1, ""))
    outside.hear()
    for visit in (1, 2, 7):
        assert put(stranger, pieces_of(PDF, visit=visit)[0]) == [PieceResult.NOT_SERVED]
        assert fetched(stranger, 1, visit=visit, ticket=bytes(16)) == b""
    assert put(waiting, pieces_of(PDF, visit=1)[0]) == [PieceResult.NOT_SERVED]
    assert fetched(waiting, 1, ticket=waiting.ticket) == fetched(outside, 1) == b""


@pytest.mark.parametrize(
    "disorder",
    [
        lambda piece: msgspec.structs.replace(piece, index=2),
        lambda piece: msgspec.structs.replace(piece, data=piece.data[:-1]),
        lambda piece: msgspec.structs.replace(piece, data=b""),
        lambda piece: msgspec.structs.replace(piece, upload=b"other" + b"." * 11),
    ],
)
def test_pieces_out_of_order_end_an_upload(disorder: object) -> None:
    _, _, asha = scene()
    first, second, last = pieces_of(PDF)
    assert callable(disorder)
    assert put(asha, first, first) == [PieceResult.TAKEN] * 2  # a repeat changes nothing
    assert put(asha, disorder(second)) == [PieceResult.LOST]
    asha._number += 1
    put(asha, last)
    asha.ask(wire.SendDeskLine(1, asha._number, "", upload=first.upload))
    assert refusals(asha) == [LineRefusal.NO_UPLOAD]


def test_a_repeated_line_brings_its_file_once() -> None:
    _, ann, asha = scene(SMALL)
    send(asha)
    for _ in range(3):
        asha.ask(wire.SendDeskLine(1, 1, "", upload=(1).to_bytes(16, "big")))
    assert told(ann) == [("report.pdf", len(PDF), 1)]


def test_slow_uploads_give_their_place_up() -> None:
    help_desk, ann, asha = scene(SMALL)
    put(asha, pieces_of(PDF)[0])
    assert put(ann, pieces_of(PDF)[0]) == [PieceResult.TALK_FULL]
    help_desk.advance(DESK_UPLOAD_IDLE_MAX)
    assert put(ann, pieces_of(PDF)[0]) == [PieceResult.TAKEN]


def test_one_network_fills_its_part_of_the_desk_and_no_more() -> None:
    settings = msgspec.structs.replace(PEERS, files_total=4 * len(PDF) + 100)
    help_desk = HelpDesk(settings)
    _, asha = pair(help_desk, "Ann", "Asha", host="10.0.0.1")
    _, bela = pair(help_desk, "Bob", "Bela", host="10.0.0.1")
    send(asha)
    assert put(bela, pieces_of(PDF, visit=2)[0]) == [PieceResult.DESK_FULL]


def test_many_files_at_once_are_too_fast() -> None:
    _, _, asha = scene()
    results: list[PieceResult] = []
    for number in range(int(DESK_FILES_BURST) + 1):
        results += put(asha, pieces_of(PDF, upload=number.to_bytes(16, "big"))[0])
    assert results == [PieceResult.TAKEN] * int(DESK_FILES_BURST) + [PieceResult.TOO_FAST]


def test_a_file_stays_with_the_transcript_for_both_and_goes_with_it() -> None:
    help_desk, ann, asha = scene()
    send(asha)
    end(help_desk, ann)
    ann.ask(wire.ShowPast(4, "", 0))
    line = ann.last(wire.PastShown).sessions[0].lines[0]
    assert (line.text, line.position, line.file_size) == ("report.pdf", 1, len(PDF))
    assert fetched(ann, 1) == fetched(asha, 1, ticket=asha.ticket) == PDF
    help_desk.restart()
    for talker in (ann, asha):
        Talker.come_back(talker)
    ann.ask(wire.TakeDuty(1, ""))
    ann.hear()
    assert fetched(ann, 1) == PDF
    help_desk.advance(2 * 86_400)
    Talker.come_back(ann)
    ann.ask(wire.TakeDuty(1, ""))
    ann.hear()
    assert fetched(ann, 1) == b""
    assert not help_desk.rig.core.engine.hub.desk.state.files._size


def test_without_transcripts_a_file_is_erased_when_the_talk_ends() -> None:
    help_desk, ann, asha = scene(msgspec.structs.replace(PEERS, keep_transcripts=0))
    send(asha)
    end(help_desk, ann)
    assert fetched(ann, 1) == b""
    assert fetched(asha, 1, ticket=asha.ticket) == b""


def test_past_talks_make_room_for_new_files() -> None:
    settings = msgspec.structs.replace(PEERS, files_total=4 * len(PDF) + 100)
    help_desk = HelpDesk(settings)
    ann = help_desk.operator("Ann")
    ann.ask(wire.TakeDuty(1, ""))
    for visit in range(1, 6):
        asha = help_desk.joined("Asha")
        send(asha, visit=visit)
        end(help_desk, ann, visit)
    assert [len(fetched(ann, 1, visit=visit)) for visit in range(1, 6)] == [0, *[len(PDF)] * 4]


def test_a_full_disk_keeps_neither_line_nor_file() -> None:
    store = MemoryStore()
    help_desk = HelpDesk(PEERS, store=store)
    ann, asha = pair(help_desk, "Ann", "Asha")
    store.full = True
    send(asha)
    assert refusals(asha) == [LineRefusal.NOT_SERVING]
    assert told(ann) == []
    assert fetched(asha, 1) == b""
