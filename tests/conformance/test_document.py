"""This file is about docs/protocol.md as a whole: cited clauses exist, quotes are quotes, tables are what the code says."""

import ast
import dataclasses
import enum
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from registry.crowd import TIME_TO_SPEAK, WAITING_AT_ONCE
from registry.desk.settings import DeskSettings
from registry.desk.telling import MOVES_SPAN
from tests.conformance import vectors
from tests.conformance.document import ROOT, clauses, flowing, rows, text
from tests.conformance.document import vectors as printed_vectors
from tests.support.strategies import FRAMES, NOTICES, REQUESTS, Message, all_shapes
from wire import admission, identity, invitations, letters, limits
from wire.delivery.policy import Policy
from wire.header import GROUP_OVERHEAD, SEALED_OVERHEAD, Kind
from wire.messages.desk.operating import ClientCause, ClientReach, CommandResult, RoomVisitor
from wire.messages.desk.talking import LineRefusal
from wire.messages.desk.visiting import DeskRefusal, OverCause, PlaceCause, TurnCause
from wire.messages.group import EpochKey, GroupLine
from wire.messages.mail import Letter, MailRefusal
from wire.messages.registration import RefusalReason
from wire.messages.room import ROOMS_LISTED_MAX, RoomInfo, RoomMember, RoomPresence, RoomRefusal
from wire.messages.table import Presence

CITED = re.compile(r"[Cc]lauses?\s+((?:[0-9]+(?:\.[0-9]+)?(?:,\s*|\s+and\s+|\s+to\s+)?)+)")
QUOTED = re.compile(r'Clause ([0-9.]+): "(.*)"\.$', re.DOTALL)


def sources(*folders: str) -> Iterator[Path]:
    """All files of code in these folders."""
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


# --- clauses


def test_every_clause_that_is_cited_exists() -> None:
    for path in sources("wire", "registry", "peer", "tests"):
        for cited in CITED.findall(path.read_text(encoding="utf-8")):
            for number in re.findall(r"[0-9]+(?:\.[0-9]+)?", cited):
                assert number in clauses(), f"{path} cites clause {number}"


def test_every_clause_that_the_document_cites_exists() -> None:
    for cited in CITED.findall(text()):
        for number in re.findall(r"[0-9]+(?:\.[0-9]+)?", cited):
            assert number in clauses()


def conformance_tests() -> Iterator[tuple[str, str | None]]:
    """The name of each test that checks a clause, and its docstring."""
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        if path == Path(__file__):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield f"{path.name}::{node.name}", ast.get_docstring(node)


@pytest.mark.parametrize(("name", "said"), list(conformance_tests()), ids=lambda value: str(value)[:60])
def test_every_conformance_test_quotes_its_clause(name: str, said: str | None) -> None:
    quote = QUOTED.search(said or "")
    assert quote is not None, f"{name} quotes no clause"
    number, words = quote[1], flowing(quote[2])
    for piece in words.split(" ... "):
        assert piece in clauses()[number], f"{name}: clause {number} does not say: {piece}"


# --- tables


def test_the_kinds() -> None:
    """Clause 2.1."""
    assert {int(row[0]): row[1] for row in rows("2.1", columns=6)} == {kind.value: kind.name for kind in Kind}


def test_the_headers() -> None:
    """Clause 2.2."""
    sizes = rows("2.2", columns=8)
    sealed, group = (sum(int(row[at]) for row in sizes if row[at]) for at in (1, 4))
    assert (sealed, group) == (SEALED_OVERHEAD, GROUP_OVERHEAD)


def tagged(number: str) -> dict[str, tuple[int, list[str]]]:
    """Tag and fields of each message in a clause's table."""
    table = [row for columns in (3, 4) for row in rows(number, columns=columns) if row[0].isdigit()]
    return {row[1]: (int(row[0]), [one.strip() for one in row[2].split(",") if one.strip()]) for row in table}


@pytest.mark.parametrize(("number", "shapes"), [("5.3", FRAMES), ("9.3", REQUESTS), ("9.4", NOTICES)])
def test_tags_and_fields(number: str, shapes: tuple[type[Message], ...]) -> None:
    """Clauses 5.3, 9.3 and 9.4."""
    assert tagged(number) == {
        shape.__name__: (shape.__struct_config__.tag, list(shape.__struct_fields__)) for shape in shapes
    }


