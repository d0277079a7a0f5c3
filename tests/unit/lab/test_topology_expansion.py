"""Environment variables in a topology file: what containerlab makes of each form, recorded from containerlab 0.79."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serflab.lab.expansion import escape, expand

ENVIRONMENT = {"SET": "value", "EMPTY": "", "_1": "under"}

# From `containerlab deploy --dry-run --export-rendered` with this environment.
RENDERED = {
    "plain text": "plain text",
    "$SET": "value",
    "${SET}": "value",
    "a$SET-b": "avalue-b",
    "${_1}": "under",
    "$EMPTY": "$EMPTY",
    "${EMPTY}": "$EMPTY",
    "$MISSING": "$MISSING",
    "${MISSING}": "$MISSING",
    "${MISSING-word}": "word",
    "${MISSING:-word}": "word",
    "${MISSING=word}": "word",
    "${MISSING:=word}": "word",
    "${EMPTY-word}": "$EMPTY",
    "${EMPTY:-word}": "word",
    "${EMPTY=word}": "$EMPTY",
    "${EMPTY:=word}": "word",
    "${SET:=word}": "value",
    "${SET+word}": "word",
    "${SET:+word}": "word",
    "${EMPTY:+word}": "word",
    "${MISSING+word}": "",
    "${MISSING:=repo/name:tag}": "repo/name:tag",
    "${MISSING:-$SET}": "value",
    "$$SET": "$SET",
    "$1 and $": "$1 and $",
    "$$$$SET": "$$SET",
    "$${SET} costs $$5": "${SET} costs $5",
}


@pytest.mark.parametrize("text", RENDERED)
def test_a_variable_is_expanded_as_containerlab_does(text):
    assert expand(text, ENVIRONMENT) == RENDERED[text]


@given(st.text(alphabet="$SET{}:-x1 \n"))
def test_an_escaped_text_comes_out_as_it_was(text):
    assert expand(escape(text), ENVIRONMENT) == text
