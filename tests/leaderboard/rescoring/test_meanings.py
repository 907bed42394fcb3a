"""What another model says of a run's answers: as signals of the rescored run, or one line."""

import itertools
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc_csv
import pyarrow.parquet as pq
import pytest

from leaderboard.cli import main
from leaderboard.runs.read import read_run
from metrics.answers.kernel_entropy import kernel_language_entropy
from metrics.answers.meaning import (
    entailment_weights,
    mean_support,
    similarity_clusters,
)
from metrics.record.records import SIMILARITIES_FILE
from tests.leaderboard.helpers.golden import make_records, write_run

WORDS = ("yes", "no", "yes it is", "not at all", "")
NEW = {
    "semantic_entropy_entailment", "answer_agreement_entailment", "kernel_entropy_entailment",
    "luq", "semantic_entropy_embeddings", "answer_agreement_embeddings",
    "kernel_entropy_embeddings",
    *(f"{name}_{by}" for name in ("degree", "eccentricity", "laplacian_eigenvalues")
      for by in ("entailment", "embeddings")),
}  # fmt: skip


def run_of(folder, n=24, k=4):
    records = []
    for i, own in enumerate(make_records(n)):
        drawn = [WORDS[(i * 3 + j * j) % len(WORDS)] for j in range(k)]
        records.append(replace(own, samples=drawn, normal_samples=drawn))
    return write_run(folder, records)


def rows_of(run, kinds=("entailment", "contradiction", "similarity")):
    """Values that depend on the two texts alone."""
    rows = []
    for record in read_run(run).records:
        texts = [t for t in dict.fromkeys([record.answer, *record.samples]) if t.strip()]
        for first, second in itertools.permutations(texts, 2):
            rng = np.random.default_rng([len(first), len(second)])
            p = rng.dirichlet([2, 1, 1])
            alike = np.random.default_rng(len(first) * len(second)).random()
            value = {"entailment": p[0], "contradiction": p[2], "similarity": alike}
            own = {"task": record.task, "split": record.split, "doc_id": record.doc_id}
            rows += [
                {**own, "kind": kind, "first": first, "second": second, "value": value[kind]}
                for kind in kinds
            ]
    return rows


def write(path, rows):
    table = pa.Table.from_pylist(rows)
    if path.suffix == ".csv":
        pc_csv.write_csv(table, path)
    else:
        pq.write_table(table, path)
    return path


