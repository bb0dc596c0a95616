"""Shown lines: exact wording, and safe whatever others wrote."""

import time
from functools import partial
from typing import Any, Final, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chatapp.peer.api import events
from chatapp.peer.api.conversations import EVERYBODY, Conversation, person, room
from chatapp.peer.api.events import MessageReason, MessageState
from chatapp.peer.api.files import FileReply, FileState, FileTransfer, FileTrouble
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
from chatapp.peer.words.people import here_lines, table_lines
from chatapp.wire.address import Address
from chatapp.wire.text import sanitize
from tests.support.visits import line_of, settled

NOON = 1_700_000_000.0
SHOWN_NOON = "2023-11-14 22:13:20"
HOSTILE = st.text(alphabet=st.characters(exclude_categories=[]))
TIMES = st.none() | st.floats()


def test_banned_people_are_shown_as_banned() -> None:
    people = (
        events.Person(name="bob", online=False, since=NOON, is_banned=True),
        events.Person(name="eve", online=True, since=NOON),
    )
    assert lines_of(events.PeopleListed(people=people)) == [
        "[eve is online.]",
        "[bob is banned from this server.]",
    ]


@pytest.mark.parametrize(
    ("names", "others", "lines"),
    [
        (["alice"], 0, ["[Nobody else is here.]"]),
        (["alice", "bob"], 0, ["[Here: bob.]"]),
        (["alice"], 2, ["[2 others are online: who m shows whose names begin with m.]"]),
        (
            ["alice", "bob"],
            1,
            ["[Here: bob.]", "[1 other is online: who m shows whose names begin with m.]"],
        ),
    ],
)
def test_a_greeting_counts_those_of_whom_we_are_not_told(
    names: list[str], others: int, lines: list[str]
) -> None:
    people = [events.Person(name=one, online=True, since=NOON) for one in names]
    assert here_lines(people, "alice", others) == lines


@pytest.mark.parametrize(("away", "shown"), [(20, 20), (21, 20), (1_100, 20)])
def test_who_shows_those_online_and_20_of_the_others(away: int, shown: int) -> None:
    people = (
        *(
            events.Person(name=f"away{number:04}", online=False, since=NOON - number)
            for number in range(away, 0, -1)
        ),
        *(events.Person(name=f"on{number:02}", online=True, since=NOON) for number in range(30)),
    )
    lines = lines_of(events.PeopleListed(people=people))
    names = [line.partition(" ")[0][1:] for line in lines[: 30 + shown]]
    assert names == [
        *(f"on{number:02}" for number in range(30)),
        *(f"away{number:04}" for number in range(1, 1 + shown)),
    ]
    more = (
        [f"[And {away - shown:,} more who are away: /who all shows them.]"] if away > shown else []
    )
    assert lines[30 + shown :] == more
    assert len(lines_of(events.PeopleListed(people=people, is_whole=True))) == 30 + away
    talked = lines_of(events.PeopleListed(people=people, talked=(f"AWAY{away:04}",)))
    assert talked[30].startswith(f"[away{away:04} was last seen")


BOB: Final = person("bob")
LAB: Final = room("lab")


def said(where: Conversation, text: str, late: float | None = None, **more: Any) -> events.Said:
    told = {"id": 9, "sender": "bob", "number": 1, "at": NOON, "is_late": late is not None, **more}
    return events.Said(conversation=where, identity=b"", text=text, **told)


direct, channel, in_room = (partial(said, where) for where in (BOB, EVERYBODY, LAB))


def in_doubt(doubt: events.AuthorDoubt) -> events.Said:
    return said(person("bob", is_claimed=True), "hi", NOON, doubt=doubt)


def became(
    where: Conversation, state: MessageState, reason: MessageReason | None = None, text: str = ""
) -> events.MessageChanged:
    return events.MessageChanged(conversation=where, id=1, state=state, reason=reason, text=text)


