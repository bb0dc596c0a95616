"""A flood of datagrams, as a process of its own.

python -m tests.faults.flooder <port> <kind> <rate> <seconds>

It sends from many addresses of its own machine, and counts each address's bytes out and in: a
registry may not send more to an address that has proved nothing than came from there. Its last word
is one line of JSON.

Each source counts the answers to all that it sent: a HELLO from elsewhere, sent last, is answered
last.
"""

import itertools
import json
import random
import socket
import sys
import time
from collections.abc import Callable
from typing import Final

import msgspec

from chatapp.wire.admission import make_register
from chatapp.wire.codec import Kind, decode_cookie, encode, encode_hello
from chatapp.wire.identity import AgreementKey, Identity, make_card
from chatapp.wire.limits import HELLO_SIZE
from chatapp.wire.messages.registration import PROTOCOL_VERSION, Cookie, Hello

SOURCES: Final = 50
SLICE: Final = 0.002
"""Seconds between two bursts, which make up the rate: one burst does not fill a socket's buffer."""

SAMPLES: Final = 4_000
"""Datagrams made in advance and sent repeatedly: making one costs more than sending it."""

DRAIN_SPAN: Final = 0.05
"""Seconds between two reads of the answers."""

Make = Callable[[], bytes]


def hello(chance: random.Random, version: int = PROTOCOL_VERSION) -> bytes:
    """Return a valid HELLO."""
    return bytes((Kind.HELLO,)) + encode_hello(Hello(version=version, nonce=chance.randbytes(16)))


def garbage(chance: random.Random) -> Make:
    """Yield modified valid datagrams, known kinds with random bytes, or just random bytes."""
    samples = [hello(chance), hello(chance, 9), bytes((7,)) + chance.randbytes(400)]
    samples += [
        bytes((kind,)) + chance.randbytes(size)
        for kind in range(12)
        for size in (0, 17, 255, 1_100)
    ]

    def make() -> bytes:
        sample = bytearray(chance.choice(samples))
        sample[chance.randrange(len(sample))] ^= 1 << chance.randrange(8)
        return bytes(sample)

    return make


def signed(chance: random.Random, cookie: Cookie, *, is_forged: bool) -> Make:
    """Yield REGISTERs with a valid cookie: of ever new people, or with invalid signatures."""

    def make() -> bytes:
        someone = Identity(chance.randbytes(32))
        mail = AgreementKey(chance.randbytes(32)).public
        name = f"flood{chance.getrandbits(48):x}"
        card = make_card(someone, name=name, mail=mail, counter=1)
        register = make_register(
            someone,
            registry=cookie.card.identity,
            nonce=chance.randbytes(16),
            cookie=cookie.cookie,
            card=card,
        )
        if is_forged:  # the shape stays good: nothing but the signature is wrong
            flipped = bytes((register.signature[0] ^ 1,)) + register.signature[1:]
            register = msgspec.structs.replace(register, signature=flipped)
        return bytes((Kind.REGISTER,)) + encode(register)

    return make


class Flood:
    """Sockets, and the counts of bytes that went through them."""

    def __init__(self, port: int) -> None:
        self._server = ("127.0.0.1", port)
        self.sockets = [self._socket(f"127.0.1.{1 + place}") for place in range(SOURCES)]
        self.out = [0] * SOURCES
        self.came = [0] * SOURCES
        self.sent = 0

    def _socket(self, host: str) -> socket.socket:
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        one.bind((host, 0))
        one.connect(self._server)
        one.setblocking(False)
        return one

    def cookie(self, place: int) -> Cookie:
        """Get a cookie from the registry for one of our addresses."""
        one = self.sockets[place]
        one.setblocking(True)
        one.settimeout(10)
        one.send(hello(random.Random(place)))
        answer = one.recv(2_048)
        one.setblocking(False)
        return decode_cookie(answer[1:])

    def run(self, make: Make, *, rate: int, seconds: float, sources: int) -> None:
        """Send at a rate, for a while, and count."""
        begun = time.monotonic()
        end = begun + seconds
        drain_at = begun
        while (now := time.monotonic()) < end:
            due = int((now - begun) * rate)
            for _ in range(max(due - self.sent, 0)):
                self._send(self.sent % sources, make())
            if now >= drain_at:
                drain_at = now + DRAIN_SPAN
                self._drain()
            time.sleep(SLICE)
        self._fence()
        self._drain()

    def _send(self, place: int, data: bytes) -> None:
        self.sent += 1
        try:
            self.sockets[place].send(data)
        except OSError:
            return
        self.out[place] += len(data)

    def _drain(self) -> None:
        for place, one in enumerate(self.sockets):
            try:
                while True:
                    self.came[place] += len(one.recv(4_096))
            except OSError:
                continue

    def _fence(self) -> None:
        with self._socket("127.0.2.1") as one:
            one.settimeout(0.5)
            for _ in range(20):
                one.send(hello(random.Random()))
                try:
                    one.recv(2_048)
                except TimeoutError:
                    continue
                return


def main() -> None:
    """Run the command line."""
    port, kind, rate, seconds = sys.argv[1:]
    flood, chance = Flood(int(port)), random.Random(4)
    sources = SOURCES
    match kind:
        case "garbage":
            made = garbage(chance)
            make = itertools.cycle([made() for _ in range(SAMPLES)]).__next__
        case "hello":
            samples = [hello(chance, version) for version in (1, 1, 1, 2) for _ in range(100)]
            assert all(len(sample) == HELLO_SIZE for sample in samples)
            make = itertools.cycle(samples).__next__
        case "forged":  # from everywhere, so that no address has used up its share of checks
            makes = [
                signed(chance, flood.cookie(place), is_forged=True) for place in range(SOURCES)
            ]
            make = itertools.cycle(
                [one() for _ in range(SAMPLES // SOURCES) for one in makes]
            ).__next__
        case _:
            sources = 1
            made = signed(chance, flood.cookie(0), is_forged=False)
            make = itertools.cycle([made() for _ in range(SAMPLES)]).__next__
    print("ready", flush=True)
    began = time.process_time()
    flood.run(make, rate=int(rate), seconds=float(seconds), sources=sources)
    worst = max(came / out for came, out in zip(flood.came, flood.out, strict=True) if out)
    used = time.process_time() - began
    told = {
        "sent": flood.sent,
        "out": sum(flood.out),
        "in": sum(flood.came),
        "worst": worst,
        "used": used,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
