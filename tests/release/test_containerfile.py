"""The Containerfile: its rules, and its steps run in plain folders, up to a registry that serves
and is found healthy."""

import asyncio
import fnmatch
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.cast.program import CHECKOUT, Program
from tests.support.ports import free_port

FILE: Final = CHECKOUT / "Containerfile"
IGNORED: Final = CHECKOUT / ".containerignore"
VENV: Final = (sys.executable, "-m", "venv", "--without-pip")
"""What makes the virtual environment here: pip is one of the dependencies that are there
already."""


def test_docker_is_shown_the_same_files_as_podman() -> None:
    assert (CHECKOUT / "Containerfile.dockerignore").read_bytes() == IGNORED.read_bytes()


def instructions() -> list[tuple[str, str]]:
    """Each instruction and what follows it, lines that go on joined."""
    lines = [line for line in FILE.read_text("utf-8").splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [
        (word, rest)
        for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line)
    ]


def stages() -> list[list[tuple[str, str]]]:
    """The instructions of each stage, from its FROM on."""
    found: list[list[tuple[str, str]]] = []
    for word, rest in instructions():
        if word == "FROM":
            found.append([])
        found[-1].append((word, rest))
    return found


def only(stage: list[tuple[str, str]], wanted: str) -> str:
    """What follows an instruction that stands once in a stage."""
    (rest,) = [rest for word, rest in stage if word == wanted]
    return rest


def variables(stage: list[tuple[str, str]]) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in shlex.split(only(stage, "ENV")))


def health_check(stage: list[tuple[str, str]]) -> list[str]:
    command: list[str] = json.loads(only(stage, "HEALTHCHECK").partition("CMD ")[2])
    return command


