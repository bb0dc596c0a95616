"""Shown lines: exact wording, and safe whatever others wrote."""

import time
from typing import Any, Final, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.peer.api.conversations import EVERYBODY, Conversation, person, room
from chatapp.peer.api.events import (
    Absence,
    Addressed,
    AdmissionRefusal,
    AdmissionRefused,
    AuthorDoubt,
    ConversationRead,
    Doubt,
    DraftKept,
    DutyEvent,
    Edited,
    EnteredRoom,
    Event,
    EventsMissed,
    FolderNotMoved,
    HistoryBehind,
    HistoryMissing,
    Ignored,
    KeyChanged,
    KeyRestored,
    LeaveUnanswered,
    LeftRoom,
    LineLoss,
    LinesAbandoned,
    LinesLost,
    LineUnreadable,
    LinkTrouble,
    LinkTroubled,
    MailHeldBack,
    MailReturned,
    MailUnreadable,
    MemberJoined,
    MemberLeft,
    MembersListed,
    MessageChanged,
    MessageReason,
    MessageState,
    Muted,
    NameReleased,
    NameUnavailable,
    NoAnswer,
    NobodyKnown,
    NoServerAtStart,
    NotInRoom,
    NotTrusted,
    PeopleListed,
    Person,
    PersonAway,
    PersonCame,
    PersonTyping,
    ProgramChanged,
    ProgramEnded,
    Reacted,
    ReadersBehind,
    Registered,
    RegistryKey,
    RegistryKeyAccepted,
    RegistryKeyChanged,
    RegistryMet,
    RegistryRecognized,
    ReleaseFailed,
    ReleaseRefusal,
    Renamed,
    RenameFailed,
    RenameRefusal,
    Retracted,
    Room,
    RoomEntryDenied,
    RoomEntryRefusal,
    RoomExit,
    RoomsKnown,
    RoomsUnknown,
    SafetyNumber,
    Said,
    SaidByUs,
    Seen,
    ServerAnnounced,
    ServerBack,
    ServerLost,
    ServerOfAnotherRegistry,
    ServerStopCancelled,
    ServerStopping,
    ServerStopPlanned,
    SignedOff,
    StatusSet,
    StorageFailed,
    TableChanged,
    Target,
    TooLong,
    TopicFailure,
    TopicKnown,
    TopicNotSet,
    TopicUnknown,
    Trusted,
    Unacknowledged,
)
from chatapp.peer.words.events import lines_of
from chatapp.peer.words.formatting import (
    MessageLine,
    Status,
    names,
    prompt_of,
    shown_instant,
    shown_time,
    status_pieces,
)
from chatapp.peer.words.people import table_lines
from chatapp.wire.address import Address
from chatapp.wire.text import sanitize
from tests.support.visits import line_of, settled

NOON = 1_700_000_000.0
SHOWN_NOON = "2023-11-14 22:13:20"
HOSTILE = st.text(alphabet=st.characters(exclude_categories=[]))
TIMES = st.none() | st.floats()


def test_banned_people_are_shown_as_banned() -> None:
    people = (
        Person(name="bob", online=False, since=NOON, is_banned=True),
        Person(name="eve", online=True, since=NOON),
    )
    assert lines_of(PeopleListed(people=people)) == [
        "[eve is online.]",
        "[bob is banned from this server.]",
    ]


@pytest.mark.parametrize(("away", "shown"), [(20, 20), (21, 20), (1_100, 20)])
def test_who_shows_those_online_and_20_of_the_others(away: int, shown: int) -> None:
    people = (
        *(
            Person(name=f"away{number:04}", online=False, since=NOON - number)
            for number in range(away, 0, -1)
        ),
        *(Person(name=f"on{number:02}", online=True, since=NOON) for number in range(30)),
    )
    lines = lines_of(PeopleListed(people=people))
    names = [line.partition(" ")[0][1:] for line in lines[: 30 + shown]]
    assert names == [
        *(f"on{number:02}" for number in range(30)),
        *(f"away{number:04}" for number in range(1, 1 + shown)),
    ]
    more = (
        [f"[And {away - shown:,} more who are away: /who all shows them.]"] if away > shown else []
    )
    assert lines[30 + shown :] == more
    assert len(lines_of(PeopleListed(people=people, is_whole=True))) == 30 + away
    talked = lines_of(PeopleListed(people=people, talked=(f"AWAY{away:04}",)))
    assert talked[30].startswith(f"[away{away:04} was last seen")


