import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.answers.normal_form import normalize_answer, parse_yes_no


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" Yes. ", "yes"),
        ("The Two\ndogs!", "2 dogs"),
        ("an apple, a pear", "apple pear"),
        ("1,000", "1000"),
        ("1,2", "1 2"),
        ("3.5", "3.5"),
        ("-3 degrees", "-3 degrees"),
        ("t-shirt", "t shirt"),
        ("don't", "dont"),
        ("don’t", "dont"),
        ("None", "0"),
        ("50%", "50%"),
        ("**red**", "red"),
        ("ﬁve", "5"),  # ligature: NFKC
        ("A", "a"),
        ("(a)", "a"),
        ("A.", "a"),
        ("the", "the"),
        ("A cat", "cat"),
        ("", ""),
        ("...", ""),
    ],
)
def test_normalize(text, expected):
    assert normalize_answer(text) == expected


@given(st.text(max_size=40))
def test_normalizing_keeps_no_trace_of_case_or_outer_space(text):
    once = normalize_answer(text)
    assert normalize_answer(f"  {text}\n") == once
    assert once == " ".join(once.split())


@given(st.text(alphabet="aA the2.,-!two ", max_size=30))
def test_normalizing_twice_changes_nothing(text):
    once = normalize_answer(text)
    assert normalize_answer(once) == once


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Yes.", "yes"),
        ("no", "no"),
        ("**No**, there isn't.", "no"),
        ("Yes, there is no doubt about it.", "yes"),
        ("Yeah", "yes"),
        ("Nope.", "no"),
        ("The answer is yes.", "yes"),
        ("I think the answer is: no", "no"),
        ("There are no dogs in the image.", "no"),
        ("There is not a dog.", "no"),
        ("There isn't a dog.", "no"),
        ("No idea.", None),
        ("Yes or no?", None),
        ("I do not know.", None),
        ("There is no way to tell.", None),
        ("The answer is yes. No: the answer is no.", None),
        ("nothing", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_parse_yes_no(text, expected):
    assert parse_yes_no(text) == expected


@pytest.mark.parametrize("function", [normalize_answer, parse_yes_no])
def test_only_text(function):
    with pytest.raises(ValueError, match="must be a string, got 3"):
        function(3)
