"""What happens at a node that somebody should see: events, past tense, one closed union.

Faces turn them into lines (`peer.ui.wording`), programs into whatever they like. Each topic is a file; all are here.
"""

import msgspec

from peer.core.events.duty import ClientCame as ClientCame
from peer.core.events.duty import ClientChanged as ClientChanged
from peer.core.events.duty import ClientMove as ClientMove
from peer.core.events.duty import ClientSaid as ClientSaid
from peer.core.events.duty import CommandDone as CommandDone
from peer.core.events.duty import CommandFailed as CommandFailed
from peer.core.events.duty import DutyChanged as DutyChanged
from peer.core.events.duty import DutyEvent
from peer.core.events.duty import Figures as Figures
from peer.core.events.duty import HeldBack as HeldBack
from peer.core.events.duty import NumberMoved as NumberMoved
from peer.core.events.duty import RoomVisitor as RoomVisitor
from peer.core.events.duty import WaitingRoom as WaitingRoom
from peer.core.events.people import Doubt as Doubt
from peer.core.events.people import Ignored as Ignored
from peer.core.events.people import KeyChanged as KeyChanged
from peer.core.events.people import KeyRestored as KeyRestored
from peer.core.events.people import NobodyKnown as NobodyKnown
from peer.core.events.people import NotTrusted as NotTrusted
from peer.core.events.people import PeopleEvent
from peer.core.events.people import PeopleListed as PeopleListed
from peer.core.events.people import Person as Person
from peer.core.events.people import PersonBanned as PersonBanned
from peer.core.events.people import PersonLeft as PersonLeft
from peer.core.events.people import PersonLost as PersonLost
from peer.core.events.people import RegistryKey as RegistryKey
from peer.core.events.people import Renamed as Renamed
from peer.core.events.people import SafetyNumber as SafetyNumber
from peer.core.events.people import TableChanged as TableChanged
from peer.core.events.people import Trusted as Trusted
from peer.core.events.received import SOMEBODY as SOMEBODY
from peer.core.events.received import AuthorDoubt as AuthorDoubt
from peer.core.events.received import ChannelReceived as ChannelReceived
from peer.core.events.received import DirectReceived as DirectReceived
from peer.core.events.received import Line as Line
from peer.core.events.received import MailReturned as MailReturned
from peer.core.events.received import ReceivedEvent
from peer.core.events.received import RoomReceived as RoomReceived
from peer.core.events.registry import AdmissionRefused as AdmissionRefused
from peer.core.events.registry import LeaveUnanswered as LeaveUnanswered
from peer.core.events.registry import Left as Left
from peer.core.events.registry import LinkTrouble as LinkTrouble
from peer.core.events.registry import LinkTroubled as LinkTroubled
from peer.core.events.registry import NameUnavailable as NameUnavailable
from peer.core.events.registry import NoServerAtStart as NoServerAtStart
from peer.core.events.registry import NotLetIn as NotLetIn
from peer.core.events.registry import Registered as Registered
from peer.core.events.registry import RegistryEvent
from peer.core.events.registry import RegistryKeyAccepted as RegistryKeyAccepted
from peer.core.events.registry import RegistryKeyChanged as RegistryKeyChanged
from peer.core.events.registry import RegistryMet as RegistryMet
from peer.core.events.registry import RegistryRecognized as RegistryRecognized
from peer.core.events.registry import RenameRefused as RenameRefused
from peer.core.events.registry import ServerBack as ServerBack
from peer.core.events.registry import ServerLost as ServerLost
from peer.core.events.rooms import MemberJoined as MemberJoined
from peer.core.events.rooms import MemberLeft as MemberLeft
from peer.core.events.rooms import MembersListed as MembersListed
from peer.core.events.rooms import NotInRoom as NotInRoom
from peer.core.events.rooms import Room as Room
from peer.core.events.rooms import RoomEntered as RoomEntered
from peer.core.events.rooms import RoomLeft as RoomLeft
from peer.core.events.rooms import RoomRefused as RoomRefused
from peer.core.events.rooms import RoomsEvent
from peer.core.events.rooms import RoomsListed as RoomsListed
from peer.core.events.sent import Addressed as Addressed
from peer.core.events.sent import ChannelAccepted as ChannelAccepted
from peer.core.events.sent import ChannelUnanswered as ChannelUnanswered
from peer.core.events.sent import Delivered as Delivered
from peer.core.events.sent import Expired as Expired
from peer.core.events.sent import Kept as Kept
from peer.core.events.sent import Refused as Refused
from peer.core.events.sent import RoomAccepted as RoomAccepted
from peer.core.events.sent import RoomUnanswered as RoomUnanswered
from peer.core.events.sent import Saved as Saved
from peer.core.events.sent import SentEvent
from peer.core.events.sent import TooLong as TooLong
from peer.core.events.sent import Unacknowledged as Unacknowledged


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """Something that the user should know, in one line."""

    text: str


Event = ReceivedEvent | SentEvent | RoomsEvent | PeopleEvent | RegistryEvent | DutyEvent | Trouble
"""All that can happen."""
