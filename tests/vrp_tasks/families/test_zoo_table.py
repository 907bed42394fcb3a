"""`docs/families.md` says what the builds do."""

import pytest

from tests.vrp_tasks.helpers import zoo
from tests.vrp_tasks.helpers.zoo import table

FEW = ("gemma3", "internvl", "lfm2_vl", "mllama")


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=() if n in FEW else pytest.mark.families) for n in zoo.NAMES],
)
def test_the_line_of_an_architecture_is_what_its_checks_say(name):
    assert table.row(name) in table.FILE.read_text("utf-8").splitlines()


def test_every_architecture_has_a_line_and_no_other():
    lines = table.FILE.read_text("utf-8").splitlines()
    listed = [line.split("|")[1].strip() for line in lines if line.startswith("| ")]
    assert tuple(listed[1:]) == zoo.NAMES