PLAN: Final = FileTransfer(
    number=3,
    id=9,
    conversation=BOB,
    sender="bob",
    name="plan.pdf",
    size=2_345_678,
    is_ours=False,
    path="/home/al/plan.pdf",
)
FILES: Final = [
    (PLAN, []),  # the line that offers it says so
    (replace(PLAN, is_ours=True), []),
    (replace(PLAN, state=FileState.RUNNING, done=1_000_000), []),
    (
        replace(PLAN, state=FileState.WITHDRAWN, done=5),
        ["[plan.pdf stopped: bob offers it no more.]"],
    ),
    (replace(PLAN, state=FileState.DONE), ["[plan.pdf is here: /home/al/plan.pdf]"]),
    (
        replace(PLAN, state=FileState.FAILED, trouble=FileTrouble.CHANGED),
        ["[plan.pdf stopped: it has changed since bob offered it. /resume 3 tries again.]"],
    ),
    (
        replace(
            PLAN, state=FileState.FAILED, trouble=FileTrouble.OWN_DISK, detail="Input/output error"
        ),
        [
            "[plan.pdf stopped: your disk does not take it: Input/output error. /resume 3 tries again.]"
        ],
    ),
]
CHANGE: Final[dict[str, Any]] = {
    "conversation": BOB,
    "id": 9,
    "sender": "bob",
    "identity": b"",
    "number": 1,
    "text": "",
    "at": NOON,
    "target": events.Target(b"", 1),
}


