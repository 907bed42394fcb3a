"""The documentation names what there is."""

from pathlib import Path

from metrics.signals import SIGNALS
from vrp_tasks.registration import ADAPTERS
from vrp_tasks.settings.run_settings import NAMES

ROOT = Path(__file__).parents[2]


def test_every_signal_is_defined():
    text = (ROOT / "docs" / "signals.md").read_text("utf-8")
    undefined = [signal.name for signal in SIGNALS if f"`{signal.name}`" not in text]
    assert undefined == []


def test_every_setting_and_adapter_is_documented():
    pages = [ROOT / "docs" / name for name in ("quickstart.md", "access.md")]
    text = "".join(page.read_text("utf-8") for page in pages)
    assert [name for name in (*ADAPTERS, *NAMES) if f"`{name}`" not in text] == []


def test_the_results_show_measured_tables():
    text = (ROOT / "docs" / "results.md").read_text("utf-8")
    for name in ("demo-figures", "benchmark-table"):
        between = text.split(f"<!-- {name}:start -->")[1].split(f"<!-- {name}:end -->")[0]
        assert between.count("|") > 20


def test_every_curated_task_is_documented():
    text = (ROOT / "docs" / "tasks.md").read_text("utf-8")
    folders = [ROOT / "vrp_tasks" / "tasks" / name for name in ("published", "coco")]
    names = [path.stem for folder in folders for path in folder.glob("*.yaml")]
    assert len(names) > 10
    assert [name for name in names if f"`{name}`" not in text] == []
