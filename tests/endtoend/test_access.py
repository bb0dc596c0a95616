"""Access control with real programs: join codes, lists, and the registry's admin commands."""

import re
import signal
from pathlib import Path

import pytest

from chatapp.validation import CODE_SHOWN
from tests.cast.lines import WELCOME
from tests.cast.program import Program
from tests.cast.stage import CHATAPP, Stage
from tests.cast.terminal import Terminal

CODE = re.compile(r"\[Join code ([0-9A-Z-]{29}): lets one newcomer in, within 7 days\]")
NOT_INVITED = re.compile(
    r"\[Not registered: this server is invite-only; .* have your key listed: ([0-9a-f ]{39})\.\]"
)
BAD_CODE = "[Not registered: this join code is used up, too old or not of this server.]"
BANNED = "[Not registered: you are banned from this server.]"


async def refused(peer: Program, line: str | re.Pattern[str]) -> str:
    """Return the line that says why; the program ends with it."""
    said = await peer.sees(line)
    assert await peer.ends() == 1
    return said


async def test_codes_let_one_newcomer_in_each(stage: Stage) -> None:
    registry = await stage.registry("--invite-only")
    first = CODE.match(await registry.sees(CODE))
    assert first is not None
    await refused(await stage.peer("alice"), NOT_INVITED)
    alice = await stage.come("alice", "--code", first[1].lower())
    await refused(await stage.peer("bob", environment={"CHATAPP_CODE": first[1]}), BAD_CODE)
    made = await stage.output_of("invite", "--count", "2")
    assert len(set(made)) == 2
    bob = await stage.come("bob", environment={"CHATAPP_CODE": made[0]})
    await registry.kill()
    await registry.ends()
    await bob.quits()
    again = await stage.output_of("invite")
    registry = await stage.registry("--invite-only")
    assert not [line for line in registry.lines if CODE.match(line.text)], "there are some"
    bob = await stage.come("bob")
    for name, code in (("carol", made[1]), ("dave", again[0])):
        await refused(await stage.peer(name, "--code", first[1]), BAD_CODE)
        typed = await stage.peer(name, "--code", "-")
        await typed.type(code, "/who")
        await typed.sees(WELCOME)
        await typed.sees(re.compile(rf"\[{name} is online\.\]"))
        assert typed.complaints == []
    assert alice.complaints == [CODE_SHOWN]


async def test_listed_keys_need_no_code_and_banned_ones_are_refused(
    stage: Stage, tmp_path: Path
) -> None:
    allow, ban = tmp_path / "allow", tmp_path / "ban"
    allow.write_text("# nobody yet\n" + "0" * 32 + "\n")
    ban.write_text("mallory\n\n127.9.0.0/16\n")
    registry = await stage.registry("--allow", str(allow), "--ban", str(ban))
    said = NOT_INVITED.match(await refused(await stage.peer("alice"), NOT_INVITED))
    assert said is not None
    await refused(await stage.peer("Mallory"), BANNED)
    await registry.stops()
    allow.write_text(f"{said[1]}\n")
    await stage.registry("--allow", str(allow), "--ban", str(ban))
    await (await stage.peer("alice")).sees(WELCOME)
    await refused(await stage.peer("bob"), NOT_INVITED)


@pytest.mark.parametrize("runs", [True, False], ids=["while it runs", "while it does not"])
async def test_a_name_is_listed_and_released(stage: Stage, runs: bool) -> None:
    registry = await stage.registry()
    alice, bob = await stage.welcome("alice", "bob")
    if runs:
        assert "online" in (await stage.output_of("names", "release", "bob", status=1))[0]
    await bob.quits()
    await alice.knows(away=["bob"])
    if not runs:
        await registry.stops()
    listed = await stage.output_of("names", "list", "--port", str(stage.port))
    assert [line.split()[0] for line in listed] == ["alice", "bob"]
    assert re.search(r"  ([0-9a-f]{4} ){8} away since [0-9-]+ [0-9:]+$", listed[1])
    assert await stage.output_of("names", "release", "BOB") == ["The name BOB is free now"]
    assert len(await stage.output_of("names", "list")) == 1
    if not runs:
        await stage.registry()
    await stage.come("bob", home="another")
    await refused(await stage.peer("bob"), "[Name bob is taken.]")


