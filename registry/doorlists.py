"""This file is about lists of people at the door: by key, by name, by address or network. It knows texts and values.

A key is written as its fingerprint (32 hexadecimal digits) or in full (64), blanks and colons aside; what has a dot, a
colon or a slash is an address or a network; all else is a name.
"""

from collections.abc import Iterable
from ipaddress import ip_address, ip_network

from wire.address import literal
from wire.errors import NameRefused, quoted
from wire.identity import fingerprint_digits, fingerprint_from
from wire.names import name_key, peer_name


def flaw_of_keys(texts: Iterable[str]) -> str:
    """What is wrong with a list of keys; empty for nothing."""
    return next((f'"{quoted(text)}" is no key' for text in texts if fingerprint_from(text) is None), "")


def flaw_of_bans(texts: Iterable[str]) -> str:
    """What is wrong with a list of who is kept out; empty for nothing."""
    try:
        Bans(texts)
    except (ValueError, NameRefused) as wrong:
        return quoted(str(wrong))
    return ""


class Bans:
    """Who is kept out, quickly told: networks are looked up by their length."""

    def __init__(self, texts: Iterable[str]) -> None:
        """Raises ValueError, NameRefused."""
        self._keys: set[str] = set()
        self._names: set[str] = set()
        self._networks: dict[tuple[int, int], set[int]] = {}
        for text in texts:
            self._add(text.strip())

    def _add(self, text: str) -> None:
        key = fingerprint_from(text)
        if key is not None:
            self._keys.add(key)
        elif any(sign in text for sign in ".:/"):
            network = ip_network(text, strict=False)
            shift = network.max_prefixlen - network.prefixlen
            there = self._networks.setdefault((network.version, shift), set())
            there.add(int(network.network_address) >> shift)
        else:
            self._names.add(name_key(peer_name(text)))

    def __len__(self) -> int:
        return len(self._keys) + len(self._names) + sum(map(len, self._networks.values()))

    def has_key(self, identity: bytes) -> bool:
        """Whether this key is kept out."""
        return bool(self._keys) and fingerprint_digits(identity) in self._keys

    def has_name(self, key: str) -> bool:
        """Whether nobody may come in under the name with this key."""
        return key in self._names

    def has_host(self, host: str) -> bool:
        """Whether nobody may come in from this address."""
        if not self._networks or literal(host) is None:
            return False
        address = ip_address(host)
        return any(
            version == address.version and int(address) >> shift in there
            for (version, shift), there in self._networks.items()
        )
