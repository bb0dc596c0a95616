"""Where an event is shown: in the conversation that it is about, and not in whichever one is open."""

import enum

from chatapp.peer.api import events as happened
from chatapp.peer.api.conversations import DESK, EVERYBODY, Conversation, person, room
from chatapp.peer.view.logbook import EntryKind


class Spot(enum.Enum):
    """A place that is no conversation of its own."""

    TYPED = "where the user typed last"
    EVERYWHERE = "in every conversation that has been opened"
    NOWHERE = "in no log: the list, the title or the status line show it"


Place = Conversation | Spot

_ALERTS = (
    happened.KeyChanged
    | happened.RegistryKeyChanged
    | happened.AdmissionRefused
    | happened.StorageEvent
    | happened.ReadersBehind
    | happened.EventsMissed
    | happened.ProgramEnded
    | happened.ServerStopPlanned
)
_RULES = happened.ServerLost | happened.ServerBack | happened.NoServerAtStart | happened.ServerStopping
_OF_A_ROOM = (
    happened.EnteredRoom
    | happened.LeftRoom
    | happened.MemberJoined
    | happened.MemberLeft
    | happened.TopicKnown
    | happened.TopicUnknown
    | happened.TopicNotSet
    | happened.LinesAbandoned
)
_EVERYWHERE = (
    _RULES
    | happened.StorageEvent
    | happened.AttachmentEvent
    | happened.LinkTroubled
    | happened.ServerAnnounced
    | happened.ServerStopPlanned
    | happened.ServerStopCancelled
    | happened.AdmissionRefused
    | happened.RegistryKeyChanged
    | happened.MailHeldBack
)
_NOWHERE = (
    happened.MessageChanged  # at the message itself
    | happened.Unacknowledged
    | happened.Addressed
    | happened.ConversationRead
    | happened.TableChanged
    | happened.PersonTyping
    | happened.AnswersKnown
    | happened.Registered
)


def place_of(event: happened.Event) -> Place:
    """Return where an event that is no message is shown."""
    match event:
        case happened.PersonCame(name=name) | happened.PersonAway(name=name):
            return person(name)
        case happened.KeyChanged(name=name) | happened.KeyRestored(name=name):
            return person(name)
        case happened.Renamed(new=new, is_me=False):
            return person(new)
        case happened.MailUnreadable(sender=name):
            return person(name)
        case happened.LineUnreadable(room=where):
            return room(where) if where else EVERYBODY
        case _ if isinstance(event, _NOWHERE):
            return Spot.NOWHERE
        case _ if isinstance(event, _OF_A_ROOM):
            return room(event.room)
        case _ if isinstance(event, happened.DutyEvent):
            return DESK
        case _ if isinstance(event, _EVERYWHERE):
            return Spot.EVERYWHERE
        case _:
            return Spot.TYPED


def kind_of(event: happened.Event) -> EntryKind:
    """Return how loudly an event is shown."""
    if isinstance(event, _RULES):
        return EntryKind.RULE
    return EntryKind.ALERT if isinstance(event, _ALERTS) else EntryKind.NOTICE
