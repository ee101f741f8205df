"""The nouns of the package. Nothing here imports TensorFlow, so listing tasks and checking settings stays fast."""

from keras_dl.task.input import Input
from keras_dl.task.kinds import Assets, Metric
from keras_dl.task.output import Output
from keras_dl.task.records import Config, Data, Phase, Ranges, Split, Task, mode_of

__all__ = ["Assets", "Config", "Data", "Input", "Metric", "Output", "Phase", "Ranges", "Split", "Task", "mode_of"]