def in_doubt(doubt: AuthorDoubt) -> Said:
    return Said(
        conversation=person("bob", is_claimed=True),
        id=9,
        sender="bob",
        identity=b"",
        number=1,
        text="hi",
        at=NOON,
        is_late=NOON is not None,
        doubt=doubt,
    )


def direct(text: str, late: float | None = None, sender: str = "bob") -> Said:
    return Said(
        conversation=person(sender),
        id=9,
        sender=sender,
        identity=b"",
        number=1,
        text=text,
        at=NOON,
        is_late=late is not None,
    )


def channel(text: str, late: float | None = None, sender: str = "bob") -> Said:
    return Said(
        conversation=EVERYBODY,
        id=9,
        sender=sender,
        identity=b"",
        number=1,
        text=text,
        at=NOON,
        is_late=late is not None,
    )


def in_room(text: str, late: float | None = None, sender: str = "bob") -> Said:
    return Said(
        conversation=room("lab"),
        id=9,
        sender=sender,
        identity=b"",
        number=1,
        text=text,
        at=NOON,
        is_late=late is not None,
    )


CHANGE: Final[dict[str, Any]] = {
    "conversation": person("bob"),
    "id": 9,
    "sender": "bob",
    "identity": b"",
    "number": 1,
    "text": "",
    "at": NOON,
    "target": Target(b"", 1),
}


def ours(where: Conversation) -> Said:
    return msgspec.structs.replace(in_room("hi", sender="alice"), conversation=where, is_ours=True)


