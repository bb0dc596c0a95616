"""This file is about changing one's name: the identity key stays, the card shows another name (clause 4.7)."""

import msgspec

from wire.messages.presence import Reference
from wire.messages.registration import RefusalReason
from wire.messages.table import Card


class Rename(msgspec.Struct, frozen=True, array_like=True, tag=80):
    """Peer to registry, on its link: from now on this card, which bears another name and a higher counter."""

    reference: Reference
    card: Card


class RenameAccepted(msgspec.Struct, frozen=True, array_like=True, tag=81):
    """Registry to peer: it is on disk and in the table."""

    reference: Reference


class RenameRefused(msgspec.Struct, frozen=True, array_like=True, tag=82):
    """Registry to peer: you keep the name that you have."""

    reference: Reference
    reason: RefusalReason
