"""values.yaml explains itself, and its schema knows exactly what is in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import yaml

from scripts.check_chart import CHART

VALUES = CHART / "values.yaml"
SCHEMA = json.loads((CHART / "values.schema.json").read_text())


def uncommented(text: str) -> Iterator[str]:
    """The keys without a comment directly above, neither their own nor their parent's."""
    lines = text.splitlines()
    covered: list[int] = []  # indentations of commented keys around this line
    for number, line in enumerate(lines):
        key = re.match(r"( *)([A-Za-z]\w*):(.*)", line)
        if not key:
            continue
        depth = len(key[1])
        covered = [indent for indent in covered if indent < depth]
        opens = not key[3].strip()
        above = lines[number - 1].strip() if number else ""
        if above.startswith("#"):
            # A comment marked "--" speaks for all that the key holds.
            if "# --" in _comment_above(lines, number):
                covered.append(depth)
        elif not covered and not opens:
            yield f"line {number + 1}: {key[2]}"


def _comment_above(lines: list[str], number: int) -> str:
    found = []
    while number and lines[number - 1].strip().startswith("#"):
        number -= 1
        found.append(lines[number])
    return "\n".join(found)


def test_every_value_has_a_comment() -> None:
    assert list(uncommented(VALUES.read_text())) == []


def test_the_comment_check_notices_a_bare_value() -> None:
    assert list(uncommented("# -- why\na: 1\nb: 2\nc:\n  d: 3\n")) == ["line 3: b", "line 5: d"]


def test_the_schema_is_a_valid_schema() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)


def test_the_defaults_satisfy_the_schema() -> None:
    jsonschema.validate(yaml.safe_load(VALUES.read_text()), SCHEMA)


def listed(schema: dict[str, Any], values: Any, path: str = "") -> Iterator[str]:
    """Keys that the schema knows and values.yaml doesn't show."""
    if "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    for name, part in schema.get("properties", {}).items():
        if not isinstance(values, dict) or name not in values:
            yield f"{path}{name}"
        else:
            yield from listed(part, values[name], f"{path}{name}.")


def test_values_yaml_shows_every_key_of_the_schema() -> None:
    # `global` belongs to helm itself.
    assert set(listed(SCHEMA, yaml.safe_load(VALUES.read_text()))) == {"global"}


@pytest.mark.parametrize("part", ["agent", "agents"])
def test_a_group_takes_the_keys_of_the_defaults(part: str) -> None:
    properties = SCHEMA["properties"]
    keys = properties["agent"] if part == "agent" else properties["agents"]["items"]
    assert set(keys["properties"]) - {"name"} == set(yaml.safe_load(VALUES.read_text())["agent"])
