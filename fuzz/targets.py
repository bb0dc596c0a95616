"""The fuzz targets: every way in which foreign bytes come in, and valid bytes to begin from.

A target is a function of bytes that must not raise, or an object with state that is callable in
this way.
"""

import hashlib
import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, NamedTuple

from chatapp.wire.storage import frame, scan
from fuzz import cores, decoding, files, seeds
from fuzz.mutation import mutated

Take = Callable[[bytes], None]
FOUND: Final = Path(__file__).parent / "found"
"""Inputs that broke a target: `<target>/<digest>`, the inputs since the target was made, as records
of a journal."""


class Target(NamedTuple):
    """One way in which foreign bytes come in."""

    make: Callable[[], Take]
    seeds: tuple[Callable[[], list[bytes]], ...]
    lasts_for: int = 0
    """Inputs after which it is recreated; 0: it has no state."""


TARGETS: Final[dict[str, Target]] = {
    "decoders": Target(lambda: decoding.decoders, (seeds.messages,)),
    "headers": Target(lambda: decoding.headers, (seeds.datagrams,)),
    "frames": Target(lambda: decoding.frames, (seeds.link_streams,)),
    "letters": Target(decoding.Letters, (seeds.alone,)),
    "words": Target(lambda: decoding.words, (seeds.words,)),
    "grammar": Target(lambda: decoding.grammar, (seeds.lines,)),
    "records": Target(lambda: decoding.records, (seeds.journals, seeds.entry_bytes)),
    "trails": Target(lambda: decoding.traces, (seeds.traces,)),
    "store": Target(cores.Store, (seeds.entry_bytes,)),
    "history": Target(files.HistoryFile, (seeds.patches,)),
    "config": Target(files.Configuration, (seeds.configurations,)),
    "keepsakes": Target(files.Keepsakes, (seeds.keepsakes,)),
    "registry": Target(cores.Registry, (seeds.datagrams, seeds.requests, seeds.payloads), 500),
    "peer": Target(cores.Peer, (seeds.datagrams, seeds.payloads), 500),
    "uplink": Target(cores.Uplink, (seeds.notices, seeds.alone), 500),
    "visitor": Target(cores.Visitor, (seeds.notices, seeds.datagrams), 500),
}
"""The targets by name."""


class Running:
    """One target, recreated as often as it should be, with all its inputs since then."""

    def __init__(self, name: str) -> None:
        self.name: Final = name
        self._target: Final = TARGETS[name]
        self._given: list[bytes] = []
        self._take = self._target.make()

    def take(self, data: bytes) -> None:
        """Feed an input. Raises whatever the target raises."""
        lasts_for = self._target.lasts_for
        if lasts_for and len(self._given) >= lasts_for:
            self._take = self._target.make()
            self._given.clear()
        if lasts_for:
            self._given.append(data)
        else:
            self._given = [data]
        self._take(data)

    def keep_finding(self) -> Path:
        """Keep the inputs that broke it as a file that `make test` tries from now on: the last
        input, or all if they are needed."""
        last = self._given[-1:]
        return keep(self.name, last if breaks(self.name, last) else self._given)


def breaks(name: str, inputs: Iterable[bytes]) -> bool:
    """Whether these inputs break a new target."""
    running = Running(name)
    try:
        for data in inputs:
            running.take(data)
    except Exception:  # noqa: BLE001 - whatever it is, it is a finding
        return True
    return False


def keep(name: str, inputs: Iterable[bytes]) -> Path:
    """Write a finding, named by its content."""
    content = b"".join(frame(b"\0" + data) for data in inputs)
    path = FOUND / name / hashlib.sha256(content).hexdigest()[:16]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def findings(name: str) -> list[list[bytes]]:
    """Return all findings of a target."""
    paths = sorted((FOUND / name).glob("*"))
    return [[payload[1:] for payload in scan(path.read_bytes())[0]] for path in paths]


def samples(name: str) -> list[bytes]:
    """Valid bytes for a target."""
    return [data for give in TARGETS[name].seeds for data in give()]


def cases(name: str, count: int, chance: random.Random) -> Iterable[bytes]:
    """Yield all valid bytes, then so many mutated copies."""
    valid = samples(name)
    yield from valid
    for _ in range(count):
        yield mutated(chance.choice(valid), chance, valid)
