"""`docs/reference/protocol.md` as a whole: cited clauses exist, quotations are exact, and tables match the
code."""

import ast
import enum
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from chatapp.wire import admission, identity, sealing
from chatapp.wire.codec import GROUP_OVERHEAD, SEALED_OVERHEAD, Kind
from chatapp.wire.messages.desk import (
    ClientCause,
    ClientChange,
    ClosedQueue,
    CommandResult,
    DescriptionResult,
    DeskRefusal,
    LineMark,
    LineRefusal,
    OperatorCause,
    OverCause,
    PastLine,
    PastSession,
    PieceResult,
    PositionCause,
    ReadyAnswer,
    RoomOperator,
    RoomQueue,
    RoomVisitor,
)
from chatapp.wire.messages.direct import Relation
from chatapp.wire.messages.files import (
    FileNotice,
    FileRequest,
    KeeperNotice,
    KeeperRequest,
    KeptResult,
    Unserved,
)
from chatapp.wire.messages.mail import Letter, MailRefusal
from chatapp.wire.messages.registration import RefusalReason
from chatapp.wire.messages.rooms import (
    EpochKey,
    GroupLine,
    GroupRefusal,
    RoomInfo,
    RoomMember,
    RoomPresence,
    RoomRefusal,
    Topic,
    TopicRefusal,
)
from chatapp.wire.messages.table import Presence
from tests.conformance import vectors
from tests.conformance.document import ROOT, attaching_clauses, clauses, flowing, rows, text
from tests.conformance.document import vectors as printed_vectors
from tests.support.strategies import FRAMES, NOTICES, REQUESTS, Message, all_shapes

CITED = re.compile(r"[Cc]lauses?\s+((?:[0-9]+(?:\.[0-9]+)?(?:,\s*|\s+and\s+|\s+to\s+)?)+)")
QUOTED = re.compile(r'Clause ([0-9.]+): "(.*)"\.$', re.DOTALL)


def sources(*folders: str) -> Iterator[Path]:
    """All files of code in these folders."""
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


# --- clauses


def test_every_clause_that_is_cited_exists() -> None:
    for path in sources("wire", "registry", "peer", "tests"):
        is_attaching = path.parent.name == "rpc" or path == ROOT / "peer" / "api" / "codec.py"
        known = attaching_clauses() if is_attaching else clauses().keys()
        for cited in CITED.findall(path.read_text(encoding="utf-8")):
            for number in re.findall(r"[0-9]+(?:\.[0-9]+)?", cited):
                assert number in known, f"{path} cites clause {number}"


def test_every_clause_that_documents_cite_exists() -> None:
    for page in sorted(ROOT.glob("docs/**/*.md")):
        written = page.read_text(encoding="utf-8")
        cited = CITED.findall(written)
        if page.name == "security.md":
            cited += re.findall(r"\(((?:[0-9]+\.[0-9]+(?:, | to )?)+)\)", written)
        known = attaching_clauses() if page.name == "rpc.md" else clauses().keys()
        for number in re.findall(r"[0-9]+(?:\.[0-9]+)?", " ".join(cited)):
            assert number in known, f"{page} cites clause {number}"


def test_clauses_are_numbered_once_in_order() -> None:
    chapters = [int(number) for number in clauses() if "." not in number]
    assert chapters == list(range(1, len(chapters) + 1))
    for chapter in chapters:
        inside = [number for number in clauses() if number.startswith(f"{chapter}.")]
        assert inside == [f"{chapter}.{place + 1}" for place in range(len(inside))]


