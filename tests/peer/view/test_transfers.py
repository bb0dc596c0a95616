"""What a window knows of files, and offers to do about them."""

import itertools

import pytest
from msgspec.structs import replace

from chatapp.peer.api.files import FileState, FileTransfer
from chatapp.peer.view.transfers import FileAction, Transfers, is_for, shown
from chatapp.wire.limits import FILES_KNOWN_MAX
from tests.peer.words.test_texts import PLAN

EVERY = [
    replace(PLAN, state=state, is_ours=is_ours, done=done)
    for state, is_ours, done in itertools.product(FileState, (False, True), (0, PLAN.size))
]


@pytest.mark.parametrize("file", EVERY)
def test_what_is_offered_makes_sense_in_each_state(file: FileTransfer) -> None:
    seen = shown(file)
    assert {offer.action for offer in seen.offers} == {
        action for action in FileAction if is_for(action, file)
    }
    assert not file.is_ours or {offer.action for offer in seen.offers} <= {FileAction.CANCEL}
    assert all(offer.command == f"/{offer.action.value} {file.number}" for offer in seen.offers)
    assert seen.percent in (None, 0, 100)
    is_over = file.state in (FileState.DONE, FileState.REFUSED, FileState.WITHDRAWN)
    assert not (is_over and (seen.offers or seen.percent is not None))
    assert seen.is_here == (file.state is FileState.DONE and not file.is_ours)


def test_one_state_follows_another_and_what_was_taken_back_is_not_shown() -> None:
    transfers = Transfers()
    assert transfers.note(PLAN) is None
    running = replace(PLAN, state=FileState.RUNNING, done=PLAN.size // 2, rate=1_000.0)
    assert transfers.note(running) == PLAN
    assert transfers.running() == [running]
    found = transfers.shown(PLAN.id)
    assert found is not None
    assert found.percent == 50
    assert found.standing.startswith("50 %, 1.0 kB/s, ")
    transfers.note(replace(PLAN, state=FileState.WITHDRAWN))
    assert transfers.shown(PLAN.id) is None
    assert [file.standing for file in transfers.rows()] == ["taken back"]
    assert transfers.running() == []


def test_no_crowd_of_offers_fills_the_memory() -> None:
    transfers = Transfers()
    for number in range(1, FILES_KNOWN_MAX + 50):
        transfers.note(replace(PLAN, id=number, number=number))
    rows = transfers.rows()
    assert len(rows) == FILES_KNOWN_MAX
    assert (rows[0].number, rows[-1].number) == (FILES_KNOWN_MAX + 49, 50)
