"""The changelog and the changes that it will tell of."""

from pathlib import Path

import pytest

from release.changes import ROOT, SECTIONS, gather, section_of


def test_each_change_that_waits_has_a_section_and_a_text() -> None:
    for file in (ROOT / "changes").iterdir():
        assert file.name.partition(".")[0] in SECTIONS, file.name
        assert file.suffix == ".md"
        assert file.read_text("utf-8").strip(), file.name
    assert "Unreleased" not in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_a_release_gathers_what_waits(tmp_path: Path) -> None:
    (tmp_path / "changes").mkdir()
    (tmp_path / "changes" / "people.b.md").write_text("Two\nlines.\n", "utf-8")
    (tmp_path / "changes" / "people.a.md").write_text("One.\n", "utf-8")
    (tmp_path / "changes" / "programs.c.md").write_text("Three.\n", "utf-8")
    log = tmp_path / "CHANGELOG.md"
    log.write_text("# Changes\n\nWhat users notice.\n\n## 0.1.0 (2026-01-01)\n\n- Old.\n", "utf-8")
    gather(tmp_path, "0.2.0", "2026-02-01")
    assert log.read_text("utf-8") == (
        "# Changes\n\nWhat users notice.\n\n## 0.2.0 (2026-02-01)\n\n### People\n\n- One.\n- Two\n  lines.\n\n"
        "### Programs\n\n- Three.\n\n## 0.1.0 (2026-01-01)\n\n- Old.\n"
    )
    assert list((tmp_path / "changes").iterdir()) == []


def test_a_change_without_a_section_is_refused() -> None:
    with pytest.raises(ValueError, match=r"other\.x\.md: begin its name with one of people, desk"):
        section_of("1", "2026-01-01", {"other.x.md": "text"})
