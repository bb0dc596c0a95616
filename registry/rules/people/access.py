"""Access: who may register, who is banned, who may be an operator, and which gateways are known
(clauses 4.8, 4.10).

A person who has a name here needs no invitation.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from ipaddress import ip_address, ip_network
from math import ceil
from typing import Any, Final, NamedTuple

import msgspec

from chatapp.registry.rules.limits import remaining
from chatapp.registry.store.entries import BanKept, InviteMade
from chatapp.wire.address import ip_literal
from chatapp.wire.admission import public_half
from chatapp.wire.errors import NameRefused
from chatapp.wire.identity import fingerprint_digits, fingerprint_from
from chatapp.wire.limits import INVITE_KEPT_FOR, INVITES_MAX
from chatapp.wire.messages.registration import RefusalReason, Register
from chatapp.wire.names import name_key, peer_name


class Bans:
    """Bans of keys, names, addresses and networks. Networks are looked up by their prefix
    length."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        """Parse the bans. Raises ValueError, NameRefused."""
        self._keys: set[str] = set()
        self._names: set[str] = set()
        self._networks: dict[tuple[int, int], set[int]] = {}
        for text in texts:
            self.add(text)

    def add(self, text: str) -> bool:
        """Add a ban. Return False if it is there already. Raises ValueError, NameRefused."""
        place, what = self._place_of(text.strip())
        if what in place:
            return False
        place.add(what)
        return True

    def remove(self, text: str) -> bool:
        """Remove a ban. Return False if it is not there. Raises ValueError, NameRefused."""
        place, what = self._place_of(text.strip())
        is_there = what in place
        place.discard(what)
        return is_there

    def _place_of(self, text: str) -> tuple[set[Any], str | int]:
        """Return the set that holds such a ban, and the ban in its canonical form."""
        key = fingerprint_from(text)
        if key is not None:
            return self._keys, key
        if any(sign in text for sign in ".:/"):
            network = ip_network(text, strict=False)
            shift = network.max_prefixlen - network.prefixlen
            there = self._networks.setdefault((network.version, shift), set())
            return there, int(network.network_address) >> shift
        return self._names, name_key(peer_name(text))

    def __len__(self) -> int:
        return len(self._keys) + len(self._names) + sum(map(len, self._networks.values()))

    def has_name(self, key: str) -> bool:
        """Return whether the name with this key is banned."""
        return key in self._names

    def has_key(self, identity: bytes) -> bool:
        """Return whether this key is banned."""
        return bool(self._keys) and fingerprint_digits(identity) in self._keys

    def has_host(self, host: str) -> bool:
        """Return whether this address is banned."""
        return self.network_of(host) is not None

    def network_of(self, host: str) -> str | None:
        """Return the banned network, in its canonical form, to which this address belongs; None for
        none."""
        if not self._networks or ip_literal(host) is None:
            return None
        address = ip_address(host)
        for (version, shift), there in self._networks.items():
            if version == address.version and int(address) >> shift in there:
                return str(ip_network(f"{host}/{address.max_prefixlen - shift}", strict=False))
        return None


class Invites:
    """The unused join codes, by their public halves."""

    def __init__(self) -> None:
        self._until: dict[bytes, float] = {}
        self._claimed: set[bytes] = set()

    def __len__(self) -> int:
        return len(self._until)

    def load(self, made: Iterable[InviteMade], *, wall: float, now: float) -> None:
        """Restore the codes of earlier runs."""
        for invite in made:
            left = remaining(invite.at, wall, kept_for=INVITE_KEPT_FOR, at_least=0.0)
            self._until[invite.code] = now + left

    def add(self, codes: Sequence[bytes], *, now: float) -> bool:
        """Add codes; known ones stay as they are. If there would be too many, add none and return
        False."""
        fresh = [code for code in dict.fromkeys(codes) if code not in self._until]
        if len(self) + len(fresh) > INVITES_MAX:
            return False
        self._until.update(dict.fromkeys(fresh, now + INVITE_KEPT_FOR))
        return True

    def is_good(self, code: bytes, *, now: float) -> bool:
        """Return whether a code is valid now."""
        return now < self._until.get(code, now)

    def is_claimed(self, code: bytes) -> bool:
        """Return whether a name that uses this code is on its way to the disk."""
        return code in self._claimed

    def claim(self, code: bytes) -> None:
        """Reserve a code for a name that goes to the disk."""
        self._claimed.add(code)

    def use_up(self, code: bytes) -> None:
        """Use up a code: the name was stored."""
        self._claimed.discard(code)
        self._until.pop(code, None)

    def give_back(self, code: bytes) -> None:
        """Release the reservation: the name was not stored."""
        self._claimed.discard(code)

    def expired(self, *, now: float) -> list[bytes]:
        """Remove the expired codes and return them."""
        over = [
            code
            for code, until in self._until.items()
            if until <= now and code not in self._claimed
        ]
        for code in over:
            del self._until[code]
        return over


class AccessSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The administrator's settings of access."""

    invite_only: bool = False
    """Newcomers need a join code."""
    allow: tuple[str, ...] = ()
    """Keys of newcomers who need no code. Once there are any, all others do."""
    ban: tuple[str, ...] = ()
    """Banned keys, names, addresses and networks."""
    gateways: tuple[str, ...] = ()
    """Keys of gateways, whose visitors have limits of their own."""


