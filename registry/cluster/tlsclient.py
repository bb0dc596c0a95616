"""A client of NATS that says nothing without TLS. nats-py uses TLS only where the first line of a
server, which is not encrypted, asks for it: whoever changes that line would read the password and
all that follows."""

from typing import Any

import nats.errors
from nats.aio.client import Client


class TlsClient(Client):
    """Leaves servers without TLS before it sends them anything."""

    async def _process_info(
        self,
        info: dict[str, Any],
        initial_connection: bool = False,  # noqa: FBT001, FBT002 - the signature is nats-py's
    ) -> None:
        if initial_connection and not info.get("tls_required"):
            if not info.get("tls_available"):
                raise nats.errors.Error("nats: the server has no TLS")
            info["tls_required"] = True
        await super()._process_info(info, initial_connection)
