"""The fields of forms that browsers send."""

from collections.abc import Mapping

from starlette.requests import Request

from chatapp.peer.web.limits import BODY_MAX, FIELDS_MAX

Fields = Mapping[str, str]
"""The fields of a form, by name."""


async def fields_of(request: Request) -> Fields:
    """Return the fields of a form. Other kinds of bodies have none."""
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return {}
    async with request.form(max_fields=FIELDS_MAX, max_part_size=BODY_MAX) as form:
        return {name: value for name, value in form.items() if isinstance(value, str)}