async def test_a_letter_of_somebody_whose_name_was_released_is_shown(stage: Stage) -> None:
    await stage.registry()
    (alice,) = await stage.welcome("alice")
    await alice.quits()
    (carol,) = await stage.welcome("carol")
    await carol.type("send alice the key is under the stone")
    await carol.sees("[Messages received by the server and saved]")
    await carol.quits()
    assert await stage.output_of("names", "release", "carol") == ["The name carol is free now"]
    alice = await stage.peer("alice")
    await alice.sees(
        re.compile(
            r"carol \(unverified: nobody of this name is registered\): [-0-9]{10} [:0-9]{8} the key is under the stone"
        )
    )
    await alice.type("/history")
    await alice.sees(
        re.compile(
            r"1  .* carol \(unverified: nobody of this name is registered\) to alice: the key is under the stone"
        )
    )


@pytest.mark.parametrize(
    ("words", "culprit"),
    [
        (["names"], "names list"),
        (["names", "drop", "bob"], "drop"),
        (["names", "release"], "<name>"),
        (["names", "list", "all"], "all"),
        (["names", "list"], "no registry"),
        (["invite", "--count", "0"], "1 to 1000"),
        (["invite", "--port", "5001"], "port 5001"),
        (["-c", "a", "127.0.0.1", "5000", "6000", "--invite-only"], "--invite-only"),
        (["-c", "a", "127.0.0.1", "5000", "6000", "--code", "x"], "--code"),
        (["-s", "5000", "--code", "x"], "--code"),
        (["send", "a", "127.0.0.1", "5000", "b", "hi", "--code", "x"], "--code"),
        (["-s", "5000", "--ban", "/no/such/file"], "/no/such/file"),
    ],
)
async def test_a_mistake_is_one_line(stage: Stage, words: list[str], culprit: str) -> None:
    (line,) = await stage.output_of(*words, status=2)
    assert culprit in line


async def test_lists_are_read_again_while_the_registry_runs(stage: Stage, tmp_path: Path) -> None:
    ban = tmp_path / "ban"
    ban.write_text("")
    registry = await stage.registry("--ban", str(ban))
    alice, bob = await stage.welcome("alice", "bob")
    ban.write_text("bob\n127.9.0.0/16\n")
    registry.signal(signal.SIGHUP)
    await registry.sees("[Lists reloaded: 0 allowed, 2 banned; 1 disconnected]")
    await bob.sees(BANNED)
    await alice.sees("[bob is banned from this server.]")
    await alice.type("/who")
    await alice.sees("[bob is banned from this server.]")
    ban.write_text("carol\na name\n")
    registry.signal(signal.SIGHUP)
    await registry.sees(
        re.compile(r'\[--ban \["carol", "a name"\]: .*; the lists stay as they were\]')
    )
    await bob.type("reg bob")
    await bob.sees(BANNED)
    ban.unlink()
    registry.signal(signal.SIGHUP)
    await registry.sees(
        f'["{ban}" is not a file, so it cannot be reloaded; the lists stay as they were]'
    )
    ban.write_text("carol\n")
    registry.signal(signal.SIGHUP)
    await registry.sees("[Lists reloaded: 0 allowed, 1 banned]")
    await bob.type("reg bob")
    await bob.sees(WELCOME)
    await alice.knows("bob")
    await alice.type("send bob welcome back")
    await bob.sees("alice: welcome back")
    assert registry.complaints == []


async def test_a_registry_whose_terminal_is_closed_ends_whatever_it_could_read(
    stage: Stage, tmp_path: Path
) -> None:
    ban = tmp_path / "ban"
    ban.write_text("")
    terminal = await Terminal.open(
        "-s", str(stage.port), "--ban", str(ban), home=tmp_path / "registry"
    )
    try:
        await terminal.shows("[Files in")
        terminal.close()
        assert await terminal.ends() == 0
    finally:
        await terminal.clear_away()


async def test_a_script_registers_with_a_code(stage: Stage) -> None:
    registry = await stage.registry("--invite-only")
    codes = [CODE.match(line) for line in await registry.sees_times(2, CODE)]
    bob = await stage.come("bob", "--code", codes[0][1] if codes[0] else "")
    words = [*CHATAPP, "send", "script", "127.0.0.1", str(stage.port)]
    without = await stage.run("script", [*words, "bob", "hi"], home="script")
    assert await without.ends() == 4
    assert NOT_INVITED.match(without.shown()[0])
    code = codes[1][1] if codes[1] else ""
    script = await stage.run("script", [*words, "--code", code, "bob", "hi"], home="script")
    assert await script.ends() == 0
    await bob.sees("script: hi")
