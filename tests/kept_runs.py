"""Runs of each kind of task as `conclude` leaves them, made in no time: for tests of what reads runs."""

import io
import json
from dataclasses import dataclass, replace
from functools import partial

import keras
import numpy as np
import pandas as pd
from PIL import Image

from keras_dl.data import texts
from keras_dl.inputs import tokenization
from keras_dl.measures import metrics
from keras_dl.outputs import calibration
from keras_dl.runs.predictions import Predictions
from keras_dl.runs.run import Run
from keras_dl.task import Config, Split
from keras_dl.verbs import gallery

KINDS = ("probability", "probabilities", "score")  # of images: values of Task.value
TEXTS = {"text": "probability", "texts": "probabilities", "attention": "probability"}  # kinds of texts, and theirs
CLASSES, SEVERAL = ["NORMAL", "PNEUMONIA"], ["NORMAL", "BACTERIAL", "VIRAL"]
COUNT = 42  # examples, two of each group
EVIL = "test/<script>alert('$1$')</script>.png"  # the name of the second, of which the network is badly wrong
ASSETS = {
    "probability": {"classes": CLASSES, "calibration": {"temperature": 1.5, "bias": 0.1}, "threshold": 0.5},
    "probabilities": {
        "classes": SEVERAL,
        "calibration": {"temperature": 0.8, "biases": [0.1, -0.2, 0.1]},
        "threshold": None,
    },
    "score": {"classes": CLASSES, "calibration": None, "threshold": 20.0},
    "text": {"classes": ["ham", "spam"], "calibration": {"temperature": 2.0, "bias": 0.1}, "threshold": 0.5},
    "texts": {
        "classes": ["heart", "ball", "fork"],
        "calibration": {"temperature": 2.0, "biases": [0.1, -0.2, 0.1]},
        "threshold": None,
    },
}
ASSETS["attention"] = ASSETS["text"]
EVALUATE = {
    "probability": metrics.binary_metrics,
    "probabilities": partial(metrics.multiclass_metrics, classes=SEVERAL),
    "score": metrics.score_metrics,
    "text": metrics.binary_metrics,
    "texts": partial(metrics.multiclass_metrics, classes=ASSETS["texts"]["classes"]),
    "attention": metrics.binary_metrics,
}
WORDS = [
    "prize",
    "lunch",
    "love",
    "pizza",
    "call",
    "the",
    "a",
    "you",
    "won",
    "of",
    "see",
    "at",
    "noon",
    "今",
    "日",
    "🍕",
]
WEIGHTS = {
    "prize": (-2, 0, 4),
    "lunch": (1, 0, -3),
    "love": (5, 0, 0),
    "pizza": (0, 0, 5),
    "今": (0, 0, 2),
    "🍕": (0, 0, 4),
}


@dataclass(frozen=True)
class TextConfig(Config):
    """Settings of a task of short texts."""

    length: int = 12


def make(path, kind="probability", seed=0):
    """Make a complete run of a task of this kind, with an untrained model and pictures kept."""
    (path / "assets").mkdir(parents=True)
    settings = {"image_size": 32, "learning_rate": 0.0123, "recipe": "default"}
    asked = {"task": "pneumonia", "config": settings, "data": "/moved away/set", "tiny": False, "device": "auto"}
    files = {"config.json": asked, "assets/assets.json": ASSETS[kind], "card.json": card(kind)}
    for name, value in {**files, "metrics.json": {"test": measured(kind)}}.items():
        (path / name).write_text(json.dumps(value))
    (word_network if kind in TEXTS else network)(kind).save(path / "model.keras")
    found, run = scored(kind, seed), Run(path)
    found.write(run, ASSETS[kind]["classes"])
    found.table.assign(split="test")[["id", "split", "group", "label"]].to_csv(path / "splits.csv", index=False)
    history = {"epoch": [1, 2, 3], "phase": ["head", "head", "all"], "loss": [3, 2, 1], "val_loss": [3.0, 1.0, 2.0]}
    pd.DataFrame(history).to_csv(path / "history.csv", index=False)
    run = opened(path, kind)
    gallery.keep(run, Split(None, list(found.table["id"]), [], [], raw=sms if kind in TEXTS else png), found)
    return run


