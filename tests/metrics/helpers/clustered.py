"""Right and wrong answers of several questions about one image, whose probabilities are known."""

import numpy as np
from scipy.special import expit, logit
from scipy.stats import norm


def clustered_answers(seed, *, n_images=125, per_image=8, within=0.1, shape=(4.0, 0.8), retold=0):
    """True probabilities, answers that come true by them, and images.

    Answers about one image share a normal factor (a Gaussian copula), so each comes true exactly as
    often as its probability says, whatever ``within`` is. By default 83 % are right. ``retold``
    gives other answers to the same questions.
    """
    rng = np.random.default_rng(seed)
    image = np.repeat(np.arange(n_images), per_image)
    true = np.clip(rng.beta(*shape, size=image.size), 1e-6, 1 - 1e-6)
    rng = np.random.default_rng([seed, retold])
    shared, own = rng.normal(size=n_images)[image], rng.normal(size=image.size)
    latent = np.sqrt(within) * shared + np.sqrt(1 - within) * own
    return true, latent < norm.ppf(true), image


def overstated(true, ece, shape=(4.0, 0.8)):
    """The same probabilities, stated too high: by ``ece`` on average over all images."""
    many = np.clip(np.random.default_rng(1).beta(*shape, size=100_000), 1e-6, 1 - 1e-6)
    low, high = 0.0, 5.0
    for _ in range(40):
        middle = (low + high) / 2
        if (expit(logit(many) + middle) - many).mean() < ece:
            low = middle
        else:
            high = middle
    return expit(logit(true) + low)
