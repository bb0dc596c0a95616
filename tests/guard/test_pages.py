"""The manual and the completion in `contrib` say what the program's tables say today."""

from release import __main__ as made


def test_every_page_is_up_to_date() -> None:
    late = [path.name for path, text in made.documents().items() if path.read_text("utf-8") != text]
    assert late == [], "write them again: make pages"
