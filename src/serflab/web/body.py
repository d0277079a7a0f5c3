"""The body of a write: JSON of the right shape, or the error that says what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import orjson
from flask import request

from serflab.traces.names import label_problem, subdomain_problem
from serflab.traces.quantity import parse_cpu, parse_memory
from serflab.web.errors import ApiError, bad_parameter, one_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# A million cores and an exbibyte: what Kubernetes can still add up.
_MOST_MILLICORES = 1e9
_MOST_MI = 2.0**40

Check = Callable[[str, object], Any]
"""Returns the value of a field as it is passed on; raises the 400 that names the field."""


def json_body() -> object:
    """Return the request's body as data; 415 when it does not say that it is JSON, 400 when it is none."""
    if not request.is_json:
        raise ApiError(
            415,
            "not_json",
            f"the body is {request.mimetype or 'of no type'}, expected application/json",
            hint="send it with `Content-Type: application/json`",
        )
    try:
        body: object = orjson.loads(request.get_data())
    except orjson.JSONDecodeError as error:
        raise ApiError(400, "not_json", f"the body is not JSON: {error}") from error
    return body


def fields(body: object, required: Mapping[str, Check], optional: Mapping[str, Check]) -> dict[str, Any]:
    """Return the checked fields of a body that has to be an object with these; 400 for the first that is wrong."""
    checks = {**required, **optional}
    if not isinstance(body, dict):
        expected = f"an object with {', '.join(required or checks)}"
        raise bad_parameter("body", f"the body is {_kind(body)}", expected)
    for name in body:
        if name not in checks:
            raise bad_parameter(
                name, f"there is no field {name[:80]!r} here", f"none of {', '.join(checks)}: leave it out"
            )
    for name in required:
        if name not in body:
            raise bad_parameter(name, f"{name} is missing", "a field that must be given")
    return {name: checks[name](name, value) for name, value in body.items()}


def text(name: str, value: object) -> str:
    """Take a text that is not empty."""
    if not isinstance(value, str) or not value:
        raise _wrong(name, value, "a text")
    return value


def pod_name(name: str, value: object) -> str:
    """Take a name that Kubernetes accepts for a pod."""
    return _named(name, value, subdomain_problem, "the name of a pod")


def short_name(name: str, value: object) -> str:
    """Take a name of at most 63 characters, as a pod has that is known by its name in two clusters."""
    return _named(name, value, label_problem, "a name of up to 63 small letters, digits and '-'")


def namespace(name: str, value: object) -> str:
    """Take a name that Kubernetes accepts for a namespace."""
    return _named(name, value, label_problem, "the name of a namespace")


def full_pod_name(name: str, value: object) -> str:
    """Take `namespace/name` of a pod."""
    expected = "namespace/name of a pod"
    space, slash, pod = text(name, value).partition("/")
    if not slash or label_problem(space) or subdomain_problem(pod):
        raise _wrong(name, value, expected)
    return f"{space}/{pod}"


def boolean(name: str, value: object) -> bool:
    """Take true or false."""
    if not isinstance(value, bool):
        raise _wrong(name, value, "true or false")
    return value


def one_out_of(allowed: Iterable[str]) -> Check:
    """Return the check that takes one of these texts."""
    values = list(allowed)

    def check(name: str, value: object) -> str:
        if not isinstance(value, str) or value not in values:
            raise one_of(name, value if isinstance(value, str) else _kind(value), values)
        return value

    return check


def number(expected: str, low: float, high: float, *, whole: bool = False) -> Check:
    """Return the check that takes a number from `low` to `high`; `expected` says so in words."""

    def check(name: str, value: object) -> float | int:
        # NaN is in no range.
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise _wrong(name, value, expected)
        if whole and value != int(value):
            raise _wrong(name, value, expected)
        return int(value) if whole else value

    return check


def cpu(name: str, value: object) -> str:
    """Take a CPU quantity above 0, as text or number; it is passed on as text."""
    return _quantity(name, value, parse_cpu, _MOST_MILLICORES, 'a CPU quantity above 0, such as "4" or "500m"')


def memory(name: str, value: object) -> str:
    """Take a memory quantity above 0, as text or number (of bytes); it is passed on as text."""
    return _quantity(name, value, parse_memory, _MOST_MI, 'a memory quantity above 0, such as "8Gi"')


def _quantity(name: str, value: object, parse: Callable[[str], float], most: float, expected: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _wrong(name, value, expected)
    try:
        amount = parse(str(value))
    except ValueError as error:
        raise _wrong(name, value, expected) from error
    if not 0 < amount <= most:
        raise _wrong(name, value, expected)
    return str(value).strip()


def _named(name: str, value: object, problem: Callable[[str], str], expected: str) -> str:
    given = text(name, value)
    if found := problem(given):
        raise bad_parameter(name, f"{name}: {found}", expected)
    return given


def _wrong(name: str, value: object, expected: str) -> ApiError:
    shown = repr(value)[:80] if isinstance(value, str | int | float | bool) else _kind(value)
    return bad_parameter(name, f"{name} is {shown}", expected)


def _kind(value: object) -> str:
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")
