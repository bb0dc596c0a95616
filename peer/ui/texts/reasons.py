"""Words that lines of several kinds share: why a message was not sent, and why the registry did not answer."""

from typing import Final

from chatapp.peer.core.events import MessageReason, NoAnswer

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
    MessageReason.NEVER_FETCHED: "it was never fetched and has expired",
    MessageReason.LEFT_ROOM: "you left before the server was back",
    MessageReason.NOT_IN_ROOM: "you are in no room",
    MessageReason.OWN_DISK: "nothing can be stored here, and too much is waiting already",
    MessageReason.ENDED: "the program has ended",
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


SERVER_SILENT: Final = "[Server not responding]"
QUOTED_MAX: Final = 200
"""Characters quoted of a text that came to nothing: enough to recognise it."""
