"""A folder that was received cannot have figures believed, nor a file of ours written."""

from leaderboard.cli import main
from leaderboard.output import anew, cache_folder
from leaderboard.results.cache import Cache
from tests.leaderboard.helpers.golden import make_records, write_run


def test_a_link_in_the_output_folder_is_replaced_and_not_written_through(tmp_path):
    ours = tmp_path / "ours.txt"
    ours.write_text("mine")
    received = tmp_path / "received"
    write_run(received / "run", make_records(40))
    names = ("leaderboard.md", "leaderboard.csv", "report.html")
    for name in names[:2]:
        (received / name).symlink_to(ours)
    (received / names[2]).hardlink_to(ours)
    assert main(["build", str(received)]) == 0
    assert ours.read_text() == "mine"
    assert all((received / name).read_text() != "mine" for name in names)
    assert not any((received / name).is_symlink() for name in names)


def test_a_link_to_nowhere_makes_no_file_there(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    anew(tmp_path / "link").write_text("x")
    assert not (tmp_path / "elsewhere").exists()


def test_the_cache_is_the_users_and_one_for_each_output_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "mine"))
    write_run(tmp_path / "received" / "run", make_records(40))
    before = {path for path in (tmp_path / "received").rglob("*") if path.is_dir()}
    main(["build", str(tmp_path / "received")])
    assert {path for path in (tmp_path / "received").rglob("*") if path.is_dir()} == before
    found = cache_folder(tmp_path / "received")
    assert found != cache_folder(tmp_path / "other")
    assert found.is_relative_to(tmp_path / "mine")
    (entry,) = found.iterdir()
    assert Cache(found).has(entry.stem)
