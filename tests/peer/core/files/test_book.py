"""The files that are known: which state may follow which, and what others may fill."""

import itertools

import pytest

from chatapp.peer.api.conversations import person
from chatapp.peer.api.events import OfferedFile, Said
from chatapp.peer.api.files import FileState, FileTrouble
from chatapp.peer.core.files.book import _MOVES, MAY_BE_ACCEPTED, FileBook, KnownFile
from chatapp.wire.files import file_id
from chatapp.wire.limits import FILE_OFFERS_BURST, FILES_KNOWN_MAX

BOB, CAROL = bytes(32), bytes(31) + b"1"


def line(id_: int, identity: bytes = BOB, name: str = "plan.pdf") -> Said:
    return Said(
        conversation=person("bob"),
        id=id_,
        sender="bob",
        identity=identity,
        number=id_,
        text=name,
        at=1.0,
        file=OfferedFile(size=10),
    )


def ours(key: bytes = bytes(32)) -> KnownFile:
    return KnownFile(
        conversation=person("bob"),
        sender="alice",
        identity=b"",
        name="plan.pdf",
        size=10,
        key=key,
    )


@pytest.mark.parametrize(("before", "after"), list(itertools.product(FileState, FileState)))
def test_a_state_is_followed_by_those_of_the_table_alone(
    before: FileState, after: FileState
) -> None:
    book = FileBook()
    file = book.offered(line(1), now=0.0)
    assert file is not None
    file.state = before
    book.drain_changed()
    book.is_to_store = False
    may = after in _MOVES[before]
    assert book.move(file, after, FileTrouble.CHANGED) is may
    assert (file.state is after) is (may or before is after)
    assert bool(book.drain_changed()) is book.is_to_store is may


def test_what_is_over_is_not_accepted_and_what_stopped_is() -> None:
    assert FileState.FAILED in MAY_BE_ACCEPTED
    assert FileState.DONE not in MAY_BE_ACCEPTED
    assert FileState.WITHDRAWN not in MAY_BE_ACCEPTED


def test_an_offer_is_known_once_by_a_number_that_stays() -> None:
    book = FileBook()
    first = book.offered(line(1), now=0.0)
    assert first is not None and first.number == 1
    assert book.offered(line(1), now=0.0) is first
    second = book.offered(line(2), now=0.0)
    assert second is not None and second.number == 2
    assert [file.number for file in FileBook(book)] == [1, 2]


def test_a_name_is_cleaned_when_it_comes() -> None:
    file = FileBook().offered(line(1, name="../../.bashrc"), now=0.0)
    assert file is not None and file.name == "bashrc"


def test_one_person_cannot_fill_the_book() -> None:
    book = FileBook()
    taken = [book.offered(line(id_), now=0.0) for id_ in range(1, 1_000)]
    assert sum(file is not None for file in taken) == FILE_OFFERS_BURST
    assert book.offered(line(2_000, CAROL), now=0.0) is not None
    assert book.offered(line(2_001), now=3_600.0) is not None


def test_the_oldest_that_is_over_makes_way() -> None:
    book = FileBook()
    for id_ in range(1, FILES_KNOWN_MAX + 1):
        book.offer(ours(key=id_.to_bytes(32, "big")), id_)
    done = book.find(7)
    assert done is not None and book.move(done, FileState.DONE)
    book.offer(ours(key=bytes(32)), 5_000)
    assert book.find(7) is None
    assert book.of_ours(file_id(done.key)) is None
    assert book.find(1) is not None


def test_strangers_push_out_nothing_but_their_own_offers() -> None:
    """However many they are: our own stay, those that were accepted, and those of who offers less."""
    book = FileBook()
    mine = ours(key=bytes(32))
    book.hold(mine)
    book.offer(mine, 1)
    carols, paused = (book.offered(line(id_, CAROL), now=0.0) for id_ in (2, 3))
    assert carols is not None and paused is not None
    paused.state = FileState.PAUSED
    strangers = [bytes((255, 0, *id_.to_bytes(30, "big"))) for id_ in range(40)]
    for at, stranger in enumerate(FILE_OFFERS_BURST * strangers):
        assert book.offered(line(1_000 + at, stranger), now=0.0) is not None
    assert len(list(book)) == FILES_KNOWN_MAX
    assert book.of_ours(file_id(mine.key)) is mine
    assert book.find(2) is carols and book.find(3) is paused


def test_what_is_forgotten_of_somebody_else_takes_none_of_ours_with_it() -> None:
    book = FileBook()
    mine = ours(key=bytes(32))
    book.hold(mine)
    book.offer(mine, 1)
    theirs = book.offered(line(2), now=0.0)
    assert theirs is not None
    theirs.key, theirs.state = mine.key, FileState.DONE  # they have read our key in our offer
    for id_ in range(3, FILES_KNOWN_MAX + 2):
        book.offer(ours(key=id_.to_bytes(32, "big")), id_)
    assert book.find(2) is None
    assert book.of_ours(file_id(mine.key)) is mine


def test_what_was_taken_back_is_given_to_nobody() -> None:
    book = FileBook()
    file = ours()
    book.hold(file)
    assert book.of_ours(file_id(file.key)) is file
    assert FileBook(book.stored()).of_ours(file_id(file.key)) is not None
    assert list(book) == []
    book.offer(file, 1)
    assert book.of_ours(file_id(file.key)) is file
    assert book.of_ours(bytes(16)) is None
    book.move(file, FileState.WITHDRAWN)
    assert book.of_ours(file_id(file.key)) is None


def test_an_offer_that_was_refused_at_once_is_forgotten() -> None:
    book = FileBook()
    file = ours()
    book.hold(file)
    book.offer(file, 0)
    assert book.stored() == [] and book.of_ours(file_id(file.key)) is None
