"""A server's key with real programs: shown at first contact, required by an option, recognised
under another name, refused after a change, and accepted when the user names it."""

import re
import signal
from pathlib import Path

from tests.cast.lines import LOST, WELCOME, received
from tests.cast.program import Program
from tests.cast.stage import CHATAPP, Stage
from tests.support.ports import free_port

KEY = re.compile(r"\[Registry key ([0-9a-f ]{39})\]")
MET = re.compile(r"\[First contact with this server; its key is ([0-9a-f ]{39})\.\]")


def changed(expected: str, got: str) -> str:
    return f"[The server's key has changed: expected {expected}, got {got}.]"


def mistyped(key: str) -> str:
    """The key with another last digit."""
    return key[:-1] + ("1" if key.endswith("0") else "0")


async def key_of(registry: Program) -> str:
    found = KEY.match(await registry.sees(KEY))
    assert found is not None
    return found[1]


async def ended(program: Program) -> None:
    await program.stops()


def move(stage: Stage, to: int) -> None:
    """The registry has another address: its folder bears the port."""
    folder = stage.folder / "registry" / "registry"
    (folder / str(stage.port)).rename(folder / str(to))


async def test_the_first_contact_shows_the_key_that_the_registry_prints(stage: Stage) -> None:
    key = await key_of(await stage.registry())
    alice = await stage.peer("alice")
    await alice.sees(f"[First contact with this server; its key is {key}.]")
    await alice.sees(WELCOME)
    await ended(alice)
    again = await stage.come("alice")
    assert not again.shown(lambda line: line.startswith("[First contact"))
    visitor = await stage.visitor("asha")
    await visitor.sees(f"[First contact with this server; its key is {key}.]")


async def test_people_stay_who_they_are_when_the_registry_is_found_under_another_name(
    stage: Stage,
) -> None:
    registry = await stage.registry()
    bob = await stage.peer("bob")
    alice = await stage.peer("alice", host="localhost")
    await alice.knows("alice", "bob")
    await ended(alice)
    by_address = await stage.peer("alice", host="127.0.0.1")
    await by_address.sees(f"[This is the server that you know as localhost:{stage.port}.]")
    await by_address.sees(WELCOME)
    await by_address.type("send bob hi")
    await by_address.sees(received("bob"))
    await ended(by_address)
    await ended(bob)
    await ended(registry)
    moved = free_port()
    move(stage, moved)
    await stage.registry(port=moved)
    renumbered = await stage.peer("alice", server_port=moved)
    await renumbered.sees(
        f"[This is the server that you know as 127.0.0.1:{stage.port} and localhost:{stage.port}.]"
    )
    await renumbered.type("/history")
    await renumbered.sees(lambda line: line.endswith("alice to bob: hi"))


async def test_another_registry_under_a_known_name_is_refused_by_every_program(
    stage: Stage,
) -> None:
    registry = await stage.registry()
    key = await key_of(registry)
    alice, asha = await stage.peer("alice"), await stage.visitor("asha")
    await alice.sees(WELCOME)
    await asha.sees(MET)
    for program in (alice, asha, registry):
        program.signal(signal.SIGTERM)
        await program.ends()
    other = await key_of(await stage.registry(home="another"))
    refused = await stage.peer("alice")
    assert await refused.ends() == 1
    assert refused.shown() == [changed(key, other)]
    said = await stage.run(
        "alice",
        [*CHATAPP, "send", "alice", "127.0.0.1", str(stage.port), "bob", "hi"],
        home="alice",
    )
    assert (await said.ends(), said.shown()) == (4, [changed(key, other)])
    visitor = await stage.visitor("asha")
    assert await visitor.ends() == 1
    assert visitor.shown() == [changed(key, other)]
    accepting = await stage.peer("alice", "--registry-key", other.upper())
    await accepting.sees(f"[The server's new key is accepted: {other}.]")
    await accepting.sees(WELCOME)
    await ended(accepting)
    trusting = await stage.visitor("asha", "--registry-key", other)
    await trusting.sees(f"[The server's new key is accepted: {other}.]")
    await (await stage.peer("alice")).sees(WELCOME)


async def test_a_demanded_key_holds_at_the_first_contact(stage: Stage, tmp_path: Path) -> None:
    key = await key_of(await stage.registry())
    wrong = " ".join(["0123"] * 8)
    for option in (("--registry-key", wrong), ()):
        refused = await stage.peer(
            "alice", *option, environment={} if option else {"CHATAPP_REGISTRY_KEY": wrong}
        )
        assert await refused.ends() == 1
        assert refused.shown() == [changed(wrong, key)]
    words = [
        *CHATAPP,
        "send",
        "carol",
        "127.0.0.1",
        str(stage.port),
        "alice",
        "hi",
        "--registry-key",
    ]
    said = await stage.run("carol", [*words, wrong], home="carol")
    assert (await said.ends(), said.shown()) == (4, [changed(wrong, key)])
    alice = await stage.peer("alice", "--registry-key", key.replace(" ", ""))
    await alice.sees(f"[First contact with this server; its key is {key}, as expected.]")
    await alice.sees(WELCOME)
    met = await stage.run("carol", [*words, key], home="carol")
    assert await met.ends() == 0
    await alice.sees("carol: hi")
    assert met.complaints == [f"[First contact with this server; its key is {key}, as expected.]"]


async def test_a_join_code_names_the_server_that_made_it(stage: Stage) -> None:
    registry = await stage.registry("--invite-only")
    code = re.compile(r"\[Join code ([0-9A-Z-]{29}): lets one newcomer in, within 7 days\]")
    key = await key_of(registry)
    made = code.fullmatch(await registry.sees(code))
    assert made is not None
    await ended(registry)
    in_its_place = await stage.registry(home="another")
    other = await key_of(in_its_place)
    given = {"CHATAPP_CODE": made[1]}
    refused = await stage.peer("alice", environment=given)
    assert await refused.ends() == 1
    why = f"this join code is of another server than the one that answers, whose key is {other}"
    assert refused.shown() == [f"[Not registered: {why}.]"]
    await ended(in_its_place)
    await stage.registry("--invite-only")
    alice = await stage.come("alice", environment=given)
    await alice.sees(f"[First contact with this server; its key is {key}, as expected.]")
    await alice.type("/verify server")
    await alice.sees_all(f"[The server's key: {key}]", "[You have verified it.]")


async def test_a_server_whose_key_changes_under_a_running_peer_is_accepted_by_its_digits(
    stage: Stage,
) -> None:
    registry = await stage.registry()
    key = await key_of(registry)
    alice, bob = await stage.welcome("alice", "bob")
    await ended(registry)
    await alice.sees(LOST)
    other = await key_of(await stage.registry(home="another"))
    await alice.sees(changed(key, other))
    await alice.type("/trust server", f"/trust server {mistyped(key)}", "/verify server")
    await alice.sees_all(
        "[Which key? /verify server shows its digits: compare them, then type /trust server <digits>.]",
        "[Those are not the digits of the key of the server; /verify server shows them.]",
        f"[The server shows a different key from the one that you know: {other}]",
    )
    await alice.type(f"/trust server {other}")
    await alice.sees("[The server's new key is accepted; registering there.]")
    await alice.sees(f"[The server's new key is accepted: {other}.]")
    await alice.sees(WELCOME)
    await bob.sees(changed(key, other))
    await bob.type(f"/trust server {other}")
    await bob.sees(WELCOME)
    await alice.knows("alice", "bob")
    await alice.type("send bob hi")
    await bob.sees("alice: hi")
