"""The pages of the manual and the files of completion: up to date, valid, and complete by the
program's own help."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from chatapp.commands import COMMANDS
from chatapp.registry.program.settings import KEYS
from release.manual import command_line
from tests.cast.program import CHECKOUT

CONTRIB = CHECKOUT / "contrib"
MANUAL = sorted((CONTRIB / "man").iterdir())
BASH = CONTRIB / "completion" / "bash" / "ChatApp"


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


def run(*words: str, typed: str = "") -> str:
    """Run a program that must succeed and complain of nothing; return what it prints."""
    done = subprocess.run(
        words, input=typed, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), words
    return done.stdout


@needs("groff")
@pytest.mark.parametrize("page", MANUAL, ids=lambda page: page.name)
def test_a_page_has_no_fault_and_shows_everything(page: Path) -> None:
    shown = run("groff", "-man", "-ww", "-Tutf8", "-P-cbou", str(page))
    words = set(shown.split())
    if page.name == "ChatApp.1":
        options = {
            one
            for part in command_line().pages()
            for option in part.options
            for one in option.spellings
        }
        assert {*COMMANDS, *options} <= {word.strip(",") for word in words}
    else:
        assert set(KEYS) <= words
    assert not re.search(r"\\f|\.TP|\.SS", shown)


# --- completion


PROGRAM = str(Path(sys.executable).with_name("ChatApp"))
COMPLETED = [
    ("ChatApp ad", {"admin"}),
    ("ChatApp admin ban", {"ban", "bans"}),
    ("ChatApp admin kick --f", {"--for"}),
    ("ChatApp -s 5000 --log-level ", {"critical", "debug", "error", "info", "warning"}),
    ("ChatApp -s 5000 --log-f", {"--log-file", "--log-format"}),
    ("ChatApp export bob --format j", {"jsonl"}),
    ("ChatApp --des", {"--desk"}),
]
FILES = [
    ("ChatApp config --check chat", "chatapp.toml"),
    ("ChatApp verify mon", "monitoring"),
]
"""Where the program has nothing to offer, the shell offers files."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a file and a folder, to complete in; `ChatApp` is on PATH."""
    (tmp_path / "chatapp.toml").touch()
    (tmp_path / "monitoring").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(PROGRAM).parent}:{os.environ['PATH']}")
    return tmp_path


@needs("bash")
def test_bash_offers_what_fits(folder: Path) -> None:
    """As with an installed file, which bash-completion loads at the first Tab."""
    script = f"source {shlex.quote(str(BASH))}\n"
    for line, _ in COMPLETED:
        words = line.split(" ")
        script += (
            f"COMP_WORDS=({' '.join(map(shlex.quote, words))}) COMP_CWORD={len(words) - 1}\n"
            '_ChatApp_completion ChatApp; echo "${COMPREPLY[*]}"\n'
        )
    answers = run("bash", "-c", script + "complete -p ChatApp").splitlines()
    assert [set(answer.split()) for answer in answers[:-1]] == [offered for _, offered in COMPLETED]
    assert "-o default" in answers[-1]  # files, where there is no offer


@needs("shellcheck")
def test_shellcheck_finds_nothing_wrong_in_the_completion_for_bash() -> None:
    assert run("shellcheck", "--shell=bash", "--severity=error", str(BASH)) == ""


ZSH = """
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PS1=; fpath=({folder} \\$fpath); autoload -Uz compinit; compinit -u -D; LISTMAX=1000"
zpty -w shell "bindkey '^I' list-choices; cd {here}; echo READY"
zpty -r -m shell read '*READY*READY*'
zpty -w -n shell $'{line}\t'
zpty -r -m shell read '*{wanted}*'
print -r -- "$read"
zpty -d shell
"""
"""Types a line into an interactive zsh and presses Tab; it ends when the choice is shown."""


@needs("zsh")
@pytest.mark.parametrize(
    ("line", "wanted"), [("ChatApp ad", "admin"), ("ChatApp -s 5000 --log-f", "--log-format")]
)
def test_zsh_offers_what_fits(folder: Path, line: str, wanted: str) -> None:
    script = ZSH.format(
        folder=CONTRIB / "completion" / "zsh", here=folder, line=line, wanted=wanted
    )
    assert wanted in run("zsh", "-f", "-c", script)


@needs("fish")
def test_fish_offers_what_fits(folder: Path) -> None:
    file = CONTRIB / "completion" / "fish" / "ChatApp.fish"
    for line, offered in [*COMPLETED, *((line, {name}) for line, name in FILES)]:
        found = run(
            "fish",
            "--no-config",
            "-c",
            f"source {shlex.quote(str(file))}; complete -C {shlex.quote(line)}",
        )
        assert {one.split("\t")[0].rstrip("/") for one in found.splitlines()} == offered, line