def conformance_tests() -> Iterator[tuple[str, str | None]]:
    """The name of each test that checks a clause, and its docstring."""
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        if path.name.startswith("test_document"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield f"{path.name}::{node.name}", ast.get_docstring(node)


@pytest.mark.parametrize(
    ("name", "said"), list(conformance_tests()), ids=lambda value: str(value)[:60]
)
def test_every_conformance_test_quotes_its_clause(name: str, said: str | None) -> None:
    quote = QUOTED.search(said or "")
    assert quote is not None, f"{name} quotes no clause"
    number, words = quote[1], flowing(quote[2])
    for piece in words.split(" ... "):
        assert piece in clauses()[number], f"{name}: clause {number} does not say: {piece}"


# --- tables


def test_the_kinds() -> None:
    """Clause 2.1."""
    assert {int(row[0]): row[1] for row in rows("2.1", columns=6)} == {
        kind.value: kind.name for kind in Kind
    }


def test_the_headers() -> None:
    """Clause 2.2."""
    sizes = rows("2.2", columns=8)
    sealed, group = (sum(int(row[at]) for row in sizes if row[at]) for at in (1, 4))
    assert (sealed, group) == (SEALED_OVERHEAD, GROUP_OVERHEAD)


def tagged(number: str) -> dict[str, tuple[int, list[str]]]:
    """Tag and fields of each message in a clause's table."""
    table = [row for columns in (3, 4) for row in rows(number, columns=columns) if row[0].isdigit()]
    return {
        row[1]: (int(row[0]), [one.strip() for one in row[2].split(",") if one.strip()])
        for row in table
    }


@pytest.mark.parametrize(
    ("number", "shapes"),
    [
        ("5.3", FRAMES),
        ("6.14", get_args(Relation)[:-2]),  # without those of a later version, and None
        ("6.18", get_args(FileRequest)),
        ("6.23", get_args(KeeperRequest)),
        ("9.3", REQUESTS),
        ("9.4", NOTICES),
    ],
)
def test_tags_and_fields(number: str, shapes: tuple[type[Message], ...]) -> None:
    """Clauses 5.3, 6.14, 6.18, 6.23, 9.3 and 9.4."""
    assert tagged(number) == {
        shape.__name__: (shape.__struct_config__.tag, list(shape.__struct_fields__))
        for shape in shapes
    }


def test_answers_about_files() -> None:
    """Clause 6.18."""
    table = {row[0]: (int(row[1]), row[2].split(", ")) for row in rows("6.18", columns=3)}
    assert table == {
        shape.__name__: (shape.__struct_config__.tag, list(shape.__struct_fields__))
        for shape in get_args(FileNotice)
    }
    reasons = {int(row[0]): row[1] for row in rows("6.18", columns=2)}
    assert reasons == {one.value: one.name for one in Unserved}


def test_notices_about_kept_files() -> None:
    """Clause 6.23."""
    table = {row[0]: (int(row[1]), row[2].split(", ")) for row in rows("6.23", columns=3)}
    assert table == {
        shape.__name__: (shape.__struct_config__.tag, list(shape.__struct_fields__))
        for shape in get_args(KeeperNotice)
    }
    results = {int(row[0]): row[1] for row in rows("6.23", columns=2)}
    assert results == {one.value: one.name for one in KeptResult}


def test_fields_of_what_stands_inside_notices() -> None:
    """Clause 9.4."""
    table = {row[0]: row[1].split(", ") for row in rows("9.4", columns=3)}
    assert table == {
        one.__name__: list(one.__struct_fields__)
        for one in (
            Letter,
            EpochKey,
            GroupLine,
            RoomMember,
            RoomInfo,
            Topic,
            RoomVisitor,
            RoomQueue,
            RoomOperator,
            PastSession,
            PastLine,
            ClosedQueue,
            ReadyAnswer,
        )
    }


@pytest.mark.parametrize(
    ("number", "shape"),
    [
        ("3.1", "Card"),
        ("3.2", "Row"),
        ("4.2", "Cookie"),
        ("4.3", "Register"),
        ("4.4", "Welcome"),
        ("4.5", "Refused"),
        ("6.1", "DirectBody"),
        ("7.1", "SignedLetter"),
        ("7.1", "LetterBody"),
        ("8.3", "GroupBody"),
    ],
)
def test_fields_of_messages_without_a_tag(number: str, shape: str) -> None:
    """Clauses 3, 4, 6.1, 7.1 and 8.3."""
    (found,) = [one for one in all_shapes() if one.__name__ == shape]
    assert found.__struct_config__.tag is None
    assert f"`[{', '.join(found.__struct_fields__)}]`" in clauses()[number]


@pytest.mark.parametrize(
    ("number", "reasons"),
    [
        ("3.2", Presence),
        ("4.5", RefusalReason),
        ("7.3", MailRefusal),
        ("8.4", GroupRefusal),
        ("10.2", RoomRefusal),
        ("10.4", RoomPresence),
        ("10.7", TopicRefusal),
    ],
)
def test_reasons(number: str, reasons: type[enum.IntEnum]) -> None:
    """Clauses 3.2, 4.5, 7.3, 8.4, 10.2 and 10.4."""
    said = re.findall(r"(?:^| )- (\d+) ([A-Z_]+)", clauses()[number])
    assert said == [(str(reason.value), reason.name) for reason in reasons]


@pytest.mark.parametrize(
    ("number", "kinds"),
    [
        ("11.2", (DeskRefusal, PositionCause, OperatorCause, OverCause, DescriptionResult)),
        ("11.4", (LineRefusal, LineMark)),
        ("11.7", (PieceResult,)),
        ("11.5", (CommandResult, ClientCause, ClientChange)),
    ],
)
def test_numbers_of_the_desk(number: str, kinds: tuple[type[enum.IntEnum], ...]) -> None:
    """Clauses 11.2, 11.4, 11.5 and 11.7."""
    lists = re.findall(r"\*[\w ]+\*: ([0-9A-Z_, ]+)\.", clauses()[number])
    expected = [", ".join(f"{one.value} {one.name}" for one in kind) for kind in kinds]
    assert lists == expected


def test_purposes_of_signatures() -> None:
    """Clause 1.4."""
    table = {row[0].strip("`").encode() + b"\0" for row in rows("1.4", columns=3)}
    assert table == {
        identity._CARD,
        sealing._LETTER,
        admission._REGISTER,
        admission._WELCOME,
        admission._REFUSED,
        admission._INVITED,
        admission._VOUCHED,
        identity._TABLE,
    }


# --- vectors


@pytest.mark.parametrize("block", vectors.BLOCKS)
def test_the_vectors_are_what_the_code_makes(block: str) -> None:
    """Clause 13. `python -m tests.conformance.vectors` prints them anew."""
    assert printed_vectors()[block] == vectors.made()[block]


def test_no_block_of_vectors_is_left_over() -> None:
    """Clause 13."""
    assert set(printed_vectors()) == set(vectors.BLOCKS)
    fenced = set(re.findall(r"^```(?:vectors )?(\S+)$", text(), re.MULTILINE))
    assert set(printed_vectors()) == fenced - {"constants"}


def test_a_changed_vector_would_be_noticed() -> None:
    """Clause 13: the reader of blocks reads all of a value."""
    long = printed_vectors()["letter"]["letter"]
    assert len(bytes.fromhex(long)) == 4 + 32 + 16 + 202
    assert (
        msgspec.msgpack.decode(bytes.fromhex(printed_vectors()["cards"]["alice.card"]))[0]
        == "alice"
    )
