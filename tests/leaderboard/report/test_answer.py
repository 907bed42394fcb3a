from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, log_expit

from leaderboard.figures.heat import heat_of
from leaderboard.figures.plots import forest
from leaderboard.report.answer import answer_lines, answers_of
from leaderboard.report.glossary import FIGURES, glossary
from leaderboard.report.html import to_html
from leaderboard.report.parts import SUMMARIES
from leaderboard.results.aggregate import build_board
from leaderboard.results.arena import entries_of
from leaderboard.runs.read import read_run
from leaderboard.tables.thresholds import thresholds_in
from metrics.abstention.promise import promised_threshold
from metrics.signals import BY_NAME, SIGNALS
from tests.leaderboard.helpers.golden import make_records, write_run
from tests.leaderboard.helpers.html_checker import check


def records(n=900, *, strength=3.0, error_rate=0.1, seed=0, **others):
    """Confidence tells well, agreement hardly; ``others`` are the strengths of further signals."""
    rng = np.random.default_rng(seed)
    found = []
    for i, record in enumerate(make_records(n, seed=seed)):
        right = int(rng.random() >= error_rate)
        signals = {
            "token_confidence": float(log_expit(strength * right + rng.normal())),
            "answer_agreement": float(expit(0.1 * right + rng.normal())),
        }
        signals |= {name: -float(np.exp(-k * right + rng.normal())) for name, k in others.items()}
        found.append(
            replace(record, correct=right, score=float(right), group=str(i), signals=signals)
        )
    return found


def board_of(tmp_path, *runs, **changes):
    folders = [
        write_run(tmp_path / str(i), own, model={"name": f"m{i}", "family": "x"}, **changes)
        for i, own in enumerate(runs)
    ]
    return build_board([read_run(folder) for folder in folders], SUMMARIES)


def test_the_free_one_where_nothing_is_better(tmp_path):
    board = board_of(tmp_path, records())
    (answer,) = answers_of(board)
    free = next(e for e in entries_of(board, "shapes") if e.standing == "the free one")
    assert answer.lead == "Trust token confidence, which is free."
    assert "signals are shown to beat every control: token confidence, " in answer.beats
    wrong = sum(1 - r.correct for r in records())
    assert f"with at most 5 % wrong (of all, {100 * wrong / 900:.1f} % are)" in answer.show
    assert f"{free.figure.value:.3f} [{free.figure.low:.3f}, {free.figure.high:.3f}]" in answer.why
    assert "none of 1 others is shown to be better" in answer.why or "none of" in answer.why
    own = records()
    promise = promised_threshold(
        [r.correct for r in own],
        [r.signals["token_confidence"] for r in own],
        [r.group for r in own],
        risk=0.05,
    ).found
    threshold = f"{promise.threshold:.3g}".replace("-", "−")
    p = f"{np.exp(promise.threshold):#.3g}"
    shown = (
        f"Show answers with token confidence of at least {threshold} (a probability of {p}): that"
    )
    assert shown in answer.show
    assert f"that is {100 * promise.n_shown / 900:.1f} % of them" in answer.show
    assert "at most 5 % wrong" in answer.show
    accuracy = np.mean([r.correct for r in own])
    assert answer.accuracy.startswith(f"{100 * accuracy:.1f} %")
    assert len(answer.scale.marks) == 1


def test_what_is_better_than_free_is_named_with_its_cost(tmp_path):
    board = board_of(tmp_path, records(strength=0.5, semantic_entropy=3.0, logit_entropy=0.1))
    (answer,) = answers_of(board)
    assert answer.lead.startswith("Trust ")
    best = next(e for e in entries_of(board, "shapes") if e.standing == "better than free")
    assert answer.lead == f"Trust {best.signal.label}."
    assert answer.cost == "It costs 10 more samples of each answer."
    assert "Token confidence, which is free, has AUROC" in answer.why
    assert len(answer.scale.marks) == 2


def test_cannot_tell_is_a_sentence_too(tmp_path):
    board = board_of(
        tmp_path,
        records(n=120),
        [replace(r, signals={"answer_agreement": 0.5}) for r in records()],
        records(strength=0.0, error_rate=0.6),
    )
    few, without, noise = answers_of(board)
    assert few.lead == without.lead == "Which signal to trust cannot be told."
    assert few.why == "There are fewer than 30 wrong answers."
    assert without.why == "There is no valid token confidence to compare signals with."
    assert noise.show == "No threshold of token confidence can be promised, not even at 20 % wrong."


def test_the_nearest_is_compared_on_the_answers_that_it_shares(tmp_path):
    """A signal of easy answers only has a high AUROC that says nothing beside that of all."""
    rng = np.random.default_rng(4)
    own = []
    for i, record in enumerate(records(strength=0.5, error_rate=0.3)):
        easy, confidence = i % 4 < 2, record.signals["token_confidence"]
        if easy:
            confidence = float(log_expit(4.0 * record.correct + rng.normal()))
        signals = {"token_confidence": confidence, "candidate_mass": None}
        if easy:
            signals["candidate_mass"] = float(expit(confidence + 0.02 * rng.normal()))
        missing = {} if easy else {"candidate_mass": BY_NAME["candidate_mass"].applies}
        own.append(replace(record, signals=signals, missing=missing))
    board = board_of(tmp_path, own)
    (answer,) = answers_of(board)
    entry = next(e for e in entries_of(board, "shapes") if e.signal.name == "candidate_mass")
    free = next(e for e in entries_of(board, "shapes") if e.standing == "the free one")
    assert entry.figure.value > free.figure.value + 0.05  # and yet no better
    assert entry.standing == "cannot tell"
    assert answer.lead == "Trust token confidence, which is free."
    shown = f"{entry.difference.value:+.3f} [".replace("-", "−")
    assert f"Nearest is candidate mass, {shown}" in answer.why
    assert "on the 450 answers that have both" in answer.why
    assert f"{entry.figure.value:.3f}" not in answer.why
    strip = heat_of(board, "shapes")
    (cell,) = next(row.cells for row in strip.first if row.label == "candidate mass")
    assert cell.mark == "*"
    assert "on 450 of 900 answers only" in cell.hint
    assert strip.first[0].label == "token confidence"
    drawn = [row.label for row in forest(board, "shapes").rows if row.marks]
    assert drawn.index("token confidence") < drawn.index("candidate mass")  # though it is lower