LINES: list[tuple[Event, list[str]]] = [
    # what is said of a line that is here: test_changes.py
    (Edited(**CHANGE), []),
    (Retracted(**CHANGE), []),
    (Reacted(**CHANGE, is_on=True), []),
    (
        MailUnreadable(sender="bob", detail="does not open"),
        ["[A letter from bob could not be opened: does not open.]"],
    ),
    (
        MailHeldBack(),
        [
            "[There are letters from too many people who are not in the table; those not shown wait at the server.]"
        ],
    ),
    (
        LineUnreadable(
            conversation=room("lab"), sender="bob", reason=LineLoss.INVALID, detail="too short"
        ),
        ["[A line of the room lab from bob is lost: too short.]"],
    ),
    (
        LineUnreadable(conversation=EVERYBODY, sender="bob", reason=LineLoss.KEY_MISSING),
        [
            "[A line of the channel from bob is lost: the server did not give the key that it is sealed with.]"
        ],
    ),
    (
        MessageChanged(
            conversation=EVERYBODY, id=1, state=MessageState.REFUSED, reason=MessageReason.DISK_FULL
        ),
        ["[Channel message refused: the server's disk is full.]"],
    ),
    (
        MessageChanged(
            conversation=room("lab"),
            id=1,
            state=MessageState.REFUSED,
            reason=MessageReason.DISK_FAILED,
        ),
        ["[Line to lab refused: the server cannot write to its disk.]"],
    ),
    (
        LinesAbandoned(room="lab", count=1),
        ["[A line to lab did not reach everybody: you left before the server was back.]"],
    ),
    (
        LinesAbandoned(room="lab", count=2),
        ["[2 lines to lab did not reach everybody: you left before the server was back.]"],
    ),
    (
        RoomsUnknown(reason=NoAnswer.UNREACHABLE),
        ["[The list of rooms is not available: the server is away.]"],
    ),
    (
        MessageChanged(
            conversation=person("bob"),
            id=1,
            state=MessageState.KEPT,
            reason=MessageReason.MAILBOX_FULL,
        ),
        ["[Message to bob kept: the mailbox is full; it goes out when there is room.]"],
    ),
    (
        RenameFailed(name="a b", reason=RenameRefusal.INVALID_NAME),
        ["[You cannot be called a b: only letters, digits, _ and - are allowed.]"],
    ),
    (
        RenameFailed(name="ada", reason=RenameRefusal.KEYS_EXIST, detail="/there"),
        ["[You cannot be called ada: /there holds keys of another ada.]"],
    ),
    (
        AdmissionRefused(reason=AdmissionRefusal.CODE_OF_ANOTHER, key="0f"),
        [
            "[Not registered: this join code is of another server than the one that answers, whose key is 0f.]"
        ],
    ),
    (Registered(), ["[Welcome, You are registered.]"]),
    (TableChanged(), ["[Client table updated.]"]),
    (
        MessageChanged(conversation=person("bob"), id=1, state=MessageState.DELIVERED),
        ["[Message received by bob.]"],
    ),
    (
        MessageChanged(
            conversation=person("bob"), id=1, state=MessageState.DELIVERED, through_server=True
        ),
        ["[Message received by bob through the server.]"],
    ),
    (
        Unacknowledged(conversation=person("bob"), id=1),
        ["[No ACK from bob, message sent to server.]"],
    ),
    (
        MessageChanged(conversation=person("bob"), id=1, state=MessageState.SAVED),
        ["[Messages received by the server and saved]"],
    ),
    (
        MessageChanged(
            conversation=person("bob"),
            id=1,
            state=MessageState.REFUSED,
            reason=MessageReason.MAILBOX_FULL,
        ),
        ["[Message to bob refused: the mailbox is full.]"],
    ),
    (
        MessageChanged(
            conversation=person("bob"),
            id=1,
            state=MessageState.REFUSED,
            reason=MessageReason.NAME_UNKNOWN,
        ),
        ["[Message to bob refused: the server knows nobody of that name.]"],
    ),
    (
        MessageChanged(conversation=person("bob"), id=1, state=MessageState.KEPT),
        ["[Server not responding] Message to bob kept; it goes out when the server is back."],
    ),
    (
        MessageChanged(
            conversation=person("bob"),
            id=1,
            state=MessageState.KEPT,
            reason=MessageReason.KEY_CHANGED,
        ),
        ["[Message to bob kept: the key shown for this name has changed.]"],
    ),
    (direct("hi"), ["bob: hi"]),
    (direct("hi", late=NOON), [f"bob: {SHOWN_NOON} hi"]),
    (MailReturned(lines=()), ["[You have messages]"]),
    (
        MailReturned(lines=(direct("hi", late=NOON), channel("all", late=NOON))),
        [
            "[You have messages]",
            f"bob: {SHOWN_NOON} hi",
            f"[Channel_Message bob: {SHOWN_NOON} all]",
        ],
    ),
    (
        MailReturned(lines=(in_doubt(AuthorDoubt.NOT_IN_TABLE), in_doubt(AuthorDoubt.OTHER_KEY))),
        [
            "[You have messages]",
            f"bob (unverified: nobody of this name is registered): {SHOWN_NOON} hi",
            f"bob (unverified: not the key that you know): {SHOWN_NOON} hi",
        ],
    ),
    (
        MessageChanged(conversation=EVERYBODY, id=1, state=MessageState.SAVED),
        ["[Message received by Server.]"],
    ),
    (
        MessageChanged(conversation=EVERYBODY, id=1, state=MessageState.KEPT),
        ["[Server not responding.]"],
    ),
    (channel("hi"), ["[Channel_Message bob: hi]"]),
    (channel("hi", late=NOON), [f"[Channel_Message bob: {SHOWN_NOON} hi]"]),
    (NameUnavailable(name="bob"), ["[Name bob is taken.]"]),
    (
        AdmissionRefused(reason=AdmissionRefusal.KICKED, seconds=300),
        ["[Not registered: the server's administrator has disconnected you for 5 minutes.]"],
    ),
    (
        AdmissionRefused(reason=AdmissionRefusal.BANNED, text="spam\x1b"),
        ["[Not registered: you are banned from this server: spam\\x1b.]"],
    ),
    (
        AdmissionRefused(reason=AdmissionRefusal.FULL),
        ["[Not registered: the server takes no new names now.]"],
    ),
    (SignedOff(), ["[You are Offline. Bye.]"]),
    (LeaveUnanswered(), ["[Server not responding]", "[Exiting]"]),
    (ServerLost(), ["[Server not responding] Direct chat goes on."]),
    (ServerBack(), ["[Server is back.]"]),
    (
        ServerOfAnotherRegistry(server=Address("192.0.2.7", 5_000), key="0123 4567"),
        ["[192.0.2.7:5000 is another server: its key is 0123 4567. It is not used.]"],
    ),
    (ServerAnnounced(text="tea\x1b at five"), ["[The server says: tea\\x1b at five]"]),
    (ServerStopPlanned(seconds=7_200, reason="moving"), ["[The server stops in 2 hours: moving.]"]),
    (ServerStopPlanned(seconds=1, reason=""), ["[The server stops in 1 second.]"]),
    (ServerStopPlanned(seconds=0, reason=""), ["[The server stops in 0 seconds.]"]),
    (ServerStopping(), ["[Server is closing.]"]),
    (ServerStopCancelled(), ["[The server does not stop: the plan is cancelled.]"]),
    (NoServerAtStart(table_time=None), ["[Server not responding]", "[Exiting]"]),
    (
        NoServerAtStart(table_time=NOON),
        [f"[Server not responding] Working with the table of {SHOWN_NOON}; still trying."],
    ),
    (PeopleListed(people=()), ["[Still loading the list of people.]"]),
    (
        PeopleListed(
            people=(
                Person(name="carol", online=False, since=NOON, status="ill"),
                Person(name="bob", online=True, since=NOON, away="", is_slow=True),
                Person(name="Alice", online=True, since=NOON),
                Person(name="dave", online=True, since=NOON, away="at\x1b lunch", status="exam"),
            )
        ),
        [
            "[Alice is online.]",
            "[bob is online (slow link, away).]",
            '[dave is online (away: at\\x1b lunch): "exam".]',
            f'[carol was last seen {SHOWN_NOON[:-3]}: "ill".]',
        ],
    ),
    (StatusSet(status="", away=None), ["[You have no status now.]"]),
    (
        StatusSet(status="exam", away="at lunch"),
        ['[Others see that you are away: at lunch. Your status: "exam".]'],
    ),
    (StatusSet(status="exam", away=None), ['[Others see your status: "exam".]']),
    (
        StatusSet(status="", away="", is_later=True),
        ["[Others see that you are away. They see it once the server is back.]"],
    ),
    (in_room("hi"), ["bob (in lab): hi"]),
    (in_room("a: b", late=NOON), [f"bob (in lab): {SHOWN_NOON} a: b"]),
    (
        EnteredRoom(room="lab", members=("bob", "carol", "dave"), missed=0),
        ["[You are in lab with bob, carol and dave.]"],
    ),
    (
        EnteredRoom(room="lab", members=("bob",), missed=1),
        ["[You are in lab with bob.]", "[1 missed line follows.]"],
    ),
    (
        EnteredRoom(room="lab", members=(), missed=1_200),
        ["[You are in lab, alone so far.]", "[1,200 missed lines follow.]"],
    ),
    (
        EnteredRoom(room="lab", members=(), missed=0, topic="Exam\x1b[2J"),
        ["[You are in lab, alone so far.]", "[Topic: Exam\\x1b[2J]"],
    ),
    (
        TopicKnown(room="lab", text="a\nb", author="bob", at=NOON, is_change=True),
        ["[bob set the topic of lab: a\u23ceb]"],
    ),
    (
        TopicKnown(room="lab", text="", author="", at=NOON, is_change=True),
        ["[somebody cleared the topic of lab.]"],
    ),
    (
        TopicKnown(room="lab", text="Exam", author="bob", at=NOON),
        [f"[The topic of lab, set by bob {SHOWN_NOON}: Exam]"],
    ),
    (
        TopicKnown(
            room="lab", text="Exam", author="", at=NOON, is_administrators=True, is_change=True
        ),
        ["[The server's administrator set the topic of lab: Exam]"],
    ),
    (
        TopicKnown(room="lab", text="Exam", author="", at=NOON, is_administrators=True),
        [f"[The topic of lab, set by the server's administrator {SHOWN_NOON}: Exam]"],
    ),
    (TopicKnown(room="lab", text="", author="", at=0), ["[lab has no topic.]"]),
    (TopicUnknown(room="lab"), ["[Still loading the topic of lab.]"]),
    (
        TopicNotSet(room="lab", reason=TopicFailure.UNREACHABLE),
        ["[The topic of lab is not changed: the server is away.]"],
    ),
    (
        TopicNotSet(room="lab", reason=TopicFailure.TOO_LONG),
        ["[The topic of lab is not changed: a topic has at most 200 characters.]"],
    ),
    (LeftRoom(room="lab"), ["[You left lab.]"]),
    (
        LeftRoom(room="lab", how=RoomExit.EVICTED),
        ["[The server's administrator took you out of lab.]"],
    ),
    (LeftRoom(room="lab", how=RoomExit.CLOSED), ["[The server's administrator closed lab.]"]),
    (
        RoomEntryDenied(room="lab", reason=RoomEntryRefusal.ROOM_FULL),
        ["[You cannot enter lab: it is full.]"],
    ),
    (NotInRoom(), ["[You are not in any room.]"]),
    (MemberJoined(room="lab", name="bob"), ["bob joined lab."]),
    (MemberLeft(room="lab", name="bob"), ["bob left lab."]),
    (MessageChanged(conversation=room("lab"), id=1, state=MessageState.SAVED), []),
    (line_of("Asha Rao", "é ✓", 1), ["Asha Rao: é ✓"]),
    (settled(1, is_saved=True), []),
    (
        MessageChanged(conversation=room("lab"), id=1, state=MessageState.KEPT),
        ["[Server not responding] Your line goes straight to 2 members; the others get it later."],
    ),
    (RoomsKnown(rooms=()), ["[There are no rooms yet: join one to create it.]"]),
    (
        RoomsKnown(rooms=(Room(name="den", here=0), Room(name="lab", here=3))),
        ["[lab: 3 here.]", "[den: 0 here.]"],
    ),
    (
        MembersListed(
            room="lab",
            members=(
                Person(name="carol", online=False, since=NOON),
                Person(name="bob", online=True, since=NOON),
            ),
        ),
        ["[2 people in lab:]", "[bob is online.]", f"[carol was last seen {SHOWN_NOON[:-3]}.]"],
    ),
    (ConversationRead(conversation=EVERYBODY, id=7), []),
    (DraftKept(conversation=EVERYBODY, text="hel"), []),
    (SaidByUs(line=ours(person("bob"))), ["alice to bob: hi"]),
    (SaidByUs(line=ours(room("lab"))), ["alice (in lab): hi"]),
    (SaidByUs(line=ours(EVERYBODY)), ["[Channel_Message alice: hi]"]),
    (PersonCame(name="bob"), []),
    (PersonAway(name="bob", how=Absence.LEFT), ["bob has left."]),
    (PersonAway(name="bob", how=Absence.BANNED), ["[bob is banned from this server.]"]),
    (PersonAway(name="bob", how=Absence.LOST), ["bob lost the connection."]),
    (PersonAway(name="bob", how=Absence.LOST, is_quiet=True), []),
    (Renamed(old="bob", new="rob", is_me=False), ["bob is now rob"]),
    (Renamed(old="alice", new="alicia", is_me=True), ["[You are alicia now.]"]),
    (
        NameReleased(name="alice"),
        [
            "[alice is not your name any more: anybody may take it. Your mail at the server is deleted.]",
            "[You are offline. Your keys and your history stay here.]",
        ],
    ),
    (
        ReleaseFailed(name="alice", reason=ReleaseRefusal.UNREACHABLE),
        ["[You are still alice: the server is away.]"],
    ),
    (
        RenameFailed(name="rob", reason=RenameRefusal.FULL),
        ["[You cannot be called rob: the server is full, or you change your name too often.]"],
    ),
    (
        SafetyNumber(name="bob", digits="1234567890" * 6),
        [
            "[Compare with bob, face to face or by voice: if they match, nobody is intercepting.]",
            f"[{' '.join(['12345', '67890'] * 6)}]",
            "[If they match: /trust bob <digits>]",
        ],
    ),
    (
        SafetyNumber(name="bob", digits="1234567890", is_verified=True, is_changed=True),
        [
            "[The key of bob has changed; these are the digits of the new key.]",
            "[Compare with bob, face to face or by voice: if they match, nobody is intercepting.]",
            "[12345 67890]",
            "[You have verified the key of bob.]",
        ],
    ),
    (Trusted(name="bob", is_new=True), ["[The new key of bob is trusted from now on.]"]),
    (Trusted(name="bob", is_new=False), ["[The key of bob is verified.]"]),
    (
        Trusted(name="server", is_new=True),
        ["[The server's new key is accepted; registering there.]"],
    ),
    (Trusted(name="server", is_new=False), ["[The key of the server is verified.]"]),
    (
        NotTrusted(name="bob", why=Doubt.NO_DIGITS),
        ["[Which key? /verify bob shows its digits: compare them, then type /trust bob <digits>.]"],
    ),
    (
        NotTrusted(name="bob", why=Doubt.OTHER_DIGITS),
        ["[Those are not the digits of the key of bob; /verify bob shows them.]"],
    ),
    (
        NotTrusted(name="server", why=Doubt.CHANGED),
        [
            "[The key of the server has changed since /verify server showed these digits: compare again.]"
        ],
    ),
    (RegistryKey(held="", other="", is_verified=False), ["[No server has answered yet.]"]),
    (
        RegistryKey(held="ab12", other="", is_verified=True),
        ["[The server's key: ab12]", "[You have verified it.]"],
    ),
    (
        RegistryKey(held="ab12", other="cd34", is_verified=True),
        [
            "[The server shows a different key from the one that you know: cd34]",
            "[Compare it with the key that the server printed when it started; if they match: /trust server <key>]",
        ],
    ),
    (KeyRestored(name="bob"), ["[bob is back with the key that you know: messages go out again.]"]),
    (Ignored(name="bob", is_ignored=True), ["[You no longer see what bob says.]"]),
    (Ignored(name="bob", is_ignored=False), ["[You see what bob says again.]"]),
    (Muted(conversation=person("bob"), is_muted=True), ["[bob does not ring.]"]),
    (
        Muted(conversation=room("lab"), is_muted=True),
        ["[lab does not ring, but for lines with @ and your name.]"],
    ),
    (Muted(conversation=EVERYBODY, is_muted=False), ["[Everybody rings again.]"]),
    (NobodyKnown(name="bob"), ["[Nobody called bob is known here.]"]),
    (
        MessageChanged(
            conversation=person("bob"),
            id=1,
            state=MessageState.EXPIRED,
            text="See you\nat noon",
            reason=MessageReason.NEVER_FETCHED,
        ),
        ["[Message to bob was never fetched and is gone from the server: See you⏎at noon]"],
    ),
    (
        KeyChanged(name="bob", is_again=True),
        [
            (
                "[The key of bob has changed again: nothing is sent to that name until you compare it "
                "(/verify bob) and type /trust bob <digits>.]"
            )
        ],
    ),
    (
        RegistryMet(key="ab12", is_verified=False),
        ["[First contact with this server; its key is ab12.]"],
    ),
    (
        RegistryMet(key="ab12", is_verified=True),
        ["[First contact with this server; its key is ab12, as expected.]"],
    ),
    (
        RegistryRecognized(servers=("chat.local:5000", "192.0.2.7:5000")),
        ["[This is the server that you know as chat.local:5000 and 192.0.2.7:5000.]"],
    ),
    (RegistryKeyAccepted(key="cd34"), ["[The server's new key is accepted: cd34.]"]),
    (
        RegistryKeyChanged(expected="ab12", got="cd34"),
        ["[The server's key has changed: expected ab12, got cd34.]"],
    ),
    (
        RegistryKeyChanged(expected="ab12", got="cd34", is_announced=True),
        [
            "[This is not the server that was announced: the announced key is ab12, this server's is cd34.]"
        ],
    ),
    (
        TooLong(conversation=person("bob"), size=70_000, limit=65_536),
        ["[Message to bob not sent: 70,000 bytes, at most 65,536.]"],
    ),
    (
        LinkTroubled(port=5_000, trouble=LinkTrouble.BLOCKED),
        [
            (
                "[The server answers on UDP, but not on TCP port 5000: open TCP port 5000 in the firewalls on the way. "
                "Rooms, mail and the channel wait for it.]"
            )
        ],
    ),
    (
        LinkTroubled(port=5_000, trouble=LinkTrouble.STALLED),
        [
            (
                "[The TCP connection to port 5000 of the server stalled and is being opened anew, though UDP works. If this "
                "happens again, large packets are being lost: set the MTU of this network to 1280.]"
            )
        ],
    ),
    (
        LinkTroubled(port=5_000, trouble=LinkTrouble.OVER),
        ["[The server answers on TCP port 5000 now.]"],
    ),
    (Addressed(name="bob", conversation=person("Bob")), []),
    (PersonTyping(name="bob"), []),
    (Seen(conversation=person("bob"), target=Target(b"", 7)), []),
    (
        HistoryMissing(path="/a/history.db", found=0),
        ["[/a/history.db is missing: a new one was begun.]"],
    ),
    (
        HistoryMissing(path="/a/history.db", found=2),
        ["[/a/history.db is missing: a new one was begun, with the newest 2 messages.]"],
    ),
    (
        LinesLost(path="/a/history.db", count=1, kept_as=None),
        ["[/a/history.db was damaged: its newest 1 message is lost.]"],
    ),
    (
        LinesLost(path="/a/history.db", count=2, kept_as="x"),
        [
            "[/a/history.db was damaged: its newest 2 messages are lost; the damaged file is kept as x.]"
        ],
    ),
    (
        ProgramChanged(process=1),
        [],
    ),
    (
        EventsMissed(),
        ["[Some lines were skipped here: /history shows them.]"],
    ),
    (
        ProgramEnded(name="alice"),
        ["[The program of alice to which this one was attached has ended.]"],
    ),
    (
        StorageFailed(error="disk I/O error"),
        [
            "[Nothing can be stored (disk I/O error); messages are not acknowledged until that works again.]"
        ],
    ),
    (
        HistoryBehind(error="locked"),
        [
            "[history.db cannot be written (locked); nothing is lost, but /history lacks the newest messages until then.]"
        ],
    ),
    (ReadersBehind(), ["[Too many messages wait to be shown: no more are taken until then.]"]),
    (
        FolderNotMoved(name="bob", error="no room"),
        ["[The folder of bob could not be moved (no room); the next start tries again.]"],
    ),
]


