"""What is written as LaTeX is LaTeX: balanced always, and compiled where a TeX is installed."""

import re
import shutil
import subprocess

import pytest

from leaderboard.report.contents import all_tables
from leaderboard.tables.formats import to_latex
from tests.leaderboard.helpers.full_card import full_board

TEX = next((path for name in ("pdflatex", "tectonic") if (path := shutil.which(name))), None)
HOSTILE = r"a_b & \input{x} 50% #1 ~^ $x$ {"
DOCUMENT = (
    r"\documentclass{article}\usepackage[T1]{fontenc}\usepackage[utf8]{inputenc}"
    r"\usepackage{booktabs,makecell,textcomp}\begin{document}%s\end{document}"
)


def tables():
    return [to_latex(table) for table in all_tables(full_board(HOSTILE), published=True)]


def test_environments_and_braces_are_balanced():
    for text in tables():
        opened = re.findall(r"\\begin\{(\w+)\}", text)
        assert sorted(opened) == sorted(re.findall(r"\\end\{(\w+)\}", text))
        bare = re.sub(r"\\[{}]", "", text)
        assert bare.count("{") == bare.count("}")


def test_every_row_has_the_cells_of_its_head():
    for text in tables():
        columns = len(re.search(r"\\begin\{tabular\}\{(l+)\}", text).group(1))
        body = text.split(r"\toprule")[1].split(r"\bottomrule")[0]
        rows = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert rows
        for row in rows:
            if not row.startswith(r"\multicolumn"):
                assert len(re.findall(r"(?<!\\)&", row)) == columns - 1, row


def test_only_what_is_escaped_is_left():
    for text in tables():
        assert r"\input{" not in text
        assert not re.search(r"(?<!\\)[#%~]", text)
        assert text.isascii()  # our own signs are commands, so that any engine sets them


@pytest.mark.skipif(TEX is None, reason="no pdflatex and no tectonic (Debian: texlive-latex-extra)")
def test_it_compiles(tmp_path):
    (tmp_path / "all.tex").write_text(DOCUMENT % "\n".join(tables()), "utf-8")
    options = ["-interaction=nonstopmode", "-halt-on-error"] if "pdflatex" in TEX else []
    done = subprocess.run(
        [TEX, *options, "all.tex"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:]
