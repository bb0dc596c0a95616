"""The lines for an event of the SDK: `lines_of`.

Lines about people and rooms stand in `people`, those of the help desk in `desk`.
"""

from typing import Final, assert_never

from chatapp.peer.api.conversations import DESK
from chatapp.peer.api.events import (
    Addressed,
    AdmissionRefused,
    AttachmentEvent,
    ChangeEvent,
    ConversationRead,
    DraftKept,
    DutyEvent,
    Event,
    FileChanged,
    FolderNotMoved,
    HistoryBehind,
    HistoryMissing,
    LeaveUnanswered,
    LineLoss,
    LinesAbandoned,
    LinesLost,
    LineUnreadable,
    LinkTroubled,
    MailHeldBack,
    MailReturned,
    MailUnreadable,
    MessageChanged,
    MessageReason,
    MessageState,
    NameUnavailable,
    NoServerAtStart,
    ReadersBehind,
    Registered,
    RegistryKeyAccepted,
    RegistryKeyChanged,
    RegistryMet,
    RegistryRecognized,
    Said,
    SaidByUs,
    SearchingServers,
    Seen,
    ServerAnnounced,
    ServerBack,
    ServerLost,
    ServerOfAnotherRegistry,
    ServerStopCancelled,
    ServerStopping,
    ServerStopPlanned,
    SignedOff,
    StorageEvent,
    StorageFailed,
    TableChanged,
    TooLong,
    Unacknowledged,
)
from chatapp.peer.words.answers import attachment_lines, name_taken
from chatapp.peer.words.changes import (
    NOTHING_KNOWN,
    STAR,
    Known,
    answered,
    change_lines,
    is_action,
    seen_lines,
    shown_text,
    text_of,
)
from chatapp.peer.words.desk import duty_lines
from chatapp.peer.words.files import file_lines
from chatapp.peer.words.formatting import (
    STOP_CANCELLED,
    Audience,
    MessageLine,
    OwnLine,
    announced,
    counted,
    key_accepted,
    key_changed,
    key_met,
    key_not_as_announced,
    link_trouble,
    name,
    names,
    reason,
    shown_time,
    stop_planned,
)
from chatapp.peer.words.people import IdentityEvent, identity_lines, presence_lines
from chatapp.peer.words.reasons import SERVER_SILENT, UNSENT, admission_refused, kept
from chatapp.wire.text import QUOTED_MAX, sanitize

FateEvent = MessageChanged | Unacknowledged | Addressed | TooLong | LinesAbandoned
_LINE_LOSS: Final = {
    LineLoss.AUTHOR_UNKNOWN: "its author is not in the table any more",
    LineLoss.KEY_MISSING: "the server did not give the key that it is sealed with",
}
UnreadEvent = MailUnreadable | MailHeldBack | LineUnreadable | ConversationRead
ConnectionEvent = (
    Registered
    | TableChanged
    | NameUnavailable
    | AdmissionRefused
    | SignedOff
    | LeaveUnanswered
    | ServerLost
    | ServerBack
    | ServerOfAnotherRegistry
    | ServerAnnounced
    | ServerStopPlanned
    | ServerStopCancelled
    | ServerStopping
    | SearchingServers
    | NoServerAtStart
    | LinkTroubled
    | RegistryMet
    | RegistryRecognized
    | RegistryKeyAccepted
    | RegistryKeyChanged
)

_MAIL_HELD_BACK: Final = (
    "[There are letters from too many people who are not in the table; "
    "those not shown wait at the server.]"
)


def lines_of(event: Event, *, in_reach: int = 0, known: Known = NOTHING_KNOWN) -> list[str]:
    """Return the lines to show for `event`, without the prompt; none holds a line end. A message is
    a `MessageLine`.

    `in_reach`: how many members of the room can be reached while the registry is away. `known`: the
    lines that events are about."""
    if isinstance(event, Said):
        return [_received(event, known).said_in(event.conversation)]
    if isinstance(event, DraftKept):
        return []
    if isinstance(event, SaidByUs):
        line = event.line
        return (
            [_said_elsewhere(line, known)] if isinstance(line, Said) else change_lines(line, known)
        )
    if isinstance(event, MailReturned):
        lines = [line for one in event.lines for line in lines_of(one, known=known)]
        return ["[You have messages]", *lines] if lines or not event.lines else []
    if isinstance(event, ChangeEvent):
        return change_lines(event, known)
    if isinstance(event, Seen):
        return seen_lines(event, known)
    if isinstance(event, FateEvent):
        return _fate(event, in_reach)
    if isinstance(event, IdentityEvent):
        return identity_lines(event)
    if isinstance(event, ConnectionEvent):
        return _connection(event)
    if isinstance(event, DutyEvent):
        return duty_lines(event)
    if isinstance(event, StorageEvent):
        return [f"[{sanitize(_storage(event))}.]"]
    if isinstance(event, UnreadEvent):
        return _unread(event)
    if isinstance(event, AttachmentEvent):
        return attachment_lines(event)
    if isinstance(event, FileChanged):
        return file_lines(event.file)
    return presence_lines(event)


