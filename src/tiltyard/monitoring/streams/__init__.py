"""Detectors for streams: one number at a time, in bounded memory, telling when the stream changed."""

from tiltyard.monitoring.streams.adwin import Adwin
from tiltyard.monitoring.streams.kswin import Kswin
from tiltyard.monitoring.streams.page_hinkley import PageHinkley
from tiltyard.monitoring.streams.port import StreamDetector

__all__ = ["Adwin", "Kswin", "PageHinkley", "StreamDetector"]
