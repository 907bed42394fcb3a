"""Reliability attached to any lmms-eval task: a base task and a few keys under ``metadata.vrp``.

::

    settings   the keys of ``metadata.vrp``, checked
    outputs    what a scorer returns, read off its source
    score      which of it is the score of one answer
    base_task  the base's own configuration, and its own scoring of one answer
    scorer     ``process_results`` of an attached task: the base's results, and ours beside them
    build      the configuration lmms-eval builds the task from
    names      ``vrp_<task>`` without a YAML; variants; hooks into lmms-eval's task manager
    groups     which samples share an image
    labels     parsed answers and corrected label files beside the stock score
    subset     a seeded, image-grouped, kind-stratified part of a task
"""
