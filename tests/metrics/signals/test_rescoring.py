"""A record and its stored channels give the observation's signals again."""

from dataclasses import replace

import numpy as np
import pytest

from metrics import signals as declared
from metrics.record.channels import BY_NAME as CHANNELS_BY_NAME
from metrics.record.channels import (
    NOT_COMPARED,
    OUTSIDE,
    BlankState,
    ImageMaps,
    Rephrased,
    Samples,
    SampleScores,
    TokenScores,
    texts,
)
from metrics.record.observation import Absent
from metrics.signals import BY_NAME
from metrics.signals.declaration import Signal
from metrics.signals.recording import record_of
from metrics.signals.rescoring import needed_channels, not_stored, rescored, withheld
from tests.metrics.helpers.seen import channels, observation

SINGLE = {
    name
    for name, signal in BY_NAME.items()
    if signal.compute is not None and not set(OUTSIDE).intersection(signal.needs)
}


# of those that another model's word is needed for
COMPARED = {n for n, own in BY_NAME.items() if set(OUTSIDE).intersection(own.needs)}


def stored(own):
    """What an array file has of it, as far as it is read."""
    return {c.name: own[c.name] for c in needed_channels() if c.name in own}


@pytest.fixture
def declare(monkeypatch):
    def add(signal):
        monkeypatch.setattr(declared, "SIGNALS", (*declared.SIGNALS, signal))
        monkeypatch.setitem(declared.BY_NAME, signal.name, signal)

    return add


@pytest.mark.parametrize("seed", range(40))
def test_an_answer_comes_out_as_it_was_recorded_whatever_it_lacks(seed):
    """Each channel is there, absent with a reason, not offered, or not even spoken of."""
    own, rng = channels(seed), np.random.default_rng(seed)
    absent = {"score": Absent("no reference answer")}
    for name in list(own) if seed else ():
        fate = rng.integers(5)
        if fate < 3:
            del own[name]
        if fate < 2:
            absent[name] = Absent(f"no {name}", ("missing", "not offered")[fate])
    if TokenScores.name in own and seed % 3 == 1:  # an empty answer: undefined with a reason
        own[TokenScores.name] = TokenScores(np.empty(0))
    record = record_of(observation(1, own, absent), shard="a", row=3)
    found = rescored(record, stored(own), not_offered=())
    assert found.record == record
    assert found.kept == frozenset()
    assert seed or found.computed == SINGLE


def test_an_answer_that_was_not_captured_stays_so():
    why = Absent("it broke")
    absent = {"capture": why} | dict.fromkeys(CHANNELS_BY_NAME, why)
    record = record_of(observation(1, {}, absent), shard=None, row=None)
    assert rescored(record, {}, not_offered=()).record == record


def test_a_value_whose_channel_is_not_stored_stands():
    record = record_of(observation(1, channels(0)), shard=None, row=None)
    found = rescored(record, {}, not_offered=())
    assert found.record == record
    needs_samples = {n for n in SINGLE if BY_NAME[n].needs == (Samples,)}
    assert found.kept == SINGLE - needs_samples
    assert found.computed == needs_samples


def test_values_are_computed_not_copied():
    own = channels(0)
    record = record_of(observation(1, own), shard="a", row=0)
    wrong = dict.fromkeys(record.signals, 0.125)
    layers = {name: [0.0] for name in record.layers}
    changed = replace(record, signals=wrong | {"probe": 1.0}, layers=layers)
    assert rescored(changed, stored(own), not_offered=()).record == record


def test_a_signal_that_the_run_leaves_out_stays_out_of_records_that_lack_it():
    own = channels(0)
    whole = record_of(observation(1, own), shard="a", row=0)
    names = {"self_consistency", "answer_agreement"}
    frozen = whole.without_signals(names)
    assert rescored(frozen, stored(own), not_offered=names).record == frozen
    assert rescored(whole, stored(own), not_offered=names).record == whole