def test_fields_of_what_stands_inside_notices() -> None:
    """Clause 9.4."""
    table = {row[0]: row[1].split(", ") for row in rows("9.4", columns=3)}
    assert table == {
        one.__name__: list(one.__struct_fields__)
        for one in (Letter, EpochKey, GroupLine, RoomMember, RoomInfo, RoomVisitor)
    }


@pytest.mark.parametrize(
    ("number", "shape"),
    [
        ("3.1", "Card"),
        ("3.2", "Row"),
        ("3.3", "TableBatch"),
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
        ("12.2", RoomRefusal),
        ("12.4", RoomPresence),
    ],
)
def test_reasons(number: str, reasons: type[enum.IntEnum]) -> None:
    """Clauses 3.2, 4.5, 7.3, 12.2 and 12.4."""
    table = [row for row in rows(number, columns=3) if row[0].isdigit()]
    assert {int(row[0]): row[1] for row in table} == {one.value: one.name for one in reasons}


@pytest.mark.parametrize(
    ("number", "kinds"),
    [
        ("13.2", (DeskRefusal, PlaceCause, TurnCause, OverCause)),
        ("13.4", (LineRefusal,)),
        ("13.5", (CommandResult, ClientCause, ClientReach)),
    ],
)
def test_numbers_of_the_desk(number: str, kinds: tuple[type[enum.IntEnum], ...]) -> None:
    """Clauses 13.2, 13.4 and 13.5."""
    said = [(int(row[0]), row[1]) for row in rows(number, columns=2)]
    assert said == [(one.value, one.name) for kind in kinds for one in kind]


def test_purposes_of_signatures() -> None:
    """Clause 1.4."""
    table = {row[0].strip("`").encode() + b"\0" for row in rows("1.4", columns=3)}
    assert table == {
        identity._CARD,
        letters._LETTER,
        admission._REGISTER,
        admission._WELCOME,
        admission._REFUSED,
        invitations._INVITED,
        admission._TABLE,
    }


# --- numbers


def value_of(dotted: str) -> float:
    """A constant of a module, or a field of a policy with its usual value."""
    parts = dotted.split(".")
    owner, rest = (
        (".".join(parts[:-2]), parts[-2:]) if parts[-2][0].isupper() else (".".join(parts[:-1]), parts[-1:])
    )
    found = importlib.import_module(owner)
    value = getattr(found, rest[0])
    return float(getattr(value(), rest[1]) if len(rest) == 2 else value)


def numbers() -> dict[str, float]:
    """The table of clause 10."""
    return {row[0].strip("`"): float(row[1].replace(",", "")) for row in rows("10", columns=3)}


@pytest.mark.parametrize(("dotted", "printed"), list(numbers().items()))
def test_each_number_is_that_of_the_code(dotted: str, printed: float) -> None:
    """Clause 10."""
    assert value_of(dotted) == printed


def test_no_limit_is_missing() -> None:
    """Clause 10."""
    named = {f"wire.limits.{name}" for name in vars(limits) if name.isupper()}
    assert named <= set(numbers())


