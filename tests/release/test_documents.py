"""The pages of the manual and the files of completion: up to date, valid, and complete by the
program's own help."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from chatapp.commands import COMMANDS
from chatapp.registry.program.settings import KEYS
from release.commands import command_line
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


# --- bash


def completed(*words: str) -> list[str]:
    """What bash offers for a line; the last word is the one under the cursor."""
    script = (
        "compopt() { :; }\n"  # it works only while a line is edited
        f"source {shlex.quote(str(BASH))}\n"
        f"COMP_WORDS=({' '.join(map(shlex.quote, words))}) COMP_CWORD={len(words) - 1}\n"
        '_ChatApp; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    return sorted(filter(None, run("bash", "-c", script).splitlines()))


@needs("bash")
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("ChatApp ad", ["admin"]),
        ("ChatApp admin ban", ["ban", "bans"]),
        ("ChatApp admin kick --", ["--data", "--for", "--help", "--json", "--port"]),
        ("ChatApp admin kick bob --for ", []),
        ("ChatApp -s 5000 --log-level ", ["critical", "debug", "error", "info", "warning"]),
        ("ChatApp -s 5000 --log-f", ["--log-file", "--log-format"]),
        ("ChatApp export bob --format j", ["jsonl"]),
        ("ChatApp -c send ad", []),
        ("ChatApp send admin --fo", []),
        ("ChatApp config --check HERE/docs/chat", ["HERE/docs/chatapp.toml"]),
        ("ChatApp verify HERE/contrib/mon", ["HERE/contrib/monitoring"]),
        ("ChatApp -c alice 127.0.0.1 ", []),
    ],
)
def test_bash_offers_what_fits(line: str, offered: Sequence[str]) -> None:
    """HERE is the checkout, whose path may hold a space."""
    words = [word.replace("HERE", str(CHECKOUT)) for word in line.split(" ")]
    assert completed(*words) == [word.replace("HERE", str(CHECKOUT)) for word in offered]


@needs("bash")
def test_bash_knows_every_command_and_option() -> None:
    pages = list(command_line().pages())
    script = "compopt() { :; }\n" + f"source {shlex.quote(str(BASH))}\n"
    for page in pages:
        for last in ("", "-"):
            words = " ".join(map(shlex.quote, (*page.words, last)))
            script += f'COMP_WORDS=({words}) COMP_CWORD={len(page.words)}; _ChatApp; echo "${{COMPREPLY[*]}}"\n'
    answers = run("bash", "-c", script).splitlines()
    for page, (commands, options) in zip(
        pages, zip(answers[::2], answers[1::2], strict=True), strict=True
    ):
        if page.commands:
            assert commands.split() == [one.name for one in page.commands], page.words
        assert options.split() == [one for option in page.options for one in option.spellings], (
            page.words
        )


# --- other shells


@needs("shellcheck")
def test_shellcheck_finds_nothing_in_the_completion_for_bash() -> None:
    assert run("shellcheck", "--shell=bash", str(BASH)) == ""


@needs("zsh")
def test_zsh_understands_its_completion() -> None:
    run("zsh", "-n", str(CONTRIB / "completion" / "zsh" / "_ChatApp"))


@needs("fish")
def test_fish_offers_what_fits() -> None:
    file = CONTRIB / "completion" / "fish" / "ChatApp.fish"
    for line, offered in (
        ("ChatApp ad", {"admin"}),
        ("ChatApp admin kick --f", {"--for"}),
        ("ChatApp export bob --format ", {"jsonl", "txt"}),
        ("ChatApp admin stats --as", set()),
    ):
        found = run(
            "fish",
            "--no-config",
            "-c",
            f"source {shlex.quote(str(file))}; complete -C {shlex.quote(line)}",
        )
        assert {one.split("\t")[0] for one in found.splitlines()} == offered
