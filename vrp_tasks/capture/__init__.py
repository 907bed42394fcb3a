"""Capture of reliability signals in one prefill and one batched decode. No lmms-eval."""

from vrp_tasks.capture.generate import probed_generate
from vrp_tasks.capture.result import Captured
from vrp_tasks.capture.settings import CaptureSettings

__all__ = ["CaptureSettings", "Captured", "probed_generate"]