@pytest.mark.parametrize(("event", "lines"), LINES)
def test_each_event_has_its_lines_to_the_letter(event: Event, lines: list[str]) -> None:
    assert lines_of(event, in_reach=2) == lines


def test_no_kind_of_event_is_forgotten() -> None:
    assert {type(event) for event, _ in LINES} == set(get_args(Event)) - set(get_args(DutyEvent))


@given(st.data())
def test_whatever_others_wrote_each_line_is_one_line_that_gives_no_order(
    data: st.DataObject,
) -> None:
    event = data.draw(st.sampled_from([event for event, _ in LINES]))
    forged = msgspec.structs.replace(event, **{name: data.draw(HOSTILE) for name in texts(event)})
    if hasattr(forged, "late"):
        forged = msgspec.structs.replace(forged, late=data.draw(TIMES))
    for line in lines_of(forged):
        assert len(line.splitlines()) == 1
        assert sanitize(line) == line


def texts(event: Event) -> list[str]:
    return [name for name in event.__struct_fields__ if isinstance(getattr(event, name), str)]


@pytest.mark.parametrize(
    "event", [direct("hi all", NOON), channel("hi all"), in_room("hi all", NOON)]
)
def test_what_somebody_said_tells_name_and_text_apart(event: Event) -> None:
    (line,) = lines_of(event)
    assert isinstance(line, MessageLine)
    assert line[line.sender_at :].startswith("bob")
    assert line[line.text_at :].startswith("hi all")


