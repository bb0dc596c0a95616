"""Who may open the operator's page: the token in the address, and the cookie and the path for which
it is exchanged.

All of them are random bytes of one run of the program. Another user of this machine can take the
port once the program has ended, and a browser then shows that user the cookie and the path of an
open page: they open nothing in the next run.
"""

import hashlib
import hmac
import os
from typing import Final

from chatapp.peer.faces.web.cookies import hashed, new_secret

_SIZE: Final = 16


class Access:
    """The token, the cookie and the path of an operator's page, and its proof, in one run of the
    program."""

    def __init__(self) -> None:
        self.token = _random()
        """What the address holds: 32 hexadecimal digits, for one use."""
        self.cookie_name: Final = f"chatapp-operator-{_random()}"
        self.cookie: Final = new_secret()
        """What the browser shows from then on: 64 hexadecimal digits."""
        self.page: Final = _random()
        """The name of the page in its address: 32 hexadecimal digits."""
        self.proof_key: Final = os.urandom(_SIZE)
        """What the page knows, and is never sent to the port: by it the page tells this program
        from another one."""
        self._hashed: Final = hashed(self.cookie)

    def use_token(self, text: str) -> bool:
        """Return whether this is the token, compared in constant time. A new one then takes its
        place."""
        if not _is_same(text, self.token):
            return False
        self.token = _random()
        return True

    def is_page(self, text: str) -> bool:
        """Whether this is the name of the page, compared in constant time."""
        return _is_same(text, self.page)

    def is_cookie(self, remembered: str | None) -> bool:
        """Whether a browser has shown the cookie. `remembered`: as `SessionCookie.read` returns
        it."""
        return remembered is not None and _is_same(remembered, self._hashed)

    def prove(self, nonce: str) -> str:
        """Return what shows a page with this nonce that it still talks to this program:
        HMAC-SHA-256, hexadecimal."""
        return hmac.digest(self.proof_key, nonce.encode("utf-8", "replace"), hashlib.sha256).hex()


def _random() -> str:
    return os.urandom(_SIZE).hex()


def _is_same(text: str, secret: str) -> bool:
    return hmac.compare_digest(text.encode("utf-8", "replace"), secret.encode())