def refused(capsys, *arguments):
    assert main(["rescore", *map(str, arguments)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize("name", ["similarities.parquet", "given.csv"])
def test_signals_are_those_of_the_matrices(tmp_path, name):
    run = run_of(tmp_path / "run")
    file = write(tmp_path / name, rows_of(run))
    assert main(["rescore", str(run), "--similarities", str(file)]) == 0
    new = read_run(tmp_path / "run_rescored")
    values = {(r["doc_id"], r["kind"], r["first"], r["second"]): r["value"] for r in rows_of(run)}

    def matrix(record, kind, equal):
        texts = [record.answer, *record.samples]
        return np.array(
            [
                [
                    equal
                    if i == j or (a == b and a)
                    else values.get((record.doc_id, kind, a, b), 0.0)
                    for j, b in enumerate(texts)
                ]
                for i, a in enumerate(texts)
            ]
        )

    for record in new.records:
        e, c = matrix(record, "entailment", 1.0), matrix(record, "contradiction", 0.0)
        s = matrix(record, "similarity", 1.0)
        found = record.signals
        weights = entailment_weights(e, c)[1:, 1:]
        assert found["kernel_entropy_entailment"] == pytest.approx(
            -kernel_language_entropy(weights)
        )
        support = np.divide(e, e + c, out=np.zeros_like(e), where=e + c > 0)
        assert found["luq"] == pytest.approx(mean_support(support))
        labels = similarity_clusters(s)
        shares = [np.mean(labels[1:] == label) for label in set(labels[1:])]
        entropy = sum(p * np.log(p) for p in shares)
        assert found["semantic_entropy_embeddings"] == pytest.approx(entropy, abs=1e-12)
        agreement = np.mean(labels[1:] == labels[0])
        assert found["answer_agreement_embeddings"] == pytest.approx(agreement)
    added = {key.split(":")[1] for key in new.manifest.rescored["added"]}
    assert added >= NEW


def test_a_rescored_run_keeps_what_it_was_given_and_can_be_rescored_again(tmp_path):
    run = run_of(tmp_path / "run")
    file = write(tmp_path / "s.parquet", rows_of(run))
    assert main(["rescore", str(run), "--similarities", str(file)]) == 0
    first = tmp_path / "run_rescored"
    assert SIMILARITIES_FILE in read_run(first).manifest.files
    assert main(["rescore", str(first)]) == 0
    assert read_run(tmp_path / "run_rescored_rescored").records == read_run(first).records
    assert read_run(run).manifest.files.keys() == {"records.parquet"}


def test_one_kind_gives_its_own_signals(tmp_path):
    run = run_of(tmp_path / "run")
    file = write(tmp_path / "s.parquet", rows_of(run, kinds=("similarity",)))
    assert main(["rescore", str(run), "--similarities", str(file)]) == 0
    new = read_run(tmp_path / "run_rescored")
    names = {name for record in new.records for name in record.signals} & NEW
    assert names == {name for name in NEW if name.endswith("embeddings")}


def test_an_answer_that_was_not_compared_is_missing_and_the_others_are_there(tmp_path):
    run = run_of(tmp_path / "run")
    rows = [row for row in rows_of(run) if row["doc_id"] != "3"]
    assert (
        main(["rescore", str(run), "--similarities", str(write(tmp_path / "s.parquet", rows))]) == 0
    )
    for record in read_run(tmp_path / "run_rescored").records:
        if record.doc_id == "3":
            assert record.signals["luq"] is None
            assert record.missing["luq"].startswith("nobody has compared")
        else:
            assert record.signals["luq"] is not None
        assert record.signals["token_confidence"] is not None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"value": 1.5}, "must be in [0, 1], got 1.5"),
        ({"value": -0.1}, "must be in [0, 1], got -0.1"),
        ({"value": float("nan")}, "column value must be finite"),
        ({"kind": "cosine"}, "kind must be one of entailment, contradiction, support, simi"),
    ],
)
def test_a_value_that_cannot_be_is_one_line_and_nothing_is_written(
    tmp_path, capsys, change, message
):
    run = run_of(tmp_path / "run")
    rows = rows_of(run)
    rows[7] |= change
    line = refused(capsys, run, "--similarities", write(tmp_path / "s.parquet", rows))
    assert line.startswith("vrp-leaderboard: cannot rescore: ")
    assert message in line
    assert not (tmp_path / "run_rescored").exists()


def test_a_similarity_that_is_not_the_same_both_ways_is_one_line(tmp_path, capsys):
    run = run_of(tmp_path / "run")
    rows = rows_of(run)
    own = next(row for row in rows if row["kind"] == "similarity")
    own["value"] = 1 - own["value"]
    line = refused(capsys, run, "--similarities", write(tmp_path / "s.parquet", rows))
    assert "the other way round" in line


def test_files_that_are_of_no_use_are_one_line_each(tmp_path, capsys):
    run = run_of(tmp_path / "run")
    absent = refused(capsys, run, "--similarities", tmp_path / "none.parquet")
    assert "none.parquet: no similarities of answers" in absent
    (tmp_path / "text.parquet").write_text("no table")
    assert "no similarities" in refused(capsys, run, "--similarities", tmp_path / "text.parquet")
    few = write(tmp_path / "few.parquet", [{"task": "shapes", "value": 0.5}])
    assert "lacks the column" in refused(capsys, run, "--similarities", few)
    other = [row | {"task": "another"} for row in rows_of(run)]
    of_another = write(tmp_path / "other.parquet", other)
    assert "compares no answer of this run" in refused(capsys, run, "--similarities", of_another)
    plain = write_run(
        tmp_path / "k0", [replace(r, samples=[], normal_samples=[]) for r in make_records(8)]
    )
    file = write(tmp_path / "s.parquet", rows_of(run))
    assert "sampled no answers (k=0)" in refused(capsys, plain, "--similarities", file)
    both = refused(capsys, run, "--similarities", file, "--entailment", "x")
    assert both.endswith("--similarities and --entailment: give one of the two.")


def test_one_sample_is_too_few_to_compare(tmp_path):
    records = make_records(24)
    records[5] = replace(records[5], samples=["yes"], normal_samples=["yes"])
    run = write_run(tmp_path / "run", records)
    rows = rows_of(run)
    assert (
        main(["rescore", str(run), "--similarities", str(write(tmp_path / "s.parquet", rows))]) == 0
    )
    record = read_run(tmp_path / "run_rescored").records[5]
    assert record.signals["kernel_entropy_embeddings"] is None
    assert record.missing["kernel_entropy_embeddings"] == (
        "two samples at least are compared by meaning, this answer has 1"
    )
