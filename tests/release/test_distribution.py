"""Packages of one commit have the same bytes, whoever makes them and when."""

import io
import os
import subprocess
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from release.distribution import Unmade, make, settled_tar, settled_zip

EPOCH = 1_790_000_000
FILES = {"a/b.py": b"b", "a/c.py": b"c", "a.dist-info/RECORD": b"r"}


def tar_of(names: Sequence[str], *, at: int, owner: str, mode: int) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.uname, member.uid, member.mode = (
                len(FILES[name]),
                at,
                owner,
                at % 7,
                mode,
            )
            archive.addfile(member, io.BytesIO(FILES[name]))
    return written.getvalue()


def zip_of(names: Sequence[str], *, year: int, mode: int) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name in names:
            member = zipfile.ZipInfo(name, (year, 1, 1, 0, 0, 0))
            member.external_attr = mode << 16
            archive.writestr(member, FILES[name])
    return written.getvalue()


def test_archives_that_differ_in_time_owner_order_and_umask_become_the_same() -> None:
    one = tar_of([*FILES], at=1_000, owner="alice", mode=0o664)
    other = tar_of([*reversed(FILES)], at=2_000, owner="bob", mode=0o600)
    assert one != other
    assert settled_tar(one, EPOCH) == settled_tar(other, EPOCH) != settled_tar(one, EPOCH + 1)
    with tarfile.open(fileobj=io.BytesIO(settled_tar(one, EPOCH))) as archive:
        for member in archive:
            found = archive.extractfile(member)
            assert found is not None
            assert found.read() == FILES[member.name]
            assert (member.mtime, member.uname, member.mode) == (EPOCH, "", 0o644)


def test_wheels_that_differ_in_time_order_and_umask_become_the_same() -> None:
    one = zip_of([*FILES], year=2001, mode=0o100664)
    other = zip_of([*reversed(FILES)], year=2002, mode=0o100600)
    assert settled_zip(one, EPOCH) == settled_zip(other, EPOCH) != settled_zip(one, EPOCH + 2)
    with zipfile.ZipFile(io.BytesIO(settled_zip(one, EPOCH))) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == FILES
        assert archive.namelist()[-1] == "a.dist-info/RECORD"


def test_a_program_stays_a_program() -> None:
    settled = settled_zip(zip_of(["a/b.py"], year=2001, mode=0o100700), EPOCH)
    with zipfile.ZipFile(io.BytesIO(settled)) as archive:
        assert archive.infolist()[0].external_attr >> 16 == 0o100755


def git(folder: Path, *words: str) -> None:
    author = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]
    subprocess.run(
        ["git", *author, *words], cwd=folder, check=True, capture_output=True, timeout=60
    )


def test_packages_are_made_of_commits_only(tmp_path: Path) -> None:
    checkout, into = tmp_path / "checkout", tmp_path / "dist"
    checkout.mkdir()
    with pytest.raises(Unmade, match="not a checkout of git"):
        make(checkout, into, os.environ)
    git(checkout, "init", "--quiet")
    (checkout / "new.py").write_text("", "utf-8")
    with pytest.raises(Unmade, match=r"1 files are not committed, such as new\.py"):
        make(checkout, into, os.environ)
    git(checkout, "add", ".")
    git(checkout, "commit", "--quiet", "--message", "Begin")
    for wrong in ("yesterday", "-1", "7", "9" * 12):
        with pytest.raises(Unmade, match=r"SOURCE_DATE_EPOCH=.*: must be seconds since 1970"):
            make(checkout, into, {**os.environ, "SOURCE_DATE_EPOCH": wrong})
    assert not into.exists()
