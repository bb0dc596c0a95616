"""Make what is given away: a wheel, a source distribution, the list of components, and checksums of
all three.

python -m release.distribution [--into FOLDER]

The packages are made from the last commit alone. Equal commits give equal bytes: times are that of
the commit (or SOURCE_DATE_EPOCH), owners and access rights are fixed, and files stand in order.
"""

import argparse
import gzip
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

CHECKOUT: Final = Path(__file__).parents[1]
COMPONENTS: Final = "chatapp-components.cdx.json"
CHECKSUMS: Final = "SHA256SUMS"
_FIRST_YEAR_OF_ZIP: Final = 315_532_800
"""1 January 1980: an archive of this kind knows no earlier time."""
_PLAIN, _PROGRAM = 0o644, 0o755
_TIMEOUT: Final = 600.0


class Unmade(Exception):
    """The packages cannot be made; the text is the line to show."""


def make(checkout: Path, into: Path, environment: Mapping[str, str]) -> list[Path]:
    """Make the packages of the last commit in a folder, and return them. Raises Unmade."""
    if not (checkout / ".git").exists():
        raise Unmade(
            f"{checkout}: not a checkout of git, so there is no commit to make packages of"
        )
    if changed := _run(["git", "status", "--porcelain"], checkout).splitlines():
        raise Unmade(
            f"{len(changed)} files are not committed, such as {changed[0][3:]}: commit them first"
        )
    epoch = _epoch(environment, default=_run(["git", "log", "-1", "--format=%ct"], checkout))
    with tempfile.TemporaryDirectory() as folder:
        source, built = Path(folder) / "source", Path(folder) / "built"
        source.mkdir()
        archive = Path(folder) / "source.tar"
        _run(["git", "archive", "--output", str(archive), "HEAD"], checkout)
        _run(["tar", "--extract", "--file", str(archive)], source)
        fixed = {**environment, "SOURCE_DATE_EPOCH": str(epoch), "PYTHONHASHSEED": "0"}
        build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(built)]
        _run(build, source, fixed)
        components = [
            sys.executable,
            "-m",
            "cyclonedx_py",
            "requirements",
            "--output-reproducible",
            "--short-PURLs",
        ]
        components += ["--pyproject", "pyproject.toml", "--output-file", str(built / COMPONENTS)]
        _run([*components, "requirements/run.txt"], source, fixed)
        into.mkdir(parents=True, exist_ok=True)
        packages = [_settle(path, into, epoch) for path in sorted(built.iterdir())]
    sums = "".join(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in packages
    )
    (into / CHECKSUMS).write_text(sums, "ascii")
    return [*packages, into / CHECKSUMS]


def _run(words: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None) -> str:
    try:
        done = subprocess.run(
            words,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unmade(str(error)) from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["it says nothing"]
        raise Unmade(f"{' '.join(words[:4])}: {said[-1]}")
    return done.stdout


def _epoch(environment: Mapping[str, str], *, default: str) -> int:
    """Return the time of everything in the packages, in seconds since 1970."""
    text = environment.get("SOURCE_DATE_EPOCH", default).strip()
    if (
        not (text.isascii() and text.isdecimal() and len(text) < 12)
        or int(text) < _FIRST_YEAR_OF_ZIP
    ):
        raise Unmade(f"SOURCE_DATE_EPOCH={text}: must be seconds since 1970, and not before 1980")
    return int(text)


def _settle(built: Path, into: Path, epoch: int) -> Path:
    """Write a package without what differs from one run to the next."""
    settled = into / built.name
    content = built.read_bytes()
    if built.name.endswith(".tar.gz"):
        content = settled_tar(content, epoch)
    elif built.suffix == ".whl":
        content = settled_zip(content, epoch)
    settled.write_bytes(content)
    return settled


def settled_tar(content: bytes, epoch: int) -> bytes:
    """Return a compressed archive with its files in order, of one time, and owned by nobody in
    particular."""
    written = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(content)) as before,
        gzip.GzipFile(filename="", mode="wb", fileobj=written, mtime=epoch) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as after,
    ):
        for member in sorted(before.getmembers(), key=lambda entry: entry.name):
            member.mtime, member.uid, member.gid, member.uname, member.gname = epoch, 0, 0, "", ""
            member.pax_headers = {}
            member.mode = _mode(member.mode, is_folder=member.isdir())
            after.addfile(member, before.extractfile(member) if member.isfile() else None)
    return written.getvalue()


def settled_zip(content: bytes, epoch: int) -> bytes:
    """Return a wheel with its files in order and of one time. Its list of files stays the last, as
    it has to."""
    written = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as before,
        zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as after,
    ):
        for member in sorted(
            before.infolist(),
            key=lambda entry: (entry.filename.endswith("/RECORD"), entry.filename),
        ):
            plain = zipfile.ZipInfo(member.filename, time.gmtime(epoch)[:6])
            plain.compress_type = zipfile.ZIP_DEFLATED
            plain.create_system = 3  # Unix, whatever made it
            plain.external_attr = (
                0o100000 | _mode(member.external_attr >> 16, is_folder=False)
            ) << 16
            after.writestr(plain, before.read(member))
    return written.getvalue()


def _mode(mode: int, *, is_folder: bool) -> int:
    return _PROGRAM if is_folder or mode & 0o100 else _PLAIN


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m release.distribution", description="Make the packages."
    )
    parser.add_argument(
        "--into", type=Path, default=CHECKOUT / "dist", help="a folder, by default dist"
    )
    into = parser.parse_args(words).into
    try:
        made = make(CHECKOUT, into, os.environ)
    except (Unmade, OSError) as error:
        print(f"no packages: {error}", file=sys.stderr)
        return 1
    for path in made:
        print(f"{path.stat().st_size:>10,}  {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