def context() -> Iterator[Path]:
    """The files that reach a build: all that .containerignore lets through."""
    rules = [
        line
        for line in IGNORED.read_text("utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    for folder, names, files in os.walk(CHECKOUT):
        here = Path(folder).relative_to(CHECKOUT)
        links = [name for name in names if (Path(folder) / name).is_symlink()]
        names[:] = [
            name for name in names if name not in (".git", ".venv", ".venvs", "__pycache__", *links)
        ]
        for name in (*files, *links):
            if _passes(str(here / name), rules):
                yield here / name


def _passes(path: str, rules: list[str]) -> bool:
    passes = True
    for rule in rules:
        pattern = rule.removeprefix("!").removeprefix("**/")
        if fnmatch.fnmatch(path, pattern) or path.startswith(f"{pattern}/"):
            passes = rule.startswith("!")
    return passes


# --- rules


def test_the_image_runs_without_rights_on_one_volume_with_both_ports() -> None:
    build, final = stages()
    assert build[0][1] == f"{final[0][1]} AS build"
    assert re.fullmatch(r"[\w./-]+:\d[\w.-]+", final[0][1]), "the base image has no fixed version"
    user, group = map(int, only(final, "USER").split(":"))
    assert user > 0
    assert group > 0
    (volume,) = json.loads(only(final, "VOLUME"))
    assert volume == variables(final)["CHATAPP_HOME"]
    (command,) = [rest for word, rest in final if word == "COPY" and rest.endswith(volume)]
    assert f"--chown={user}:{group}" in command
    words = json.loads(only(final, "ENTRYPOINT"))
    assert words[:2] == ["ChatApp", "-s"]
    assert sorted(only(final, "EXPOSE").split()) == [f"{words[2]}/tcp", f"{words[2]}/udp"]
    assert health_check(final)[-2:] == ["--port", words[2]]
    assert [word for word, _ in final].index("USER") < [word for word, _ in final].index(
        "ENTRYPOINT"
    )


def test_everything_that_is_downloaded_is_locked() -> None:
    run = " && ".join(rest for word, rest in instructions() if word == "RUN")
    installs = [step for step in run.split("&&") if "pip install" in step]
    assert len(installs) == 3
    assert all("--require-hashes" in step or "--no-deps" in step for step in installs)
    assert not {"ADD", "SHELL"} & {word for word, _ in instructions()}
    assert not re.search(r"\b(curl|wget|apt|apt-get|git)\b", run)


def test_only_what_is_needed_reaches_the_build() -> None:
    names = {path.parts[0] for path in context()}
    assert names >= {"chatapp", "peer", "registry", "wire", "pyproject.toml", "LICENSE"}
    assert not names & {".git", ".venv", "tests", "bench", ".hypothesis", "build"}


@pytest.mark.skipif(shutil.which("hadolint") is None, reason="hadolint is not installed")
def test_hadolint_finds_nothing() -> None:
    done = subprocess.run(
        ["hadolint", str(FILE)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


# --- steps


class PlainFolders:
    """A builder whose root is a plain folder. What it installs needs no download: dependencies are
    those of the tests."""

    def __init__(self, root: Path, port: int) -> None:
        self.root = root
        self.port = port
        self.work = root
        self.dependencies = {"PYTHONPATH": str(Path(pytest.__file__).parents[1])}

    def build(self, stage: list[tuple[str, str]]) -> None:
        """Carry out the steps of the stage that builds."""
        for word, rest in stage:
            match word:
                case "WORKDIR":
                    self.work = self.place(rest)
                    self.work.mkdir(parents=True)
                case "COPY":
                    self.copy(shlex.split(rest))
                case "RUN":
                    self.run(rest)

    def place(self, path: str) -> Path:
        return self.root / path.lstrip("/") if path.startswith("/") else self.work / path

    def mapped(self, text: str) -> str:
        """The same words with our root for the image's, and our port for the default one."""
        there = re.sub(r"(?<![\w.])/(opt|src|data|var/lib)/", rf"{self.root}/\1/", text)
        return there.replace("5000", str(self.port))

    def copy(self, words: list[str]) -> None:
        *sources, target = words
        for path in context():
            for source in sources:
                if source == "." or str(path) == source:
                    to = self.place(target) / (path if source == "." else path.name)
                    to.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(CHECKOUT / path, to, follow_symlinks=False)

    def run(self, steps: str) -> None:
        for step in steps.split(" && "):
            words = [self.mapped(word) for word in shlex.split(step)]
            if words[:3] == ["python3", "-m", "venv"]:
                words[:3] = VENV
            if "--require-hashes" in words:
                assert (self.work / words[-1]).exists()
                continue
            environment = {**os.environ, **self.dependencies}
            done = subprocess.run(
                words,
                capture_output=True,
                text=True,
                timeout=110,
                check=False,
                cwd=self.work,
                env=environment,
            )
            assert done.returncode == 0, done.stdout + done.stderr


async def test_its_steps_make_a_registry_that_serves_and_is_healthy(tmp_path: Path) -> None:
    build, final = stages()
    builder = PlainFolders(tmp_path / "one", free_port())
    await asyncio.to_thread(builder.build, build)
    # A virtual environment cannot be moved, so the second stage has the same root.
    shutil.copytree(builder.place("/data/chatapp"), builder.place("/var/lib/chatapp"))
    environment = {
        name: builder.mapped(text) for name, text in variables(final).items()
    } | builder.dependencies
    command, health = [
        [builder.mapped(word) for word in words]
        for words in (json.loads(only(final, "ENTRYPOINT")), health_check(final))
    ]
    program = shutil.which(command[0], path=environment["PATH"])
    assert program is not None
    assert Path(program).is_relative_to(builder.root)
    registry = await Program.start("registry", [program, *command[1:]], environment=environment)
    try:
        await registry.sees(
            f"[Files in {builder.place('/var/lib/chatapp')}/registry/{builder.port}]"
        )
        healthy = await Program.start("health", [program, *health[1:]], environment=environment)
        assert await healthy.ends() == 0
        await registry.stops()
        ill = await Program.start("health", [program, *health[1:]], environment=environment)
        assert await ill.ends() == 1
    finally:
        await registry.kill()
    manual = builder.place("/opt/chatapp/share/man/man1/ChatApp.1")
    assert manual.exists()
