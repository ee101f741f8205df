"""The nouns of the package. Nothing here imports TensorFlow, so listing tasks and checking settings stays fast."""

from keras_dl.task.kinds import Assets, Input, Metric, Output
from keras_dl.task.records import Config, Data, Phase, Ranges, Split, Task

__all__ = ["Assets", "Config", "Data", "Input", "Metric", "Output", "Phase", "Ranges", "Split", "Task"]
