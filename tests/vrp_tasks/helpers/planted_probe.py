"""A saved probe for runs that are given one."""

import numpy as np

from metrics.states.fitted_probe import fit_probe
from vrp_tasks.settings.probe_file import save_probe


def planted_probe(folder, *, d_model=128, images=("0" * 32,)):
    """Fitted on noise: what matters is that its probability arrives."""
    rng = np.random.default_rng(0)
    label = np.arange(60) % 2
    hidden = rng.normal(size=(60, 7, d_model)) + label[:, None, None]
    probe = fit_probe(hidden, label, range(60), rng=rng)
    folder.mkdir()
    save_probe(
        folder, probe, task="vrp_x", position="last_prompt", model={"name": "m"}, images=images
    )
    return probe