def test_notices_are_not_what_somebody_said() -> None:
    for event, _ in LINES:
        spoken = [line for line in lines_of(event) if isinstance(line, MessageLine)]
        assert bool(spoken) == isinstance(event, Said) or isinstance(event, MailReturned)


@pytest.mark.parametrize(
    ("count", "ends"),
    [(1, "n0"), (12, "n10 and n11"), (13, "n11 and 1 other"), (2_012, "n11 and 2,000 others")],
)
def test_many_names_are_counted(count: int, ends: str) -> None:
    assert names([f"n{number}" for number in range(count)]).endswith(ends)


@pytest.mark.parametrize(
    ("view", "prompt"),
    [
        (Status(), ">>> "),
        (Status(room="lab"), "[lab] >>> "),
        (Status(room="lab", in_reach=2), "[lab] >>> "),
        (
            Status(room="lab", is_server_away=True, in_reach=2),
            "[lab, server away, 2 in reach] >>> ",
        ),
        (Status(is_server_away=True, in_reach=2), ">>> "),
        (Status(room="lab", is_offline=True), ">>> "),
        (Status(room="l\x1bb"), "[l\\x1bb] >>> "),
    ],
)
def test_the_prompt_shows_the_room(view: Status, prompt: str) -> None:
    assert prompt_of(view) == prompt


