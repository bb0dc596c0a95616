"""All kinds of rules of one registry, for those who need them together."""

from typing import NamedTuple

from chatapp.registry.rules.context import Context
from chatapp.registry.rules.desk.desk import Desk
from chatapp.registry.rules.directory.connections import Connections
from chatapp.registry.rules.directory.directory import Directory
from chatapp.registry.rules.mail import MailService
from chatapp.registry.rules.people.access import AccessPolicy
from chatapp.registry.rules.people.presence import PresenceTracker
from chatapp.registry.rules.rooms.rooms import Rooms
from chatapp.registry.rules.rooms.rules import ChannelRules


class Parts(NamedTuple):
    """The state of a registry, by its kinds of rules."""

    context: Context
    directory: Directory
    connections: Connections
    access: AccessPolicy
    presence: PresenceTracker
    channel: ChannelRules
    rooms: Rooms
    mail: MailService
    desk: Desk
