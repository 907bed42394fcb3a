"""Capture of reliability signals in one prefill and one batched decode. No lmms-eval."""

from vrp_tasks.capture.generate import CaptureSettings, probed_generate
from vrp_tasks.capture.result import Captured

__all__ = ["CaptureSettings", "Captured", "probed_generate"]