@pytest.mark.parametrize(
    ("view", "pieces"),
    [
        (Status(me="alice", online=3), ["alice", "3 online"]),
        (
            Status(me="alice", room="lab", online=3, unread=1),
            ["alice", "lab", "3 online", "1 new line"],
        ),
        (
            Status(me="alice", online=3, is_server_away=True, unread=2),
            ["alice", "server away", "2 new lines"],
        ),
        (
            Status(me="alice", room="lab", is_offline=True),
            ["alice", "offline", "reg alice to return"],
        ),
        (Status(me="bob", online=2, is_on_duty=True), ["bob", "2 online", "on duty"]),
        (
            Status(me="bob", online=2, is_on_duty=True, client="A\x1bna", unread=1),
            ["bob", "2 online", "serving A\\x1bna", "1 new line"],
        ),
        (Status(notes=("queue: number 3",)), ["queue: number 3"]),
        (
            Status(notes=("queue: number 3",), is_server_away=True),
            ["server away", "queue: number 3"],
        ),
        (
            Status(me="alice", online=1, notes=("queue: number 3",)),
            ["alice", "1 online", "queue: number 3"],
        ),
    ],
)
def test_the_line_below_the_prompt(view: Status, pieces: list[str]) -> None:
    assert [text for _, text in status_pieces(view)] == pieces


