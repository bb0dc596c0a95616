"""The browsers in which people are signed in, over restarts of the gateway.

What opens a person's folder lies on the disk under the browser's cookie alone, and the cookie is
remembered as a hash: so a disk without cookies and passphrases opens nothing.
"""

import contextlib
import hashlib
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from chatapp.peer.faces.web.cookies import hashed, new_secret
from chatapp.peer.faces.web.limits import (
    SESSION_LASTS_FOR,
    SESSIONS_PER_ACCOUNT,
    STAYING_LASTS_FOR,
)
from chatapp.wire.errors import quoted
from chatapp.wire.folders import make_private, write_whole
from chatapp.wire.passphrase import unwrapped, wrapped

_FILE: Final = re.compile(r"[0-9a-f]{32}")
_log: Final = logging.getLogger("chatapp.peer")


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One browser in which somebody is signed in."""

    id: str
    """The hash of its cookie."""
    account: str
    """As `Accounts` names it."""
    until: float
    """When it ends, in Unix seconds."""
    stays: bool
    """Whether the browser keeps the cookie when it is closed."""
    secret: bytes
    """What opens the folder, under the cookie."""

    def opened(self, cookie: str) -> bytes | None:
        """Return what opens the folder. `cookie`: the secret that the browser shows."""
        return unwrapped(self.secret, _key_of(cookie))


class Sessions:
    """All of them."""

    def __init__(self, folder: Path, wall: Callable[[], float]) -> None:
        """`wall`: tells the Unix time."""
        self._folder: Final = folder
        self._wall: Final = wall
        self._by_id: Final[dict[str, Session]] = {}

    def open(self, accounts: set[str]) -> None:
        """Read those that are stored of these accounts; the others are removed. Raises OSError."""
        make_private(self._folder)
        found = []
        for path in self._folder.iterdir():
            try:
                session = msgspec.msgpack.decode(path.read_bytes(), type=Session)
            except (msgspec.MsgspecError, ValueError, OSError):
                session = None
            is_known = session is not None and session.account in accounts
            if session is not None and is_known and session.id == path.name:
                found.append(session)
            elif _FILE.fullmatch(path.name):
                path.unlink(missing_ok=True)
        self._by_id.update((one.id, one) for one in sorted(found, key=lambda one: one.until))

    def begin(self, account: str, secret: bytes, *, stays: bool) -> tuple[Session, str]:
        """Sign a browser in. Return the session and the new cookie. Raises OSError."""
        cookie = new_secret()
        lasts_for = STAYING_LASTS_FOR if stays else SESSION_LASTS_FOR
        session = Session(
            id=hashed(cookie),
            account=account,
            until=self._wall() + lasts_for,
            stays=stays,
            secret=wrapped(secret, _key_of(cookie)),
        )
        write_whole(self._folder / session.id, msgspec.msgpack.encode(session))
        self._by_id[session.id] = session
        return session, cookie

    def surplus(self, account: str) -> list[Session]:
        """Return the sessions of an account that are too many, the oldest ones."""
        return list(self.of(account))[:-SESSIONS_PER_ACCOUNT]

    def find(self, id_: str | None) -> Session | None:
        """Return the session of a cookie; None if it has ended."""
        session = self._by_id.get(id_ or "")
        return session if session is not None and session.until > self._wall() else None

    def of(self, account: str) -> Iterator[Session]:
        """Yield the sessions of an account, the oldest first."""
        return (one for one in list(self._by_id.values()) if one.account == account)

    def over(self) -> list[Session]:
        """Return those whose time is over."""
        return [one for one in self._by_id.values() if one.until <= self._wall()]

    def end(self, session: Session) -> None:
        """Forget one. A disk that does not forget it is told in the log: until that is mended, the
        session comes back with the next start."""
        self._by_id.pop(session.id, None)
        try:
            with contextlib.suppress(FileNotFoundError):
                (self._folder / session.id).unlink()
        except OSError as error:
            _log.error("a session that has ended stays on the disk: %s", quoted(str(error)))


def _key_of(cookie: str) -> bytes:
    return hashlib.blake2b(cookie.encode(), digest_size=32, person=b"member session").digest()
