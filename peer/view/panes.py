"""The conversations of the full screen: the log of each, what is unread, and the list in which they
stand."""

import bisect
import enum
import operator
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final, NamedTuple

import msgspec
from msgspec.structs import replace

from chatapp.peer.api import events
from chatapp.peer.api.conversations import (
    DESK,
    EVERYBODY,
    NOBODY,
    Conversation,
    ConversationKind,
    person,
    room,
)
from chatapp.peer.api.events import Event, Person, Said
from chatapp.peer.api.past import ConversationState
from chatapp.peer.view.log import EntryKind, Log, LogEntry
from chatapp.peer.words.changes import NOTHING_KNOWN, STAR, Known, is_action, text_of
from chatapp.peer.words.formatting import DOUBTS, MessageLine, mark_of, mentions, name
from chatapp.peer.words.full import YOU, title_of
from chatapp.wire.names import is_same_name, name_key

STRANGERS_AWAY_MAX: Final = 5
"""People who are away, and with whom the user never talked, are listed if they are no more."""

PaneKey = tuple[ConversationKind, str, bool]

_LISTED: Final = frozenset(
    {"conversation", "unread", "calls", "is_addressed", "talked_at", "draft"}
)
"""Attributes of a pane on which its row in the list depends."""


def key_of(conversation: Conversation) -> PaneKey:
    """Return what is the same for two conversations with one person, however their name is
    spelled."""
    named = conversation.name
    return (
        conversation.kind,
        name_key(named) if named.isprintable() and named else named,
        conversation.is_claimed,
    )


class Pane:
    """One conversation, and what the user has seen of it."""

    def __init__(
        self, conversation: Conversation, changed: Callable[["Pane"], None] = lambda _: None
    ) -> None:
        """`changed`: called when its row in the list may be another one."""
        self._changed: Final = changed
        self.conversation = conversation
        self.log: Final = Log()
        self.unread = 0
        self.calls = False
        """Whether an unread line is for the user alone, or has their name in it."""
        self.is_addressed = False
        """Whether an unread line that is for others, too, has `@` and the user's name in it."""
        self.read = 0
        """The id of the line up to which it was read."""
        self.newest = 0
        """The highest id of a line that is known to be there."""
        self.talked_at = 0.0
        """When the newest line was said, in Unix seconds; 0 for none."""
        self.is_loaded = False
        """Whether the newest part of the past was read."""
        self.is_loading = False
        """Whether a part of the past is being read into the log."""
        self.has_older = True
        """Whether there may be lines that are older than those of the log."""
        self.missing = 0
        """The lowest id of a line of ours that another program has sent, and that is to be read
        into the log; 0 for none."""
        self.new_after: int | None = None
        """The id of the line below which the rule stands before what is new to the user; None for
        no rule, or one before a line that came just now."""
        self.unshown: list[tuple[Event, LogEntry]] = []
        """Events whose lines have not been painted yet, each with its entry, the oldest first."""
        self.draft = ""
        """What was typed and not sent when the user went to another conversation."""
        self.kept = ""
        """What is kept of that, for other windows and the next start."""
        self.listed: _Listed | None = None
        """Its row in the list, when that was asked for last."""

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        if name in _LISTED:
            self._changed(self)

    def __repr__(self) -> str:
        return f"<Pane of {self.conversation}: {len(self.log)} entries, {self.unread} unread>"

    def list_as(self, now: "_FactsNow") -> "_Listed":
        """Return its row in the list by these facts: the same object while they are the same."""
        if self.listed is None or self.listed.facts != now:
            facts = _Facts(*now)
            row = facts.row()
            self.listed = _Listed(_order(facts, row), row, facts)
        return self.listed

    @property
    def is_hot(self) -> bool:
        """Whether there are unread lines."""
        return self.unread > 0

    def place_rule(self) -> None:
        """Draw a rule before the first line that is new to the user."""
        if self.is_hot:
            self.new_after = self.read
        if self.new_after is not None:
            after = self.new_after
            new = (one for one in self.log.entries if one.id > after and not one.is_mine)
            self.log.mark_unread(next(new, None))

    def drop_rule(self) -> None:
        """Draw no rule any more: the user knows what was new."""
        self.new_after = None
        self.log.mark_unread(None)

    @property
    def is_known(self) -> bool:
        """Whether something was said here, or is being typed."""
        return self.talked_at > 0 or self.is_hot or bool(self.draft)

    def note_line(self, id_: int, at: float, *, is_mine: bool, calls: bool) -> None:
        """Count a line that was said just now."""
        self.talked_at = max(self.talked_at, at)
        if is_mine or (id_ and id_ <= max(self.newest, self.read)):
            return
        self.unread += 1
        self.calls = self.calls or calls

    def note_missing(self, id_: int) -> None:
        """Note that another program of the user has sent this line. One that is older than the log
        is read with the past."""
        oldest = self.log.end_id
        if oldest is None or id_ > oldest or not (self.has_older or self.log.gaps):
            self.missing = min(self.missing or id_, id_)

    def note_read(self, id_: int) -> None:
        """Note that the user has read up to this line, here or in another program."""
        self.read = max(self.read, id_)
        if self.read >= max(self.newest, self.log.newest_id):
            self.have_read_all()
        else:
            left = [
                entry for entry in self.log.entries if entry.id > self.read and not entry.is_mine
            ]
            if self.log.end_id is not None and self.log.end_id <= self.read:
                self.unread, self.calls = len(left), any(entry.calls for entry in left)
                self.is_addressed = self.is_addressed and self.calls

    def have_read_all(self) -> None:
        """Note that nothing is unread any more."""
        self.unread, self.calls, self.is_addressed = 0, False, False


