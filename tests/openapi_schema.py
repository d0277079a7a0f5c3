"""Checks a value against the part of JSON Schema that `openapi.yaml` uses; what it does not know, it refuses."""

from __future__ import annotations

from typing import Any

KNOWN = {"$ref", "additionalProperties", "allOf", "description", "enum", "example", "format", "items"} | {
    "maxItems", "minItems", "oneOf", "properties", "required", "type"
}  # fmt: skip
TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "null": (type(None),),
}


def problems(
    value: Any, schema: dict[str, Any], document: dict[str, Any], path: str = "$", *, closed: bool = True
) -> list[str]:
    """Return what is wrong; with `closed`, keys that the schema does not describe are wrong as well."""
    if "$ref" in schema:
        return problems(value, resolve(schema["$ref"], document), document, path, closed=closed)
    assert not schema.keys() - KNOWN, f"{path}: the test does not know {schema.keys() - KNOWN}"
    found = []
    if "oneOf" in schema:
        choices = [problems(value, choice, document, path) for choice in schema["oneOf"]]
        found += [] if any(not choice for choice in choices) else min(choices, key=len)
    for part in schema.get("allOf", ()):
        found += problems(value, part, document, path, closed=False)
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{path}: {value!r} is none of {schema['enum']}")
    if "type" in schema and not _is(value, schema["type"]):
        return [*found, f"{path}: {value!r} is no {schema['type']}"]
    if isinstance(value, list):
        for index, item in enumerate(value):
            found += problems(item, schema.get("items", {}), document, f"{path}[{index}]")
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            found.append(f"{path}: {len(value)} items")
    if isinstance(value, dict) and schema.keys() & {"properties", "additionalProperties"}:
        found += _object(value, schema, document, path, closed=closed)
    return found


def resolve(reference: str, document: dict[str, Any]) -> dict[str, Any]:
    part: Any = document
    for name in reference.removeprefix("#/").split("/"):
        part = part[name]
    return part  # type: ignore[no-any-return]


def _object(
    value: dict[str, Any], schema: dict[str, Any], document: dict[str, Any], path: str, *, closed: bool
) -> list[str]:
    properties, others = schema.get("properties", {}), schema.get("additionalProperties")
    found = [f"{path}: {name} is missing" for name in schema.get("required", ()) if name not in value]
    for name, item in value.items():
        if name in properties:
            found += problems(item, properties[name], document, f"{path}.{name}")
        elif others is not None:
            found += problems(item, others, document, f"{path}.{name}")
        elif closed:
            found.append(f"{path}: {name} is not described")
    return found


def _is(value: Any, expected: str | list[str]) -> bool:
    names = [expected] if isinstance(expected, str) else expected
    return any(isinstance(value, TYPES[name]) and (name == "boolean" or not isinstance(value, bool)) for name in names)
