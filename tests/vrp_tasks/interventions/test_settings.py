"""What a task's metadata may ask for, and what it becomes."""

from dataclasses import replace

import pytest
import yaml

from tests.vrp_tasks.helpers.random_models import FAMILIES, random_architecture
from vrp_tasks.errors import SetupError
from vrp_tasks.families import family_of
from vrp_tasks.interventions.kinds import groups_of
from vrp_tasks.interventions.settings import PRESETS, SweepSettings
from vrp_tasks.registration import TASKS_FOLDER


def test_the_papers_doses_are_the_default():
    for options in (True, {}, {"doses": "paper"}):
        settings = SweepSettings.of(options)
        assert settings.image_shares == (0.1, 0.2, 0.3, 0.5, 0.7)
        assert settings.unit_counts == (1, 5, 10)
        assert (settings.unit_shares[0], settings.unit_shares[-1]) == (0.01, 0.75)
        assert settings.seeds == 3
    assert SweepSettings.of({"doses": "quick", "seeds": 5}).seeds == 5
    assert SweepSettings.of({"doses": "quick"}).image_shares == PRESETS["quick"]["image_shares"]


def test_the_papers_layers_keep_their_depth():
    """Layer 31 of 32, 15 of 18 and 25 of 28, in decoders of six layers."""
    found = {}
    for name in FAMILIES:
        model = random_architecture(name).model
        found[name] = SweepSettings().unit_layers(model, family_of(model.config))
    assert found == {"llava": (5,), "paligemma": (4,), "qwen2_vl": (5,)}


def test_a_family_in_no_paper_is_taken_at_the_mean_depth():
    model = random_architecture("llava").model
    family = type("Other", (), {"published_layer": None, "decoder": lambda _, m: m.model})()
    model.model.layers = range(41)
    assert SweepSettings().unit_layers(model, family) == (round(40 * (1 + 15 / 17 + 25 / 27) / 3),)
    assert SweepSettings(layers=(2,)).unit_layers(model, family) == (2,)


def test_variants_have_controls_of_equal_size():
    groups = groups_of(SweepSettings(), (4,))
    variants = [variant for group in groups for variant in group.variants]
    assert len(variants) == len(set(variants))
    ranked = [v for v in variants if v.choice == "ranked"]
    for variant in ranked:
        same = [v for v in variants if replace(v, choice="ranked", seed=None) == variant]
        assert sorted(v.seed for v in same if v.choice == "random") == [0, 1, 2]
        assert any(v.choice == "least" for v in same) == variant.intervention.startswith("mask")
    starts = {g.intervention.name: g.start for g in groups}
    expected = {
        "mask_attention": 0, "mask_pixels": 0, "ablate_residual": 5, "ablate_mlp": 4,
        "bypass_mlp": 4, "bypass_attention": 4,
    }  # fmt: skip
    assert starts.items() >= expected.items()
    one_layer_each = groups_of(
        SweepSettings(mask_layers=(0, 3), interventions=("mask_attention",)), ()
    )
    assert [(g.layer, g.start) for g in one_layer_each] == [(0, 0), (3, 3)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("yes", "robustness must be true or a mapping of settings, got 'yes'"),
        ({"doses": "papers"}, "doses must be one of paper, quick, got 'papers'"),
        ({"layer": [1]}, "unknown setting 'layer'. Did you mean layers?"),
        ({"layers": [-1]}, "layers must hold an integer >= 0"),
        ({"layers": 3}, "layers must be a list, got 3"),
        ({"interventions": ["mask"]}, "interventions must hold one of mask_attention"),
        ({"unit_shares": [0]}, r"unit_shares must hold a number in \(0, 1\], got 0"),
        ({"image_shares": [0.3, 1.2]}, r"image_shares must hold a number in \(0, 1\], got 1.2"),
        ({"unit_counts": [0]}, "unit_counts must hold an integer >= 1, got 0"),
        ({"unit_counts": [5, 5]}, "unit_counts names a value twice"),
        ({"unit_fills": ["noise"]}, "unit_fills must hold zero or mean, got 'noise'"),
        ({"pixel_fills": ["zero"]}, "pixel_fills must hold mean or blur"),
        ({"doses": [0.1, 0.3]}, r"got \[0.1, 0.3\]. Doses of your own go under image_shares"),
        ({"interventions": []}, "interventions must not be empty"),
        ({"layers": []}, "layers must not be empty"),
        ({"seeds": 2}, "seeds must be an integer >= 3, got 2"),
        ({"max_samples": 0}, "max_samples must be an integer >= 1, got 0"),
    ],
)  # fmt: skip
def test_bad_settings_are_one_clear_line(options, message):
    with pytest.raises(SetupError, match=message) as caught:
        SweepSettings.of(options)
    assert "\n" not in str(caught.value)


def test_a_sliding_window_is_refused_before_the_sweep():
    model = random_architecture("qwen2_vl").model
    text = model.config.get_text_config()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "layer_types", ["sliding_attention"] * text.num_hidden_layers)
        patch.setattr(text, "sliding_window", 64)
        with pytest.raises(SetupError, match="cache forgets positions"):
            SweepSettings().check(model, family_of(model.config))
    SweepSettings().check(model, family_of(model.config))


@pytest.mark.parametrize("name", ["vrp_shapes_robustness", "vrp_shapes_robustness_paper"])
def test_the_shipped_tasks_are_valid(name):
    class Loader(yaml.SafeLoader):
        pass

    Loader.add_constructor("!function", lambda loader, node: node.value)
    text = (TASKS_FOLDER / "shapes" / f"{name}.yaml").read_text()
    options = yaml.load(text, Loader)["metadata"]["vrp"]["robustness"]
    measured = SweepSettings.of(options)
    assert replace(measured, max_samples=None) == SweepSettings.of({"doses": options["doses"]})
