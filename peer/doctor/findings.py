"""What the doctor finds, as values; faces word them. Nothing here asks a network or a disk."""

import enum

import msgspec

CLOCK_TOLERATED = 60.0
"""Seconds by which the clocks of two machines may differ before times of messages mislead
people."""
DISK_NEEDED = 50_000_000
"""Free bytes below which a disk counts as nearly full."""
PACKET_NEEDED = 1_280
"""Bytes of an IP packet that a path must carry: the longest datagram with its headers."""


class Check(enum.Enum):
    """What was looked at."""

    ADDRESS = "whether the server's host name has an address"
    UDP = "whether the registry answers by UDP"
    TCP = "whether the registry's port accepts TCP connections"
    PACKETS = "how long the packets are that the path to the registry carries"
    KEY = "whether the registry has the key that we know"
    OTHER_SERVER = "whether another server of the registry answers"
    NAME = "whether the registry lets us in under our name"
    CLOCK = "whether our clock agrees with the registry's"
    DISK = "whether our folder takes what has to be stored"
    PRIVACY = "whether others on this machine can read our folder"
    PERSON = "whether a person is known, online and has the key that we know"
    DIRECT = "whether a person answers directly"
    RELAY = "whether a person answers through the registry"


class Trouble(enum.Enum):
    """What is wrong."""

    NO_SUCH_HOST = "no address belongs to the server's name"
    NO_ROUTE = "this machine has no way to that address"
    SILENT = "nothing answers: a firewall drops it, or the machine is off"
    REFUSED = "the machine answers that nothing listens on that port"
    NO_REGISTRY = "something listens there, and does not speak this protocol"
    TOO_SHORT = "the path carries only shorter packets than we send"
    OTHER_KEY = "the registry shows another key than the one that we know"
    NAME_TAKEN = "somebody else has our name, or a program of ours uses it"
    NOT_ADMITTED = "the registry does not let us in"
    BEHIND = "our clock is behind"
    AHEAD = "our clock is ahead"
    FULL = "the disk is nearly full"
    UNWRITABLE = "the folder cannot be written"
    OPEN_TO_OTHERS = "other users of this machine can read the folder"
    UNKNOWN = "nobody of that name is known here"
    AWAY = "the person is away"
    KEY_CHANGED = "the person's key has changed"
    BANNED = "the registry has banned the person"
    NO_ANSWER = "the person does not answer on this path"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one check."""

    check: Check
    trouble: Trouble | None = None
    """None if all is well."""
    amount: float | None = None
    """UDP, TCP, DIRECT, RELAY, OTHER_SERVER: the round trip in seconds; None where nothing
    answered. PACKETS, DISK: bytes. CLOCK: seconds that ours is ahead."""
    subject: str = ""
    """KEY: the fingerprint of the key that answers. PERSON, DIRECT, RELAY: the name. NAME: our
    name. DISK, PRIVACY: the folder."""
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
