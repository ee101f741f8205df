"""Runs of each kind of task as `conclude` leaves them, made in no time: for tests of what reads runs.

test_kept_runs.py compares them with real ones.
"""

import io
import json

import keras
import numpy as np
import pandas as pd
from PIL import Image

from keras_dl import registry
from keras_dl.api import Run
from keras_dl.inputs import tokenization
from keras_dl.measures.measuring import point
from keras_dl.models.images.xray_autoencoder import xray_autoencoder
from keras_dl.runs.predictions import Predictions
from keras_dl.task import Split
from keras_dl.verbs import gallery

KINDS = ("binary", "classes", "score")  # of images
TEXTS = ("text", "texts", "attention")  # of texts: two classes, several, two by a network with attention
TASK = {  # kind -> the task whose run it is
    "binary": "pneumonia",
    "classes": "pneumonia3-resnet101",
    "score": "xray-anomaly",
    "text": "spam",
    "texts": "emoji",
    "attention": "spam",
}
CLASSES, SEVERAL = ["NORMAL", "PNEUMONIA"], ["NORMAL", "BACTERIAL", "VIRAL"]
COUNT = 42  # examples, two of each group
EVIL = "test/<script>alert('$1$')</script>.png"  # the name of the second, of which the network is badly wrong
LENGTH = 12  # words that are read of a text
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
SETTINGS = {
    **{kind: {"image_size": 32, "learning_rate": 0.0123, "recipe": "default"} for kind in KINDS},
    **{kind: {"length": LENGTH, "style": "words", "learning_rate": 0.0123, "recipe": "default"} for kind in TEXTS},
}
for spam in ("text", "attention"):
    SETTINGS[spam] = SETTINGS[spam] | {"characters": 0}


def fitted(calibration, threshold, limits=None, **more):
    """Return what is chosen on validation, for the network and for the baseline."""
    chosen = {"calibration": calibration, "threshold": threshold, **more}
    if limits:
        method = "lac" if len(limits) == 2 else "aps"
        chosen["sets"] = {"limits": limits, "by_class": True, "coverage": 0.9, "method": method}
    return {**chosen, "baseline": dict(chosen)}


ASSETS = {
    "binary": {"classes": CLASSES, **fitted({"temperature": 1.5, "bias": 0.1}, 0.5, [0.6, 0.55])},
    "classes": {"classes": SEVERAL, **fitted({"temperature": 0.8, "biases": [0.1, -0.2, 0.1]}, None, [0.5, 0.6, 0.7])},
    "score": {"classes": CLASSES, **fitted(None, 20.0)},
    "text": {
        "classes": ["ham", "spam"],
        "vocabulary": WORDS,
        **fitted({"temperature": 2.0, "bias": 0.1}, 0.5, [0.6, 0.55], fixed_threshold=True),
    },
    "texts": {
        "classes": ["heart", "ball", "fork"],
        "vocabulary": WORDS,
        **fitted({"temperature": 2.0, "biases": [0.1, -0.2, 0.1]}, None, [0.5, 0.6, 0.7]),
    },
}
ASSETS["attention"] = ASSETS["text"]


def task(kind):
    return registry.find(TASK[kind])


def make(path, kind="binary", seed=0):
    """Make a complete run of a task of this kind, with an untrained model and pictures kept."""
    (path / "assets").mkdir(parents=True)
    asked = {"task": TASK[kind], "config": SETTINGS[kind], "name": None, "data": "/moved away/set"}
    asked |= {"tiny": False, "synthetic": False, "device": "auto", "strategy": "auto"}
    model = (word_network if kind in TEXTS else network)(kind)
    files = {"config.json": asked, "assets/assets.json": ASSETS[kind], "card.json": card(kind, model)}
    for name, value in {**files, "metrics.json": {"test": measured(kind)}}.items():
        (path / name).write_text(json.dumps(value))
    model.save(path / "model.keras")
    said, run = scored(kind, seed), Run(path)
    said.write(run, run.task.output.columns(ASSETS[kind]))
    splits = said.table.assign(split="test")[["id", "split", "group", "label"]]
    splits.to_csv(path / "splits.csv", index=False)
    history = {"epoch": [1, 2, 3], "phase": ["head", "head", "all"], "phase_epoch": [1, 2, 1]}
    history |= {"loss": [3, 2, 1], "val_loss": [3.0, 1.0, 2.0]}
    pd.DataFrame(history).to_csv(path / "history.csv", index=False)
    raw = sms if kind in TEXTS else png
    gallery.keep(run, Split(None, list(splits["id"]), [], [], raw=raw), said.found(ASSETS[kind]))
    return run


