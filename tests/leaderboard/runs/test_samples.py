import pytest

from leaderboard.runs.read import read_run
from leaderboard.runs.samples import pick_samples, showcase_of
from tests.leaderboard.helpers.golden import make_records, write_run
from tests.leaderboard.helpers.pictures import write_pictured_run


def test_samples_are_the_confident_errors_and_the_doubted_right_answers():
    records = make_records(80)
    name, errors, right = pick_samples(records, n_shown=3)
    value = {r.identity: r.signals["token_confidence"] for r in records}
    wrong = sorted((r.identity for r in records if not r.correct), key=value.get, reverse=True)
    doubted = sorted((r.identity for r in records if r.correct), key=value.get)
    assert name == "token_confidence"
    assert [r.identity for r in errors] == wrong[:3]
    assert [r.identity for r in right] == doubted[:3]


def test_without_a_signal_or_a_label_there_is_nothing_to_pick():
    assert pick_samples([]) is None


def test_a_showcase_says_where_each_value_lies_among_all(tmp_path):
    records = make_records(40)
    showcase = showcase_of(read_run(write_run(tmp_path / "run", records)), "shapes")
    values = [r.signals["self_consistency"] for r in records]
    (example, *_) = showcase.examples
    (signal,) = [s for s in example.signals if s.name == "self_consistency"]
    below = sum(v < signal.value for v in values)
    ties = sum(v == signal.value for v in values)
    assert ties > 1
    assert signal.rank == pytest.approx((below + ties / 2) / 40)


def test_a_showcase_carries_picture_map_and_counts(tmp_path):
    showcase = showcase_of(read_run(write_pictured_run(tmp_path / "run")), "shapes", n_shown=2)
    assert len(showcase.examples) == 4
    for example in showcase.examples:
        assert example.picture.jpeg
        assert example.heat.levels
        assert sum(count for _, count in example.samples) == 10
