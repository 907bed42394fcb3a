import gc
import weakref

import numpy as np
import pytest

import metrics.second_pass.fitted_on as module
from metrics.record.channels import LastAnswerState, MeanAnswerState, PromptState
from metrics.record.held import HeldRecords
from metrics.record.shards import pack
from metrics.record.store import ChannelStore
from metrics.second_pass.fitted_on import fitted_on
from metrics.second_pass.supervised import supervised_signals
from metrics.states import probe_panel
from tests.vrp_tasks.helpers.run_folders import record


def test_all_are_taken_where_they_are_few():
    there = np.array([True, False, True])
    part = fitted_on(there, ["a", "b", "c"], task="t", most=2)
    assert part.rows.tolist() == [0, 2]
    assert not part.is_part
    assert part.said() == {}
    assert np.array_equal(part.spread(np.array([5.0, 7.0])), [5, np.nan, 7], equal_nan=True)


def test_a_part_has_whole_images_the_same_each_time_and_another_for_another_task():
    rng = np.random.default_rng(0)
    groups = [f"image-{i}" for i in rng.integers(0, 200, 1000)]
    there = rng.random(1000) < 0.8
    part = fitted_on(there, groups, task="t", most=300)
    assert 250 < part.rows.size <= 300
    assert part.is_part
    assert there[part.rows].all()
    inside = {groups[i] for i in part.rows}
    outside = {groups[i] for i in np.flatnonzero(there) if i not in set(part.rows.tolist())}
    assert not inside & outside
    again = fitted_on(there, groups, task="t", most=300)
    assert np.array_equal(part.rows, again.rows)
    other = fitted_on(there, groups, task="u", most=300)
    assert not np.array_equal(part.rows, other.rows)
    assert part.said() == {"fitted_on": {"n": part.rows.size, "of": int(there.sum())}}


def test_one_image_of_more_samples_than_that_is_not_cut():
    assert fitted_on(np.ones(9, bool), ["a"] * 9, task="t", most=3).rows.size == 9


class Shard(dict):
    """Columns in memory, that count how many values were read."""

    read = 0

    def get_tensor(self, key):
        return self[key]

    def get_slice(self, key):
        return Slice(self, self[key])


class Slice:
    def __init__(self, shard, values):
        self.shard, self.values = shard, values

    def get_shape(self):
        return list(self.values.shape)

    def __getitem__(self, part):
        self.shard.read += self.values[part].size
        return self.values[part]


@pytest.fixture
def planted(monkeypatch):
    """240 answers; states of every second one only, which know whether it is right."""
    for name in ("N_SHUFFLES", "N_SHUFFLES_BESIDE"):
        monkeypatch.setattr(probe_panel, name, 0)
    rng = np.random.default_rng(0)
    label = rng.random(240) < 0.6
    rows, records = [], []
    for i in range(240):
        state = rng.normal(size=(6, 4)).astype(np.float32)
        state[:, 0] += 2 * label[i]
        own = {k.name: k(state) for k in (PromptState, LastAnswerState, MeanAnswerState)}
        rows.append(own if i % 2 == 0 else {})
        changes = {"group": f"image-{i // 2}", "correct": int(label[i]), "score": float(label[i])}
        records.append(record(i, "shard", i, layers={}, **changes))
    shard = Shard(pack(rows))
    return ChannelStore(lambda name: shard), records, shard


def test_states_of_records_that_have_none_take_no_row(planted):
    store, records, shard = planted
    stacked = store.stacked(PromptState, "by_layer", records)
    assert stacked.shape == (120, 6, 4)
    assert shard.read == stacked.size
    assert store.where(PromptState, "by_layer", records).tolist() == [True, False] * 120
    assert shard.read == stacked.size  # that was told by shapes alone


def test_only_one_position_is_in_memory_at_a_time(planted, monkeypatch):
    store, records, _ = planted
    alive = []
    stacked = ChannelStore.stacked

    def watched(self, channel, field, own):
        gc.collect()
        held = [name for name, ref in alive if ref() is not None]
        assert not held, f"{held} held while {channel.name} is read"
        found = stacked(self, channel, field, own)
        alive.append((channel.name, weakref.ref(found)))
        return found

    monkeypatch.setattr(ChannelStore, "stacked", watched)
    supervised_signals(store, records, task="t")
    assert [name for name, _ in alive] == ["state_last_answer", "state_mean_answer", "state_prompt"]


def test_beyond_the_limit_a_part_is_scored_and_the_others_say_why(planted, monkeypatch):
    store, records, _ = planted
    whole = supervised_signals(store, records, task="t")
    assert np.isfinite(whole.scores["probe"]).sum() == 120
    assert "fitted_on" not in whole.summary
    monkeypatch.setattr(module.fitted_on, "__kwdefaults__", {"most": 100})
    part = supervised_signals(store, records, task="t")
    assert np.isfinite(part.scores["probe"]).sum() == 100
    assert part.summary["fitted_on"] == {"n": 100, "of": 120}
    entered = part.entered(HeldRecords(records), np.ones(len(records), bool))
    reasons = [r.missing["probe"] for r in entered if r.signals["probe"] is None]
    assert sum("a seeded part of the images" in why for why in reasons) == 20
    assert sum(why == "the sample lacks what it is computed from" for why in reasons) == 120


def test_a_state_that_is_no_number_is_as_if_it_were_not_there(planted):
    store, records, shard = planted
    shard["state_prompt.by_layer"][3] = np.nan
    found = supervised_signals(store, records, task="t")
    assert np.isfinite(found.scores["probe"]).sum() == 119


def test_each_step_is_told(planted):
    store, records, _ = planted
    told = []
    supervised_signals(store, records, task="t", progress=lambda *own: told.append(own))
    assert told == [(done, told[0][1]) for done in range(told[0][1] + 1)]
    assert told[0][1] > 8