def test_a_copy_in_one_model_has_the_figure_of_its_leader_there(tmp_path):
    copied = [
        replace(r, signals=r.signals | {"min_token_confidence": r.signals["token_confidence"]})
        for r in records()
    ]
    board = board_of(tmp_path, copied, records(seed=1, min_token_confidence=1.0))
    strip = heat_of(board, "shapes")
    rows = {row.label: row.cells for row in (*strip.first, *strip.rest)}
    copy, free = rows["min token confidence"], rows["token confidence"]
    assert copy[0].text == free[0].text
    assert copy[0].mark == "="
    assert copy[1].mark != "="


def test_lines_fit_the_terminal_and_many_are_counted(tmp_path):
    own = records(n=60)
    board = board_of(tmp_path, *[own] * 14)
    lines = answer_lines(board, 72)
    assert max(map(len, lines)) <= 72
    assert lines[-1] == "… and 2 more, in the report"


def test_thresholds_are_those_of_the_metric_for_signals_that_carry_a_promise(tmp_path):
    board = board_of(tmp_path, records(probe=3.0))
    (result,) = board.runs[0].tasks
    found = thresholds_in(result, "token_confidence")
    assert [promise.risk for promise in found.promises] == [0.05, 0.1, 0.2]
    for promise in found.promises:
        own = promised_threshold(
            [r.correct for r in records(probe=3.0)],
            [r.signals["token_confidence"] for r in records(probe=3.0)],
            [r.group for r in records(probe=3.0)],
            risk=promise.risk,
        )
        assert promise.threshold == own.found.threshold
    assert found.curve[-1].coverage == 1.0
    assert all(point.risk <= point.high for point in found.curve)
    assert thresholds_in(result, "probe") is None


def test_the_strip_has_the_highest_first_and_the_free_one_always(tmp_path):
    names = [
        "semantic_entropy", "logit_entropy", "first_token_entropy", "spatial_entropy",
        "min_token_confidence", "distinct_answers", "cluster_count", "spatial_entropy_top_heads",
    ]  # fmt: skip
    strengths = {name: 2.0 + i / 10 for i, name in enumerate(names)}
    board = board_of(tmp_path, records(strength=0.3, **strengths), records(strength=0.3))
    strip = heat_of(board, "shapes")
    assert strip.models == ("m0", "m1")
    assert len(strip.first) == 8
    assert [row.is_free for row in strip.first].count(True) == 1
    marks = {row.label: row.cells[0].mark for row in strip.first}
    assert marks["token confidence"] == "●"
    assert "▲" in marks.values()
    quiet = [row.cells[1] for row in strip.first if not row.is_free]
    assert {cell.state for cell in quiet} >= {"quiet"}


def test_invalid_alone_is_red_and_not_offered_is_quiet(tmp_path):
    board = board_of(
        tmp_path,
        records(),
        invalid={"shapes:cluster_count": "constant 3"},
        not_offered={"shapes:self_consistency": "k=0"},
    )
    strip = heat_of(board, "shapes")
    states = {row.label: row.cells[0] for row in (*strip.first, *strip.rest)}
    assert states["few attention clusters (−C_k)"].state == "invalid"
    assert ("k=0", ("self-consistency (S_SC)",)) in strip.silent
    assert "self-consistency (S_SC)" not in states
    html = to_html(board)
    assert "No figure in any model: self-consistency (S_SC) (k=0)" in html


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "m & n"])
def test_the_first_screen_is_the_answer_and_escapes_names(tmp_path, name):
    folder = write_run(tmp_path / "run", records(), model={"name": name, "family": "x"})
    html = to_html(build_board([read_run(folder)], SUMMARIES))
    main = html.split('<main id="main">')[1]
    assert main.index("The answer") < main.index("Overview")
    assert "Trust token confidence, which is free." in main
    assert "<script>alert" not in main
    check(html)


def test_names_say_what_they_mean_on_hover(tmp_path):
    html = to_html(board_of(tmp_path, records()))
    assert "Source: method §3, paper eq. 7. Key: token_confidence." in html
    assert f'title="{FIGURES["could see"]}"' in html
    said = glossary()
    assert all(text and text.endswith(".") for text in said.values())
    # a hover stands alone, and calls other signals as the report does
    assert all(signal.about for signal in SIGNALS)
    assert not [
        text for text in said.values() if text.lower().startswith("the same") or "`" in text
    ]
    assert "Hidden-state probe (L2) with an L1 penalty" in said["hidden-state probe (L1)"]