def test_the_line_below_the_prompt_marks_the_user_what_is_wrong_and_what_is_new() -> None:
    view = Status(me="alice", is_server_away=True, unread=2, notes=("x",))
    styles = [style for style, _ in status_pieces(view)]
    assert styles == ["class:status.me", "class:status.alarm", "class:status.news", "class:status"]
    assert status_pieces(Status(me="alice", is_offline=True))[1] == (
        "class:status.alarm",
        "offline",
    )
    assert [style for style, _ in status_pieces(Status(notes=("x", "y")))] == [
        "class:status.me",
        "class:status",
    ]


def test_a_line_to_a_room_with_nobody_in_reach_waits() -> None:
    lines = lines_of(
        MessageChanged(conversation=room("lab"), id=1, state=MessageState.KEPT), in_reach=0
    )
    assert lines == ["[Server not responding] Your line goes out when the server is back."]


def test_a_text_cannot_pass_for_a_line_of_ours() -> None:
    assert lines_of(direct("x\n>>> [Message received by carol.]")) == [
        "bob: x⏎>>> [Message received by carol.]"
    ]


def test_a_message_of_full_length_is_shown_whole() -> None:
    assert lines_of(direct("x" * 65_536)) == ["bob: " + "x" * 65_536]


@given(st.floats())
def test_any_moment_has_a_date(moment: float) -> None:
    assert len(shown_time(moment)) == len("2023-11-14 22:13:20")


def test_an_instant_has_milliseconds() -> None:
    assert shown_instant(NOON + 0.0031) == "22:13:20.003"


def test_time_is_local(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "XYZ-2")
    time.tzset()
    assert shown_time(NOON) == "2023-11-15 00:13:20"


def test_the_table_has_a_line_for_everybody_in_columns() -> None:
    people = (
        Person(name="alice", online=True, since=0.0, host="192.0.2.7", port=6000),
        Person(name="\u592a\u90ce", online=False, since=0.0),
    )
    assert table_lines(people) == [
        "name   address    port  online",
        "alice  192.0.2.7  6000  yes",
        "\u592a\u90ce   -          -     no",
    ]
    assert table_lines(()) == ["[Still loading the table.]"]
