"""The tasks by name. Explicit and lazy: listing them imports none of them."""

from __future__ import annotations

import difflib
import importlib

from keras_dl.errors import UsageError
from keras_dl.task import Task

TASKS = {
    "pneumonia": (
        "keras_dl.tasks.images.pneumonia:PNEUMONIA",
        "pneumonia from chest radiographs, a residual network from random weights",
    ),
    "pneumonia-cnn150": (
        "keras_dl.tasks.images.pneumonia_cnns:PNEUMONIA_CNN150",
        "the same, with a CNN of four convolutions at 150 pixels",
    ),
    "pneumonia-simple-cnn": (
        "keras_dl.tasks.images.pneumonia_cnns:PNEUMONIA_SIMPLE_CNN",
        "the same, with a CNN of three convolutions",
    ),
    "pneumonia-mobilenetv2": (
        "keras_dl.tasks.images.pneumonia_transfer:PNEUMONIA_MOBILENETV2",
        "the same, with MobileNetV2 from ImageNet: trains the head, then the upper layers too",
    ),
    "pneumonia-inceptionv3": (
        "keras_dl.tasks.images.pneumonia_transfer:PNEUMONIA_INCEPTIONV3",
        "the same, with a frozen InceptionV3 from ImageNet",
    ),
    "pneumonia-vgg19": (
        "keras_dl.tasks.images.pneumonia_transfer:PNEUMONIA_VGG19",
        "the same, with VGG19 from ImageNet, all layers fine-tuned",
    ),
    "pneumonia3-resnet101": (
        "keras_dl.tasks.images.pneumonia_transfer:PNEUMONIA3_RESNET101",
        "normal, bacterial or viral pneumonia, with ResNet101 from ImageNet, frozen or fine-tuned",
    ),
    "xray-anomaly": (
        "keras_dl.tasks.images.xray_anomaly:XRAY_ANOMALY",
        "pneumonia as an anomaly: training sees healthy lungs only",
    ),
    "cells-cnn": ("keras_dl.tasks.images.cells:CELLS_CNN", "how many cells an image shows: one number, from a CNN"),
    "cells-deep": ("keras_dl.tasks.images.cells:CELLS_DEEP", "the same, with a deeper residual network"),
    "cells-unet": ("keras_dl.tasks.images.cells:CELLS_UNET", "the same, with a U-Net whose map shows what it counted"),
    "emoji": ("keras_dl.tasks.texts.emoji:EMOJI", "which of five emoji fits a sentence, from word vectors"),
    "spam": ("keras_dl.tasks.texts.spam:SPAM", "spam among text messages, with n-grams and an LSTM"),
    "imdb-ffn": (
        "keras_dl.tasks.texts.imdb:IMDB_FFN",
        "sentiment of film reviews, with n-grams and a feed-forward network",
    ),
    "imdb-bilstm": ("keras_dl.tasks.texts.imdb:IMDB_BILSTM", "the same, with n-grams and a bidirectional LSTM"),
    "imdb-transformer": ("keras_dl.tasks.texts.imdb:IMDB_TRANSFORMER", "the same, with n-grams and a transformer"),
}


def find(name: str) -> Task:
    """Return the task of this name.

    Raises:
        UsageError: if there is none, with the nearest name.
    """
    if name not in TASKS:
        near = difflib.get_close_matches(name, TASKS, 1)
        hint = f"did you mean '{near[0]}'?" if near else f"the tasks are {', '.join(TASKS)}"
        raise UsageError(f"no task '{name}'; {hint} (keras-dl list shows them all)")
    module, attribute = TASKS[name][0].split(":")
    return getattr(importlib.import_module(module), attribute)
