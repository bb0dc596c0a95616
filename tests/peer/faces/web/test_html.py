"""Building HTML: nothing that a stranger wrote becomes markup."""

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from chatapp.peer.faces.web.html import Html, element, fragment, several_lines


class Reader(HTMLParser):
    """What a browser makes of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, attrs))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_elements_are_written_as_html() -> None:
    page = element(
        "form",
        element(
            "input", name="a", type_="text", required=True, disabled=False, maxlength=3, value=None
        ),
        None,
        [element("b", "x"), "y"],
        Html("<br>"),
        class_="card",
        aria_label="q",
    )
    assert page == (
        '<form class="card" aria-label="q"><input name="a" type="text" required maxlength="3"><b>x</b>y<br></form>'
    )


@given(st.text())
def test_a_text_stays_a_text(text: str) -> None:
    hostile = f"</p><script>\"'{text}"
    seen = Reader(element("p", hostile, title=hostile))
    assert [tag for tag, _ in seen.tags] == ["p"]
    assert seen.text.startswith("</p><script>\"'")


@given(st.lists(st.text(st.characters(codec="utf-8", categories=("L", "N", "P"))), min_size=1))
def test_lines_of_a_text_are_kept(lines: list[str]) -> None:
    assert Reader(several_lines("\r\n".join(lines))).text == "\n".join(lines)


def test_what_reorders_or_hides_its_neighbours_is_shown() -> None:
    assert several_lines("a\u202eb\u200bc\x1b[2J\nd") == "a\ufffdb\ufffdc\\x1b[2J\nd"
    assert fragment("a\u202e\nb") == "a\ufffd\u23ceb"
