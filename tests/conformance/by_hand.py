"""The protocol, written independently from docs/reference/protocol.md alone.

Only general primitives are used (hashlib, hmac, struct, the raw ciphers and curves), each as the
document names it. Where these functions and `wire` make the same bytes, the document says all that
somebody needs who writes another program. It must not import `wire`.
"""

import hashlib
import hmac
import struct

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

# --- msgpack, as far as it is used (clause 1.3)


def packed(value: object) -> bytes:
    """The shortest msgpack of numbers, truth values, texts, byte strings, arrays and nil."""
    match value:
        case None:
            return b"\xc0"
        case bool():
            return b"\xc3" if value else b"\xc2"
        case int():
            return _packed_number(value)
        case str():
            data = value.encode()
            short = bytes([0xA0 | len(data)]) if len(data) < 32 else b""
            return (short or _sized(0xD9, len(data))) + data
        case bytes():
            return _sized(0xC4, len(value)) + value
        case list():
            many = b"\xdc" + struct.pack(">H", len(value))
            few = bytes([0x90 | len(value)]) if len(value) < 16 else many
            return few + b"".join(map(packed, value))
    raise TypeError(type(value))


def packed_long(value: object) -> bytes:
    """Encode the same values in the longest form of msgpack."""
    match value:
        case None:
            return b"\xc0"
        case bool():
            return packed(value)
        case int():
            return b"\xcf" + struct.pack(">Q", value)
        case str():
            data = value.encode()
            return b"\xdb" + struct.pack(">I", len(data)) + data
        case bytes():
            return b"\xc6" + struct.pack(">I", len(value)) + value
        case list():
            return b"\xdd" + struct.pack(">I", len(value)) + b"".join(map(packed_long, value))
    raise TypeError(type(value))


def _packed_number(value: int) -> bytes:
    assert value >= 0, "nothing on the wire is negative"
    if value < 0x80:
        return bytes([value])
    for power, size in enumerate((1, 2, 4, 8)):
        if value < 1 << 8 * size:
            return bytes([0xCC + power]) + value.to_bytes(size, "big")
    raise OverflowError(value)


def _sized(first: int, size: int) -> bytes:
    """A length in one, two or four bytes behind `first`, `first` + 1 or `first` + 2."""
    if size < 1 << 8:
        return struct.pack(">BB", first, size)
    return (
        struct.pack(">BH", first + 1, size)
        if size < 1 << 16
        else struct.pack(">BI", first + 2, size)
    )


# --- keys (clauses 1.4, 3 and 5.1)


def signed(seed: bytes, purpose: bytes, message: bytes) -> bytes:
    """Ed25519 over the purpose and the message."""
    return Ed25519PrivateKey.from_private_bytes(seed).sign(purpose + message)


def identity_of(seed: bytes) -> bytes:
    """The public key of an Ed25519 seed."""
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def public_of(raw: bytes) -> bytes:
    """The public key of X25519 secret bytes."""
    return X25519PrivateKey.from_private_bytes(raw).public_key().public_bytes_raw()


def agreed(raw: bytes, other: bytes) -> bytes:
    """X25519."""
    return X25519PrivateKey.from_private_bytes(raw).exchange(
        X25519PublicKey.from_public_bytes(other)
    )


def extracted(salt: bytes, material: bytes) -> bytes:
    """HKDF-Extract with SHA-256 (RFC 5869, 2.2)."""
    return hmac.digest(salt or bytes(32), material, "sha256")


def expanded(key: bytes, info: bytes, size: int) -> bytes:
    """HKDF-Expand with SHA-256 (RFC 5869, 2.3)."""
    made, block, count = b"", b"", 0
    while len(made) < size:
        count += 1
        block = hmac.digest(key, block + info + bytes([count]), "sha256")
        made += block
    return made[:size]


# --- sessions (clauses 5.1 to 5.3)

_P = 2**255 - 19
DATAGRAMS, LINK = b"\0", b"\1"


def agreement_secret(seed: bytes) -> bytes:
    """The X25519 form of an identity: its secret half."""
    return hashlib.sha512(seed).digest()[:32]


def agreement_half(identity: bytes) -> bytes:
    """Its public half: the Montgomery u of the Edwards y."""
    y = int.from_bytes(identity, "little") & (1 << 255) - 1
    return ((1 + y) * pow(1 - y, -1, _P) % _P).to_bytes(32, "little")


def hkdf(chaining_key: bytes, material: bytes) -> tuple[bytes, bytes]:
    """HKDF of Noise with two outputs."""
    secret = hmac.digest(chaining_key, material, "sha256")
    first = hmac.digest(secret, b"\1", "sha256")
    return first, hmac.digest(secret, first + b"\2", "sha256")


class Handshake:
    """One side of Noise_KK_25519_AESGCM_SHA256, from the specification."""

    def __init__(self, prologue: bytes, initiator: bytes, responder: bytes) -> None:
        """`initiator`, `responder`: identity keys."""
        self.chaining_key = self.hash = b"Noise_KK_25519_AESGCM_SHA256".ljust(32, b"\0")
        self.key = b""
        for known in (prologue, agreement_half(initiator), agreement_half(responder)):
            self.mix_hash(known)

    def mix_hash(self, data: bytes) -> None:
        self.hash = hashlib.sha256(self.hash + data).digest()

    def mix_key(self, material: bytes) -> None:
        self.chaining_key, self.key = hkdf(self.chaining_key, material)

    def tag(self) -> bytes:
        """The next payload, which is always empty: its AEAD tag alone."""
        made = AESGCM(self.key).encrypt(bytes(12), b"", self.hash)
        self.mix_hash(made)
        return made

    def first(self, ephemeral: bytes, es: bytes, ss: bytes) -> bytes:
        """Message 1: both sides make the same from what they agree on."""
        self.mix_hash(ephemeral)
        self.mix_key(es)
        self.mix_key(ss)
        return ephemeral + self.tag()

    def second(self, ephemeral: bytes, ee: bytes, se: bytes) -> bytes:
        """Message 2."""
        self.mix_hash(ephemeral)
        self.mix_key(ee)
        self.mix_key(se)
        return ephemeral + self.tag()

    def early_key(self) -> bytes:
        """The key of what is said before the answer."""
        return hkdf(self.chaining_key, b"chatapp early 1\0" + self.hash)[0]

    def keys(self) -> tuple[bytes, bytes]:
        """Those of the session: of the initiator's datagrams, and of the responder's."""
        return hkdf(self.chaining_key, b"")


