"""The numbers in docs/reference/protocol.md equal those in the code, and none is missing."""

import dataclasses
import importlib
import re
from pathlib import Path

import pytest

from chatapp.peer.core.files.fetching import (
    COMES_WITHIN,
    HAVE_ASKED_EACH,
    WINDOW,
    WINDOW_LEAST,
)
from chatapp.registry.edge.links import TIME_TO_SPEAK, WAITING_AT_ONCE
from chatapp.registry.rules.desk.notices import MOVES_SPAN
from chatapp.registry.rules.desk.settings import DeskSettings
from chatapp.wire import limits
from chatapp.wire.codec import GROUP_OVERHEAD
from chatapp.wire.delivery.dedup import RANGES_MAX
from chatapp.wire.delivery.policy import Policy
from chatapp.wire.messages.rooms import ROOMS_LISTED_MAX
from tests.conformance.document import clauses, constants


def value_of(dotted: str) -> float:
    """A constant of a module, or a field of a policy with its usual value."""
    parts = dotted.split(".")
    owner, rest = (
        (".".join(parts[:-2]), parts[-2:])
        if parts[-2][0].isupper()
        else (".".join(parts[:-1]), parts[-1:])
    )
    found = importlib.import_module(owner)
    value = getattr(found, rest[0])
    return float(getattr(value(), rest[1]) if len(rest) == 2 else value)


def numbers() -> dict[str, float]:
    """The block of clause 12."""
    return {name: float(value.replace(",", "")) for name, value in constants().items()}


@pytest.mark.parametrize(("dotted", "printed"), list(numbers().items()))
def test_each_number_is_that_of_the_code(dotted: str, printed: float) -> None:
    """Clause 12."""
    assert value_of(dotted) == printed


INSIDE = {
    "BANS_MAX",
    "BUCKETS_MAX",
    "CONTACTS_MAX",
    "DESK_ANSWERS_BYTES_MAX",
    "DESK_CONSOLE_LINES_MAX",
    "DESK_FILES_SHARE",
    "DESK_HOURS_MAX",
    "DESK_PAST_BYTES_MAX",
    "DESK_SESSIONS_MAX",
    "DESK_TYPED_AHEAD_MAX",
    "DESK_UNTOLD_MAX",
    "EVENTS_WAITING_MAX",
    "GIVEN_AGAIN_MAX",
    "GIVEN_AGAIN_TEXTS_MAX",
    "GROUP_HELD_MAX",
    "INVITES_MAX",
    "NAMES_MOST",
    "OWN_ADDRESSES_MAX",
    "PROMISES_BYTES_MAX",
    "PROMISES_MAX",
    "RECORDS_WAITING_MAX",
    "RECIPIENTS_MAX",
    "REGISTERS_WAITING_MAX",
    "REQUESTS_QUEUED_MAX",
    "TEXTS_WAITING_MAX",
}
"""Limits of one program's memory or disk, whose numbers no other program can tell."""


