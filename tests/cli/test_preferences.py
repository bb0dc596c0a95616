"""What a person prefers: read from a file at a terminal, and overruled by the command line."""

from pathlib import Path

import pytest

import chatapp.__main__
import chatapp.starting
from chatapp.peer.api.files import AutoAccept
from chatapp.preferences import FILE_MAX, FILE_NAME, Face, Preferences, preferences_in
from chatapp.validation import Misuse
from tests.cli.starting import PEER, Started

KEYS = "face, quiet, slow, seen, downloads, auto_accept, auto_accept_size, page_files"
A_SIZE = 'write a size as "100 MB"; there are kB, MB, GB'


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person's folder, and a terminal at which the person sits."""
    monkeypatch.setenv("CHATAPP_HOME", str(tmp_path))
    monkeypatch.setattr(chatapp.starting, "is_terminal", lambda: True)
    return tmp_path


def prefer(home: Path, text: str) -> None:
    (home / FILE_NAME).write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "preferences"),
    [
        ("", Preferences()),
        ('face = "full"\n', Preferences(face=Face.FULL)),
        ('quiet = true\nface = "plain"\n', Preferences(face=Face.PLAIN, quiet=True)),
        ("slow = true\nseen = true\n", Preferences(slow=True, seen=True)),
        ('downloads = "/srv/files"', Preferences(downloads=Path("/srv/files"))),
        ('page_files = "2 GB"', Preferences(page_files=2_000_000_000)),
        (
            'auto_accept = ["bob", "Carol"]\nauto_accept_size = "2 GB"',
            Preferences(auto_accept=("bob", "Carol"), auto_accept_size=2_000_000_000),
        ),
        ('# mine\nface = "line"\nquiet = false\n', Preferences()),
    ],
)
def test_a_file_says_what_is_preferred(home: Path, text: str, preferences: Preferences) -> None:
    prefer(home, text)
    assert preferences_in(home) == preferences


def test_without_a_file_lines_are_shown(home: Path) -> None:
    assert preferences_in(home) == Preferences(face=Face.LINE, quiet=False)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('face = "ful"', 'face: "ful" is not one of "line", "full", "plain"'),
        ("face = true", 'face: this value is not one of "line", "full", "plain"'),
        ("face = []", 'face: this value is not one of "line", "full", "plain"'),
        ('quiet = "yes"', "quiet: write true or false, without quotation marks"),
        ("slow = 1", "slow: write true or false, without quotation marks"),
        ("quiet = 1", "quiet: write true or false, without quotation marks"),
        ('fase = "full"', 'fase: unknown key; did you mean "face"?'),
        ("downloads = 3", "downloads: write a folder between quotation marks"),
        ('downloads = ""', 'downloads: "" is not a folder'),
        ('auto_accept = "bob"', 'auto_accept: write names as ["bob", "carol"]'),
        ("auto_accept = [1]", 'auto_accept: write names as ["bob", "carol"]'),
        ("page_files = 0", f"page_files: {A_SIZE}"),
        ("auto_accept_size = 5", f"auto_accept_size: {A_SIZE}"),
        ('auto_accept_size = "5 TB"', f"auto_accept_size: {A_SIZE}"),
        ('auto_accept_size = "-5 MB"', f"auto_accept_size: {A_SIZE}"),
        ("colour = 3", "colour: unknown key; there are " + KEYS),
        ("[peer]", "peer: unknown key; there are " + KEYS),
        ('"a\\u001b[31m" = 1', r"a\x1b[31m: unknown key; there are " + KEYS),
        ("#" * (FILE_MAX + 1), "it may have 100,000 bytes at most"),
    ],
)
def test_a_mistake_in_the_file_is_named(home: Path, text: str, why: str) -> None:
    prefer(home, text)
    with pytest.raises(Misuse) as refused:
        preferences_in(home)
    assert str(refused.value) == f"{home / FILE_NAME}: {why}"


@pytest.mark.parametrize("content", [b"face = full", b"face", b"\xff"])
def test_a_file_that_is_not_toml_is_named(home: Path, content: bytes) -> None:
    (home / FILE_NAME).write_bytes(content)
    with pytest.raises(Misuse, match=r"it is not (TOML|UTF-8)"):
        preferences_in(home)


def test_a_folder_of_that_name_is_named(home: Path) -> None:
    (home / FILE_NAME).mkdir()
    with pytest.raises(Misuse, match="Is a directory"):
        preferences_in(home)


@pytest.mark.parametrize(
    ("options", "face", "quiet"),
    [
        ([], Face.FULL, True),
        (["--full"], Face.FULL, True),
        (["--line"], Face.LINE, True),
        (["--plain", "--no-quiet"], Face.PLAIN, False),
        (["--no-quiet"], Face.FULL, False),
    ],
)
def test_the_command_line_overrules_the_file(
    started: Started, home: Path, options: list[str], face: Face, quiet: bool
) -> None:
    prefer(home, 'face = "full"\nquiet = true\n')
    assert chatapp.__main__.main([*PEER, *options]) == 0
    assert started.told["is_full"] is (face is Face.FULL)
    assert started.told["plain"] is (face is Face.PLAIN)
    assert started.told["quiet"] is quiet
    # Whoever asks for the full screen here and now is told that it cannot be shown.
    assert started.told["may_show_lines"] is (
        "--full" not in options and options[:1] not in (["--line"], ["--plain"])
    )


def test_a_start_with_a_folder_has_the_preferences_in_it(started: Started, home: Path) -> None:
    prefer(home, 'face = "full"\n')
    other = home / "other"
    other.mkdir()
    prefer(other, 'face = "plain"\n')
    assert chatapp.__main__.main([*PEER, "--data", str(other)]) == 0
    assert (started.told["is_full"], started.told["plain"]) == (False, True)


def test_a_mistake_stops_a_start_at_a_terminal(
    started: Started, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prefer(home, 'face = "ful"\n')
    assert chatapp.__main__.main(PEER) == 2
    assert started.mode == ""
    assert capsys.readouterr().err == (
        f'ChatApp: {home / FILE_NAME}: face: "ful" is not one of "line", "full", "plain"\n'
    )


def test_a_script_does_not_depend_on_the_file(
    started: Started, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chatapp.starting, "is_terminal", lambda: False)
    for text in ('face = "full"\nquiet = true\n', "not TOML"):
        prefer(home, text)
        assert chatapp.__main__.main(PEER) == 0
        assert (started.told["is_full"], started.told["plain"], started.told["quiet"]) == (
            False,
            False,
            False,
        )


def test_whose_files_are_fetched_without_a_question(started: Started, home: Path) -> None:
    prefer(home, 'auto_accept = ["bob"]\ndownloads = "/srv/files"\n')
    assert chatapp.__main__.main(PEER) == 0
    assert started.told["auto_accept"] == AutoAccept(people=("bob",), size_most=100_000_000)
    assert started.told["downloads"] == Path("/srv/files")
    assert chatapp.__main__.main([*PEER, "--downloads", "/srv/other"]) == 0
    assert started.told["downloads"] == Path("/srv/other")
