"""How much data a verdict needs: stated once, read by everything that gives one."""

LEAST_PER_CLASS = 30  # right, and wrong, answers: below it a figure is shown, but no verdict read
MAX_MISSING = 0.05  # share of the samples that a signal may lack and still be set beside others
LEAST_GROUPS = 20  # images: below it cluster-robust intervals are too short in simulations


def too_few_images(n_groups: int) -> str | None:
    """Return why no verdict is read from so few images, or None."""
    if n_groups >= LEAST_GROUPS:
        return None
    return f"{n_groups} image{'' if n_groups == 1 else 's'} only: no verdict below {LEAST_GROUPS}"


def too_few_answers(n_correct: int, n_errors: int) -> str | None:
    """Return why no verdict is read from so few right or wrong answers, or None."""
    least, name = min((n_correct, "right"), (n_errors, "wrong"))
    if least >= LEAST_PER_CLASS:
        return None
    return f"{least} {name} answers only: no verdict below {LEAST_PER_CLASS}"
