"""What fields of several messages may be: keys, names, numbers (clause 3)."""

from typing import Annotated

import msgspec

from chatapp.wire.limits import SERVER_HOST_MAX

Key = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
"""A 32-byte public key: Ed25519 (identity) or X25519 (mail)."""

Signature = Annotated[bytes, msgspec.Meta(min_length=64, max_length=64)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""A number that fits a signed 64-bit integer, so that it also fits every store."""

Name = Annotated[str, msgspec.Meta(max_length=32)]
Host = Annotated[str, msgspec.Meta(max_length=SERVER_HOST_MAX)]
Port = Annotated[int, msgspec.Meta(ge=0, le=65_535)]
GroupName = Annotated[str, msgspec.Meta(min_length=1, max_length=40)]

Reference = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
"""Chosen by the sender of a request, repeated in the answer."""
