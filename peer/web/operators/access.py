"""Who may open the operator's page: the token in the address, and the cookie and the path for which it is exchanged.

A browser shows a cookie to all ports of a host, so another server on this machine may learn it. It does not learn the path
of our page, which is a secret as well: every request needs both.

All are derived from one secret in the folder of the operator's keys, so that an open page goes on after a restart.
"""

import hashlib
import hmac
import os
from pathlib import Path
from typing import Final

from chatapp.peer.web.cookies import hashed
from chatapp.wire.folders import write_whole

KEY_FILE: Final = "web.secret"
_SIZE: Final = 32


class Access:
    """The token, the cookie and the path of one operator's page."""

    def __init__(self, secret: bytes) -> None:
        self.token: Final = _derived(secret, b"web token")
        """What the address holds: 32 hexadecimal digits."""
        self.cookie: Final = _derived(secret, b"web cookie", size=_SIZE)
        """What the browser shows from then on: 64 hexadecimal digits."""
        self.page: Final = _derived(secret, b"web page")
        """The name of the page in its address: 32 hexadecimal digits."""
        self._hashed: Final = hashed(self.cookie)

    def is_token(self, text: str) -> bool:
        """Whether this is the token, compared in constant time."""
        return hmac.compare_digest(text.encode("utf-8", "replace"), self.token.encode())

    def is_page(self, text: str) -> bool:
        """Whether this is the name of the page, compared in constant time."""
        return hmac.compare_digest(text.encode("utf-8", "replace"), self.page.encode())

    def is_cookie(self, remembered: str | None) -> bool:
        """Whether a browser has shown the cookie. `remembered`: as `SessionCookie.read` returns it."""
        return remembered is not None and hmac.compare_digest(remembered, self._hashed)


def access_of(folder: Path) -> Access:
    """Return the access to the page of the operator with this folder, whose secret is made if it is missing or damaged.
    Raises OSError."""
    path = folder / KEY_FILE
    secret = path.read_bytes() if path.exists() else b""
    if len(secret) != _SIZE:
        secret = os.urandom(_SIZE)
        write_whole(path, secret)
    return Access(secret)


def _derived(secret: bytes, person: bytes, *, size: int = 16) -> str:
    return hashlib.blake2b(key=secret, digest_size=size, person=person).hexdigest()