LINES: list[tuple[events.Event, list[str]]] = [
    # what is said of a line that is here: test_changes.py
    (events.Edited(**CHANGE), []),
    (events.Retracted(**CHANGE), []),
    (events.Reacted(**CHANGE, is_on=True), []),
    (events.FileAnswered(**CHANGE, reply=FileReply.HAS), []),
    *((events.FileChanged(file=file), lines) for file, lines in FILES),
    (
        events.MailUnreadable(sender="bob", detail="does not open"),
        ["[A letter from bob could not be opened: does not open.]"],
    ),
    (
        events.MailHeldBack(),
        [
            "[There are letters from too many people who are not in the table; those not shown wait at the server.]"
        ],
    ),
    (
        events.LineUnreadable(
            conversation=LAB, sender="bob", reason=events.LineLoss.INVALID, detail="too short"
        ),
        ["[A line of the room lab from bob is lost: too short.]"],
    ),
    (
        events.LineUnreadable(
            conversation=EVERYBODY, sender="bob", reason=events.LineLoss.KEY_MISSING
        ),
        [
            "[A line of the channel from bob is lost: the server did not give the key that it is sealed with.]"
        ],
    ),
    (
        became(EVERYBODY, MessageState.REFUSED, MessageReason.DISK_FULL),
        ["[Channel message refused: the server's disk is full.]"],
    ),
    (
        became(EVERYBODY, MessageState.REFUSED, MessageReason.TOO_MANY_ONLINE),
        [
            (
                "[Channel message refused: with so many people online it takes one line a second; "
                "say it again in a few seconds.]"
            )
        ],
    ),
    (
        became(LAB, MessageState.REFUSED, MessageReason.DISK_FAILED),
        ["[Line to lab refused: the server cannot write to its disk.]"],
    ),
    (
        events.LinesAbandoned(room="lab", count=1),
        ["[A line to lab did not reach everybody: you left before the server was back.]"],
    ),
    (
        events.LinesAbandoned(room="lab", count=2),
        ["[2 lines to lab did not reach everybody: you left before the server was back.]"],
    ),
    (
        events.RoomsUnknown(reason=events.NoAnswer.UNREACHABLE),
        ["[The list of rooms is not available: the server is away.]"],
    ),
    (
        became(BOB, MessageState.KEPT, MessageReason.MAILBOX_FULL),
        ["[Message to bob kept: the mailbox is full; it goes out when there is room.]"],
    ),
    (
        events.RenameFailed(name="a b", reason=events.RenameRefusal.INVALID_NAME),
        ["[You cannot be called a b: only letters, digits, _ and - are allowed.]"],
    ),
    (
        events.RenameFailed(name="ada", reason=events.RenameRefusal.KEYS_EXIST, detail="/there"),
        ["[You cannot be called ada: /there holds keys of another ada.]"],
    ),
    (
        events.AdmissionRefused(reason=events.AdmissionRefusal.CODE_OF_ANOTHER, key="0f"),
        [
            "[Not registered: this join code is of another server than the one that answers, whose key is 0f.]"
        ],
    ),
    (events.Registered(), ["[Welcome, You are registered.]"]),
    (events.TableChanged(), ["[Client table updated.]"]),
    (became(BOB, MessageState.DELIVERED), ["[Message received by bob.]"]),
    (
        events.MessageChanged(
            conversation=BOB, id=1, state=events.MessageState.DELIVERED, through_server=True
        ),
        ["[Message received by bob through the server.]"],
    ),
    (events.Unacknowledged(conversation=BOB, id=1), ["[No ACK from bob, message sent to server.]"]),
    (became(BOB, MessageState.SAVED), ["[Messages received by the server and saved]"]),
    (
        became(BOB, MessageState.REFUSED, MessageReason.MAILBOX_FULL),
        ["[Message to bob refused: the mailbox is full.]"],
    ),
    (
        became(BOB, MessageState.REFUSED, MessageReason.NAME_UNKNOWN),
        ["[Message to bob refused: the server knows nobody of that name.]"],
    ),
    (
        became(BOB, MessageState.KEPT),
        ["[Server not responding] Message to bob kept; it goes out when the server is back."],
    ),
    (
        became(BOB, MessageState.KEPT, MessageReason.KEY_CHANGED),
        ["[Message to bob kept: the key shown for this name has changed.]"],
    ),
    (direct("hi"), ["bob: hi"]),
    (direct("hi", late=NOON), [f"bob: {SHOWN_NOON} hi"]),
    (events.MailReturned(lines=()), ["[You have messages]"]),
    (
        events.MailReturned(lines=(direct("hi", late=NOON), channel("all", late=NOON))),
        [
            "[You have messages]",
            f"bob: {SHOWN_NOON} hi",
            f"[Channel_Message bob: {SHOWN_NOON} all]",
        ],
    ),
    (
        events.MailReturned(
            lines=(
                in_doubt(events.AuthorDoubt.NOT_IN_TABLE),
                in_doubt(events.AuthorDoubt.OTHER_KEY),
            )
        ),
        [
            "[You have messages]",
            f"bob (unverified: nobody of this name is registered): {SHOWN_NOON} hi",
            f"bob (unverified: not the key that you know): {SHOWN_NOON} hi",
        ],
    ),
    (became(EVERYBODY, MessageState.SAVED), ["[Message received by Server.]"]),
    (became(EVERYBODY, MessageState.KEPT), ["[Server not responding.]"]),
    (channel("hi"), ["[Channel_Message bob: hi]"]),
    (channel("hi", late=NOON), [f"[Channel_Message bob: {SHOWN_NOON} hi]"]),
    (events.NameUnavailable(name="bob"), ["[Name bob is taken.]"]),
    (
        events.AdmissionRefused(reason=events.AdmissionRefusal.KICKED, seconds=300),
        ["[Not registered: the server's administrator has disconnected you for 5 minutes.]"],
    ),
    (
        events.AdmissionRefused(reason=events.AdmissionRefusal.BANNED, text="spam\x1b"),
        ["[Not registered: you are banned from this server: spam\\x1b.]"],
    ),
    (
        events.AdmissionRefused(reason=events.AdmissionRefusal.FULL),
        ["[Not registered: the server takes no new names now.]"],
    ),
    (events.SignedOff(), ["[You are Offline. Bye.]"]),
    (events.LeaveUnanswered(), ["[Server not responding]", "[Exiting]"]),
    (events.ServerLost(), ["[Server not responding] Direct chat goes on."]),
    (events.ServerBack(), ["[Server is back.]"]),
    (
        events.ServerOfAnotherRegistry(server=Address("192.0.2.7", 5_000), key="0123 4567"),
        ["[192.0.2.7:5000 is another server: its key is 0123 4567. It is not used.]"],
    ),
    (events.ServerAnnounced(text="tea\x1b at five"), ["[The server says: tea\\x1b at five]"]),
    (
        events.ServerStopPlanned(seconds=7_200, reason="moving"),
        ["[The server stops in 2 hours: moving.]"],
    ),
    (events.ServerStopPlanned(seconds=1, reason=""), ["[The server stops in 1 second.]"]),
    (events.ServerStopPlanned(seconds=0, reason=""), ["[The server stops in 0 seconds.]"]),
    (events.ServerStopping(), ["[Server is closing.]"]),
    (events.ServerStopCancelled(), ["[The server does not stop: the plan is cancelled.]"]),
    (
        events.SearchingServers(
            servers=(Address("192.0.2.7", 5_000), Address("::1", 5_001)), seconds=15
        ),
        ["[Searching for the server at 192.0.2.7:5000 and [::1]:5001 for 15 s.]"],
    ),
    (events.NoServerAtStart(table_time=None), ["[Server not responding]", "[Exiting]"]),
    (
        events.NoServerAtStart(table_time=NOON),
        [f"[Server not responding] Working with the table of {SHOWN_NOON}; still trying."],
    ),
    (events.PeopleListed(people=()), ["[Still loading the list of people.]"]),
    (
        events.PeopleListed(people=(), first="al", is_whole=True),
        ["[No name begins with al.]"],
    ),
    (
        events.PeopleListed(
            people=(
                events.Person(name="carol", online=False, since=NOON, status="ill"),
                events.Person(name="bob", online=True, since=NOON, away="", is_slow=True),
                events.Person(name="Alice", online=True, since=NOON),
                events.Person(
                    name="dave", online=True, since=NOON, away="at\x1b lunch", status="exam"
                ),
            )
        ),
        [
            "[Alice is online.]",
            "[bob is online (slow link, away).]",
            '[dave is online (away: at\\x1b lunch): "exam".]',
            f'[carol was last seen {SHOWN_NOON[:-3]}: "ill".]',
        ],
    ),
    (events.StatusSet(status="", away=None), ["[You have no status now.]"]),
    (
        events.StatusSet(status="exam", away="at lunch"),
        ['[Others see that you are away: at lunch. Your status: "exam".]'],
    ),
    (events.StatusSet(status="exam", away=None), ['[Others see your status: "exam".]']),
    (
        events.StatusSet(status="", away="", is_later=True),
        ["[Others see that you are away. They see it once the server is back.]"],
    ),
    (in_room("hi"), ["bob (in lab): hi"]),
    (in_room("a: b", late=NOON), [f"bob (in lab): {SHOWN_NOON} a: b"]),
    (
        events.EnteredRoom(room="lab", members=("bob", "carol", "dave"), missed=0),
        ["[You are in lab with bob, carol and dave.]"],
    ),
    (
        events.EnteredRoom(room="lab", members=("bob",), missed=1),
        ["[You are in lab with bob.]", "[1 missed line follows.]"],
    ),
    (
        events.EnteredRoom(room="lab", members=(), missed=1_200),
        ["[You are in lab, alone so far.]", "[1,200 missed lines follow.]"],
    ),
    (
        events.EnteredRoom(room="lab", members=(), missed=0, topic="Exam\x1b[2J"),
        ["[You are in lab, alone so far.]", "[Topic: Exam\\x1b[2J]"],
    ),
    (
        events.TopicKnown(room="lab", text="a\nb", author="bob", at=NOON, is_change=True),
        ["[bob set the topic of lab: a\u23ceb]"],
    ),
    (
        events.TopicKnown(room="lab", text="", author="", at=NOON, is_change=True),
        ["[somebody cleared the topic of lab.]"],
    ),
    (
        events.TopicKnown(room="lab", text="Exam", author="bob", at=NOON),
        [f"[The topic of lab, set by bob {SHOWN_NOON}: Exam]"],
    ),
    (
        events.TopicKnown(
            room="lab", text="Exam", author="", at=NOON, is_administrators=True, is_change=True
        ),
        ["[The server's administrator set the topic of lab: Exam]"],
    ),
    (
        events.TopicKnown(room="lab", text="Exam", author="", at=NOON, is_administrators=True),
        [f"[The topic of lab, set by the server's administrator {SHOWN_NOON}: Exam]"],
    ),
    (events.TopicKnown(room="lab", text="", author="", at=0), ["[lab has no topic.]"]),
    (events.TopicUnknown(room="lab"), ["[Still loading the topic of lab.]"]),
    (
        events.TopicNotSet(room="lab", reason=events.TopicFailure.UNREACHABLE),
        ["[The topic of lab is not changed: the server is away.]"],
    ),
    (
        events.TopicNotSet(room="lab", reason=events.TopicFailure.TOO_LONG),
        ["[The topic of lab is not changed: a topic has at most 200 characters.]"],
    ),
    (events.LeftRoom(room="lab"), ["[You left lab.]"]),
    (
        events.LeftRoom(room="lab", how=events.RoomExit.EVICTED),
        ["[The server's administrator took you out of lab.]"],
    ),
    (
        events.LeftRoom(room="lab", how=events.RoomExit.CLOSED),
        ["[The server's administrator closed lab.]"],
    ),
    (
        events.RoomEntryDenied(room="lab", reason=events.RoomEntryRefusal.ROOM_FULL),
        ["[You cannot enter lab: it is full.]"],
    ),
    (events.NotInRoom(), ["[You are not in any room.]"]),
    (events.MemberJoined(room="lab", name="bob"), ["bob joined lab."]),
    (events.MemberLeft(room="lab", name="bob"), ["bob left lab."]),
    (became(LAB, MessageState.SAVED), []),
    (line_of("Asha Rao", "é ✓", 1), ["Asha Rao: é ✓"]),
    (settled(1, is_saved=True), []),
    (
        became(LAB, MessageState.KEPT),
        ["[Server not responding] Your line goes straight to 2 members; the others get it later."],
    ),
    (events.RoomsKnown(rooms=()), ["[There are no rooms yet: join one to create it.]"]),
    (
        events.RoomsKnown(rooms=(events.Room(name="den", here=0), events.Room(name="lab", here=3))),
        ["[lab: 3 here.]", "[den: 0 here.]"],
    ),
    (
        events.MembersListed(
            room="lab",
            members=(
                events.Person(name="carol", online=False, since=NOON),
                events.Person(name="bob", online=True, since=NOON),
            ),
        ),
        ["[2 people in lab:]", "[bob is online.]", f"[carol was last seen {SHOWN_NOON[:-3]}.]"],
    ),
    (events.ConversationRead(conversation=EVERYBODY, id=7), []),
    (events.DraftKept(conversation=EVERYBODY, text="hel"), []),
    (
        events.SaidByUs(line=said(person("bob"), "hi", sender="alice", is_ours=True)),
        ["alice to bob: hi"],
    ),
    (
        events.SaidByUs(line=said(room("lab"), "hi", sender="alice", is_ours=True)),
        ["alice (in lab): hi"],
    ),
    (
        events.SaidByUs(line=said(EVERYBODY, "hi", sender="alice", is_ours=True)),
        ["[Channel_Message alice: hi]"],
    ),
    (events.PersonCame(name="bob"), []),
    (events.PersonAway(name="bob", how=events.Absence.LEFT), ["bob has left."]),
    (
        events.PersonAway(name="bob", how=events.Absence.BANNED),
        ["[bob is banned from this server.]"],
    ),
    (events.PersonAway(name="bob", how=events.Absence.LOST), ["bob lost the connection."]),
    (events.PersonAway(name="bob", how=events.Absence.LOST, is_quiet=True), []),
    (events.Renamed(old="bob", new="rob", is_me=False), ["bob is now rob"]),
    (events.Renamed(old="alice", new="alicia", is_me=True), ["[You are alicia now.]"]),
    (
        events.NameReleased(name="alice"),
        [
            "[alice is not your name any more: anybody may take it. Your mail at the server is deleted.]",
            "[You are offline. Your keys and your history stay here.]",
        ],
    ),
    (
        events.ReleaseFailed(name="alice", reason=events.ReleaseRefusal.UNREACHABLE),
        ["[You are still alice: the server is away.]"],
    ),
    (
        events.RenameFailed(name="rob", reason=events.RenameRefusal.FULL),
        ["[You cannot be called rob: the server is full, or you change your name too often.]"],
    ),
    (
        events.SafetyNumber(name="bob", digits="1234567890" * 6),
        [
            "[Compare with bob, face to face or by voice: if they match, nobody is intercepting.]",
            f"[{' '.join(['12345', '67890'] * 6)}]",
            "[If they match: /trust bob <digits>]",
        ],
    ),
    (
        events.SafetyNumber(name="bob", digits="1234567890", is_verified=True, is_changed=True),
        [
            "[The key of bob has changed; these are the digits of the new key.]",
            "[Compare with bob, face to face or by voice: if they match, nobody is intercepting.]",
            "[12345 67890]",
            "[You have verified the key of bob.]",
        ],
    ),
    (events.Trusted(name="bob", is_new=True), ["[The new key of bob is trusted from now on.]"]),
    (events.Trusted(name="bob", is_new=False), ["[The key of bob is verified.]"]),
    (
        events.Trusted(name="server", is_new=True),
        ["[The server's new key is accepted; registering there.]"],
    ),
    (events.Trusted(name="server", is_new=False), ["[The key of the server is verified.]"]),
    (
        events.NotTrusted(name="bob", why=events.Doubt.NO_DIGITS),
        ["[Which key? /verify bob shows its digits: compare them, then type /trust bob <digits>.]"],
    ),
    (
        events.NotTrusted(name="bob", why=events.Doubt.OTHER_DIGITS),
        ["[Those are not the digits of the key of bob; /verify bob shows them.]"],
    ),
    (
        events.NotTrusted(name="server", why=events.Doubt.CHANGED),
        [
            "[The key of the server has changed since /verify server showed these digits: compare again.]"
        ],
    ),
    (events.RegistryKey(held="", other="", is_verified=False), ["[No server has answered yet.]"]),
    (
        events.RegistryKey(held="ab12", other="", is_verified=True),
        ["[The server's key: ab12]", "[You have verified it.]"],
    ),
    (
        events.RegistryKey(held="ab12", other="cd34", is_verified=True),
        [
            "[The server shows a different key from the one that you know: cd34]",
            "[Compare it with the key that the server printed when it started; if they match: /trust server <key>]",
        ],
    ),
    *(
        (
            became(what, MessageState.REFUSED, MessageReason.CANCELLED),
            [f"[What you said to {shown} is cancelled: nobody has it.]"],
        )
        for what, shown in ((person("bob"), "bob"), (room("lab"), "lab"), (EVERYBODY, "everybody"))
    ),
    (
        events.KeyRestored(name="bob"),
        ["[bob is back with the key that you know: messages go out again.]"],
    ),
    (events.Ignored(name="bob", is_ignored=True), ["[You no longer see what bob says.]"]),
    (events.Ignored(name="bob", is_ignored=False), ["[You see what bob says again.]"]),
    (events.Muted(conversation=BOB, is_muted=True), ["[bob does not ring.]"]),
    (
        events.Muted(conversation=LAB, is_muted=True),
        ["[lab does not ring, but for lines with @ and your name.]"],
    ),
    (events.Muted(conversation=EVERYBODY, is_muted=False), ["[Everybody rings again.]"]),
    (events.NobodyKnown(name="bob"), ["[Nobody called bob is known here.]"]),
    (
        became(BOB, MessageState.EXPIRED, MessageReason.NEVER_FETCHED, text="See you\nat noon"),
        ["[Message to bob was never fetched and is gone from the server: See you⏎at noon]"],
    ),
    (
        events.KeyChanged(name="bob", is_again=True),
        [
            (
                "[The key of bob has changed again: nothing is sent to that name until you compare it "
                "(/verify bob) and type /trust bob <digits>.]"
            )
        ],
    ),
    (
        events.RegistryMet(key="ab12", is_verified=False),
        ["[First contact with this server; its key is ab12.]"],
    ),
    (
        events.RegistryMet(key="ab12", is_verified=True),
        ["[First contact with this server; its key is ab12, as expected.]"],
    ),
    (
        events.RegistryRecognized(servers=("chat.local:5000", "192.0.2.7:5000")),
        ["[This is the server that you know as chat.local:5000 and 192.0.2.7:5000.]"],
    ),
    (events.RegistryKeyAccepted(key="cd34"), ["[The server's new key is accepted: cd34.]"]),
    (
        events.RegistryKeyChanged(expected="ab12", got="cd34"),
        ["[The server's key has changed: expected ab12, got cd34.]"],
    ),
    (
        events.RegistryKeyChanged(expected="ab12", got="cd34", is_announced=True),
        [
            "[This is not the server that was announced: the announced key is ab12, this server's is cd34.]"
        ],
    ),
    (
        events.TooLong(conversation=BOB, size=70_000, limit=65_536),
        ["[Message to bob not sent: 70,000 bytes, at most 65,536.]"],
    ),
    (
        events.LinkTroubled(port=5_000, trouble=events.LinkTrouble.BLOCKED),
        [
            (
                "[The server answers on UDP, but not on TCP port 5000: open TCP port 5000 in the firewalls on the way. "
                "Rooms, mail and the channel wait for it.]"
            )
        ],
    ),
    (
        events.LinkTroubled(port=5_000, trouble=events.LinkTrouble.STALLED),
        [
            (
                "[The TCP connection to port 5000 of the server stalled and is being opened anew, though UDP works. If this "
                "happens again, large packets are being lost: set the MTU of this network to 1280.]"
            )
        ],
    ),
    (
        events.LinkTroubled(port=5_000, trouble=events.LinkTrouble.OVER),
        ["[The server answers on TCP port 5000 now.]"],
    ),
    (events.Addressed(name="bob", conversation=person("Bob")), []),
    (events.PersonTyping(name="bob"), []),
    (events.Seen(conversation=BOB, target=events.Target(b"", 7)), []),
    (
        events.HistoryMissing(path="/a/history.db", found=0),
        ["[/a/history.db is missing: a new one was begun.]"],
    ),
    (
        events.HistoryMissing(path="/a/history.db", found=2),
        ["[/a/history.db is missing: a new one was begun, with the newest 2 messages.]"],
    ),
    (
        events.LinesLost(path="/a/history.db", count=1, kept_as=None),
        ["[/a/history.db was damaged: its newest 1 message is lost.]"],
    ),
    (
        events.LinesLost(path="/a/history.db", count=2, kept_as="x"),
        [
            "[/a/history.db was damaged: its newest 2 messages are lost; the damaged file is kept as x.]"
        ],
    ),
    (events.ProgramChanged(process=1), []),
    (events.EventsMissed(), ["[Some lines were skipped here: /history shows them.]"]),
    (
        events.ProgramEnded(name="alice"),
        ["[The program of alice to which this one was attached has ended.]"],
    ),
    (
        events.StorageFailed(error="disk I/O error"),
        [
            "[Nothing can be stored (disk I/O error); messages are not acknowledged until that works again.]"
        ],
    ),
    (
        events.HistoryBehind(error="locked"),
        [
            "[history.db cannot be written (locked); nothing is lost, but /history lacks the newest messages until then.]"
        ],
    ),
    (
        events.ReadersBehind(),
        ["[Too many messages wait to be shown: no more are taken until then.]"],
    ),
    (
        events.FolderNotMoved(name="bob", error="no room"),
        ["[The folder of bob could not be moved (no room); the next start tries again.]"],
    ),
]


