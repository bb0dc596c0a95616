"""This file is about what whoever runs a registry asks of it from beside it, and what they are told: shapes, no rules."""

from typing import Annotated, TypeAlias

import msgspec

from wire.limits import INVITES_MAX

Code: TypeAlias = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]


class MakeInvites(msgspec.Struct, frozen=True, tag="invite"):
    """The public halves of new join codes. The same ones again change nothing."""

    codes: Annotated[list[Code], msgspec.Meta(max_length=INVITES_MAX)]


class ListNames(msgspec.Struct, frozen=True, tag="names"):
    """Which names there are."""


class ReleaseName(msgspec.Struct, frozen=True, tag="release"):
    """This name is to be anybody's again."""

    name: str


Errand: TypeAlias = MakeInvites | ListNames | ReleaseName


class NameShown(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One name: whose it is, whether they are here, and since when that holds (Unix seconds)."""

    name: str
    identity: bytes
    state: str
    since: int


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of it. `error` is empty when it is done, and on the disk."""

    error: str = ""
    names: list[NameShown] = []
