"""Servers through lmms-eval, as its command line runs them."""

from argparse import Namespace

from metrics.record.channels import FirstTwo, ListedTokens, Samples, SampleScores, TokenScores
from metrics.signals import SIGNALS
from vrp_tasks.registration import TASKS_FOLDER

TOKENS = {TokenScores, FirstTwo}
FROM_TOKENS = {s.name for s in SIGNALS if s.needs and set(s.needs) <= TOKENS}
BOUNDS = {s.name for s in SIGNALS if ListedTokens in s.needs}  # of what needs the whole vocabulary
SAMPLES = {Samples, SampleScores}
FROM_SAMPLES = {
    s.name for s in SIGNALS if SAMPLES & set(s.needs) and set(s.needs) <= TOKENS | SAMPLES
}


def evaluate(model, arguments, output, *, tasks=("vrp_shapes",), include=TASKS_FOLDER, **options):
    import lmms_eval.evaluator as evaluator
    from lmms_eval.tasks import TaskManager

    return evaluator.simple_evaluate(
        model=model,
        model_args=arguments,
        tasks=list(tasks),
        limit=options.pop("limit", 6),
        batch_size=1,
        bootstrap_iters=0,
        task_manager=TaskManager(include_path=str(include), include_defaults=False),
        cli_args=Namespace(output_path=str(output), process_with_media=False) if output else None,
        **options,
    )
