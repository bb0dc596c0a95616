"""What a start loads: the number of modules, the memory that they take, and the slow ones that must
wait until they are needed. How long a start takes stands in `bench/` (S2), and what an idle program
holds in I1.
"""

import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]

LOADED = """
import resource
import sys
sys.argv[0] = "ChatApp"
from chatapp.__main__ import main
from chatapp import starting
if {is_peer}:
    starting._load_asyncio()
import asyncio
asyncio.Runner.run = lambda runner, work: work.close() or 0  # all is loaded, and the program would begin to run
main({words})
if {is_terminal}:
    import chatapp.peer.faces.line.tty
elif {words}[0] == "-c":
    import chatapp.peer.faces.line.start
pages = open("/proc/self/statm").read().split()[1] if sys.platform == "linux" else 0
print(int(pages) * resource.getpagesize() // 2**20)
print(*sorted(sys.modules))
"""

NOT_AT_A_START = {
    "confusable_homoglyphs",
    "curses",
    "multiprocessing",
    "phonenumbers",
    "platformdirs",
    "precis_i18n",
    "rich",
    "typer",
    "typing_extensions",
    "unittest",
}
NOT_BEFORE_A_PROMPT = {
    "chatapp.peer.sdk.client",
    "chatapp.wire.sessions",
    "cryptography",
    "nacl",
    "sqlite3",
}
NOT_IN_A_PEER = NOT_AT_A_START | {"chatapp.registry", "ssl", "uvloop"}
STANDARD_MOST = 200
"""How many modules of the standard library a start may load: they differ from one Python to the
next, 192 with 3.13."""
MORE_MEMORY = 1.1 if sys.version_info >= (3, 13) else 1.0
"""Python 3.13 needs so many times the memory of 3.11."""
PEER = ["-c", "alice", "127.0.0.1", "5000", "6000"]


@pytest.mark.parametrize(
    ("words", "is_terminal", "most", "mebibytes", "absent"),
    [
        (PEER, False, 235, 42, NOT_IN_A_PEER | {"prompt_toolkit"}),
        (PEER, True, 208, 28, NOT_IN_A_PEER | NOT_BEFORE_A_PROMPT),
        ([*PEER, "--stay"], False, 235, 42, NOT_IN_A_PEER | {"prompt_toolkit"}),
        (["daemon", *PEER[1:]], False, 216, 41, NOT_IN_A_PEER | {"prompt_toolkit"}),
        (["--desk", "127.0.0.1", "5000"], False, 241, 42, NOT_IN_A_PEER | {"prompt_toolkit"}),
        (
            ["-s", "5000"],
            False,
            215,
            43,
            NOT_AT_A_START | {"chatapp.peer", "prompt_toolkit", "sqlite3"},
        ),
        (
            ["send", "alice", "127.0.0.1", "5000", "bob", "hi"],
            False,
            250,
            42,
            NOT_IN_A_PEER - {"typer", "typing_extensions"} | {"prompt_toolkit"},
        ),
    ],
)
def test_a_start_loads_few_modules(
    words: list[str],
    is_terminal: bool,
    most: int,
    mebibytes: int,
    absent: set[str],
    tmp_path: Path,
) -> None:
    """`most`: of our modules and those of other packages, a twentieth above what it takes; a tenth
    for memory. On a terminal: what is loaded before the prompt."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            LOADED.format(is_peer=words[0] != "-s", words=words, is_terminal=is_terminal),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd=CHECKOUT,
        env={"CHATAPP_HOME": str(tmp_path)},
    )
    *_, memory, names = done.stdout.splitlines()
    modules = set(names.split())
    assert "asyncio" in modules
    assert sorted(absent & modules) == []
    standard = {name for name in modules if name.partition(".")[0] in sys.stdlib_module_names}
    assert len(modules - standard) <= most
    assert len(standard) <= STANDARD_MOST
    assert int(memory) <= mebibytes * MORE_MEMORY
