"""When records reach the disk: promised ones at once, others batched; and a full disk."""

import sqlite3
from collections.abc import Sequence
from typing import cast

import pytest

from chatapp.peer.core.events import MessageState
from chatapp.peer.core.records import (
    CursorMoved,
    FloorRaised,
    IncomingAdded,
    OutgoingAdded,
    OutgoingChanged,
    Record,
    Shown,
    can_wait,
)
from chatapp.peer.history.database import BATCH_SPAN, STORE_AGAIN_AFTER, CommitQueue, History

KEY = b"b" * 32
PROMISED = IncomingAdded(KEY, 5, 0, "hi", False)
PATIENT = CursorMoved(7)


class Disk:
    """A disk that stores whole batches, or is full."""

    def __init__(self) -> None:
        self.is_full = False
        self.batches: list[list[Record]] = []
        self.tries = 0
        self.commit_queue = CommitQueue(cast(History, self))

    def apply(self, records: Sequence[Record]) -> None:
        self.tries += 1
        if self.is_full:
            raise sqlite3.OperationalError("database or disk is full")
        self.batches.append(list(records))


@pytest.fixture
def disk() -> Disk:
    return Disk()


def test_what_a_promise_rests_on_is_committed_at_once(disk: Disk) -> None:
    assert disk.commit_queue.keep([PROMISED], now=1.0)
    assert disk.batches == [[PROMISED]]
    assert disk.commit_queue.next_timer() is None


def test_the_rest_waits_for_company_and_not_for_ever(disk: Disk) -> None:
    assert disk.commit_queue.keep([PATIENT], now=1.0)
    assert disk.batches == []
    assert disk.commit_queue.next_timer() == 1.0 + BATCH_SPAN
    assert disk.commit_queue.keep([PROMISED], now=1.01)
    assert disk.batches == [[PATIENT, PROMISED]]  # in their order
    assert disk.commit_queue.keep([PATIENT], now=2.0)
    assert disk.commit_queue.keep([], now=2.0 + BATCH_SPAN)
    assert disk.batches[1:] == [[PATIENT]]


def test_nothing_waits_at_the_end(disk: Disk) -> None:
    disk.commit_queue.keep([PATIENT], now=1.0)
    assert disk.commit_queue.keep([], now=1.0, is_last=True)
    assert disk.batches == [[PATIENT]]


def test_a_full_disk_is_told_of_once_and_tried_again_now_and_then(disk: Disk) -> None:
    disk.is_full = True
    assert not disk.commit_queue.keep([PROMISED], now=1.0)
    assert disk.commit_queue.trouble is not None
    assert "full" in disk.commit_queue.trouble
    disk.commit_queue.trouble = None
    again = 1.0 + STORE_AGAIN_AFTER
    assert disk.commit_queue.next_timer() == again
    assert not disk.commit_queue.keep([PATIENT], now=again - 0.01)
    assert disk.tries == 1
    assert not disk.commit_queue.keep([], now=again)
    assert disk.commit_queue.trouble is None
    disk.is_full = False
    assert disk.commit_queue.keep([], now=again + STORE_AGAIN_AFTER)
    assert disk.batches == [[PROMISED, PATIENT]]
    disk.is_full = True
    assert not disk.commit_queue.keep([PROMISED], now=9.0)
    assert disk.commit_queue.trouble is not None


def test_long_texts_fill_a_keeper_before_many_records_do(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatapp.peer.history.database.TEXTS_WAITING_MAX", 3_000)
    disk.is_full = True
    fullness = []
    for number in range(3):
        disk.commit_queue.keep([IncomingAdded(b"b" * 32, number, 0, "x" * 1_000, False)], now=1.0)
        fullness.append(disk.commit_queue.is_full)
    disk.is_full = False
    disk.commit_queue.keep([], now=1.0 + STORE_AGAIN_AFTER)
    assert [*fullness, disk.commit_queue.is_full] == [False, False, True, False]


def test_the_last_try_is_made_even_on_a_disk_that_was_full(disk: Disk) -> None:
    disk.is_full = True
    disk.commit_queue.keep([PROMISED], now=1.0)
    assert not disk.commit_queue.keep([], now=1.1, is_last=True)
    disk.is_full = False
    assert disk.commit_queue.keep([], now=1.2, is_last=True)


def test_only_what_costs_no_more_than_a_recognised_repeat_can_wait() -> None:
    patient: list[Record] = [CursorMoved(1), FloorRaised(KEY, 1)]
    hasty: list[Record] = [
        IncomingAdded(KEY, 1, 0, "", False),
        OutgoingAdded(KEY, 1, 0, ""),
        Shown(KEY, 1),
        *(OutgoingChanged(KEY, 1, standing) for standing in MessageState),
    ]
    assert all(map(can_wait, patient))
    assert not any(map(can_wait, hasty))