@pytest.mark.parametrize(
    ("number", "said"),
    [
        ("4.3", f"{limits.REGISTERS_PER_SECOND:.0f} a second, {limits.REGISTERS_BURST:,.0f} at once"),
        ("6.1", f"at most {limits.BODY_MAX:,} bytes"),
        ("6.4", f"tried {Policy().tries} times, {Policy().ack_timeout * 1000:.0f} ms apart"),
        ("6.6", f"up to {Policy().assembly_bytes:,} bytes"),
        ("6.7", f"for at most {Policy().hold_span:.0f} s, and up to {Policy().hold_numbers:,} messages"),
        ("7.2", f"at most {limits.LETTER_MAX:,} bytes"),
        ("7.3", f"{limits.MAILBOX_LETTERS_MAX} letters or {limits.MAILBOX_BYTES_MAX:,} bytes"),
        ("7.3", f"{limits.MAILBOX_LETTERS_PER_SENDER} letters of this sender"),
        ("8.4", f"at most {GROUP_OVERHEAD + limits.BODY_MAX:,} bytes"),
        ("9.2", f"over {limits.LINK_FIRST_FRAME_MAX:,} before the link is attached"),
        ("9.2", f"over {limits.LINK_FRAME_MAX:,} after"),
        ("9.5", f"more than {limits.LINKS_WAITING_PER_ADDRESS} of one address"),
        ("9.5", f"more than {limits.LINKS_WAITING_IN_ALL} in all"),
        ("9.5", f"had {TIME_TO_SPEAK:.0f} s to do so"),
        ("9.5", f"more than {WAITING_AT_ONCE:,}, or"),
        ("4.7", f"at most {limits.NAMES_RESERVED_MAX} reserved names"),
        ("4.7", f"for {limits.NAME_KEPT_FOR / 86_400:.0f} days"),
        ("4.7", f"{limits.RENAMES_BURST} times at once and then once in {limits.RENAMES_SPAN:.0f} s"),
        ("12.2", f"{limits.ROOM_MEMBERS_MAX:,} members are in it"),
        ("12.2", f"there are {limits.ROOMS_MAX:,} rooms"),
        (
            "12.2",
            f"makes {limits.ROOMS_MADE_BURST} rooms at once and then one in {limits.ROOMS_MADE_SPAN:.0f} s",
        ),
        ("12.4", f"stays one for {limits.GROUP_KEPT_FOR / 86_400:.0f} days"),
        ("12.5", f"at most {limits.ROOM_LINES_MAX:,} lines or {limits.ROOM_BYTES_MAX >> 20} MiB"),
        ("12.6", f"at most {ROOMS_LISTED_MAX:,} of them or {limits.ROOM_LIST_MAX >> 10} KiB"),
        ("13.1", f"forgotten after {limits.GUEST_KEPT_FOR:.0f} s"),
        ("13.1", f"at most {limits.GUESTS_PER_ADDRESS} guests of one host and {limits.GUESTS_MAX:,} in all"),
        ("13.2", f"at most {limits.DESK_FORM_NAME_MAX} characters"),
        ("13.2", f"at most every {MOVES_SPAN} s"),
        ("13.3", f"for {DeskSettings().keep_place:.0f} s. For {DeskSettings().pass_over_after:.0f} s"),
        ("13.3", f"registry: {DeskSettings().restart_grace:.0f} s"),
        ("13.3", f"after {DeskSettings().operator_grace:.0f} s"),
        ("13.4", f"at most {limits.DESK_WINDOW:,} bytes of lines"),
        ("13.4", f"{limits.DESK_LINES_MAX:,} lines and {limits.DESK_LINES_BYTES_MAX:,} bytes"),
        ("13.4", f"{limits.DESK_LINES_PER_SECOND:.0f} lines a second"),
        ("13.4", f"{limits.DESK_LINES_BURST:.0f} at once"),
    ],
)
def test_numbers_in_sentences(number: str, said: str) -> None:
    """Clause 10 has them once more."""
    assert said in clauses()[number]


def test_a_policy_is_all_that_delivery_waits_by() -> None:
    """Clause 6: whoever adds a span to the policy that others can notice adds it to clause 10."""
    inside = {"assemblies", "message_limit", "window", "window_floor", "loss_tolerated", "loss_memory"}
    fields = {field.name for field in dataclasses.fields(Policy)} - inside
    assert {f"wire.delivery.policy.Policy.{name}" for name in fields} <= set(numbers())


# --- vectors


@pytest.mark.parametrize("block", vectors.BLOCKS)
def test_the_vectors_are_what_the_code_makes(block: str) -> None:
    """Clause 11. `python -m tests.conformance.vectors` prints them anew."""
    assert printed_vectors()[block] == vectors.made()[block]


def test_no_block_of_vectors_is_left_over() -> None:
    """Clause 11."""
    assert set(printed_vectors()) == set(vectors.BLOCKS)
    assert set(printed_vectors()) == set(re.findall(r"^```(?:vectors )?(\S+)$", text(), re.MULTILINE))


def test_a_changed_vector_would_be_noticed() -> None:
    """Clause 11: the reader of blocks reads all of a value."""
    long = printed_vectors()["letter"]["letter"]
    assert len(bytes.fromhex(long)) == 4 + 32 + 16 + 202
    assert msgspec.msgpack.decode(bytes.fromhex(printed_vectors()["cards"]["alice.card"]))[0] == "alice"