def opened(path, kind="probability"):
    """Open a run as one of a task of this kind, which need not be in the registry."""
    run = Run(path)
    run.task = replace(run.task, value=TEXTS.get(kind, kind), evaluate=EVALUATE[kind])
    if kind in TEXTS:
        task = replace(run.task, modality="text", config=TextConfig(), recipes={}, check=texts.check, remark=remark)
        task = replace(task, predict=calibration.classify_classes) if kind == "texts" else task
        run.task = replace(
            task, raw_name="text", tokens=lambda config, assets: tokenization.tokens(), decode=decode_text
        )
        run.config = TextConfig()
    return run


def scored(kind="probability", seed=0):
    """Make predictions: the network is good, the baseline says anything."""
    random, classes = np.random.default_rng(seed), ASSETS[kind]["classes"]
    labels = np.arange(COUNT) % len(classes)
    ids = [EVIL if row == 1 else f"test/{row:03d}.png" for row in range(COUNT)]
    ids = [f"spam.csv:{row}" for row in range(COUNT)] if kind in TEXTS else ids
    table = pd.DataFrame({"id": ids, "group": [f"p{row // 2}" for row in range(COUNT)], "label": labels})
    if len(classes) > 2:
        outputs = {"network": np.eye(3)[labels] + random.random((COUNT, 3)), "baseline": random.random((COUNT, 3))}
        outputs["network"][1] = [0.02, 0.03, 0.95]
        return Predictions(table, {name: one / one.sum(axis=1, keepdims=True) for name, one in outputs.items()})
    outputs = {"network": (labels + random.random(COUNT)) / 2, "baseline": random.random(COUNT)}
    outputs["network"][1] = 0.001
    return Predictions(table, {name: np.exp(6 * one) if kind == "score" else one for name, one in outputs.items()})


def cell(value, low, high):
    return {"value": value, "low": low, "high": high}


def measured(kind="probability"):
    """Return what `evaluate.measure` would, in round numbers; a ppv is not defined."""
    found, threshold = scored(kind), ASSETS[kind]["threshold"]
    names = EVALUATE[kind](found.labels, found.outputs["network"], threshold)
    nothing = {"ppv": cell(None, None, None)} if "ppv" in names else {}
    fewer = {name: cell(-0.1, -0.2, -0.05) for name in ("brier", "ece") if name in names}
    row = {**dict.fromkeys(names, cell(0.9, 0.8, 0.95)), **nothing}
    return {
        "network": row,
        "baseline": row,
        "difference": {**dict.fromkeys(names, cell(0.1, 0.05, 0.2)), **fewer, **nothing},
        "examples": COUNT,
        "groups": COUNT // 2,
        "per_class": per_class(kind),
        "thresholds": {"network": threshold, "baseline": threshold},
    }


