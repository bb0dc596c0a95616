"""Words that lines of several kinds share: why a message was not sent, why the registry did not
answer, or does not let us in."""

from typing import Final

from chatapp.peer.api.events import AdmissionRefusal, AdmissionRefused, MessageReason, NoAnswer
from chatapp.peer.words.formatting import span
from chatapp.wire.limits import EXCLUSION_TEXT_MAX
from chatapp.wire.text import sanitize

NO_ANSWER: Final = {
    NoAnswer.OFFLINE: "you are offline",
    NoAnswer.UNREACHABLE: "the server is away",
    NoAnswer.UNANSWERED: "the server is not responding",
}
UNSENT: Final = {
    MessageReason.KEY_CHANGED: "the key shown for this name has changed",
    MessageReason.NOBODY: "nobody of that name is known here",
    MessageReason.NAME_UNKNOWN: "the server knows nobody of that name",
    MessageReason.BAD_CARD: "this person's card has no valid key",
    MessageReason.MAILBOX_FULL: "the mailbox is full",
    MessageReason.SHARE_USED_UP: "too many messages from you or from your network wait there",
    MessageReason.DISK_FULL: "the server's disk is full",
    MessageReason.DISK_FAILED: "the server cannot write to its disk",
    MessageReason.TOO_MANY_ONLINE: "with so many people online it takes one line a second; say it "
    "again in a few seconds",
    MessageReason.NEVER_FETCHED: "it was never fetched and has expired",
    MessageReason.LEFT_ROOM: "you left before the server was back",
    MessageReason.NOT_IN_ROOM: "you are not in it",
    MessageReason.OWN_DISK: "nothing can be stored here, and too much is waiting already",
    MessageReason.ENDED: "the program has ended",
    MessageReason.CANCELLED: "you took it back, and nobody has it",
}
_ADMISSION: Final = {
    AdmissionRefusal.BAD_NAME: "the server does not accept this name",
    AdmissionRefusal.OLD_CARD: "the server knows a newer card of yours; the clock here may be wrong",
    AdmissionRefusal.VERSION: "the server speaks another version of the protocol",
    AdmissionRefusal.FULL: "the server takes no new names now",
    AdmissionRefusal.NOT_SERVING: "the server is not serving now",
    AdmissionRefusal.NOT_INVITED: "this server is invite-only; ask for a join code (--code)",
    AdmissionRefusal.BAD_CODE: "this join code is used up, too old or not of this server",
    AdmissionRefusal.KEPT_FOR_OPERATOR: "this name is kept for an operator of the help desk: start once with the code that "
    "the server has printed for it (CHATAPP_CODE or --code)",
    AdmissionRefusal.BANNED: "you are banned from this server",
    AdmissionRefusal.KICKED: "the server's administrator has disconnected you; try again later",
    AdmissionRefusal.OTHER_PROGRAM: "another program uses your name and key; type reg to take them back",
    AdmissionRefusal.CODE_OF_ANOTHER: "this join code is of another server than the one that answers",
}
_FOR_A_WHILE: Final = {
    AdmissionRefusal.BANNED: "you are banned from this server for {span}",
    AdmissionRefusal.KICKED: "the server's administrator has disconnected you for {span}",
}
_WHEN_ROOM: Final = frozenset(
    {MessageReason.MAILBOX_FULL, MessageReason.SHARE_USED_UP, MessageReason.DISK_FULL}
)


def kept(why: MessageReason) -> str:
    """Say why a message waits in the outbox, and until when."""
    if why in _WHEN_ROOM:
        return f"{UNSENT[why]}; it goes out when there is room"
    if why is MessageReason.DISK_FAILED:
        return f"{UNSENT[why]}; it goes out when the server can store it"
    return UNSENT[why]


def admission_refused(event: AdmissionRefused) -> str:
    """Say why the server does not let us in, for how long, and what its owner says of it."""
    said = _refusal(event.reason, event.key)
    if event.seconds:
        said = _FOR_A_WHILE.get(event.reason, said).format(span=span(event.seconds))
    return f"{said}: {sanitize(event.text, EXCLUSION_TEXT_MAX)}" if event.text else said


def _refusal(refusal: AdmissionRefusal, key: str = "") -> str:
    """Say why the server does not let us in; `key` as in `AdmissionRefused`."""
    if key and refusal is AdmissionRefusal.NOT_INVITED:
        return f"{_ADMISSION[refusal]} or have your key listed: {sanitize(key)}"
    if key and refusal is AdmissionRefusal.CODE_OF_ANOTHER:
        return f"{_ADMISSION[refusal]}, whose key is {sanitize(key)}"
    return _ADMISSION[refusal]


SERVER_SILENT: Final = "[Server not responding]"