def past_entry(line: Said, me: str, known: Known = NOTHING_KNOWN) -> LogEntry:
    """Return the entry of a line. All its texts are sanitized here."""
    if line.file is not None:  # what can be done about it is shown as it stands
        line = replace(line, file=replace(line.file, number=0))
    author = person(line.sender, is_claimed=line.doubt is not None)
    sender, text = YOU if line.is_ours else title_of(author), text_of(line, known)
    if is_action(line):
        sender = f"{STAR}{name(line.sender) if line.is_ours else sender}"
    return LogEntry(
        kind=EntryKind.MESSAGE,
        at=line.at,
        text=text,
        said=line.text,
        id=line.id,
        sender=sender,
        is_mine=line.is_ours,
        is_claimed=line.doubt is not None,
        calls=not line.is_ours and mentions(MessageLine(sender, ": ", text), me),
        mark=mark_of(line.state, is_direct=line.conversation.is_person, is_seen=line.is_seen),
        note="" if line.doubt is None else DOUBTS[line.doubt],
    )


class ListRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the list."""

    conversation: Conversation
    is_open: bool = False
    is_online: bool | None = None
    """Whether the person is online; None for what is no person."""
    since: float = 0.0
    """Since when an absent person is away, in Unix seconds; 0: not known."""
    unread: int = 0
    calls: bool = False
    is_addressed: bool = False
    """Whether an unread line has `@` and the user's name in it."""
    is_muted: bool = False
    is_entered: bool = False
    """Whether it is a room where the user is."""
    waiting: int = 0
    """How many wait at the help desk."""


