from leaderboard.figures.headlines import first_of

CONFIDENT = [
    "renyi_entropy", "epr", "logit_entropy", "first_token_entropy", "candidate_mass", "rauq",
    "first_token_margin", "min_token_confidence", "fused_all",
]  # fmt: skip


def test_one_of_each_family_stands_among_the_first_in_its_place():
    low = ["self_consistency", "probe", "spatial_entropy"]
    found = first_of([*CONFIDENT, "token_confidence", *low])
    assert found == [*CONFIDENT[:4], "token_confidence", *low]


def test_the_highest_fill_what_no_headline_takes():
    assert first_of(CONFIDENT) == CONFIDENT[:8]
    assert first_of([*CONFIDENT, "token_confidence"]) == [*CONFIDENT[:7], "token_confidence"]
    assert first_of(["token_confidence"]) == ["token_confidence"]
