"""Traffic: traces read from files, streams and sessions generated, and what they amount to."""

from drivetrain.serving.traffic.arrivals import Arrivals
from drivetrain.serving.traffic.choices import Reading
from drivetrain.serving.traffic.generating import generate
from drivetrain.serving.traffic.prefixes import Reuse
from drivetrain.serving.traffic.reading import read, read_chunks
from drivetrain.serving.traffic.records import Note, Traffic
from drivetrain.serving.traffic.servegen import servegen
from drivetrain.serving.traffic.sessions import Sessions
from drivetrain.serving.traffic.statistics import Spread, Statistics, describe
from drivetrain.serving.traffic.writing import write

__all__ = [
    "Arrivals", "Note", "Reading", "Reuse", "Sessions", "Spread", "Statistics", "Traffic", "describe", "generate",
    "read", "read_chunks", "servegen", "write",
]  # fmt: skip
