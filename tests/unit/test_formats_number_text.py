"""Numbers in text against Python's own int() and float(), and against regular expressions of what is allowed."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twelvelead.formats.number_text import decimal_numbers, whole_numbers

ALLOWED = {
    " ": re.compile(r"\s*(?:-?[0-9]{1,18}(?:\s+-?[0-9]{1,18})*)?\s*", re.ASCII),
    ",": re.compile(r"\s*-?[0-9]{1,18}(?:,\s*-?[0-9]{1,18})*\s*", re.ASCII),
}


@pytest.mark.parametrize("separator", ALLOWED)
@settings(max_examples=300, deadline=None)
@given(
    text=st.text(alphabet="0179-, \n", max_size=12)
    | st.lists(st.integers(-(10**19), 10**19), max_size=6).map(lambda numbers: ", ".join(map(str, numbers)))
    | st.lists(st.integers(-(10**19), 10**19), max_size=6).map(lambda numbers: "\n\t".join(map(str, numbers)))
)
def test_whole_numbers_are_those_of_int_and_nothing_else_is_a_number(text, separator):
    found = whole_numbers(text, separator)
    assert (found is not None) == bool(ALLOWED[separator].fullmatch(text))
    if found is not None:
        assert found.dtype == np.int64
        assert found.tolist() == [int(number) for number in text.replace(",", " ").split()]


@settings(max_examples=200, deadline=None)
@given(text=st.text(alphabet="019-+.eE \n", max_size=10))
def test_decimal_numbers_are_those_of_float(text):
    found = decimal_numbers(text)
    try:
        expected = [float(number) for number in text.split()]
    except ValueError:
        assert found is None
    else:
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("text", ["nan", "inf", "1_0", "0x1", "\u0663", "1,5"])
def test_what_float_takes_and_no_device_writes_is_refused(text):
    assert decimal_numbers(text) is None
    assert whole_numbers(text, " ") is None


def test_a_long_lead_of_every_length_of_number():
    numbers = [sign * 10**place - 1 for place in range(18) for sign in (1, -1)] * 50
    assert whole_numbers(" ".join(map(str, numbers)), " ").tolist() == numbers
    assert whole_numbers(",".join(map(str, numbers)), ",").tolist() == numbers