class AccessLists:
    """The lists of settings, ready for look-ups. Lists may be long, so they are made outside the
    event loop's thread."""

    def __init__(self, settings: AccessSettings) -> None:
        self.allowed: Final = frozenset(fingerprint_from(text) for text in settings.allow)
        self.bans: Final = Bans(settings.ban)
        self.gateways: Final = frozenset(fingerprint_from(text) for text in settings.gateways)


def ban_key(text: str) -> str:
    """Return the canonical form of a ban. Raises ValueError, NameRefused."""
    text = text.strip()
    key = fingerprint_from(text)
    if key is not None:
        return key
    if any(sign in text for sign in ".:/"):
        return str(ip_network(text, strict=False))
    return name_key(peer_name(text))


class Exclusion(NamedTuple):
    """Why somebody is kept out, for how many seconds yet (0: for good), and what the administrator
    says of it."""

    reason: RefusalReason
    seconds: int = 0
    text: str = ""


class OwnBans:
    """The bans that the administrator has added while the registry ran, beside those of the
    configured list."""

    def __init__(self) -> None:
        self.bans: Final = Bans()
        """The bans, ready for look-ups."""
        self._kept: dict[str, BanKept] = {}
        """Each ban by its canonical form."""
        self._ends: dict[str, float] = {}
        """When each ends that does."""
        self.next_end: float | None = None
        """When the next one ends."""

    def __len__(self) -> int:
        return len(self._kept)

    def load(self, kept: Iterable[BanKept], *, wall: int, now: float) -> None:
        """Restore the bans of earlier runs. `wall`: Unix seconds at `now`."""
        for ban in kept:
            with suppress(ValueError, NameRefused):
                self.add(ban, ends_at=now + ban.until / 1_000 - wall if ban.until else None)

    def add(self, ban: BanKept, *, ends_at: float | None = None) -> bool:
        """Add a ban. Return False if it is there already. Raises ValueError, NameRefused."""
        if not self.bans.add(ban.what):
            return False
        key = ban_key(ban.what)
        self._kept[key] = ban
        if ends_at is not None:
            self._ends[key] = ends_at
            self._find_next_end()
        return True

    def remove(self, text: str) -> BanKept | None:
        """Remove a ban. Return it, None if it is not there. Raises ValueError, NameRefused."""
        if not self.bans.remove(text):
            return None
        key = ban_key(text)
        self._ends.pop(key, None)
        self._find_next_end()
        return self._kept.pop(key)

    def ended(self, *, now: float) -> list[BanKept]:
        """Remove the bans that have ended and return them."""
        if self.next_end is None or now < self.next_end:
            return []
        over = [self._kept[key] for key, end in self._ends.items() if end <= now]
        for ban in over:
            self.remove(ban.what)
        return over

    def listed(self) -> list[BanKept]:
        """Return all bans."""
        return list(self._kept.values())

    def exclusion_of(
        self, identity: bytes, host: str, name: str, reason: RefusalReason, *, now: float
    ) -> Exclusion | None:
        """Return the ban of this key, address, or name with this key; None if there is none."""
        ban = next(iter(self.of(identity, host, (name,))), None)
        if ban is None:
            return None
        end = self._ends.get(ban_key(ban.what))
        return Exclusion(reason, 0 if end is None else ceil(max(end - now, 1)), ban.reason)

    def of(self, identity: bytes, host: str, names: Iterable[str]) -> list[BanKept]:
        """Return the bans of this key, address, and of names with these keys."""
        keys = [
            fingerprint_digits(identity) if self.bans.has_key(identity) else None,
            self.bans.network_of(host),
            *(name for name in names if self.bans.has_name(name)),
        ]
        return [self._kept[key] for key in keys if key is not None]

    def _find_next_end(self) -> None:
        self.next_end = min(self._ends.values(), default=None)