def _unread(event: UnreadEvent) -> list[str]:
    """Return the lines about messages to us that cannot be shown."""
    match event:
        case ConversationRead():
            return []  # that of the face itself, or of another one
        case MailUnreadable(sender=sender, detail=detail):
            return [f"[A letter from {name(sender)} could not be opened: {reason(detail)}.]"]
        case MailHeldBack():
            return [_MAIL_HELD_BACK]
        case LineUnreadable(conversation=what, sender=sender, reason=loss, detail=detail):
            where = f"the room {name(what.name)}" if what.is_room else "the channel"
            why = _LINE_LOSS.get(loss) or reason(detail)
            return [f"[A line of {where} from {name(sender)} is lost: {why}.]"]
        case _:
            assert_never(event)


def _abandoned(event: LinesAbandoned) -> str:
    """Return the line about lines of ours that not everybody in a room gets."""
    lines = "A line" if event.count == 1 else f"{event.count} lines"
    return f"[{lines} to {name(event.room)} did not reach everybody: {UNSENT[MessageReason.LEFT_ROOM]}.]"


def _received(line: Said, known: Known) -> MessageLine:
    sender, text = name(line.sender), shown_text(line)
    when = f"{shown_time(line.at)} " if line.is_late else ""
    star, colon = (STAR, "") if is_action(line) else ("", ":")
    to = answered(line, known)
    if line.conversation.is_room:
        to = ", ".join(filter(None, (f"in {name(line.conversation.name)}", to)))
    between = f" ({to}){colon} {when}" if to else f"{colon} {when}"
    if line.conversation.is_room:
        return MessageLine(sender, between, text, before=star, audience=Audience.ROOM)
    if line.conversation.is_person or line.visit:
        return MessageLine(sender, between, text, before=star, doubt=line.doubt)
    return MessageLine(
        sender,
        between,
        f"{text}]",
        before=f"[Channel_Message {star}",
        audience=Audience.EVERYBODY,
    )


def _said_elsewhere(line: Said, known: Known) -> OwnLine:
    """Return the line about what the user has said in another window."""
    me, what, text = name(line.sender), line.conversation, text_of(line, known)
    if is_action(line):
        me = f"{STAR}{me}"
    if what.is_person:
        return OwnLine(f"{me} to {name(what.name)}: {text}")
    if what.is_room:
        return OwnLine(f"{me} (in {name(what.name)}): {text}")
    if line.visit:
        return OwnLine(f"{me}: {text}")
    return OwnLine(f"[Channel_Message {me}: {text}]")


def _fate(event: FateEvent, in_reach: int) -> list[str]:
    """Return the lines that say what became of a message of ours."""
    match event:
        case MessageChanged(conversation=what, reason=MessageReason.CANCELLED):
            return [
                f"[What you said to {name(what.name or 'everybody')} is cancelled: nobody has it.]"
            ]
        case MessageChanged(conversation=what) if what.is_person:
            return _direct_fate(event)
        case MessageChanged(conversation=what) if what.is_room:
            return _room_fate(event, in_reach)
        case MessageChanged(conversation=what) if what == DESK:
            return []  # other events say why a line reached nobody
        case MessageChanged():
            return _channel_fate(event)
        case Unacknowledged(conversation=what):
            return [f"[No ACK from {name(what.name)}, message sent to server.]"]
        case Addressed():
            return []  # another event says what becomes of the messages
        case TooLong(conversation=what, size=size, limit=limit):
            to = name(what.name or "everybody")
            return [f"[Message to {to} not sent: {size:,} bytes, at most {limit:,}.]"]
        case LinesAbandoned():
            return [_abandoned(event)]
        case _:
            assert_never(event)


def _direct_fate(event: MessageChanged) -> list[str]:
    """Return the lines for a message to a person."""
    to, why = name(event.conversation.name), event.reason
    match event.state:
        case MessageState.DELIVERED if event.was_saved:
            return []  # "saved" was said, and nothing is left to do
        case MessageState.DELIVERED:
            return [
                f"[Message received by {to}{' through the server' if event.through_server else ''}.]"
            ]
        case MessageState.SAVED:
            return ["[Messages received by the server and saved]"]
        case MessageState.REFUSED if why is not None:
            return [f"[Message to {to} refused: {UNSENT[why]}.]"]
        case MessageState.KEPT if why is not None:
            return [f"[Message to {to} kept: {kept(why)}.]"]
        case MessageState.KEPT:
            return [f"{SERVER_SILENT} Message to {to} kept; it goes out when the server is back."]
        case MessageState.EXPIRED:
            gone = sanitize(event.text, limit=QUOTED_MAX)
            return [f"[Message to {to} was never fetched and is gone from the server: {gone}]"]
        case _:
            return []


def _channel_fate(event: MessageChanged) -> list[str]:
    """Return the lines for a line to the channel."""
    match event.state:
        case MessageState.SAVED:
            return ["[Message received by Server.]"]
        case MessageState.KEPT:
            return ["[Server not responding.]"]
        case MessageState.REFUSED if event.reason is not None:
            return [f"[Channel message refused: {UNSENT[event.reason]}.]"]
        case _:
            return []


