"""Where an event is shown: in the conversation that it is about, and not in whichever one is
open."""

import enum

from chatapp.peer.api import events
from chatapp.peer.api.conversations import DESK, Conversation, person, room
from chatapp.peer.view.logbook import EntryKind


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
    | events.ServerAnnounced
    | events.ServerStopPlanned
    | events.ServerStopCancelled
    | events.AdmissionRefused
    | events.RegistryKeyChanged
    | events.MailHeldBack
)
_NOWHERE = (
    events.MessageChanged  # at the message itself
    | events.Unacknowledged
    | events.Addressed
    | events.ConversationRead
    | events.TableChanged
    | events.PersonTyping
    | events.AnswersKnown
    | events.Registered
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
