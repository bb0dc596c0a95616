"""The events of a visitor, as values for the face that shows them."""

import enum

import msgspec

from chatapp.peer.api import events as peers
from chatapp.wire.messages.desk import DeskRefusal, LineRefusal, OverCause
from chatapp.wire.messages.registration import RefusalReason

__all__ = ["DeskRefusal", "LineRefusal", "OverCause", "RefusalReason"]


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """How long the wait may be: seconds from now, at least and at most."""

    least: int
    most: int


class FormWanted(msgspec.Struct, frozen=True, kw_only=True):
    """The desk is open to us: fill in the form, then `join`. Told again if the desk comes back with
    another form."""

    region: str
    menu: tuple[str, ...]
    keep_form: int
    """Seconds after a session for which operators can look up what we answer here; 0: not at
    all."""
    keep_talk: int
    """The same for what is said; never longer."""


class QueueUnknown(msgspec.Struct, frozen=True, kw_only=True):
    """The desk has no queue of this name; it has these."""

    name: str
    queues: tuple[str, ...]


class DeskClosed(msgspec.Struct, frozen=True, kw_only=True):
    """Our queue takes no newcomers. `opens_at`: Unix time; 0 if nobody knows. `is_waiting`: we are
    in the line, and stay."""

    text: str
    opens_at: int
    is_waiting: bool


class GatewayUnknown(msgspec.Struct, frozen=True, kw_only=True):
    """The registry does not list the gateway through which we come, and counts us with the
    gateway's address."""


class Announced(msgspec.Struct, frozen=True, kw_only=True):
    """An operator tells all who wait."""

    operator: str
    text: str


class Resumed(msgspec.Struct, frozen=True, kw_only=True):
    """Our ticket of an earlier start is still valid, so no form is needed."""


class PositionGone(msgspec.Struct, frozen=True, kw_only=True):
    """Our position was not kept any longer. `is_joining`: our form joins the end of the line;
    otherwise a form is wanted."""

    is_joining: bool


class EndedUnseen(msgspec.Struct, frozen=True, kw_only=True):
    """Our visit of an earlier start was ended while we were away; a form is wanted."""

    cause: OverCause


class PositionKnown(msgspec.Struct, frozen=True, kw_only=True):
    """We wait at this position, from 1. `operators`: how many are on duty."""

    position: int
    operators: int


