"""Images changed, and the question asked again about them."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from metrics.record.channels import PERTURBATIONS, Perturbed
from metrics.record.observation import Absent
from vrp_tasks.access.base import Asked, Seen
from vrp_tasks.access.perturbation import HARMLESS, asked_again, may_be_flipped

IMAGES = [
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (24, 36, 3), np.uint8))
    for seed in (0, 0, 1)
]


class Request(SimpleNamespace):
    @property
    def args(self):
        return self.arguments


def request(doc, text="Is there a dog?"):
    return Request(doc_id=doc, arguments=(text, {}, lambda doc: [IMAGES[doc]]))


class Recorder:
    """Answers with what it was shown."""

    at_once = None

    def __init__(self, fail=()):
        self.shown, self.seconds, self.fail = [], {}, fail

    def answers_alone(self, asked):
        images = [r.args[2](r.doc_id)[0] for r in asked.requests]
        self.shown.append(
            [(r.doc_id, image) for r, image in zip(asked.requests, images, strict=True)]
        )
        if len(self.shown) - 1 in self.fail:
            raise RuntimeError("out of\npatience")
        return [f"{len(self.shown)}" for _ in images]

    def took(self, name, seconds):
        self.seconds[name] = seconds


def asked(requests, shown=lambda r: [IMAGES[r.doc_id]]):
    def others(one):
        return (IMAGES[i : i + 1] for i in range(3) if i != one.doc_id)

    return Asked("t", "s", requests, targets=lambda r: [], visuals=shown, others=others)


def test_each_change_is_asked_about_and_another_image_is_another_one():
    access = Recorder()
    (seen,) = asked_again(access, asked([request(0)]), [Seen("yes")])
    assert tuple(seen.perturbed) == PERTURBATIONS
    for name, ((doc, image),) in zip(PERTURBATIONS, access.shown, strict=True):
        assert doc == 0
        assert image.size == IMAGES[0].size
        assert (np.asarray(image) != np.asarray(IMAGES[0])).any(), name
    (_, other) = access.shown[-1][0]
    np.testing.assert_array_equal(np.asarray(other), np.asarray(IMAGES[2]))  # 1 is the same picture
    assert access.seconds.keys() == {"perturb"}


@pytest.mark.parametrize("name", HARMLESS)
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "1", "CMYK"])
def test_a_change_is_the_same_each_time_and_takes_any_image(name, mode):
    image = IMAGES[0].convert(mode)
    before = image.tobytes()
    first, second = HARMLESS[name](image), HARMLESS[name](image)
    assert (first.mode, first.size) == ("RGB", image.size)
    assert first.tobytes() == second.tobytes()
    assert image.tobytes() == before
    assert HARMLESS[name](Image.new(mode, (1, 1))).size == (1, 1)


def test_changes_are_what_they_are_called():
    values = np.asarray(IMAGES[0]).astype(float)
    changed = {
        name: np.asarray(change(IMAGES[0])).astype(float) for name, change in HARMLESS.items()
    }
    np.testing.assert_array_equal(changed["flip"], values[:, ::-1])
    assert changed["blur"].std() < values.std()
    middle = np.asarray(IMAGES[0].crop((2, 1, 34, 23)).resize((36, 24))).astype(float)
    np.testing.assert_array_equal(changed["crop"], middle)
    inner = (values > 80) & (values < 175)
    assert (changed["noise"] - values)[inner].std() == pytest.approx(25.5, rel=0.2)


@pytest.mark.parametrize(
    ("question", "answer", "legal"),
    [
        ("Is there a dog?", "yes", True),
        ("Is the dog LEFT of the cat?", "yes", False),
        ("Where is the dog?", "on the right", False),
        ("What does the sign say?", "stop", False),
        ("In which column is the star?", "2", False),
        ("How many bright leftovers are there?", "3", True),
    ],
)
def test_a_question_about_sides_or_writing_is_not_asked_of_a_mirror_image(question, answer, legal):
    assert may_be_flipped(question, answer) == legal
    access = Recorder()
    (seen,) = asked_again(access, asked([request(0, question)]), [Seen(answer)])
    assert ("flip" in seen.perturbed) == legal


def test_what_cannot_be_asked_again_costs_nothing_else():
    no_image = asked_again(Recorder(), asked([request(0)], shown=lambda r: []), [Seen("yes")])
    assert no_image[0].absent[Perturbed.name] == Absent("the document shows no image to change")
    broken = asked_again(Recorder(fail=range(9)), asked([request(0)]), [Seen("yes")])
    assert broken[0].absent[Perturbed.name] == Absent(
        "the model could not be asked again (RuntimeError: out of patience)"
    )
    assert broken[0].answer == "yes"
    both = asked([request(0), request(2)])
    partly = asked_again(Recorder(fail=[1, 2, 3]), both, [Seen("a"), Seen("b")])
    assert all(set(PERTURBATIONS) - set(own.perturbed) == {"crop"} for own in partly)
    alone = asked_again(Recorder(fail=[1, 2]), both, [Seen("a"), Seen("b")])
    assert [set(PERTURBATIONS) - set(own.perturbed) for own in alone] == [{"crop"}, set()]
    failed = Seen("", failure="no answer came")
    assert not asked_again(Recorder(), asked([request(0)]), [failed])[0].perturbed


def test_where_all_images_are_one_there_is_no_wrong_one():
    def others(_):
        return iter([[IMAGES[1]]] * 100)

    (seen,) = asked_again(
        Recorder(),
        Asked(
            "t",
            "s",
            [request(0)],
            targets=lambda r: [],
            visuals=lambda r: [IMAGES[0]],
            others=others,
        ),
        [Seen("yes")],
    )
    assert "wrong_image" not in seen.perturbed
