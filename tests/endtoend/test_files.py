"""A file from one real program to another: by a line, by a script, and through kill -9."""

import os
import signal
from pathlib import Path

from tests.cast.lines import beginning, received
from tests.cast.stage import CHATAPP, Stage
from tests.endtoend.conftest import Hall


async def test_offered_fetched_listed_and_refused(hall: Hall, tmp_path: Path) -> None:
    alice, bob = hall.alice, hall.bob
    plan, mine = tmp_path / "the plan.pdf", tmp_path / "mine.pdf"
    plan.write_bytes(os.urandom(3_000_000))
    await alice.type(f"/send_file bob '{plan}'")
    await alice.sees("[You offer the plan.pdf (3.0 MB) to bob.]")
    await alice.sees(received("bob"))
    await bob.sees("alice: [file the plan.pdf, 3.0 MB: /accept 1 or /refuse 1]")
    await bob.type(f"/accept as {mine}")
    await bob.sees("[the plan.pdf comes: /files shows how far it is.]")
    await bob.sees(f"[the plan.pdf is here: {mine}]")
    await alice.sees("[bob has received the plan.pdf.]")
    assert mine.read_bytes() == plan.read_bytes()
    assert await bob.answer("/files") == [f"  1  the plan.pdf  3.0 MB  from alice: here, {mine}"]

    await alice.type(f"/send_file bob {plan}")
    await bob.sees(beginning("alice: [file the plan.pdf"))
    await bob.type("/refuse")
    await bob.sees("[You refused the plan.pdf from alice.]")
    await alice.sees("[bob does not want the plan.pdf.]")


async def test_mistakes_get_one_line_each(hall: Hall, tmp_path: Path) -> None:
    for typed, line in (
        (
            f"/send_file bob {tmp_path}/none",
            f"[{tmp_path}/none cannot be read: No such file or directory.]",
        ),
        (f"/send_file bob {tmp_path}", f"[{tmp_path} is no file.]"),
        ("/send_file bob /dev/zero", "[/dev/zero is no file.]"),
        ("/send_file bob", "[Usage: /send_file <name or #room> <path>]"),
        ("/accept 77", "[No file is offered to you.]"),
        ("/pause", "[No file is under way to you.]"),
        ("/resume", "[No file is paused.]"),
        ("/accept it", "[Usage: /accept [n] [as <path>]]"),
    ):
        assert await hall.carol.answer(typed) == [line]


async def test_a_script_waits_until_it_is_fetched_though_the_other_is_killed(
    stage: Stage, tmp_path: Path
) -> None:
    await stage.registry()
    plan, mine = tmp_path / "plan.pdf", tmp_path / "mine.pdf"
    plan.write_bytes(os.urandom(40_000_000))
    (bob,) = await stage.welcome("bob")
    words = ["send", "alice", "127.0.0.1", str(stage.port), "bob,dora", "--file", str(plan)]
    script = await stage.run("send", [*CHATAPP, *words], home="alice")
    await script.sees("[You offer plan.pdf (40.0 MB) to bob.]")
    await bob.sees(beginning("alice: [file plan.pdf"))
    script.signal(signal.SIGSTOP)  # nothing comes before bob is killed
    await bob.type(f"/accept as {mine}")
    await bob.sees("[plan.pdf comes: /files shows how far it is.]")
    await bob.kill()
    again = await stage.peer("bob")
    script.signal(signal.SIGCONT)
    await again.sees(f"[plan.pdf is here: {mine}]")
    await script.sees("[bob has received plan.pdf.]")
    assert await script.ends() == 4  # nobody is called dora
    assert mine.read_bytes() == plan.read_bytes()
