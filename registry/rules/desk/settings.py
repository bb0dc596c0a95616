"""The desk's settings: its queues, menu and operators, and how patient it is."""

from collections.abc import Iterable
from datetime import UTC, tzinfo
from typing import Final

import msgspec

from chatapp.wire.desk.kinds import KINDS
from chatapp.wire.limits import DESK_ANSWER_MAX, DESK_ANSWERS_BYTES_MAX, DESK_SHORT_MAX
from chatapp.wire.messages.desk import ReadyAnswer
from chatapp.wire.names import is_same_name

DEFAULT_QUEUE: Final = "desk"
_DAY: Final = 86_400
DEFAULT_MENU: Final = (
    "Depression",
    "Getting Differentiated by School",
    "Weak in Academics (you may need to describe)",
    "Suggestion for Abroad Studies",
    "Financial Suggestions",
    "Other",
)


class DeskSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of one desk. Spans are in seconds. Callers keep to the caps of `wire.limits`
    (DESK_QUEUES_MAX, DESK_MENU_MAX, ...)."""

    queues: tuple[str, ...] = (DEFAULT_QUEUE,)
    """At least one; the first serves visitors who name none. Shown as written, compared by key."""
    menu: tuple[str, ...] = DEFAULT_MENU
    """The issues, number 1 first; at least one."""
    region: str = "IN"
    """The country whose phone numbers need no country code (`wire.desk.form.is_region`)."""
    keep_place: float = 60.0
    """How long a visitor's position is kept after the link is lost, and after a restart of the
    registry."""
    operators: tuple[str, ...] = ()
    """Names and keys of the peers who may be operators (`--operator`), as typed;
    `registry.rules.people.access` resolves them. With none, the registry's console is on duty from
    the start."""
    operators_max: int = 32
    """How many operators may be on duty at once, over all queues."""
    operator_grace: float = 15.0
    """How long an operator who vanished may take to come back, before their visitor goes back to
    the head of the line."""
    no_show_after: float = 180.0
    """How long a visitor who is served may say nothing before the operator is told."""
    pass_over_after: float = 1.0
    """A visitor out of reach for so long is passed over while others wait; the position is kept all
    the same."""
    absent_after: float = 10.0
    """A visitor who is served and out of reach for so long is put back at the head of the line if
    somebody else can be called."""
    restart_grace: float = 5.0
    """The same after a restart of the registry, when everybody is out of reach and comes back in
    any order."""
    hours: tuple[str, ...] = ()
    """When the desk takes newcomers (`registry.rules.desk.opening`); always, without entries."""
    answers: tuple[str, ...] = ()
    """Texts that operators say by a short word (`registry.rules.desk.settings`)."""
    zone: tzinfo = UTC
    """The zone of the hours."""
    keep_sessions: float = 1.0
    """For how many days a session that is over is kept for operators, with its form and note; 0:
    not at all."""
    keep_transcripts: float = 1.0
    """For how many days what was said in it is kept, at most as long as the session."""
    files_largest: int = 5_000_000
    """Bytes of the largest file that visitors and operators may send each other; 0: none at all."""
    files_talk: int = 20_000_000
    """Bytes of all files of one visit."""
    files_total: int = 50_000_000
    """Bytes of all files that the registry keeps, in memory too. Those of the oldest sessions that are
    over make room."""
    file_kinds: tuple[str, ...] = tuple(kind for kind in KINDS if kind != "zip")
    """The ends of the names of files that may be sent (`wire.desk.kinds`). A file whose content is
    something else is refused."""
    utc_offset: int = 0
    """Seconds that the registry's local time is ahead of UTC: the figures of a day begin at local
    midnight."""

    @property
    def forms_kept_for(self) -> int:
        """Seconds for which form and note of a session are kept when it is over."""
        return int(_DAY * self.keep_sessions)

    @property
    def talks_kept_for(self) -> int:
        """Seconds for which what was said in it is kept."""
        return int(_DAY * min(self.keep_transcripts, self.keep_sessions))

    def queue_named(self, name: str) -> str | None:
        """Return the queue of this name as the settings spell it; the first queue for an empty
        name; None if there is none."""
        if not name:
            return self.queues[0]
        return next((queue for queue in self.queues if is_same_name(queue, name)), None)

    def queue_kept(self, name: str) -> str:
        """Return the queue of what was stored under this name: the first one if the settings no
        longer name it."""
        return self.queue_named(name) or self.queues[0]


# --- ready answers: texts of the configuration that operators say by a short word.


def ready_answers(entries: Iterable[str]) -> dict[str, ReadyAnswer]:
    """Return the answers of entries such as `greet: How can I help?`, by their short word in lower
    case. Raises ValueError, whose text says what is wrong."""
    answers: dict[str, ReadyAnswer] = {}
    for entry in entries:
        short, colon, text = entry.partition(":")
        short, text = short.strip(), text.strip()
        if not colon or not short or not text or len(short.split()) > 1:
            raise ValueError(f'"{entry}" is no entry such as "greet: How can I help?"')
        if len(short) > DESK_SHORT_MAX or len(text) > DESK_ANSWER_MAX:
            raise ValueError(
                f'"{short}" is too long: at most {DESK_SHORT_MAX} characters, and {DESK_ANSWER_MAX} of its text'
            )
        if short.lower() in answers:
            raise ValueError(f'"{short}" is listed twice')
        answers[short.lower()] = ReadyAnswer(short, text)
    size = sum(len(f"{answer.short}{answer.text}".encode()) for answer in answers.values())
    if size > DESK_ANSWERS_BYTES_MAX:
        raise ValueError(f"all together have {size:,} bytes, at most {DESK_ANSWERS_BYTES_MAX:,}")
    return answers
