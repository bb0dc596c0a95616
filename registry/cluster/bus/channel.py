"""One end of the bus: it seals what goes out, opens what comes in, and queues messages for the
driver."""

from typing import NamedTuple

from chatapp.registry.cluster.bus.messages import BusMessage, decode_message, encode
from chatapp.registry.cluster.stream.bundles import (
    NO_HASH,
    BundleRefused,
    Flaw,
    Kind,
    Opener,
    Sealer,
)
from chatapp.registry.rules.effects import DropReason
from chatapp.registry.telemetry.recorder import Recorder
from chatapp.wire.errors import DecodeError


class BusSeals(NamedTuple):
    """With what one end of the bus seals and opens. `sealer` has a salt of its own, which seals
    nothing else."""

    sealer: Sealer
    opener: Opener


class Channel:
    """One end of the bus."""

    def __init__(self, seals: BusSeals, recorder: Recorder) -> None:
        self._sealer, self._opener = seals
        self._recorder = recorder
        self._messages: list[tuple[str, bytes]] = []

    def open(self, data: bytes) -> BusMessage | None:
        """Open a message that came. What is sealed otherwise, or malformed, is dropped and
        counted."""
        try:
            return decode_message(self._opener.open(Kind.BUS, data).content)
        except BundleRefused as refused:
            is_other = refused.flaw is Flaw.OTHER_VERSION
            self.drop(DropReason.BUS_OTHER_VERSION if is_other else DropReason.BUS_SEAL_BROKEN)
        except DecodeError:
            self.drop(DropReason.BUS_MALFORMED)
        return None

    def drop(self, reason: DropReason) -> None:
        """Count something that was not used."""
        self._recorder.dropped[reason] += 1

    def send(self, subject: str, message: BusMessage) -> None:
        """Queue a message."""
        self._messages.append((subject, self._sealer.seal(Kind.BUS, 0, NO_HASH, encode(message))))

    def take_messages(self) -> list[tuple[str, bytes]]:
        """Drain the messages to publish, each with its subject below that of the bus: in order
        within a subject."""
        messages, self._messages = self._messages, []
        return messages