def scored(kind="binary", seed=0):
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


def found(kind="binary", seed=0):
    """Return the same predictions as kinds of output take them."""
    return scored(kind, seed).found(ASSETS[kind])


def cell(value, low, high):
    return {"value": value, "low": low, "high": high}


def measured(kind="binary"):
    """Return what `evaluate.measure` would, in round numbers; a ppv is not defined."""
    said, output = found(kind), task(kind).output
    names = point(output.measuring(said.truth, said.values["network"], ASSETS[kind]), COUNT)
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
        "thresholds": dict.fromkeys(("network", "baseline"), ASSETS[kind]["threshold"]),
    }


def per_class(kind):
    classes = ASSETS[kind]["classes"]
    return dict.fromkeys(classes, COUNT // len(classes))


def card(kind, model):
    """Return a card; it brings no words of its own, but those of texts."""
    assets, text = ASSETS[kind], kind in TEXTS
    split = {"examples": COUNT, "groups": COUNT // (1 if text else 2), "per_class": per_class(kind)}
    words = {"example": "message", "group": "message", "baseline": "TF-IDF + SVM"} if text else {}
    sides = [None, len(assets["classes"])]
    shape = sides[: 1 + (len(assets["classes"]) > 2)]
    sets = {"set": {"dtype": "bool", "shape": sides}} if "sets" in assets else {}
    numbers = {"probability": [None], "probabilities": shape, "score": shape}
    values = {"score": ["score"]}.get(kind, list(numbers) if len(shape) > 1 else ["probability", "score"])
    outputs = {name: {"dtype": "float32", "shape": numbers[name]} for name in values}
    return {
        "task": TASK[kind],
        "tiny": False,
        "title": "Spam" if text else "Pneumonia",
        "inputs": {one.name: {"dtype": one.dtype, "shape": list(one.shape)} for one in model.inputs},
        "outputs": outputs | {"label": {"dtype": "string", "shape": [None]}} | sets,
        **{name: assets[name] for name in ("classes", "threshold", "calibration")},
        "coverage": 0.9 if sets else None,
        "parameters": 45,
        "intended_use": "Teaching.",
        "limits": "English alone." if text else "Not a medical device (doi 10.1007/s10140-021-01954-x).",
        "data": {
            "source": "/moved away/set",
            "synthetic": False,
            "title": "A set",
            "licence": "CC BY 4.0",
            "citation": "Somebody",
            "notes": notes_of_texts() if text else notes_of_images(),
        },
        "splits": {"train": split, "validation": split, "test": split},
        "training": training(),
        "versions": {"python": "3.11", "keras-dl": "0.1.0", "keras": "3.15.1", "tensorflow": "2.21", "numpy": "2.4"},
        "words": words,
    }


def training():
    """Return how it was trained; without the best epoch, which cards of before did not name."""
    how = {"device": "CPU", "strategy": "default", "replicas": 1, "batch_size": 32, "precision": "float32"}
    return {**how, "seconds": 61, "seed": 0, "recipe": "default"}


def notes_of_images():
    skipped = [{"file": EVIL, "reason": f"duplicate of {row}.png"} for row in range(25)]
    skipped += [{"file": "b.png", "reason": "truncated JPEG: the end is missing"}]
    return {"files": 146, "read": 120, "unnamed": 0, "skipped": skipped}


def notes_of_texts():
    return {"rows": 146, "read": 146, "copies": 7, "skipped": [{"file": "spam.csv:9", "reason": "empty text"}]}


def network(kind):
    """A network of images, untrained; that of scores is the autoencoder, whose error has a map."""
    keras.utils.set_random_seed(0)
    if kind == "score":
        return xray_autoencoder(image_size=32, width=4)
    image = keras.Input((32, 32, 1), dtype="uint8", name="image")
    features = keras.layers.Conv2D(4, 3, activation="relu")(keras.layers.Rescaling(1 / 255)(image))
    classes = 3 if kind == "classes" else 1
    head = keras.layers.Dense(classes, activation="softmax" if classes > 1 else "sigmoid")
    return keras.Model(image, head(keras.layers.GlobalAveragePooling2D()(features)))


def word_network(kind):
    """A network that adds up the WEIGHTS of the words; or one with attention, untrained."""
    keras.utils.set_random_seed(0)
    ids = keras.Input((LENGTH,), dtype="int32", name="ids")
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
