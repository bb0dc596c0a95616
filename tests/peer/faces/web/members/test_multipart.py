"""A file in a form: whatever way it is cut into pieces, and whatever else comes."""

from collections.abc import AsyncIterator, Sequence
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.peer.faces.web.guard import RequestRefused
from chatapp.peer.faces.web.multipart import FilePart, boundary_of

BOUNDARY: Final = "----WebKitFormBoundaryx"
KIND: Final = f"multipart/form-data; boundary={BOUNDARY}"
CONTENT: Final = st.one_of(
    st.binary(max_size=300),
    st.lists(st.sampled_from([b"\r", b"\n", b"-", b"\r\n--", BOUNDARY.encode()[:-1]])).map(
        b"".join
    ),
)


def form(content: bytes, name: str = "plan.pdf") -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
    return (
        (head + "Content-Type: a/b\r\n\r\n").encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()
    )


async def pieces(body: bytes, sizes: Sequence[int]) -> AsyncIterator[bytes]:
    at = 0
    while at < len(body):
        size = sizes[at % len(sizes)]
        yield body[at : at + size]
        at += size


async def taken(body: bytes, sizes: Sequence[int] = (10_000,)) -> tuple[str, bytes]:
    boundary = boundary_of(KIND)
    assert boundary is not None
    part = FilePart(boundary, pieces(body, sizes))
    await part.begin()
    return part.name, b"".join([piece async for piece in part.content()])


@given(CONTENT, st.lists(st.integers(1, 60), min_size=1, max_size=5))
async def test_a_file_is_the_same_however_it_is_cut(content: bytes, sizes: list[int]) -> None:
    assert await taken(form(content), sizes) == ("plan.pdf", content)


@pytest.mark.parametrize(
    ("sent", "name"), [("a%22b.txt", 'a"b.txt'), ("../../x", "../../x"), ("प्लान.pdf", "प्लान.pdf")]
)
async def test_a_name_is_as_the_browser_has_it(sent: str, name: str) -> None:
    assert (await taken(form(b"x", sent)))[0] == name


@given(st.binary(max_size=200))
async def test_any_body_is_a_file_or_refused(body: bytes) -> None:
    for sent in (body, form(b"x")[:100] + body, form(body)[: 150 + len(body)]):
        try:
            await taken(sent, (7,))
        except RequestRefused as refused:
            assert refused.refusal.status == 400


@pytest.mark.parametrize(
    "body",
    [b"", form(b"x", ""), form(b"x")[:-40], b"x" * 10_000, form(b"x").replace(b"filename", b"n"),
     form(b"x").replace(b"--", b"++", 1)],
)  # fmt: skip
async def test_what_is_no_file_is_refused(body: bytes) -> None:
    with pytest.raises(RequestRefused):
        await taken(body)


@pytest.mark.parametrize(
    "kind",
    [
        "",
        "text/plain",
        "multipart/form-data",
        f"multipart/form-data; boundary={'x' * 71}",
        "multipart/form-data; boundary=\r\n",
    ],
)
def test_other_kinds_of_bodies_are_no_forms(kind: str) -> None:
    assert boundary_of(kind) is None
