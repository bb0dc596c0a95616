"""What the doctor finds, as values; faces word them. Nothing here asks a network or a disk."""

import msgspec

from chatapp.peer.api.enums import Explained

CLOCK_TOLERATED = 60.0
"""Seconds by which the clocks of two machines may differ before times of messages mislead
people."""
DISK_NEEDED = 50_000_000
"""Free bytes below which a disk counts as nearly full."""
PACKET_NEEDED = 1_280
"""Bytes of an IP packet that a path must carry: the longest datagram with its headers."""


class Check(Explained):
    """What was looked at."""

    ADDRESS = "address", "whether the server's host name has an address"
    UDP = "udp", "whether the registry answers by UDP"
    TCP = "tcp", "whether the registry's port accepts TCP connections"
    PACKETS = "packets", "how long the packets are that the path to the registry carries"
    KEY = "key", "whether the registry has the key that we know"
    OTHER_SERVER = "other_server", "whether another server of the registry answers"
    NAME = "name", "whether the registry lets us in under our name"
    CLOCK = "clock", "whether our clock agrees with the registry's"
    DISK = "disk", "whether our folder takes what has to be stored"
    PRIVACY = "privacy", "whether others on this machine can read our folder"
    PERSON = "person", "whether a person is known, online and has the key that we know"
    DIRECT = "direct", "whether a person answers directly"
    RELAY = "relay", "whether a person answers through the registry"
    OWN_PORT = "own_port", "whether we have the TCP port at which others fetch files of us"
    REACHED = "reached", "whether a person can connect to that port"


class Trouble(Explained):
    """What is wrong."""

    NO_SUCH_HOST = "no_such_host", "no address belongs to the server's name"
    NO_ROUTE = "no_route", "this machine has no way to that address"
    SILENT = "silent", "nothing answers: a firewall drops it, or the machine is off"
    REFUSED = "refused", "the machine answers that nothing listens on that port"
    NO_REGISTRY = "no_registry", "something listens there, and does not speak this protocol"
    TOO_SHORT = "too_short", "the path carries only shorter packets than we send"
    OTHER_KEY = "other_key", "the registry shows another key than the one that we know"
    NAME_TAKEN = "name_taken", "somebody else has our name, or a program of ours uses it"
    NOT_ADMITTED = "not_admitted", "the registry does not let us in"
    BEHIND = "behind", "our clock is behind"
    AHEAD = "ahead", "our clock is ahead"
    FULL = "full", "the disk is nearly full"
    UNWRITABLE = "unwritable", "the folder cannot be written"
    OPEN_TO_OTHERS = "open_to_others", "other users of this machine can read the folder"
    UNKNOWN = "unknown", "nobody of that name is known here"
    AWAY = "away", "the person is away"
    KEY_CHANGED = "key_changed", "the person's key has changed"
    BANNED = "banned", "the registry has banned the person"
    PORT_TAKEN = "port_taken", "another program has the port"
    NO_ANSWER = "no_answer", "the person does not answer on this path"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one check."""

    check: Check
    trouble: Trouble | None = None
    """None if all is well."""
    amount: float | None = None
    """OWN_PORT, REACHED: the port. UDP, TCP, DIRECT, RELAY, OTHER_SERVER: the round trip in seconds; None where nothing
    answered. PACKETS, DISK: bytes. CLOCK: seconds that ours is ahead."""
    subject: str = ""
    """KEY: the fingerprint of the key that answers. PERSON, DIRECT, RELAY: the name. NAME: our
    name. DISK, PRIVACY: the folder. REACHED: the name."""
    server: str = ""
    """ADDRESS: the host that is not found. UDP, TCP, OTHER_SERVER: the address of the server. Empty
    for the only one."""

    @property
    def is_fine(self) -> bool:
        """Whether all is well."""
        return self.trouble is None


def clock_finding(ahead: float) -> Finding:
    """Judge our clock. `ahead`: seconds by which the registry's clock is ahead of ours."""
    trouble = None
    if abs(ahead) > CLOCK_TOLERATED:
        trouble = Trouble.BEHIND if ahead > 0 else Trouble.AHEAD
    return Finding(check=Check.CLOCK, trouble=trouble, amount=-ahead)


def packets_finding(size: int) -> Finding:
    """Judge the longest packet, in bytes, that the path to the registry is known to carry."""
    trouble = Trouble.TOO_SHORT if size < PACKET_NEEDED else None
    return Finding(check=Check.PACKETS, trouble=trouble, amount=float(size))


def disk_finding(folder: str, *, free: int, is_writable: bool) -> Finding:
    """Judge the disk under our folder. `free`: in bytes."""
    trouble = None
    if not is_writable:
        trouble = Trouble.UNWRITABLE
    elif free < DISK_NEEDED:
        trouble = Trouble.FULL
    return Finding(check=Check.DISK, trouble=trouble, amount=float(free), subject=folder)


def path_finding(check: Check, name: str, seconds: float | None) -> Finding:
    """Judge a path to a person. `seconds`: until the answer; None for no answer."""
    trouble = Trouble.NO_ANSWER if seconds is None else None
    return Finding(check=check, trouble=trouble, amount=seconds, subject=name)
