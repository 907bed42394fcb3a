"""Content words among prompt tokens: byte-level and word-piece tokenizers, odd questions."""

import pytest

from tests.vrp_tasks.helpers.random_models import FAMILIES, random_architecture
from vrp_tasks.errors import UnalignedError
from vrp_tasks.grounding.words import align_words, content_words


class Pieces:
    """A tokenizer given by its pieces, bytes where a piece is no whole character."""

    def __init__(self, *pieces):
        self.pieces = [p if isinstance(p, bytes) else p.encode() for p in pieces]

    def decode(self, ids):
        return b"".join(self.pieces[i] for i in ids).decode(errors="replace")


def align(pieces, question):
    tokenizer = Pieces(*pieces)
    found = align_words(tokenizer, list(range(len(pieces))), question)
    return {word.text: word.positions for word in found}


@pytest.mark.parametrize("family", FAMILIES)
def test_words_of_a_real_prompt(family):
    architecture = random_architecture(family)
    tokenizer = architecture.processor.tokenizer
    question = "Is the blue square left of the orange triangle?"
    ids = tokenizer.encode(architecture.prompt(question))
    words = align_words(tokenizer, ids, question)
    assert [w.text for w in words] == ["blue", "square", "left", "orange", "triangle"]
    for word in words:
        assert tokenizer.decode([ids[p] for p in word.positions]).strip() == word.text
    unknown = align_words(
        tokenizer, tokenizer.encode("Is it a quixotic zebra?"), "a quixotic zebra"
    )
    assert [w.text for w in unknown] == ["quixotic", "zebra"]
    assert all(len(w.positions) > 1 for w in unknown)


def test_function_words_and_words_for_the_picture_are_left_out():
    question = "How many of these 3 dogs' toys are there in the image, left of Anna's cat?"
    assert [word for word, *_ in content_words(question)] == [
        "3", "dogs", "toys", "left", "anna's", "cat"
    ]  # fmt: skip


def test_contractions_of_function_words_are_left_out():
    question = "What's there, isn't it? Who’s not won't let's? The dog's can't aren't"
    assert [word for word, *_ in content_words(question)] == ["dog's"]


def test_a_word_of_several_tokens_and_a_token_of_several_words():
    found = align(["USER", " tri", "ang", "le red", " star", "?"], "triangle red star?")
    assert found == {"triangle": (1, 2, 3), "red": (3,), "star": (4,)}


def test_characters_that_are_spread_over_tokens():
    cafe = "é".encode()
    found = align(["red caf", cafe[:1], cafe[1:], " table"], "red café table")
    assert found == {"red": (0,), "café": (0, 1, 2), "table": (3,)}


def test_of_several_places_the_last_counts_and_white_space_may_differ():
    found = align(["red", " star", "\n", "red", "\u00a0", " star"], "red  star")
    assert found == {"red": (3,), "star": (5,)}


@pytest.mark.parametrize(
    ("pieces", "question", "reason"),
    [
        (["Is", " it", "?"], "Is it?", "no content word"),
        (["green", " star"], "red star", "was not found"),
        (["red", " star"], "", "no content word"),
        ([b"\xff", "red"], "blue", "was not found"),
    ],
)
def test_what_cannot_be_aligned_says_why(pieces, question, reason):
    with pytest.raises(UnalignedError, match=reason):
        align(pieces, question)
