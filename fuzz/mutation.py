"""Mutating bytes: at random, and inside msgpack values, so that the result still decodes."""

import random
from collections.abc import Sequence
from typing import Final

import msgspec

Tree = object
_PREFIX_MAX: Final = 1
"""Bytes that may precede a message: the kind of a datagram."""
_NUMBERS: Final = (
    0,
    1,
    -1,
    23,
    127,
    128,
    255,
    256,
    65_535,
    65_536,
    2**31,
    2**32 - 1,
    2**32,
    2**53,
    2**63 - 1,
    2**63,
    2**64 - 1,
)
_TEXTS: Final = (
    "",
    " ",
    "a" * 40,
    "bob",
    "#room",
    "\x1b]0;x\x07",
    "\u202e",
    "e\u0301",
    "名前",
    "\0",
    "a\nb",
    "\U0001f642" * 9,
)


def mutated(data: bytes, chance: random.Random, others: Sequence[bytes] = ()) -> bytes:
    """Return a mutated copy; parts may come from others."""
    kind = chance.random()
    if kind < 0.6:
        changed = _with_other_values(data, chance, others)
        if changed is not None:
            return changed
    if kind > 0.9 and others:
        other = chance.choice(others)
        return data[: chance.randrange(len(data) + 1)] + other[chance.randrange(len(other) + 1) :]
    return _with_other_bytes(data, chance)


def _with_other_bytes(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.randrange(1, 4)):
        match chance.randrange(4):
            case 0 if changed:
                changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
            case 1:
                del changed[chance.randrange(len(changed) + 1) :]
            case 2:
                place = chance.randrange(len(changed) + 1)
                changed[place:place] = chance.randbytes(chance.randrange(1, 9))
            case _ if changed:
                begin = chance.randrange(len(changed))
                changed[begin : begin + chance.randrange(1, 9)] = chance.randbytes(
                    chance.randrange(9)
                )
    return bytes(changed)


def _with_other_values(data: bytes, chance: random.Random, others: Sequence[bytes]) -> bytes | None:
    """Return a copy with other values; None if there is no message, or the result cannot be
    encoded."""
    for prefix in range(_PREFIX_MAX + 1):
        tree = _read(data[prefix:])
        if not isinstance(tree, list):
            continue
        for _ in range(chance.randrange(1, 3)):
            tree = _changed(tree, chance, others)
        try:
            return data[:prefix] + msgspec.msgpack.encode(tree)
        except (OverflowError, RecursionError):
            return None
    return None


def _read(data: bytes) -> Tree | None:
    try:
        tree: Tree = msgspec.msgpack.decode(data)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
    return tree


def _changed(tree: Tree, chance: random.Random, others: Sequence[bytes]) -> Tree:
    """Return a tree with one value changed, more likely a deep one."""
    if isinstance(tree, list) and tree and chance.random() < 0.8:
        place = chance.randrange(len(tree))
        return [*tree[:place], _changed(tree[place], chance, others), *tree[place + 1 :]]
    match tree:
        case list():
            return _other_list(tree, chance, others)
        case bool():
            return not tree
        case int():
            return chance.choice((*_NUMBERS, tree + 1, tree - 1))
        case str():
            return chance.choice((*_TEXTS, tree + tree, tree[:-1], tree.encode()))
        case bytes():
            return chance.choice(
                (
                    b"",
                    tree[:-1],
                    tree + b"\0",
                    chance.randbytes(len(tree)),
                    _with_other_bytes(tree, chance),
                )
            )
    return chance.choice((None, 0, "", b"", [], {}, 1.5, tree))


def _other_list(tree: list[Tree], chance: random.Random, others: Sequence[bytes]) -> Tree:
    place = chance.randrange(len(tree) + 1)
    match chance.randrange(5):
        case 0:
            return tree[:place] + tree[place + 1 :]
        case 1:
            return tree + tree
        case 2:
            return [*tree[:place], chance.choice((None, 0, "", b"x", [tree])), *tree[place:]]
        case 3:
            return chance.sample(tree, len(tree))
    other = _read(chance.choice(others)) if others else None
    return [*tree[:place], other, *tree[place:]]
