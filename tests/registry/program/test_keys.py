"""The registry's key and folder on disk: created once, private, never replaced when damaged."""

import stat
from pathlib import Path

import pytest

from chatapp.registry.program.app import folder_of, raise_descriptor_limit
from chatapp.registry.store.keystore import KEY_FILE, PUBLIC_FILE, KeyUnusable, load_or_make
from chatapp.wire.folders import make_private


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_key_is_made_once_and_kept(tmp_path: Path) -> None:
    first, is_new = load_or_make(tmp_path)
    again, is_new_again = load_or_make(tmp_path)
    assert (is_new, is_new_again) == (True, False)
    assert first.public == again.public
    assert (tmp_path / KEY_FILE).read_bytes() == first.seed
    assert mode(tmp_path / KEY_FILE) == 0o600
    assert sorted(tmp_path.iterdir()) == [tmp_path / KEY_FILE, tmp_path / PUBLIC_FILE]


@pytest.mark.parametrize("content", [b"", b"x" * 31, b"x" * 33, b"x" * 10_000])
def test_a_broken_key_is_named_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / KEY_FILE
    path.write_bytes(content)
    with pytest.raises(KeyUnusable) as caught:
        load_or_make(tmp_path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == content


def test_a_key_whose_bits_were_damaged_is_named_and_left_alone(tmp_path: Path) -> None:
    """32 bytes are a key whatever they are: every peer would be warned of another registry."""
    load_or_make(tmp_path)
    sound = (tmp_path / KEY_FILE).read_bytes()
    damaged = bytes((sound[0] ^ 1, *sound[1:]))
    (tmp_path / KEY_FILE).write_bytes(damaged)
    with pytest.raises(KeyUnusable, match=r"identity\.key: does not belong to identity\.pub"):
        load_or_make(tmp_path)
    assert (tmp_path / KEY_FILE).read_bytes() == damaged
    (tmp_path / KEY_FILE).write_bytes(sound)
    (tmp_path / PUBLIC_FILE).unlink()  # as an earlier ChatApp left it
    load_or_make(tmp_path)
    assert (tmp_path / PUBLIC_FILE).exists()


def test_a_new_key_outlives_a_crash_before_its_public_half_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_or_make(tmp_path)
    (tmp_path / KEY_FILE).unlink()

    def crash(*_: object, **__: object) -> None:
        raise OSError("cut short")

    with monkeypatch.context() as patch:
        patch.setattr("chatapp.registry.store.keystore.keep_public_half", crash)
        with pytest.raises(KeyUnusable):
            load_or_make(tmp_path)
    made = (tmp_path / KEY_FILE).read_bytes()
    identity, is_new = load_or_make(tmp_path)
    assert (identity.seed, is_new) == (made, False)


def test_a_key_behind_a_link_or_in_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"x" * 32)
    (tmp_path / KEY_FILE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(KeyUnusable):
        load_or_make(tmp_path)
    (tmp_path / KEY_FILE).unlink()
    (tmp_path / KEY_FILE).mkdir()
    with pytest.raises(KeyUnusable):
        load_or_make(tmp_path)


def test_a_start_that_was_cut_short_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "identity.key.new").write_bytes(b"half")
    load_or_make(tmp_path)
    assert not (tmp_path / "identity.key.new").exists()


def test_a_key_that_others_could_read_is_made_private(tmp_path: Path) -> None:
    path = tmp_path / KEY_FILE
    path.write_bytes(b"x" * 32)
    path.chmod(0o644)
    load_or_make(tmp_path)
    assert mode(path) == 0o600


def test_the_folder_is_where_somebody_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert folder_of(5_000, tmp_path) == tmp_path / "registry" / "5000"
    monkeypatch.setenv("CHATAPP_HOME", str(tmp_path / "home"))
    assert folder_of(5_000, None) == tmp_path / "home" / "registry" / "5000"
    monkeypatch.delenv("CHATAPP_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert folder_of(5_000, None).parts[-2:] == ("registry", "5000")


def test_the_folder_is_private_with_all_that_was_missing(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    make_private(folder)
    assert mode(folder) == mode(tmp_path / "a") == 0o700
    folder.chmod(0o755)
    make_private(folder)
    assert mode(folder) == 0o700


def test_the_descriptor_limit_is_raised_as_far_as_it_goes() -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    raise_descriptor_limit()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert soft == hard == before[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, before)
