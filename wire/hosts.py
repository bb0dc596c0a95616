"""Which values of the HTTP header `Host` a server answers.

A stranger may point their own name at this machine (DNS rebinding): the browser then takes our
pages for those of the stranger. It still sends the stranger's name as `Host`. An IP address is no
name that a stranger could point elsewhere.
"""

import re
from collections.abc import Iterable
from typing import Final

from chatapp.wire.address import host_name, ip_literal

LOOPBACK_NAMES: Final = ("localhost",)
"""Names that lead to this machine on every machine."""

_HOST: Final = re.compile(
    r"(?:\[(?P<bracketed>[0-9A-Fa-f:.]+)\]|(?P<plain>[^:\[\]]+))(?::[0-9]{1,5})?"
)


class KnownHosts:
    """The names under which a server is reached: those of loopback, further ones, and every IP
    address."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        """`names`: further ones, of which each is a `host_name`."""
        self._names: Final = frozenset(filter(None, map(host_name, (*LOOPBACK_NAMES, *names))))

    def serves(self, header: str) -> bool:
        """Whether a request with this header `Host` is answered. A port behind the name is not
        compared."""
        found = _HOST.fullmatch(header)
        if found is None:
            return False
        if found["bracketed"] is not None:
            return ip_literal(found["bracketed"]) is not None
        return ip_literal(found["plain"]) is not None or host_name(found["plain"]) in self._names
