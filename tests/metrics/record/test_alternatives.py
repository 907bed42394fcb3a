"""Texts of tokens as bytes in an array file, and back."""

import numpy as np
import pytest

from metrics.errors import RecordError
from metrics.record.channels import TokenAlternatives

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
    [(LOGPROBS, b"a\0b"), (LOGPROBS[0], b"a\0b\0c"), (np.zeros((3, 10)), b"")],
)
def test_a_channel_that_holds_other_texts_breaks_the_format(logprobs, texts):
    told = TokenAlternatives(logprobs, np.frombuffer(texts, np.uint8))
    with pytest.raises(RecordError, match="token_alternatives"):
        told.claims()
