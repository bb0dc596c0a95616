"""Files between a visitor and an operator, as programs send and fetch them."""

from pathlib import Path

import pytest

from chatapp.peer.api import events, visit_events
from chatapp.peer.api.errors import DeskFileRefusal, DeskFileRefused, FileRefused
from chatapp.peer.sdk.visitor import Visitor
from chatapp.wire.messages.desk import EndSession, TakeDuty
from tests.peer.village import Village, next_of, village

__all__ = ["village"]

PDF = b"%PDF-" + bytes(range(256)) * 600


async def visitors_next(visitor: Visitor) -> visit_events.Said:
    while True:
        for event in await visitor.next_events():
            if isinstance(event, visit_events.Said):
                return event


def named(line: visit_events.Said) -> tuple[int, int, int]:
    assert line.file is not None
    return line.visit, line.number, line.file.size


async def test_both_ends_send_and_fetch(village: Village, tmp_path: Path) -> None:
    visitor, _ = await village.open_desk("olga")
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    olga = village.peer("olga")
    await olga.open()
    await olga.ready()
    olga.desk.ask(TakeDuty(0, ""))
    came = await next_of(olga, events.ClientCame)

    said = await visitor.send_file("report.pdf", PDF)
    assert (said.text, said.file) == ("report.pdf", events.OfferedFile(size=len(PDF)))
    line = await next_of(olga, events.Said)
    assert line.file is not None
    assert line.file.size == len(PDF)
    for name in ("report.pdf", "report (2).pdf"):  # nothing is overwritten
        path = await olga.desk.fetch_file(
            came.visit, line.number, line.text, line.file.size, path=downloads
        )
        assert path == downloads / name
        assert path.read_bytes() == PDF
        assert path.stat().st_mode & 0o777 == 0o600

    plan = tmp_path / "plan.txt"
    plan.write_text("So geht es.")
    own = await olga.desk.send_file(plan)
    assert own.is_ours
    told = await visitors_next(visitor)
    assert await visitor.fetch_file(*named(told)) == plan.read_bytes()

    page = tmp_path / "page.html"
    page.write_text("<script>")
    with pytest.raises(DeskFileRefused) as refused:
        await olga.desk.send_file(page)
    assert refused.value.reason is DeskFileRefusal.WRONG_KIND
    assert "pdf" in str(refused.value)
    with pytest.raises(FileRefused):
        await olga.desk.send_file(tmp_path / "missing.pdf")

    olga.desk.ask(EndSession(0, came.visit))
    while not isinstance((await visitor.next_events())[-1], visit_events.VisitEnded):
        pass
    assert (
        await visitor.fetch_file(*named(told)) == plan.read_bytes()
    )  # its ticket still shows who it is
    with pytest.raises(DeskFileRefused) as late:
        await visitor.send_file("report.pdf", PDF)
    assert late.value.reason is DeskFileRefusal.NOT_SERVED
    await visitor.detach()
