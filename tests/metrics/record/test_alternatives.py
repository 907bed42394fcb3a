"""Texts of tokens as bytes in an array file, and back."""

import numpy as np
import pytest

from metrics.errors import RecordError
from metrics.record.channels import SampleTokens, TokenAlternatives

PIECES = [["Ja", "Ja", "Nein"], [" \0ü", "", " ?"]]
LOGPROBS = np.log([[0.5, 0.25], [0.75, 0.125]])


def test_pieces_come_back_and_make_claims():
    told = TokenAlternatives.of(LOGPROBS, PIECES)
    assert told.texts.dtype == np.uint8
    assert told.pieces() == [["Ja", "Ja", "Nein"], [" ü", "", " ?"]]
    assert told.claims() == [["Ja", "Ja", "Nein"], ["Ja ü", "Ja", "Ja ?"]]
    assert told.shortened() == ("Ja ü", ["ü", "Ja"])


@pytest.mark.parametrize(
    ("logprobs", "texts"),
    [
        (LOGPROBS, b"a\0b"),
        (LOGPROBS[0], b"a\0b\0c"),
        (np.zeros((3, 10)), b""),
        (np.zeros((513, 0)), b"\0" * 512),  # what would take too long to read
        (np.zeros((1, 11)), b"\0" * 11),
        (np.zeros((1, 0)), b"a" * 2**18),
    ],
)
def test_a_channel_that_holds_other_texts_breaks_the_format(logprobs, texts):
    told = TokenAlternatives(logprobs, np.frombuffer(texts, np.uint8))
    with pytest.raises(RecordError, match="token_alternatives"):
        told.claims()


def test_a_claim_of_a_long_answer_begins_shortly_before_the_token():
    pieces = [[f" w{i}", f" w{i}", " not"] for i in range(512)]
    told = TokenAlternatives.of(np.zeros((512, 2)), pieces)
    assert max(len(text) for claim in told.claims() for text in claim) <= 405
    assert told.claims()[-1][0].endswith(" w510 w511")
    assert told.claims()[-1][2].endswith(" w510 not")


def test_samples_tokens_come_back_sample_by_sample():
    told = SampleTokens.of([np.array([-0.5, -1.0]), np.array([]), np.array([-2.0])],
                           [["it ", "i\0s"], [], [" é"]])  # fmt: skip
    assert [own.tolist() for own in told.by_sample()] == [[-0.5, -1.0], [], [-2.0]]
    assert told.shortened() == [("it is", ["is", "it"]), ("", []), ("é", [""])]


@pytest.mark.parametrize(
    ("n", "lengths", "texts"),
    [
        (3, [2, 2], b"a\0b\0c"), (3, [-1, 4], b"a\0b\0c"), (3, [2, 1], b"a\0b"),
        (3, [[2, 1]], b"a\0b\0c"), (2**15 + 1, [2**15 + 1], b"a"), (600, [600], b"\0" * 599),
    ],
)  # fmt: skip
def test_tokens_of_samples_that_do_not_fit_are_refused(n, lengths, texts):
    told = SampleTokens(
        np.zeros(n, np.float32), np.array(lengths, np.int32), np.frombuffer(texts, np.uint8)
    )
    with pytest.raises(RecordError, match="sample_tokens"):
        told.shortened()