def test_a_new_signal_is_computed_where_it_can_be(declare):
    needs = (TokenScores, BlankState)
    record = record_of(observation(1, channels(0)), shard="a", row=0)
    declare(Signal("new", "new", "x", "ours", needs, lambda t, b: t.logprobs[0] + b.by_layer[0, 0]))
    assert BlankState in needed_channels()
    own = channels(0)
    found = rescored(record, stored(own), not_offered=()).record
    expected = own["token_scores"].logprobs[0] + own["state_blank"].by_layer[0, 0]
    assert found.signals == record.signals | {"new": float(expected)}
    del own["state_blank"]
    assert "new" not in rescored(record, stored(own), not_offered=()).record.signals
    gone = replace(record, missing={"state_blank": "not finite"})
    found = rescored(gone, stored(own), not_offered=()).record
    assert (found.signals["new"], found.missing["new"]) == (None, "not finite")
    assert rescored(gone, stored(own), not_offered={"new"}).record.missing == gone.missing


def test_a_new_signal_is_not_offered_where_its_channel_is_not(declare):
    record = record_of(observation(1, channels(0)), shard="a", row=0)
    frozen = {n: "all samples were equal" for n in SINGLE if Samples in BY_NAME[n].needs}
    bare = record.without_signals(frozen)
    assert withheld([bare], frozen) == {}
    declare(Signal("new", "new", "x", "ours", (Samples,), lambda samples: samples.texts.size))
    assert withheld([bare], frozen) == {"new": "all samples were equal"}
    frozen.pop("self_consistency")  # it was there, so samples are
    assert withheld([record], frozen) == {}
    fitted = {name for name, signal in BY_NAME.items() if signal.fitted}
    why = "this run stored no samples, of which the signal is computed"
    assert not_stored([record], fitted | COMPARED, stored=lambda _: False) == {"new": why}
    assert not_stored([record], {"new", *fitted, *COMPARED}, stored=lambda _: False) == {}


def test_what_is_fitted_is_not_offered_where_a_channel_of_it_is_not_stored():
    record = record_of(observation(1, channels(0)), shard="a", row=0)
    compared = not_stored([record], (), stored=lambda channel: channel not in OUTSIDE)
    rephrased = {name for name in COMPARED if Rephrased in BY_NAME[name].needs}
    assert {name for name, why in compared.items() if why == NOT_COMPARED} == COMPARED - rephrased
    assert "--rephrased" in compared[rephrased.pop()]
    why = "this run stored no sample_scores, of which the signal is computed"
    found = not_stored([record], (), stored=lambda channel: channel is not SampleScores)
    weighted = {name for name in COMPARED if SampleScores in BY_NAME[name].needs}
    assert found == dict.fromkeys(weighted, why)
    found = not_stored([record], (), stored=lambda channel: channel is not BlankState)
    why = "this run stored no state_blank, of which the signal is computed"
    assert {name for name, own in found.items() if own == why} == {
        "bicr",
        "bicr_blank",
        "probe_blank",
    }


def test_samples_are_those_of_the_record():
    own = channels(0)
    own[Samples.name] = Samples(texts(["A", "B"]), texts(["a", "b"]), texts(["a"]))
    record = record_of(observation(1, own, normal_answer="a"), shard=None, row=None)
    assert record.signals["answer_agreement"] == 0.5
    assert rescored(record, {}, not_offered=()).record == record


def test_a_layer_that_sees_nothing_of_the_image_costs_its_vector_and_no_more():
    own = channels(0)
    maps = own["image_maps"].by_layer.copy()
    maps[1] = 0
    own["image_maps"] = ImageMaps(maps)
    record = record_of(observation(1, own), shard="a", row=0)
    assert record.layers["spatial_entropy"] is None
    assert record.missing["entropy_evolution"] == "the attention map sums to zero"
    assert record.signals["spatial_entropy"] is not None
    assert rescored(record, stored(own), not_offered=()).record == record
