"""Reading a JSON document so that everything wrong with it can be named, place by place."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from serflab.errors import Finding, InputError

if TYPE_CHECKING:
    from pathlib import Path

_PLAIN_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class _Duplicated(dict[str, Any]):
    """An object of the document in which `keys` occur more than once; JSON lets the last one win."""

    keys_twice: tuple[str, ...] = ()


def child(path: str, key: str | int) -> str:
    """Return the JSON path of `key` within `path`: `$.pods`, `$.pods[3]`, `$.metadata["a key"]`."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if _PLAIN_KEY.fullmatch(key) else f"{path}[{json.dumps(key)}]"


def show(value: object) -> str:
    """Return `value` as a message quotes it: JSON on one line, cut to 60 characters."""
    if isinstance(value, dict):
        return "an object" if value else "an empty object"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    try:
        text = json.dumps(value)
    except (TypeError, ValueError):
        text = str(type(value).__name__)
    return text if len(text) <= 60 else f"{text[:57]}..."


def read_document(path: Path, file: str) -> tuple[Any, list[Finding]]:
    """Return the JSON value in `path` and a finding for every key that an object gives twice.

    NaN and Infinity, which are no JSON, come out as floats, so that the check of the content names their places. Raises
    `InputError` if the file cannot be read or is no JSON; `file` is how messages call it.
    """
    text = _read_text(path, file)
    if not text.strip():
        raise InputError([Finding(file, "", "the file is empty", "a JSON object was expected")])
    duplicated = False

    def make_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal duplicated
        result = dict(pairs)
        if len(result) == len(pairs):
            return result
        duplicated = True
        keys = [key for key, _ in pairs]
        marked = _Duplicated(result)
        marked.keys_twice = tuple(key for key in result if keys.count(key) > 1)
        return marked

    try:
        data = json.loads(text, object_pairs_hook=make_object)
        findings = _duplicates(data, "$", file) if duplicated else []
    except json.JSONDecodeError as error:
        raise InputError([_syntax_finding(error, text, file)]) from error
    except RecursionError as error:
        raise InputError([Finding(file, "", "the JSON is nested too deeply to be read")]) from error
    except ValueError as error:
        raise InputError(
            [Finding(file, "", f"the JSON holds a number that is too long to be read: {error}")]
        ) from error
    return data, findings


def _read_text(path: Path, file: str) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise InputError([Finding(file, "", "there is no such file", "check the path")]) from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError([Finding(file, "", f"the file cannot be read: {reason}")]) from error
    except UnicodeDecodeError as error:
        problem = f"the file is no UTF-8 text (byte {error.start})"
        raise InputError([Finding(file, "", problem, "JSON is written in UTF-8; is this a JSON file?")]) from error


def _syntax_finding(error: json.JSONDecodeError, text: str, file: str) -> Finding:
    line = text.split("\n")[error.lineno - 1]
    near = line[max(0, error.colno - 21) : error.colno + 19].strip()
    place = f"line {error.lineno}, column {error.colno}"
    before = text[: error.pos].rstrip()
    hint = f"look near: {near}" if near else ""
    trailing_comma = before.endswith(",") and text[error.pos :].lstrip()[:1] in ("}", "]")
    if trailing_comma or "trailing comma" in error.msg:
        hint = "JSON allows no comma after the last element"
    elif not text[error.pos :].strip():
        hint = "the file ends too early; was it cut off?"
    return Finding(file, "", f"not valid JSON at {place}: {error.msg}", hint)


def _duplicates(value: object, path: str, file: str) -> list[Finding]:
    findings = []
    if isinstance(value, _Duplicated):
        hint = "keep one of them; JSON readers silently take the last"
        findings += [
            Finding(file, child(path, key), "the key is given more than once", hint) for key in value.keys_twice
        ]
    if isinstance(value, dict):
        for key, item in value.items():
            findings += _duplicates(item, child(path, key), file)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            findings += _duplicates(item, child(path, index), file)
    return findings