class PositionAnswered(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `ask_position`: we wait at this position, from 1."""

    position: int
    estimate: Estimate | None


class ServedAnswered(msgspec.Struct, frozen=True, kw_only=True):
    """We are being served: the answer to our question, or what we find when we come back."""


class SentBackReason(enum.Enum):
    """Why we wait again."""

    HANDED_OVER = enum.auto()
    """For the operator to whom we are handed over."""
    OPERATOR_LOST = enum.auto()
    """Our operator lost the connection."""
    CALL_MISSED = enum.auto()
    """We were away when we were called."""
    ON_HOLD = enum.auto()
    """The operator has put us on hold: others are called first."""
    TRANSFERRED = enum.auto()
    """For an operator of another queue."""
    LINK_LOST = enum.auto()
    """We were out of reach for so long that somebody else was called."""


class SentBack(msgspec.Struct, frozen=True, kw_only=True):
    """We were being served, or were called, and wait again."""

    why: SentBackReason
    queue: str


class PauseChanged(msgspec.Struct, frozen=True, kw_only=True):
    """Others are called before us from now on, and our position is kept (`is_paused`), or we are
    called in turn again."""

    is_paused: bool


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """What we wrote is kept as the description of our issue: the operator reads it with our
    form."""


class DescriptionRefused(msgspec.Struct, frozen=True, kw_only=True):
    """What we wrote is not kept: the description would have `size` bytes. `is_line`: the text was a
    line that would have been added."""

    size: int
    limit: int
    is_line: bool


class Turn(enum.Enum):
    """How a turn begins."""

    AT_ONCE = enum.auto()
    """An operator was free."""
    CALLED = enum.auto()
    """After a wait."""
    HANDED_OVER = enum.auto()
    """Another operator takes over."""


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """It is our turn."""

    turn: Turn
    operator: str


class NotYourTurn(msgspec.Struct, frozen=True, kw_only=True):
    """Our line reached nobody, because we are waiting."""


class VisitorLineRefused(msgspec.Struct, frozen=True, kw_only=True):
    """Our line reached nobody, for another reason than that we are waiting."""

    reason: LineRefusal | None
    """None: the visit was over before the registry had the line."""
    text: str


class VisitEnded(msgspec.Struct, frozen=True, kw_only=True):
    """The visit is over. `cause`: None when the session was ended while we were away. `may_rate`:
    we can still `rate` it."""

    cause: OverCause | None
    may_rate: bool = False


class Rated(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `rate`. `is_kept`: False if we were not served, or it is too long ago."""

    is_kept: bool


class VisitRefused(msgspec.Struct, frozen=True, kw_only=True):
    """The desk does not take us."""

    reason: DeskRefusal


class VisitorNotAdmitted(msgspec.Struct, frozen=True, kw_only=True):
    """The registry does not let us in."""

    reason: RefusalReason
    seconds: int = 0
    """For how long; 0 if that is not known, or for good."""
    text: str = ""
    """What the registry's owner says of it."""


class FolderFull(msgspec.Struct, frozen=True, kw_only=True):
    """As many visitors as are allowed use our folder for this registry."""

    folder: str


class VisitorServerLost(msgspec.Struct, frozen=True, kw_only=True):
    """The registry does not answer any more, and is being looked for. `keep_place`: for how many
    seconds our position is kept; None without a position. `is_stopped`: the registry said that it
    stops: our position is kept until it is back, and for so many seconds after that."""

    keep_place: int | None
    is_stopped: bool = False


class NoServer(msgspec.Struct, frozen=True, kw_only=True):
    """The registry did not answer at the start, and is being looked for."""


Said = peers.Said
Edited = peers.Edited
Retracted = peers.Retracted
MessageChanged = peers.MessageChanged
ServerBack = peers.ServerBack
SearchingServers = peers.SearchingServers
ServerOfAnotherRegistry = peers.ServerOfAnotherRegistry
ServerAnnounced = peers.ServerAnnounced
ServerStopPlanned = peers.ServerStopPlanned
ServerStopCancelled = peers.ServerStopCancelled
ServerStopping = peers.ServerStopping
RegistryMet = peers.RegistryMet
RegistryKeyAccepted = peers.RegistryKeyAccepted
RegistryKeyChanged = peers.RegistryKeyChanged
LinkTroubled = peers.LinkTroubled


class TicketNotStored(msgspec.Struct, frozen=True, kw_only=True):
    """Our ticket cannot be written, and so we cannot join; it is tried again and again. `error`: as
    the system words it."""

    path: str
    error: str


class RegistryKeyUnreadable(msgspec.Struct, frozen=True, kw_only=True):
    """The file with the registry's key holds no key: the next key is trusted as at a first
    contact."""

    path: str


class TicketDamaged(msgspec.Struct, frozen=True, kw_only=True):
    """The file with our ticket is damaged, so our position is lost; the file is kept under another
    name."""

    path: str
    kept_as: str


class QuestionUnanswered(msgspec.Struct, frozen=True, kw_only=True):
    """Our question where we are has no answer: the registry is away."""


VisitEvent = (
    FormWanted
    | QueueUnknown
    | DeskClosed
    | GatewayUnknown
    | Announced
    | Resumed
    | PositionGone
    | EndedUnseen
    | PositionKnown
    | PositionAnswered
    | ServedAnswered
    | SentBack
    | PauseChanged
    | Described
    | DescriptionRefused
    | Served
    | Said
    | Edited
    | Retracted
    | MessageChanged
    | NotYourTurn
    | VisitorLineRefused
    | VisitEnded
    | Rated
    | VisitRefused
    | VisitorNotAdmitted
    | FolderFull
    | VisitorServerLost
    | NoServer
    | ServerBack
    | SearchingServers
    | ServerOfAnotherRegistry
    | ServerAnnounced
    | ServerStopPlanned
    | ServerStopCancelled
    | ServerStopping
    | RegistryMet
    | RegistryKeyAccepted
    | RegistryKeyChanged
    | LinkTroubled
    | TicketNotStored
    | RegistryKeyUnreadable
    | TicketDamaged
    | QuestionUnanswered
)
"""All that can happen to a visitor."""
