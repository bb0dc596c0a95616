"""The secret that a browser shows with each request, and how it is remembered: only as a hash."""

import hashlib
import os
import re
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

SECRET_SIZE: Final = 32
_SECRET: Final = re.compile(rf"[0-9a-f]{{{2 * SECRET_SIZE}}}")


class SessionCookie:
    """The cookie of one kind of session. Its name says that only this host may set it, when the
    page came by https."""

    def __init__(self, name: str, *, lasts_for: int | None) -> None:
        """`lasts_for`: seconds after which the browser forgets it; None: when it is closed."""
        self._name: Final = name
        self._lasts_for: Final = lasts_for

    def read(self, request: Request) -> str | None:
        """Return what the request's secret is remembered by; None without a secret."""
        secret = self.secret(request)
        return None if secret is None else hashed(secret)

    def secret(self, request: Request) -> str | None:
        """Return the secret that a request shows; None without one."""
        secret = request.cookies.get(self._named(request), "")
        return secret if _SECRET.fullmatch(secret) else None

    def give(
        self,
        request: Request,
        response: Response,
        secret: str,
        *,
        path: str = "/",
        lasts_for: int | None = None,
    ) -> None:
        """Give the browser its secret. `path`: below which it is shown; another one than `/` over
        http only. `lasts_for`: seconds, if this one lasts longer than others."""
        response.set_cookie(
            self._named(request),
            secret,
            max_age=lasts_for or self._lasts_for,
            path=path,
            secure=_is_secure(request),
            httponly=True,
            samesite="strict",
        )

    def take_back(self, request: Request, response: Response) -> None:
        """Let the browser forget its secret."""
        response.delete_cookie(
            self._named(request),
            path="/",
            secure=_is_secure(request),
            httponly=True,
            samesite="strict",
        )

    def _named(self, request: Request) -> str:
        return f"__Host-{self._name}" if _is_secure(request) else self._name


def new_secret() -> str:
    """Return a new secret."""
    return os.urandom(SECRET_SIZE).hex()


def hashed(secret: str) -> str:
    """Return what a secret is remembered by: whoever reads our files cannot show the cookie."""
    return hashlib.blake2b(secret.encode(), digest_size=16, person=b"web session").hexdigest()


def _is_secure(request: Request) -> bool:
    return request.url.scheme == "https"
