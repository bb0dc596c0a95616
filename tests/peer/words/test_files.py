"""How files are worded where it depends on more than one event."""

import pytest
from msgspec.structs import replace

from chatapp.peer.api.errors import FileRefusal, FileRefused
from chatapp.peer.api.events import OfferedFile
from chatapp.peer.api.files import FileState, FileWay
from chatapp.peer.words.files import (
    file_shown,
    listed,
    not_done,
    progress_lines,
    progress_note,
    size_shown,
)
from tests.peer.words.test_texts import PLAN

RUNNING = replace(PLAN, size=1_000_000_000, state=FileState.RUNNING)


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1_000, "1.0 kB"),
        (99_949, "99.9 kB"),
        (99_950, "100 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (2_345_678, "2.3 MB"),
        (5_000_000_000, "5.0 GB"),
        (1 << 40, "1.1 TB"),
    ],
)
def test_a_size_reads_as_people_say_it(size: int, shown: str) -> None:
    assert size_shown(size) == shown


@pytest.mark.parametrize(
    ("before", "now", "lines"),
    [
        (None, 50_000_000, []),
        (None, 250_000_000, ["[plan.pdf: 25 % of 1.0 GB]"]),
        (99_000_000, 100_000_000, ["[plan.pdf: 10 % of 1.0 GB]"]),
        (100_000_000, 199_000_000, []),
        (950_000_000, 1_000_000_000, []),  # the next line says that it is here
    ],
)
def test_a_pipe_reads_of_each_tenth(before: int | None, now: int, lines: list[str]) -> None:
    earlier = None if before is None else replace(RUNNING, done=before)
    assert progress_lines(replace(RUNNING, done=now), earlier) == lines


def test_of_one_of_ours_it_is_said_whose_copy_it_is() -> None:
    file = replace(RUNNING, is_ours=True, done=250_000_000)
    assert progress_lines(file, None) == ["[plan.pdf to bob: 25 % of 1.0 GB]"]


def test_a_prompt_shows_how_fast_it_comes() -> None:
    file = replace(RUNNING, done=420_000_000, rate=12_300_000.0)
    assert progress_note(file) == "plan.pdf 42 % 12.3 MB/s"


@pytest.mark.parametrize(
    ("file", "line"),
    [
        (PLAN, "from bob: offered"),
        (replace(PLAN, is_ours=True, state=FileState.DONE), "to bob: done"),
        (replace(PLAN, state=FileState.DONE), "from bob: here, /home/al/plan.pdf"),
        (replace(PLAN, state=FileState.WAITING), "from bob: waits for bob, 0 % is here"),
        (
            replace(RUNNING, done=400_000_000, rate=10_000_000.0),
            "from bob: 40 %, 10.0 MB/s, 1 minute left",
        ),
        (replace(PLAN, state=FileState.WITHDRAWN), "from bob: taken back"),
    ],
)
def test_a_list_says_how_each_file_stands(file: object, line: str) -> None:
    assert listed([file])[0].endswith(line)  # type: ignore[list-item]


def test_a_refusal_names_the_file_and_why() -> None:
    refused = FileRefused(FileRefusal.NOT_READABLE, "/a/b", "Permission denied")
    assert not_done(refused) == "[/a/b cannot be read: Permission denied.]"
    assert not_done(FileRefused(FileRefusal.NO_SUCH_OFFER)) == "[No such file is offered to you.]"


def test_a_file_that_comes_by_itself_is_not_asked_about() -> None:
    offered = OfferedFile(size=5, number=3, is_coming=True)
    assert file_shown("a.txt", offered) == "[file a.txt, 5 bytes: it comes, /refuse 3 stops it]"


def test_the_list_says_which_way_a_file_comes() -> None:
    (line,) = listed([replace(RUNNING, ways=(FileWay.UDP,))])
    assert line.endswith(" (by UDP, as no TCP connection can be made)")