def test_each_limit_that_others_notice_stands_once() -> None:
    """Clause 12 has those that no sentence says."""
    named = {
        name
        for name, value in vars(limits).items()
        if name.isupper() and not isinstance(value, str)  # a sign is no limit
    }
    said = set(re.findall(r"limits\.([A-Z_]+)", Path(__file__).read_text("utf-8")))
    listed = {name.removeprefix("wire.limits.") for name in numbers()} & named
    assert named == said | listed | INSIDE
    assert not listed & (said | INSIDE)


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (
            "4.3",
            f"{limits.REGISTERS_PER_SECOND:.0f} a second, {limits.REGISTERS_BURST:,.0f} at once",
        ),
        ("6.1", f"at most {limits.BODY_MAX:,} bytes"),
        ("6.4", f"tried {Policy().tries} times, {Policy().ack_timeout * 1000:.0f} ms apart"),
        ("6.6", f"up to {Policy().assembly_bytes:,} bytes"),
        ("6.6", f"up to {Policy().assembly_bytes_in_all:,} bytes"),
        ("6.6", f"has come for {Policy().assembly_span:.0f} s"),
        (
            "6.7",
            f"for at most {Policy().hold_span:.0f} s, and up to {Policy().hold_numbers:,} messages",
        ),
        (
            "6.7",
            f"more than {limits.HELD_TEXTS_MAX:,} characters, and each counts {limits.HELD_MESSAGE_COST:,}",
        ),
        ("6.7", f"in more than {RANGES_MAX:,} separate ranges"),
        ("6.14", f"more than {limits.CHANGED_WITHIN_MS / 86_400_000:.0f} days after its message"),
        ("11.4", f"more than {limits.CHANGED_WITHIN_MS / 86_400_000:.0f} days older"),
        ("6.19", f"{1 / HAVE_ASKED_EACH:.0f} times a second"),
        ("6.19", f"suggests at most {limits.FILE_SUGGESTED_MAX} on a link"),
        ("6.19", f"{COMES_WITHIN} s for a chunk"),
        ("6.19", f"ours for {WINDOW_LEAST} to {WINDOW}"),
        ("6.22", f"{limits.FILE_RELAY_BYTES:,} by default"),
        (
            "6.23",
            f"takes {limits.KEPT_LINKS_MAX} such links, {limits.KEPT_LINKS_EACH} of one person",
        ),
        ("6.23", f"and {limits.KEPT_LINKS_PER_NETWORK} of one network"),
        ("6.23", f"its chunks, {limits.KEPT_WINDOW} at a time"),
        ("6.23", f"a network {limits.KEPT_NETWORK_SHARES} times as many"),
        ("6.23", f"an hour brings {limits.KEPT_TURNS_PER_HOUR} times what one person"),
        ("6.23", f"each file counts {limits.KEPT_LEAST:,} at least"),
        ("6.23", f"after {limits.KEPT_LINK_IDLE_MAX:.0f} s in which nothing comes"),
        ("6.23", f"after {limits.KEPT_GIVEN_WITHIN:,.0f} s"),
        ("6.23", f"{limits.KEPT_BYTES_PER_SECOND:,} bytes a second"),
        ("7.2", f"at most {limits.LETTER_MAX:,} bytes"),
        ("7.3", f"one more for each {limits.LETTER_PLACE:,} bytes"),
        (
            "7.3",
            f"has {limits.MAILBOX_PLACES} places, and all mailboxes together have {limits.MAIL_PLACES:,}",
        ),
        ("8.4", f"at most {GROUP_OVERHEAD + limits.BODY_MAX:,} bytes"),
        ("9.2", f"over {limits.LINK_FIRST_FRAME_MAX:,} before the link is attached"),
        ("9.2", f"over {limits.LINK_FRAME_MAX:,} after"),
        ("9.5", f"more than {limits.LINKS_WAITING_PER_ADDRESS} of one address"),
        ("9.5", f"more than {limits.LINKS_WAITING_IN_ALL} in all"),
        ("9.5", f"proved themselves within {TIME_TO_SPEAK:.0f} s"),
        ("9.5", f"more than {WAITING_AT_ONCE:,}, or"),
        ("3.2", f"{limits.STATUS_MAX} characters at most"),
        ("4.7", f"at most {limits.NAMES_RESERVED_MAX} reserved names"),
        ("4.7", f"for {limits.NAME_KEPT_FOR / 86_400:.0f} days"),
        (
            "4.7",
            f"{limits.RENAMES_BURST} times at once and then once in {limits.RENAMES_SPAN:.0f} s",
        ),
        ("10.2", f"{limits.ROOM_MEMBERS_MAX:,} members are in it"),
        ("10.2", f"there are {limits.ROOMS_MAX:,} rooms"),
        (
            "10.2",
            f"makes {limits.ROOMS_MADE_BURST} rooms at once and then one in {limits.ROOMS_MADE_SPAN:.0f} s",
        ),
        ("10.4", f"stays one for {limits.GROUP_KEPT_FOR / 86_400:.0f} days"),
        ("10.5", f"at most {limits.ROOM_LINES_MAX:,} lines or {limits.ROOM_BYTES_MAX >> 20} MiB"),
        ("10.6", f"at most {ROOMS_LISTED_MAX:,} of them or {limits.ROOM_LIST_MAX >> 10} KiB"),
        ("10.7", f"at most {limits.TOPIC_MAX} characters"),
        (
            "10.7",
            f"set {limits.TOPICS_BURST} topics at once, or one within {limits.TOPICS_SPAN:.0f} s",
        ),
        ("11.1", f"forgotten after {limits.GUEST_KEPT_FOR:.0f} s"),
        (
            "11.1",
            f"at most {limits.GUESTS_PER_ADDRESS} guests of one host, {limits.GUESTS_PER_GATEWAY:,} of one",
        ),
        ("11.1", f"and {limits.GUESTS_MAX:,} in all"),
        ("11.2", f"at most {limits.DESK_VISITS_PER_ADDRESS} visits of one host"),
        ("11.2", f"{limits.DESK_VISITS_PER_GATEWAY:,} of one gateway (GATEWAY_FULL)"),
        ("11.2", f"{limits.DESK_JOINS_PER_GATEWAY:.0f} through one gateway"),
        ("11.2", f"at most {limits.DESK_FORM_NAME_MAX} characters"),
        ("11.2", f"at most every {MOVES_SPAN} s"),
        (
            "11.3",
            f"for {DeskSettings().keep_place:.0f} s. For {DeskSettings().pass_over_after:.0f} s",
        ),
        ("11.3", f"registry: {DeskSettings().restart_grace:.0f} s"),
        ("11.3", f"after {DeskSettings().operator_grace:.0f} s"),
        ("11.2", f"at most {limits.DESK_DESCRIPTION_MAX:,} bytes"),
        ("11.5", f"nothing for {DeskSettings().no_show_after:.0f} s"),
        ("11.4", f"at most {limits.DESK_WINDOW:,} bytes of lines"),
        ("11.4", f"{limits.DESK_LINES_MAX:,} lines and {limits.DESK_LINES_BYTES_MAX:,} bytes"),
        ("11.4", f"{limits.DESK_LINES_PER_SECOND:.0f} lines a second"),
        ("11.4", f"{limits.DESK_LINES_BURST:.0f} at once"),
        ("11.7", f"{limits.DESK_PIECE_SIZE:,} bytes"),
        ("11.7", f"{limits.DESK_FILES_BURST:.0f} files at once"),
        ("11.7", f"one each {1 / limits.DESK_FILES_PER_SECOND:.0f} s"),
        ("11.7", f"{limits.DESK_UPLOAD_IDLE_MAX:.0f} s without a piece"),
        ("11.7", f"{limits.DESK_UPLOAD_MAX:.0f} s in all"),
        ("11.7", f"at most {limits.DESK_FILE_NAME_MAX} characters"),
        ("11.2", f"{limits.DESK_JOINS_PER_SECOND:.0f} visits a second may begin"),
        ("11.2", f"{limits.DESK_JOINS_BURST:.0f} at once"),
    ],
)
def test_numbers_in_sentences(number: str, said: str) -> None:
    """Clause 12 has the others."""
    assert said in clauses()[number]


def test_a_policy_is_all_that_delivery_waits_by() -> None:
    """Clause 6: whoever adds a span to the policy that others can notice adds it to clause 12."""
    inside = {
        "assemblies",
        "assemblies_in_all",
        "message_limit",
        "window",
        "window_floor",
        "loss_tolerated",
        "loss_memory",
        "loss_unexplained",
        "queueing_least",
    }
    fields = {field.name for field in dataclasses.fields(Policy)} - inside
    assert {f"wire.delivery.policy.Policy.{name}" for name in fields} <= set(numbers())
