"""Ranks that share an engine make each of its calls together, whatever each has to ask."""

import threading
from types import SimpleNamespace

import pytest

from vrp_tasks.access.engine import in_step
from vrp_tasks.access.engine.in_step import InStep
from vrp_tasks.errors import SetupError

PATIENCE = 10  # seconds after which a rank that waits alone gives up


class Group:
    """Two ranks as threads; what a rank says is told once all have said something."""

    def __init__(self, n=2):
        self.n, self.said, self.barrier = n, {}, threading.Barrier(n, timeout=PATIENCE)

    def all_gather_object(self, found, own, group):
        rank = int(threading.current_thread().name)
        self.said[rank] = own
        self.barrier.wait()
        found[:] = [self.said[i] for i in range(self.n)]
        self.barrier.wait()  # before anybody says the next thing


class Rank:
    """A stock adapter whose every batch is one call that all ranks make."""

    _tp_world_size, _tp_group_cpu = 2, "group"

    def __init__(self, group, batch):
        self.group, self.batch_size_per_gpu, self.calls = group, batch, []

    def generate_until(self, requests):
        size = self.batch_size_per_gpu
        for start in range(0, len(requests), size):
            merged = [None] * self._tp_world_size
            self.group.all_gather_object(
                merged, [str(r) for r in requests[start : start + size]], ""
            )
            self.calls.append(merged)
        return [f"answer to {request}" for request in requests]


def on_two_ranks(monkeypatch, work, *, batch=2):
    """What each rank's work gives; a broken barrier is a deadlock."""
    group, found = Group(), {}
    monkeypatch.setattr(in_step, "dist", group)
    monkeypatch.setattr(in_step, "clone_request", lambda request: request)
    ranks = [Rank(group, batch) for _ in range(2)]

    def run(number):
        try:
            found[number] = work(number, InStep(ranks[number], ranks[number].generate_until))
        except Exception as error:  # noqa: BLE001 - raised again below
            group.barrier.abort()
            found[number] = error

    threads = [threading.Thread(target=run, args=(i,), name=str(i)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for own in found.values():
        if isinstance(own, Exception):
            raise own
    return ranks, found


@pytest.mark.parametrize("n", [(5, 5), (5, 1), (1, 6), (3, 0), (0, 0)])
def test_a_rank_that_has_less_to_ask_goes_along(n, monkeypatch):
    """Slices of at most three requests; some were answered in an earlier run."""

    def work(rank, stock):
        wanted = [f"{rank}-{i}" for i in range(n[rank])]
        answers = []
        for start in range(0, len(wanted), 3):
            answers += stock(wanted[start : start + 3])
        stock.wait(["another"])
        return answers

    ranks, found = on_two_ranks(monkeypatch, work)
    for rank in (0, 1):
        assert found[rank] == [f"answer to {rank}-{i}" for i in range(n[rank])]
    assert ranks[0].calls == ranks[1].calls
    calls = sum(-(-len(range(s, min(s + 3, max(n)))) // 2) for s in range(0, max(n), 3))
    assert len(ranks[0].calls) == calls  # and none more than who has most makes


def test_ranks_may_send_batches_of_other_sizes(monkeypatch):
    """One is still at its slices, of large batches; the other waits, at the adapter's own size."""

    def work(rank, stock):
        if rank == 0:
            stock._lm.batch_size_per_gpu = 4
            stock(["a", "b", "c", "d", "e"])
        stock.wait(["other"])

    ranks, _ = on_two_ranks(monkeypatch, work, batch=1)
    assert ranks[0].calls == [[["a", "b", "c", "d"], ["other"]], [["e"], ["other"]]]


def test_tasks_of_all_ranks_are_gone_through_in_one_order(monkeypatch):
    own = [["seen by one", "both"], ["both", "by the other"]]
    _, found = on_two_ranks(monkeypatch, lambda rank, stock: stock.union(own[rank]))
    assert found[0] == found[1] == ["seen by one", "both", "by the other"]


def test_a_rank_without_any_document_is_one_line():
    with pytest.raises(SetupError, match="fewer documents than the 2 processes"):
        InStep(SimpleNamespace(_tp_world_size=2), None).wait([])


def test_one_process_needs_no_step():
    assert not InStep.is_needed(SimpleNamespace(_tp_world_size=1, _tp_group_cpu=None))
    assert not InStep.is_needed(SimpleNamespace())
