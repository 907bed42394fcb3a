import subprocess
import sys
from dataclasses import replace

import pytest

from leaderboard.cli import main
from tests.leaderboard.helpers.golden import make_records, write_run


def test_build_prints_the_overview_and_ends_with_the_path_of_the_report(tmp_path, capsys):
    write_run(tmp_path / "run")
    assert main(["build", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Overview"
    assert len(lines) < 65
    said = " ".join(" ".join(lines[:-3]).split())
    assert "tiny-llava on shapes: Trust token confidence, which is free. No threshold" in said
    assert "2 of 6 signals are shown to beat every control: token confidence, self-con" in said
    assert lines[-3:] == [
        "",
        f"All tables: {tmp_path / 'leaderboard.md'}; one run's: vrp-leaderboard show RUN",
        str(tmp_path / "report.html"),
    ]
    written = {path.name for path in tmp_path.iterdir() if path.is_file()}
    assert written == {
        "leaderboard.md", "leaderboard.csv", "leaderboard.json", "leaderboard.tex", "report.html",
    }  # fmt: skip


@pytest.mark.parametrize("width", [50, 80, 120])
def test_tables_fit_the_terminal(width, tmp_path, capsys, monkeypatch):
    write_run(tmp_path / "run")
    monkeypatch.setenv("COLUMNS", str(width))
    shown = []
    for command in ("build", "show"):
        assert main([command, str(tmp_path)]) == 0
        shown.append(capsys.readouterr().out)
    assert main(["compare", str(tmp_path), str(tmp_path)]) == 0
    shown.append(capsys.readouterr().out)
    tables = "\n".join(shown).replace(str(tmp_path), "").splitlines()
    free = ("All tables", "/", "No regression", "tiny-llava on shapes: 2 of 6")
    assert max(len(line) for line in tables if not line.startswith(free)) <= width
    assert "self-consistency (S_SC)" in shown[1]
    for column in ("AUROC in kind", "error AP", "n valid / n"):
        assert column in shown[1]


def test_build_twice_gives_the_same_bytes(tmp_path, capsys):
    write_run(tmp_path / "runs" / "a")
    contents = []
    for name in ("first", "second"):
        main(["build", str(tmp_path / "runs"), "-o", str(tmp_path / name)])
        files = sorted(path for path in (tmp_path / name).iterdir() if path.is_file())
        contents.append([(path.name, path.read_bytes()) for path in files])
    assert contents[0] == contents[1]


def test_build_lists_what_it_left_out_and_still_ends_well(tmp_path, capsys):
    write_run(tmp_path / "good")
    write_run(tmp_path / "bad", schema_version=99)
    assert main(["build", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert f"not in the tables: {tmp_path / 'bad'}: damaged: manifest has schema_version 99" in out
    assert "schema\\_version 99" in (tmp_path / "leaderboard.md").read_text("utf-8")


def test_one_class_prints_undefined_with_the_reason(tmp_path, capsys):
    write_run(tmp_path / "run", make_records(all_correct=True))
    assert main(["show", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "token confidence" in out
    assert "– (1)" in out
    assert "(1) " in out


def test_a_split_without_answers_has_counts_and_no_figures(tmp_path, capsys):
    records = [replace(r, score=None, correct=None, target=None) for r in make_records(40)]
    write_run(tmp_path / "run", records)
    assert main(["build", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "0 / 0 / 0" in out
    assert "and 40 unlabelled" in out
    assert "no labelled samples" in out


def test_published_figures_are_shown_on_request(tmp_path, capsys):
    write_run(tmp_path / "run")
    main(["build", str(tmp_path)])
    assert "Published figures" not in capsys.readouterr().out
    main(["build", str(tmp_path), "--published"])
    assert "Published figures (not measured here)" in capsys.readouterr().out


def test_many_runs_are_printed_beside_each_other(tmp_path, capsys):
    for seed in range(5):
        write_run(tmp_path / str(seed), make_records(20, seed=seed), model={"name": f"m{seed}"})
    assert main(["build", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert all(f"m{seed} on shapes: " in out for seed in range(5))
    assert "Signals on shapes" not in out.splitlines()


def test_show_prints_one_card(tmp_path, capsys):
    write_run(tmp_path / "run")
    assert main(["show", str(tmp_path / "run")]) == 0
    assert capsys.readouterr().out.startswith("tiny-llava on shapes: n 160, 40 images")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: None, "no run folder (with a manifest.json) at or below"),
        (lambda folder: folder.rmdir(), "no run could be read: "),
        (lambda folder: write_run(folder / "run", schema_version=9), "damaged: manifest has"),
    ],
)
def test_nothing_readable_exits_2_with_one_line(tmp_path, capsys, make, message):
    folder = tmp_path / "runs"
    folder.mkdir()
    make(folder)
    assert main(["build", str(folder)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("vrp-leaderboard: ")
    assert message in captured.err
    assert captured.err.count("\n") == 1


def test_an_output_that_cannot_be_written_is_said_in_one_line(tmp_path, capsys):
    write_run(tmp_path / "run")
    (tmp_path / "file").write_text("")
    assert main(["build", str(tmp_path), "-o", str(tmp_path / "file")]) == 2
    assert "cannot write" in capsys.readouterr().err


def test_the_package_runs_as_a_module_without_torch():
    code = (
        "import sys, leaderboard.cli; "
        "bad = {'torch', 'transformers', 'lmms_eval', 'vrp_tasks'} & set(sys.modules); "
        "sys.exit(str(bad) if bad else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    done = subprocess.run(
        [sys.executable, "-m", "leaderboard", "--help"], check=True, capture_output=True, text=True
    )
    assert "build" in done.stdout