def prologue(
    initiator: bytes, responder: bytes, number: int, session: bytes, *, way: bytes, context: bytes
) -> bytes:
    """What a handshake is bound to."""
    return (
        b"chatapp session 1\0"
        + way
        + initiator
        + responder
        + struct.pack(">Q", number)
        + session
        + context
    )


def proof(ss: bytes, bound_to: bytes, first: bytes) -> bytes:
    """The keyed hash of an opening."""
    key = hmac.digest(ss, b"chatapp proof 1\0", "sha256")
    return hashlib.blake2s(bound_to + first, key=key, digest_size=16).digest()


def opening_head(
    initiator: bytes, number: int, session: bytes, first: bytes, shown: bytes
) -> bytes:
    """An OPENING up to its counter."""
    return b"\x06" + initiator + struct.pack(">Q", number) + session + first + shown


def answer_head(theirs: bytes, ours: bytes, second: bytes) -> bytes:
    """An ANSWER up to its counter."""
    return b"\x0a" + theirs + ours + second


def sealed_behind(head: bytes, key: bytes, counter: int, payload: bytes) -> bytes:
    """A datagram: its head, a counter and what is sealed."""
    header = head + struct.pack(">I", counter)
    return header + AESGCM(key).encrypt(struct.pack(">QI", 0, counter), payload, header)


def opened_behind(size: int, key: bytes, datagram: bytes) -> bytes:
    """The payload of one whose head with the counter has so many bytes."""
    nonce = bytes(8) + datagram[size - 4 : size]
    return AESGCM(key).decrypt(nonce, datagram[size:], datagram[:size])


# --- cards (clause 3.1)


def card(seed: bytes, name: str, mail: bytes, counter: int) -> list[object]:
    """A signed card."""
    said: list[object] = [name, identity_of(seed), mail, counter]
    return [*said, signed(seed, b"chatapp card 1\0", packed(said))]


# --- seals (clauses 5.4, 8.2, 8.4 and 9.2)


def group_tag(name: str) -> bytes:
    """The tag of a group."""
    return hashlib.blake2s(name.encode(), digest_size=8, person=b"chat-grp").digest()


def sealed(key: bytes, session: bytes, counter: int, payload: bytes) -> bytes:
    """A SEALED datagram."""
    return sealed_behind(b"\x07" + session, key, counter, payload)


def group_frame(
    key: bytes, name: str, epoch: int, sender_index: int, counter: int, payload: bytes
) -> bytes:
    """A GROUP frame."""
    header = struct.pack(">B8sIIQ", 8, group_tag(name), epoch, sender_index, counter)
    return header + AESGCM(key).encrypt(struct.pack(">IQ", sender_index, counter), payload, header)


def link_frame(key: bytes, counter: int, payload: bytes, kind: bytes = b"\x07") -> bytes:
    """A SEALED frame of a link with its length; kind 11 for a RENEWAL."""
    body = kind + AESGCM(key).encrypt(struct.pack(">IQ", 0, counter), payload, kind)
    return struct.pack(">I", len(body)) + body


# --- letters (clause 7.1)


def letter(body: list[object], seed: bytes, mail_key: bytes, ephemeral: bytes) -> bytes:
    """A letter, with the secret bytes of HPKE's ephemeral key."""
    encoded = packed(body)
    signature = signed(seed, b"chatapp letter 1\0", mail_key + encoded)
    return mail_key[:4] + hpke(
        packed([encoded, signature]), mail_key, b"chatapp letter 1\0", ephemeral
    )


def hpke(payload: bytes, recipient: bytes, info: bytes, ephemeral: bytes) -> bytes:
    """RFC 9180, base mode, one message: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305,
    no aad."""
    enc = public_of(ephemeral)
    kem, suite = b"KEM\0\x20", b"HPKE\0\x20\0\x01\0\x03"
    prk = _labelled_extract(kem, b"", b"eae_prk", agreed(ephemeral, recipient))
    shared = _labelled_expand(kem, prk, b"shared_secret", enc + recipient, 32)
    context = b"\0" + _labelled_extract(suite, b"", b"psk_id_hash", b"")
    context += _labelled_extract(suite, b"", b"info_hash", info)
    secret = _labelled_extract(suite, shared, b"secret", b"")
    key = _labelled_expand(suite, secret, b"key", context, 32)
    nonce = _labelled_expand(suite, secret, b"base_nonce", context, 12)
    return enc + ChaCha20Poly1305(key).encrypt(nonce, payload, b"")


def _labelled_extract(suite: bytes, salt: bytes, label: bytes, material: bytes) -> bytes:
    return extracted(salt, b"HPKE-v1" + suite + label + material)


def _labelled_expand(suite: bytes, key: bytes, label: bytes, info: bytes, size: int) -> bytes:
    return expanded(key, struct.pack(">H", size) + b"HPKE-v1" + suite + label + info, size)