def per_class(kind):
    classes = ASSETS[kind]["classes"]
    return dict.fromkeys(classes, COUNT // len(classes))


def card(kind):
    if kind in TEXTS:
        return text_card(kind)
    split = {"examples": COUNT, "groups": COUNT // 2, "per_class": per_class(kind)}
    skipped = [{"file": EVIL, "reason": f"duplicate of {row}.png"} for row in range(25)]
    skipped += [{"file": "b.png", "reason": "truncated JPEG: the end is missing"}]
    return {
        **ASSETS[kind],
        "task": "pneumonia",
        "title": "Pneumonia",
        "inputs": {"image": {"dtype": "uint8", "shape": [None, 32, 32, 1]}},
        "outputs": {kind: {"dtype": "float32", "shape": [None]}},
        "parameters": 45,
        "intended_use": "Teaching.",
        "limits": "Not a medical device (doi 10.1007/s10140-021-01954-x).",
        "data": {
            "source": "/moved away/set",
            "synthetic": False,
            "title": "A set",
            "licence": "CC BY 4.0",
            "citation": "Somebody",
            "notes": {"files": 146, "read": 120, "skipped": skipped},
        },
        "splits": {"train": split, "validation": split, "test": split},
        "training": {"seconds": 61, "device": "CPU", "seed": 0, "recipe": "default"},
        "versions": {"python": "3.11", "keras-dl": "0.1.0", "keras": "3.15.1"},
    }


def network(kind):
    keras.utils.set_random_seed(0)
    image = keras.Input((32, 32, 1), dtype="uint8", name="image")
    features = keras.layers.Conv2D(4, 3, activation="relu")(keras.layers.Rescaling(1 / 255)(image))
    classes = 3 if kind == "probabilities" else 1
    head = keras.layers.Dense(classes, activation="softmax" if classes > 1 else "sigmoid")
    return keras.Model(image, head(keras.layers.GlobalAveragePooling2D()(features)))


def text_card(kind):
    base = card(TEXTS[kind])
    split = {"examples": COUNT, "groups": COUNT, "per_class": per_class(kind)}
    notes = {"rows": 146, "copies": 7, "skipped": [{"file": "spam.csv:9", "reason": "empty text"}]}
    return {
        **base,
        **ASSETS[kind],
        "title": "Spam",
        "inputs": {"text": {"dtype": "int32", "shape": [None, 12]}},
        "limits": "English alone.",
        "words": {"example": "message", "group": "message", "baseline": "TF-IDF + SVM"},
        "data": {**base["data"], "notes": notes},
        "splits": {"train": split, "validation": split, "test": split},
    }


def decode_text(config, assets):
    split, look_up = tokenization.tokens(), tokenization.lookup(WORDS)
    return lambda raw: tokenization.padded(look_up(split(raw)), config.length)


def remark(config, decoded):
    return "" if decoded[: config.length].max() >= tokenization.FIRST else "none of its words is known"


def word_network(kind):
    """A network that adds up the WEIGHTS of the words; or one with attention, untrained."""
    keras.utils.set_random_seed(0)
    ids = keras.Input((TextConfig().length,), dtype="int32", name="text")
    layers, count = keras.layers, len(WORDS) + tokenization.FIRST
    if kind == "attention":
        x = layers.Embedding(count, 8, mask_zero=True)(ids)
        mask = keras.ops.expand_dims(keras.ops.not_equal(ids, 0), 1)
        for number in (1, 2):
            x = x + layers.MultiHeadAttention(2, 4, name=f"attention_{number}")(x, x, attention_mask=mask)
        return keras.Model(ids, layers.Dense(1, activation="sigmoid")(layers.GlobalAveragePooling1D()(x)))
    weights = np.zeros((count, 3))
    for word, values in WEIGHTS.items():
        weights[WORDS.index(word) + tokenization.FIRST] = values
    total = keras.ops.sum(layers.Embedding(count, 3, weights=[weights], name="words")(ids), axis=1)
    if kind == "texts":
        return keras.Model(ids, layers.Activation("softmax")(total))
    head = layers.Dense(1, activation="sigmoid", name="head")
    model = keras.Model(ids, head(total))
    head.set_weights([np.array([[0.0], [0], [1]]), np.zeros(1)])
    return model


def sms(row):
    """Return the text of a row; that of the second is evil and long."""
    said = ["see you at lunch", "you won a prize", "love the pizza 🍕"][row % 3]
    return (f"<script>alert('$1$')</script> {'the ' * 200}{said}" if row == 1 else f"{said}, call {row}").encode()


def png(row):
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(row).integers(0, 255, (40, 40), np.uint8)).save(file, "PNG")
    return file.getvalue()
