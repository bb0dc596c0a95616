"""This file is about the command `python -m fuzz [--seconds N] [target ...]`: each target in its own process, one by one.

With atheris each is guided by what its bytes reach; without it valid bytes are changed at random. Bytes that broke
something are printed, and the exit status is 1.
"""

import argparse
import importlib.util
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

SECONDS: Final = 600


def guided(name: str, seconds: int) -> None:
    """Under atheris, which ends the process."""
    import atheris

    with atheris.instrument_imports(include=["wire", "registry", "peer"]):
        from fuzz.targets import TARGETS, samples
    target = TARGETS[name]()
    with tempfile.TemporaryDirectory() as folder:
        for number, sample in enumerate(samples()):
            (Path(folder) / str(number)).write_bytes(sample)
        options = [f"-max_total_time={seconds}", "-timeout=20", "-rss_limit_mb=1024", "-print_final_stats=1"]
        atheris.Setup(["fuzz", folder, *options, f"-artifact_prefix={folder}/", "-max_len=4096"], target)
        atheris.Fuzz()


def unguided(name: str, seconds: int) -> None:
    """Without a fuzzer: changed copies of valid bytes."""
    from fuzz.targets import TARGETS, mutated, samples

    chance, begun, count = random.Random(), time.monotonic(), 0
    target, valid = TARGETS[name](), samples()
    while time.monotonic() < begun + seconds:
        data = mutated(chance.choice(valid), chance)
        count += 1
        try:
            target(data)
        except Exception:
            print(f"{name}: {data.hex()}", file=sys.stderr)
            raise
    print(f"stat::number_of_executed_units: {count}")


def run(name: str, seconds: int) -> bool:
    """One target in a process of its own; whether nothing broke."""
    command = [sys.executable, "-m", "fuzz", "--inside", name, "--seconds", str(seconds)]
    begun = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    said = done.stdout + done.stderr
    cases = next((line.split()[-1] for line in said.splitlines() if "number_of_executed_units" in line), "?")
    print(
        f"{name:10} {cases:>12} cases in {time.monotonic() - begun:6.1f} s {'' if done.returncode == 0 else 'BROKEN'}",
        flush=True,
    )
    if done.returncode:
        print(said[-4_000:], file=sys.stderr)
    return done.returncode == 0


def main() -> int:
    """The command line."""
    asked = argparse.ArgumentParser(prog="python -m fuzz")
    asked.add_argument("targets", nargs="*")
    asked.add_argument("--seconds", type=int, default=SECONDS, help="for each target")
    asked.add_argument("--inside", help=argparse.SUPPRESS)
    words = asked.parse_args()
    is_guided = importlib.util.find_spec("atheris") is not None
    if words.inside:
        (guided if is_guided else unguided)(words.inside, words.seconds)
        return 0
    from fuzz.targets import TARGETS

    unknown = set(words.targets) - set(TARGETS)
    if unknown:
        asked.error(f"no target {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    print("guided by atheris" if is_guided else "atheris is not installed: changed copies of valid bytes")
    are_whole = [run(name, words.seconds) for name in words.targets or TARGETS]
    return 0 if all(are_whole) else 1


if __name__ == "__main__":
    sys.exit(main())