class PaneList:
    """All conversations, those with news first among their kind."""

    def __init__(self) -> None:
        self._panes: dict[PaneKey, Pane] = {}
        self._people: Sequence[Person] = ()
        """Everybody in the table, when the rows were asked for last."""
        self._me = ""
        self._here: dict[str, Person] = {}
        """The others of them, by name."""
        self._absent: dict[PaneKey, Person] = {}
        """Those of them who are away."""
        self.left_out = 0
        """How many people the rows last left out."""
        self._asked: _Asked | None = None
        """What the rows depend on beside the panes, when they were asked for last; None: all are to
        be looked at."""
        self._changed: Final[set[Pane]] = set()
        """Those whose rows may have changed since."""
        self._listed: list[_Listed] = []
        self._rows: list[ListRow] = []
        self.start: Final = self.pane(NOBODY)
        """The start page, which is open until the user has chosen a conversation."""
        self.start.is_loaded, self.start.has_older = True, False
        self.pane(EVERYBODY)

    def __iter__(self) -> Iterable[Pane]:
        return iter(self._panes.values())

    def pane(self, conversation: Conversation) -> Pane:
        """Return the pane of a conversation; it is made if there is none."""
        key = key_of(conversation)
        if (pane := self._panes.get(key)) is None:
            pane = self._panes[key] = Pane(conversation, self._changed.add)
            self._asked = None
        return pane

    def known(self, conversation: Conversation) -> Pane | None:
        """Return the pane of a conversation; None if there is none."""
        return self._panes.get(key_of(conversation))

    def all(self) -> list[Pane]:
        """Return all panes."""
        return list(self._panes.values())

    def take(self, states: Iterable[ConversationState]) -> None:
        """Take what the history knows of each conversation."""
        for state in states:
            pane = self.pane(state.conversation)
            pane.unread, pane.read = state.unread, state.read
            pane.draft = pane.kept = state.draft
            if state.last is not None:
                pane.newest, pane.talked_at = state.last.id, state.last.at
            pane.is_addressed = state.is_addressed
            is_direct = state.conversation.is_person
            pane.calls = state.is_addressed or (pane.unread > 0 and is_direct)

    def rename(self, old: str, new: str) -> Pane | None:
        """Have the conversation with a person stand under their new name. Return it, if there is
        one. The conversation with somebody else who had that name before stays, as one whose name
        is only claimed."""
        self._asked = None
        pane = self._panes.pop(key_of(person(old)), None)
        if pane is not None:
            former = self._panes.pop(key_of(person(new)), None)
            if former is not None:
                former.conversation = person(former.conversation.name, is_claimed=True)
                self._panes.setdefault(key_of(former.conversation), former)
            pane.conversation = person(new)
            self._panes[key_of(pane.conversation)] = pane
        return pane

    def rows(
        self,
        people: Sequence[Person],
        *,
        me: str,
        opened: Conversation,
        is_followed: bool = False,
        rooms: Sequence[str],
        muted: Collection[Conversation] = (),
        waiting: int | None,
    ) -> list[ListRow]:
        """Return the rows of the list: the help desk, rooms, everybody, people. Among rooms and
        among people, those with a call come first, then those with unread lines, then those with
        whom the user talked last. Strangers who are away are left out if they are many.
        `is_followed`: whether the user is about to see each new line of the open conversation,
        which then has nothing unread. `waiting`: how many wait at the help desk; None if it is not
        in the list. The same object until a row changes."""
        self._take_people(people, me)
        asked = _Asked(opened, tuple(rooms), muted, waiting, is_followed)
        changed = [pane for pane in self._changed if pane is not self.start]
        if asked != self._asked or not all(map(self._is_always_listed, changed)):
            self._list_all(asked)
        elif changed:
            self._list_again(asked, changed)
        self._changed.clear()
        return self._rows

    def _is_always_listed(self, pane: Pane) -> bool:
        is_desk = pane.conversation.kind is ConversationKind.DESK
        return (
            pane.listed is not None
            and not is_desk
            and key_of(pane.conversation) not in self._absent
        )

    def _list_again(self, asked: "_Asked", changed: Iterable[Pane]) -> None:
        """Give these panes their places in the list anew."""
        facts_of = self._facts_for(asked)
        for pane in changed:
            before = pane.listed
            pane.list_as(facts_of(key_of(pane.conversation), pane))
            if before is not None and pane.listed is not None and before is not pane.listed:
                self._listed.remove(before)
                bisect.insort(self._listed, pane.listed, key=_place)
                self._rows = []
        if not self._rows:
            self._rows = [listed.row for listed in self._listed]

    def _list_all(self, asked: "_Asked") -> None:
        opened_key = key_of(asked.opened)
        away: list[PaneKey] = []
        for key, somebody in self._absent.items():
            pane = self._panes.get(key)
            if key == opened_key or (pane is not None and pane.is_known):
                self.pane(person(somebody.name))
            else:
                away.append(key)
        left_out = set(away) if len(away) > STRANGERS_AWAY_MAX else set()
        self.left_out = len(left_out)
        for key in away if not left_out else ():
            self.pane(person(self._absent[key].name))
        facts_of = self._facts_for(asked)
        listed: list[_Listed] = []
        for key, pane in self._panes.items():
            is_desk = pane.conversation.kind is ConversationKind.DESK
            if is_desk and asked.waiting is None and key != opened_key:
                continue
            if pane is self.start or (left_out and key in left_out):
                continue
            listed.append(pane.list_as(facts_of(key, pane)))
        listed.sort(key=_place)
        self._listed, self._rows = listed, [one.row for one in listed]
        self._asked = asked

    def _facts_for(self, asked: "_Asked") -> Callable[[PaneKey, Pane], "_FactsNow"]:
        """Return what tells all that the row of a pane depends on, in the order of `_Facts`, which
        takes its time to make: mostly they are as before."""
        opened_key, entered = key_of(asked.opened), {key_of(room(name)) for name in asked.rooms}
        here, muted = self._here, asked.muted

        def facts_of(key: PaneKey, pane: Pane) -> _FactsNow:
            conversation = pane.conversation
            is_person = conversation.kind is ConversationKind.PERSON
            is_open = key == opened_key
            counts = not (is_open and asked.is_followed)
            return (
                conversation,
                here.get(key[1]) if is_person and not key[2] else None,
                is_open,
                pane.unread if counts else 0,
                counts and pane.calls,
                counts and pane.is_addressed,
                bool(muted) and conversation in muted,
                not is_person and key in entered,
                (asked.waiting or 0) if conversation.kind is ConversationKind.DESK else 0,
                pane.talked_at,
            )

        return facts_of

    def _take_people(self, people: Sequence[Person], me: str) -> None:
        """Note who there is. Mostly it is the same tuple as before."""
        if people is self._people and me == self._me:
            return
        self._people, self._me, self._asked = people, me, None
        self._here = {
            name_key(somebody.name): somebody
            for somebody in people
            if not is_same_name(somebody.name, me)
        }
        self._absent = {}
        for named, somebody in self._here.items():
            if somebody.online:
                self.pane(person(somebody.name))
            else:
                self._absent[ConversationKind.PERSON, named, False] = somebody


