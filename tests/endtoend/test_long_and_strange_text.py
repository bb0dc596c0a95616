"""Long and unusual texts arrive whole, and no text controls the terminal."""

from tests.cast import lines
from tests.endtoend.conftest import Hall

LIMIT = 65_536


async def test_long_messages_pass_whole_and_longer_ones_are_refused(hall: Hall) -> None:
    alice, bob = hall.alice, hall.bob
    texts = [
        "".join(chr(ord("a") + place % 26) for place in range(60_000)),
        "x" * LIMIT,
        "é" * (LIMIT // 2),
        "✓" * 20_000,
    ]
    for text in texts:
        await alice.type(f"send bob {text}", f"send alice {text}", f"send_all {text}")
    for text in texts:
        await bob.sees_all(f"alice: {text}", lines.on_channel("alice", text))
        await alice.sees_all(
            f"alice: {text}", lines.arrived("bob"), lines.received("alice"), lines.CHANNEL_TAKEN
        )
    for size in (LIMIT + 1, 100_000, 1_000_000):
        await alice.type(f"send bob {'y' * size}", f"send_all {'y' * size}", "send bob next")
        for line in await alice.sees_times(2, lambda line: "65,536" in line):
            assert len(line) < 200
        await bob.sees("alice: next")
    assert bob.shown(lambda line: "yyy" in line) == []


async def test_a_long_letter(hall: Hall) -> None:
    alice, bob = hall.alice, hall.bob
    await bob.type("dereg bob")
    await bob.sees(lines.BYE)
    await alice.knows(away=["bob"])
    texts = ["m" * 60_000, "n" * LIMIT]
    for text in texts:
        await alice.type(f"send bob {text}")
    await alice.sees_times(2, lines.SAVED)
    await bob.type("reg bob")
    await bob.sees_all(*(lines.mail("alice", text) for text in texts))


async def test_nothing_shown_gives_orders_to_a_terminal(hall: Hall) -> None:
    alice, bob, carol = hall.alice, hall.bob, hall.carol
    await carol.type("dereg carol")
    await carol.sees(lines.BYE)
    await alice.knows(away=["carol"])
    strange = {
        "red \x1b[31malert\x1b[0m": r"red \x1b[31malert\x1b[0m",
        "title \x1b]0;owned\x07": r"title \x1b]0;owned\x07",
        "bell \x07 back \x08 delete \x7f nul \x00": r"bell \x07 back \x08 delete \x7f nul \x00",
        "return\rfake: line": r"return\x0dfake: line",
        "c1 \x9b31m": r"c1 \x9b31m",
        "right \u202eto left\u202c": "right \ufffdto left\ufffd",
        "isolate \u2066x\u2069": "isolate \ufffdx\ufffd",
        "line\u2028separator": "line\u23ceseparator",
        "zero\u200bwidth": "zero\ufffdwidth",
    }
    for text in strange:
        await alice.type(f"send bob {text}", f"send_all {text}", f"send carol {text}")
    for shown in strange.values():
        await bob.sees_all(f"alice: {shown}", lines.on_channel("alice", shown))
    await alice.sees_times(len(strange), lines.SAVED)
    await carol.type("reg carol")
    for shown in strange.values():
        await carol.sees(lines.mail("alice", shown))
    await alice.type("send \x1b[31mbob hi", "\x1b]0;owned\x07 hi", "send bob\u202e hi")
    await alice.sees(lambda line: "not a name" in line and r"\x1b[31mbob" in line)
    await alice.sees(lambda line: "Unknown command" in line and r"\x1b]0;owned\x07" in line)
    await alice.sees(lambda line: "not a name" in line and "bob\ufffd" in line)
    for peer in (alice, bob, carol):
        assert all(line.replace("\t", " ").isprintable() for line in peer.shown()), peer.name


async def test_input_that_is_not_utf8_and_endless_lines(hall: Hall) -> None:
    alice, bob = hall.alice, hall.bob
    await alice.type_bytes(b"send bob caf\xe9 \xff\xfe\n\xff\xfe\xfd\n")
    await bob.sees("alice: caf\ufffd \ufffd\ufffd")
    await alice.sees(lines.beginning('[Unknown command "\ufffd\ufffd\ufffd"'))
    for _ in range(8):
        await alice.type_bytes(b"z" * 1_000_000)
    await alice.type_bytes(b"\nsend bob still here\n")
    await alice.sees(lambda line: "too long" in line and "65,536" in line)
    await bob.sees("alice: still here")
    assert not alice.has_ended