def _room_fate(event: MessageChanged, in_reach: int) -> list[str]:
    """Return the lines for a line to a room; none when it is saved, as a receipt after each line
    would break up the conversation."""
    match event.state:
        case MessageState.KEPT if not in_reach:
            return [f"{SERVER_SILENT} Your line goes out when the server is back."]
        case MessageState.KEPT:
            members = counted(in_reach, "member", "members")
            return [
                f"{SERVER_SILENT} Your line goes straight to {members}; the others get it later."
            ]
        case MessageState.REFUSED if event.reason is not None:
            return [f"[Line to {name(event.conversation.name)} refused: {UNSENT[event.reason]}.]"]
        case _:
            return []


def _connection(event: ConnectionEvent) -> list[str]:
    """Return the lines for an event between this peer and the registry, or its own disk."""
    match event:
        case Registered():
            return ["[Welcome, You are registered.]"]
        case TableChanged():
            return ["[Client table updated.]"]
        case NameUnavailable(name=taken):
            return [name_taken(taken)]
        case AdmissionRefused():
            return [f"[Not registered: {admission_refused(event)}.]"]
        case SignedOff():
            return ["[You are Offline. Bye.]"]
        case LeaveUnanswered():
            return [SERVER_SILENT, "[Exiting]"]
        case NoServerAtStart(table_time=table_time):
            if table_time is None:
                return [SERVER_SILENT, "[Exiting]"]
            return [
                f"{SERVER_SILENT} Working with the table of {shown_time(table_time)}; still trying."
            ]
        case SearchingServers(servers=servers, seconds=seconds):
            return [f"[Searching for the server at {names([*map(str, servers)])} for {seconds} s.]"]
        case ServerLost():
            return [f"{SERVER_SILENT} Direct chat goes on."]
        case ServerBack():
            return ["[Server is back.]"]
        case ServerOfAnotherRegistry(server=server, key=key):
            return [
                f"[{sanitize(str(server))} is another server: its key is {sanitize(key)}. It is not used.]"
            ]
        case ServerAnnounced() | ServerStopPlanned() | ServerStopCancelled() | ServerStopping():
            return [_owners_word(event)]
        case LinkTroubled(port=port, trouble=trouble):
            return [link_trouble(port, trouble)]
        case RegistryMet() | RegistryRecognized() | RegistryKeyAccepted() | RegistryKeyChanged():
            return [_registry_key_lines(event)]
        case _:
            assert_never(event)


def _owners_word(
    event: ServerAnnounced | ServerStopPlanned | ServerStopCancelled | ServerStopping,
) -> str:
    """Return the line about what the registry's owner tells everybody."""
    match event:
        case ServerAnnounced(text=text):
            return announced(text)
        case ServerStopPlanned(seconds=seconds, reason=why):
            return stop_planned("The server stops", seconds, why)
        case ServerStopCancelled():
            return STOP_CANCELLED
        case ServerStopping():
            return "[Server is closing.]"
        case _:
            assert_never(event)


def _storage(event: StorageEvent) -> str:
    """Say what is wrong with our own disk, or with the program that should read our events."""
    match event:
        case HistoryMissing(path=path, found=0):
            return f"{path} is missing: a new one was begun"
        case HistoryMissing(path=path, found=found):
            return f"{path} is missing: a new one was begun, with the newest {counted(found, 'message', 'messages')}"
        case LinesLost(path=path, count=count, kept_as=kept_as):
            lost = f"{path} was damaged: its newest {counted(count, 'message is', 'messages are')} lost"
            return lost if kept_as is None else f"{lost}; the damaged file is kept as {kept_as}"
        case StorageFailed(error=error):
            return f"Nothing can be stored ({error}); messages are not acknowledged until that works again"
        case HistoryBehind(error=error):
            behind = "nothing is lost, but /history lacks the newest messages until then"
            return f"history.db cannot be written ({error}); {behind}"
        case ReadersBehind():
            return "Too many messages wait to be shown: no more are taken until then"
        case FolderNotMoved(name=wanted, error=error):
            return (
                f"The folder of {wanted} could not be moved ({error}); the next start tries again"
            )
        case _:
            assert_never(event)


def _registry_key_lines(
    event: RegistryMet | RegistryRecognized | RegistryKeyAccepted | RegistryKeyChanged,
) -> str:
    """Say which registry this is."""
    match event:
        case RegistryMet(key=key, is_verified=is_verified):
            return key_met(key, is_verified=is_verified)
        case RegistryRecognized(servers=servers):
            return f"[This is the server that you know as {names(servers)}.]"
        case RegistryKeyAccepted(key=key):
            return key_accepted(key)
        case RegistryKeyChanged(expected=expected, got=got, is_announced=is_announced):
            return (
                key_not_as_announced(expected, got) if is_announced else key_changed(expected, got)
            )
        case _:
            assert_never(event)
