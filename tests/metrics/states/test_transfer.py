import numpy as np
import pytest

from metrics.scores.discrimination import auroc
from metrics.states import transfer
from metrics.states.fitted_probe import fit_probe
from metrics.states.transfer import transfer_matrix


def tasks(rng, directions, n=300):
    """Per task: noise plus its label along its own direction."""
    states, correct, groups = {}, {}, {}
    for name, direction in directions.items():
        correct[name] = rng.random(n) < 0.6
        states[name] = rng.normal(size=(n, 2, 4))
        states[name][:, 1, 0] += 2 * direction * (correct[name] - 0.5)
        groups[name] = [f"{name}-{i // 2}" for i in range(n)]
    return states, correct, groups


def test_the_same_direction_transfers_and_the_opposite_one_turns_round():
    rng = np.random.default_rng(0)
    found = transfer_matrix(*tasks(rng, {"a": 1, "b": 1, "c": -1}), rng=rng)
    matrix = np.array(found.auroc)
    assert found.tasks == ("a", "b", "c")
    assert matrix.diagonal().min() > 0.85
    assert min(matrix[0, 1], matrix[1, 0]) > 0.85
    assert max(matrix[0, 2], matrix[2, 0], matrix[1, 2], matrix[2, 1]) < 0.15


def test_images_that_both_tasks_have_are_left_out_of_the_fit():
    """Item noise with a label per item: only having seen the images would help."""
    rng = np.random.default_rng(1)
    items = rng.normal(size=(100, 1, 64))
    label = rng.random(100) < 0.5
    states = {"a": np.concatenate([items, rng.normal(size=(100, 1, 64))]), "b": items}
    correct = {"a": np.concatenate([label, rng.random(100) < 0.5]), "b": label}
    shared = [f"image-{i}" for i in range(100)]
    groups = {"a": shared + [f"own-{i}" for i in range(100)], "b": shared}
    found = transfer_matrix(states, correct, groups, rng=rng)
    leaky = fit_probe(states["a"], correct["a"], range(200), rng=rng).decision(states["b"])
    assert abs(found.auroc[0][1] - 0.5) < 0.17
    assert auroc(label, leaky) > 0.7


def test_an_undefined_cell_has_its_reason():
    rng = np.random.default_rng(2)
    states, correct, groups = tasks(rng, {"a": 1, "b": 1})
    groups["b"] = groups["a"]
    found = transfer_matrix(states, correct, groups, rng=rng)
    assert found.auroc[0][1] is None
    assert found.reasons["a → b"] == "the tasks have the same images"
    correct["b"] = np.ones(300)
    found = transfer_matrix(states, correct, groups, rng=rng)
    assert "300 correct" in found.reasons["b → b"] or "wrong" in found.reasons["b → b"]
    with pytest.raises(ValueError, match="must be of the tasks a, b"):
        transfer_matrix(states, {"a": correct["a"]}, groups, rng=rng)


def test_a_task_is_fitted_once_for_all_tasks_that_share_no_image_with_it(monkeypatch):
    rng = np.random.default_rng(3)
    states, correct, groups = tasks(rng, dict.fromkeys("abc", 1), n=120)
    groups["c"][:40] = groups["a"][:40]
    sizes = []

    def counted(hidden, *rest, **options):
        sizes.append(len(hidden))
        return fit_probe(hidden, *rest, **options)

    monkeypatch.setattr(transfer, "fit_probe", counted)
    found = transfer_matrix(states, correct, groups, rng=rng)
    assert sizes == [120, 80, 120, 80, 120]  # a for b, a for c; b; c for a, c for b
    assert min(map(min, found.auroc)) > 0.75


def test_tasks_of_two_models_are_refused():
    rng = np.random.default_rng(4)
    states, correct, groups = tasks(rng, {"a": 1, "b": 1}, n=120)
    states["b"] = states["b"][:, :, :3]
    with pytest.raises(ValueError, match=r"those of the model it was fitted on, got shape"):
        transfer_matrix(states, correct, groups, rng=rng)
