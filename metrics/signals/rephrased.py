"""Whether the answer stays when the question is asked in other words (`rescore`)."""

from __future__ import annotations

from metrics.record.channels import Rephrased
from metrics.signals.declaration import SHARE, Signal

SIGNALS = (
    Signal(
        "paraphrase_agreement",
        "agreement under paraphrase",
        "changed question",
        "arXiv 2411.11919",
        (Rephrased,),
        lambda rephrased: rephrased.agrees.mean(),
        bounds=SHARE,
        cost="further prefills",
        cost_class=3,
        about="share of the user's own rephrasings of the question, each a run of its own, that "
        "bring the same answer under the benchmark's normalisation",
    ),
)