class _Asked(NamedTuple):
    """What the rows of the list depend on, beside people and panes; see `PaneList.rows`."""

    opened: Conversation
    rooms: tuple[str, ...]
    muted: Collection[Conversation]
    waiting: int | None
    is_followed: bool


_FactsNow = tuple[Conversation, Person | None, bool, int, bool, bool, bool, bool, int, float]


class _Facts(NamedTuple):
    """All that a row of the list depends on."""

    conversation: Conversation
    who: Person | None
    is_open: bool
    unread: int
    calls: bool
    is_addressed: bool
    is_muted: bool
    is_entered: bool
    waiting: int
    talked_at: float

    def row(self) -> ListRow:
        """Return the row."""
        who = self.who
        return ListRow(
            conversation=self.conversation if who is None else person(who.name),
            is_open=self.is_open,
            is_online=(who is not None and who.online)
            if self.conversation.kind is ConversationKind.PERSON
            else None,
            since=who.since if who is not None and not who.online else 0.0,
            unread=self.unread,
            calls=self.calls and (self.is_addressed or not self.is_muted),
            is_addressed=self.is_addressed,
            is_muted=self.is_muted,
            is_entered=self.is_entered,
            waiting=self.waiting,
        )


class _Listed(NamedTuple):
    order: tuple[object, ...]
    row: ListRow
    facts: _Facts