class AccessPolicy:
    """Decides whether a newcomer may have a name."""

    def __init__(self, settings: AccessSettings) -> None:
        self.invites: Final = Invites()
        self.own_bans: Final = OwnBans()
        self.kicked: Final[dict[bytes, float]] = {}
        """The identities that the administrator has disconnected, and until when each is kept
        out."""
        self._lists = AccessLists(settings)
        self._is_closed = settings.invite_only or bool(self._lists.allowed)
        self.has_bans = bool(self._lists.bans)
        """Whether anybody is banned."""

    def bans_changed(self) -> None:
        """Note that `own_bans` changed."""
        self.has_bans = bool(self._lists.bans) or bool(self.own_bans)

    def is_kicked(self, identity: bytes, *, now: float) -> bool:
        """Return whether an identity is kept out now."""
        if self.kicked.get(identity, now) > now:
            return True
        self.kicked.pop(identity, None)
        return False

    def exclusion_of(self, identity: bytes, host: str, *, now: float) -> Exclusion | None:
        """Return why an identity that comes from this address is kept out; None if it is not."""
        if self.has_bans and self.bans(identity, host):
            return self.ban_of(identity, host, now=now)
        left = self.kicked_for(identity, now=now) if self.kicked else 0
        return Exclusion(RefusalReason.KICKED, left) if left else None

    def is_listed(self, identity: bytes, host: str, name: str) -> bool:
        """Return whether the configured list bans this key, address, or name with this key."""
        bans = self._lists.bans
        return bans.has_key(identity) or bans.has_host(host) or bans.has_name(name)

    def kicked_for(self, identity: bytes, *, now: float) -> int:
        """Return for how many seconds an identity that was kicked is kept out yet."""
        return ceil(self.kicked[identity] - now) if self.is_kicked(identity, now=now) else 0

    def ban_of(
        self,
        identity: bytes = b"",
        host: str = "",
        name: str = "",
        *,
        reason: RefusalReason = RefusalReason.BANNED,
        now: float,
    ) -> Exclusion:
        """Return the ban that keeps out this key, address, or name with this key. One of the
        configured list has neither an end nor a text."""
        return self.own_bans.exclusion_of(identity, host, name, reason, now=now) or Exclusion(
            reason
        )

    def change(self, lists: AccessLists) -> None:
        """Put new lists in force. A registry that needed codes goes on needing them: to empty the
        list of exceptions does not open it to everybody."""
        self._lists = lists
        self.bans_changed()
        self._is_closed = self._is_closed or bool(lists.allowed)

    def bans(self, identity: bytes, host: str) -> bool:
        """Return whether this key or this address is banned."""
        return any(
            bans.has_key(identity) or bans.has_host(host)
            for bans in (self._lists.bans, self.own_bans.bans)
        )

    def bans_key(self, identity: bytes) -> bool:
        """Return whether this key is banned."""
        return self._lists.bans.has_key(identity) or self.own_bans.bans.has_key(identity)

    def gateway_of(self, register: Register) -> bytes:
        """Return the key of the gateway that vouches for a visitor, whose voucher was checked;
        empty for none, and for a gateway that is not on the list."""
        gateway = public_half(register.voucher)
        return gateway if gateway and fingerprint_digits(gateway) in self._lists.gateways else b""

    def bans_name(self, key: str) -> bool:
        """Return whether nobody may have the name with this key."""
        return self._lists.bans.has_name(key) or self.own_bans.bans.has_name(key)

    def refusal_of(self, register: Register, *, now: float) -> RefusalReason | None:
        """Return why this newcomer may not come in; None if they may."""
        code = self.code_for(register)
        if code is None:
            return None
        if not code:
            return RefusalReason.NOT_INVITED
        return None if self.invites.is_good(code, now=now) else RefusalReason.BAD_CODE

    def code_for(self, register: Register) -> bytes | None:
        """Return the code that this newcomer comes in with: empty for none, None if they need none,
        in which case theirs stays valid."""
        if not self._is_closed or fingerprint_digits(register.card.identity) in self._lists.allowed:
            return None
        return public_half(register.invitation)
