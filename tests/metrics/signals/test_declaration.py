"""What a declaration says of a signal beside its numbers."""

from metrics.record.channels import Channel, Samples, TokenScores
from metrics.signals import SIGNALS
from metrics.signals.declaration import Signal


def of(*needs: type[Channel]) -> Signal:
    return Signal("new", "new", "x", "ours", needs, lambda *_: 0.0)


def test_the_box_is_that_of_the_deepest_channel():
    assert of(Samples).box == "black"
    assert of(Samples, TokenScores).box == "grey"
    assert of(TokenScores, Channel).box == "white"  # unless it says otherwise, a channel is inside


def test_every_signal_has_a_class_of_cost():
    classes = {signal.name: signal.cost_class for signal in SIGNALS}
    assert set(classes.values()) <= {0, 1, 2, 3, 4}
    assert classes["token_confidence"] == 0
    assert classes["probe_blank"] == 3  # its prefill is an extra one