@pytest.mark.parametrize(("event", "lines"), LINES)
def test_each_event_has_its_lines_to_the_letter(event: events.Event, lines: list[str]) -> None:
    assert lines_of(event, in_reach=2) == lines


def test_no_kind_of_event_is_forgotten() -> None:
    assert {type(event) for event, _ in LINES} == set(get_args(events.Event)) - set(
        get_args(events.DutyEvent)
    )


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


def texts(event: events.Event) -> list[str]:
    return [name for name in event.__struct_fields__ if isinstance(getattr(event, name), str)]


@pytest.mark.parametrize(
    "event", [direct("hi all", NOON), channel("hi all"), in_room("hi all", NOON)]
)
def test_what_somebody_said_tells_name_and_text_apart(event: events.Event) -> None:
    (line,) = lines_of(event)
    assert isinstance(line, MessageLine)
    assert line[line.sender_at :].startswith("bob")
    assert line[line.text_at :].startswith("hi all")


def test_notices_are_not_what_somebody_said() -> None:
    for event, _ in LINES:
        spoken = [line for line in lines_of(event) if isinstance(line, MessageLine)]
        assert bool(spoken) == isinstance(event, events.Said) or isinstance(
            event, events.MailReturned
        )


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
    lines = lines_of(became(LAB, MessageState.KEPT), in_reach=0)
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
        events.Person(name="alice", online=True, since=0.0, host="192.0.2.7", port=6000),
        events.Person(name="\u592a\u90ce", online=False, since=0.0),
    )
    assert table_lines(people) == [
        "name   address    port  online",
        "alice  192.0.2.7  6000  yes",
        "\u592a\u90ce   -          -     no",
    ]
    assert table_lines(()) == ["[Still loading the table.]"]
