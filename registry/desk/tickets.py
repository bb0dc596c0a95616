"""This file is about tickets: the secret by which a visitor is known again. What is kept of one is a digest.

So whoever reads the registry's disk cannot take anybody's place.
"""

import hashlib
from typing import Final

_DIGEST_SIZE: Final = 16


def digest(ticket: bytes) -> bytes:
    """What stands for a ticket, in memory and on disk."""
    return hashlib.blake2s(ticket, digest_size=_DIGEST_SIZE, person=b"chat-tkt").digest()