_place: Final = operator.itemgetter(0)

_KINDS: Final = (
    ConversationKind.DESK,
    ConversationKind.ROOM,
    ConversationKind.EVERYBODY,
    ConversationKind.PERSON,
)


def _order(facts: _Facts, row: ListRow) -> tuple[object, ...]:
    return (
        _KINDS.index(facts.conversation.kind),
        not row.calls,
        not facts.unread,
        not row.is_entered,
        -facts.talked_at,
        row.is_online is False,
        facts.conversation.name.casefold(),
    )


def next_with_news(rows: Sequence[ListRow]) -> Conversation | None:
    """Return the conversation to which Alt-A goes: one that calls the user, else one with unread
    lines; None for none."""
    hot = [row for row in rows if row.unread and not row.is_open]
    calling = [row for row in hot if row.calls]
    return (calling or hot)[0].conversation if hot else None


# --- where an event is shown: in the conversation that it is about, and not in whichever one is open.


class Spot(enum.Enum):
    """A place that is no conversation of its own."""

    TYPED = "where the user typed last"
    EVERYWHERE = "in every conversation that has been opened"
    NOWHERE = "in no log: the list, the title or the status line show it"


Place = Conversation | Spot

_ALERTS = (
    events.KeyChanged
    | events.RegistryKeyChanged
    | events.AdmissionRefused
    | events.StorageEvent
    | events.ReadersBehind
    | events.EventsMissed
    | events.ProgramEnded
    | events.ServerStopPlanned
)
_RULES = events.ServerLost | events.ServerBack | events.NoServerAtStart | events.ServerStopping
_OF_A_ROOM = (
    events.EnteredRoom
    | events.LeftRoom
    | events.MemberJoined
    | events.MemberLeft
    | events.TopicKnown
    | events.TopicUnknown
    | events.TopicNotSet
    | events.LinesAbandoned
)
_EVERYWHERE = (
    _RULES
    | events.StorageEvent
    | events.AttachmentEvent
    | events.LinkTroubled
    | events.SearchingServers
    | events.ServerAnnounced
    | events.ServerStopPlanned
    | events.ServerStopCancelled
    | events.AdmissionRefused
    | events.RegistryKeyChanged
    | events.MailHeldBack
)
_NOWHERE = (
    events.MessageChanged  # at the message itself
    | events.Seen
    | events.Unacknowledged
    | events.Addressed
    | events.ConversationRead
    | events.DraftKept
    | events.TableChanged
    | events.PersonTyping
    | events.AnswersKnown
    | events.Registered
    | events.ProgramChanged
)


def place_of(event: events.Event) -> Place:
    """Return where an event that is no message is shown."""
    match event:
        case events.PersonCame(name=name) | events.PersonAway(name=name):
            return person(name)
        case events.KeyChanged(name=name) | events.KeyRestored(name=name):
            return person(name)
        case events.Renamed(new=new, is_me=False):
            return person(new)
        case events.MailUnreadable(sender=name):
            return person(name)
        case events.LineUnreadable(conversation=what):
            return what
        case events.FileChanged(file=file):
            return file.conversation
        case _ if isinstance(event, _NOWHERE):
            return Spot.NOWHERE
        case _ if isinstance(event, _OF_A_ROOM):
            return room(event.room)
        case _ if isinstance(event, events.DutyEvent):
            return DESK
        case _ if isinstance(event, _EVERYWHERE):
            return Spot.EVERYWHERE
        case _:
            return Spot.TYPED


def kind_of(event: events.Event) -> EntryKind:
    """Return how loudly an event is shown."""
    if isinstance(event, _RULES):
        return EntryKind.RULE
    return EntryKind.ALERT if isinstance(event, _ALERTS) else EntryKind.NOTICE
