"""Made-up models and what they answer, for the stub of the server: sure and fast."""

from __future__ import annotations

import base64
import io
import re
from functools import cache

import numpy as np
from PIL import Image

from keras_dl.pages.wire import as_json
from keras_dl.runs import marks
from keras_dl.task.blocks import Answer, Bar, Bars, Gauge, Panel, Picture, Prose, Spans, Word

SYMBOLS = {"heart": "❤️", "baseball": "⚾", "smile": "😄", "disappointed": "😞", "fork and knife": "🍴"}
KEYWORDS = {"love": "heart", "ball": "baseball", "happy": "smile", "sad": "disappointed", "pizza": "fork and knife"}
CELL = {"value": 0.953, "low": 0.931, "high": 0.972}


TITLES = {"auroc": "AUROC", "ppv": "Positive predictive value", "brier": "Brier score", "f1": "F1",
          "accuracy": "Accuracy"}  # fmt: skip
FIRST = ["auroc", "accuracy", "f1"]
METHODS = {"occlusion": "leaving a word out", "attention": "attention", "grad-cam": "Grad-CAM"}


def columns(classes, value):
    """Return the columns of the table of many answers."""
    if value == "probabilities":
        each = [(f"Probability of {name}", ["probabilities", name], "percent", False) for name in classes]
        first = [("Answer", ["label"], "text", True), ("Probability", ["probability"], "percent", True)]
        found = [*first, ("Possible", ["set"], "text", True), *each]
    elif value == "count":
        found = [("Cells", ["count"], "number", True), ("low", ["low"], "number", False)]
    else:
        title, style = {"probability": (f"Probability of {classes[1]}", "percent"), "score": ("Score", "number")}[value]
        file = [("of", ["of"], "text", False), ("threshold", ["threshold"], "number", False)]
        found = [("Answer", ["label"], "text", True), (title, [value], style, True), *file]
    return [dict(zip(("title", "path", "style", "shown"), one, strict=True)) for one in found]


def counting(name, title):
    """Return what `GET /v1/models` says of a model that counts: it has no classes."""
    known = model(name, title, "image", ["143", "7"], "count", choices=None, unit="cells")
    return {key: value for key, value in known.items() if key not in ("classes", "symbols", "of", "threshold")}


def model(name, title, modality, classes, value, **changes):
    """Return what `GET /v1/models` says of one model."""
    suffix = "png" if modality == "image" else "txt"
    samples = [
        {
            "name": f"{row}.{suffix}",
            "label": classes[row % len(classes)],
            "url": f"/v1/models/{name}/samples/{row}.{suffix}",
        }
        for row in range(6)
    ]
    return {
        "name": name, "title": title, "task": name, "modality": modality, "classes": classes, "symbols": {},
        "value": value,
        "of": None if value == "probabilities" else classes[-1],
        "threshold": {"probability": 0.43, "score": 12.5}.get(value),
        "choices": classes, "columns": columns(classes, value), "method_titles": METHODS,
        "intended_use": "Teaching and method comparison.", "limits": "English, one short sentence.",
        "methods": ["grad-cam"] if modality == "image" else ["occlusion"],
        "versions": [{"version": "1", "state": "AVAILABLE", "labels": [], "weight": None}],
        "samples": samples, "marks": [],
        "test": {
            "examples": 1786, "metrics": dict.fromkeys(("brier", "f1", "accuracy", "auroc", "ppv"), CELL),
            "titles": TITLES, "digits": dict.fromkeys(TITLES, 3), "first": FIRST,
        },
    } | changes  # fmt: skip


XRAY = {
    "intended_use": "Teaching and method comparison on frontal chest radiographs of children of one to five years.",
    "limits": "Not a medical device. Trained on one hospital's images. Do not use it on patients.",
    "marks": [as_json(mark) for mark in marks.warnings({"task": "pneumonia", "data": None, "tiny": True})],
}
TWO = [
    {"version": "1", "state": "AVAILABLE", "labels": ["stable"], "weight": 0.9},
    {"version": "2", "state": "AVAILABLE", "labels": ["canary"], "weight": 0.1},
    {"version": "3", "state": "LOADING", "labels": [], "weight": None},
]
COLOURED = {"methods": ["occlusion", "attention"]}
LUNGS, KINDS = ["NORMAL", "PNEUMONIA"], ["NORMAL", "BACTERIAL", "VIRAL"]
MODELS = {
    one["name"]: one
    for one in (
        model("pneumonia", "Pneumonia from chest radiographs", "image", LUNGS, "probability", **XRAY),
        model("emoji", "Emoji for a sentence", "text", [*SYMBOLS], "probabilities", symbols=SYMBOLS, versions=TWO),
        model("spam", "Spam among text messages", "text", ["ham", "spam"], "probability", **COLOURED),
        model("kinds", "Normal, bacterial or viral", "image", KINDS, "probabilities", **XRAY),
        model("anomaly", "What differs from healthy lungs", "image", LUNGS, "score", **XRAY),
        counting("cells", "How many cells"),
    )
}


def row(known, name: str, data: bytes):
    """Return one answer, the same for the same input."""
    try:
        level = (
            words_level(name)
            if known["modality"] == "text"
            else float(np.asarray(Image.open(io.BytesIO(data)).convert("L")).mean() / 255)
        )
    except OSError:
        return {"input": name, "error": "no image that can be read"}
    if known["value"] == "probabilities":
        chosen = next((KEYWORDS[word] for word in KEYWORDS if word in name), known["classes"][int(level * 2.99)])
        shares = {one: 0.8 if one == chosen else 0.2 / (len(known["classes"]) - 1) for one in known["classes"]}
        return {
            "input": name,
            "label": chosen,
            "probability": 0.8,
            "probabilities": shares,
            "score": list(shares.values()),
            "set": [chosen, *[one for one in known["classes"] if one != chosen][: "perhaps" in name]],
            "of": chosen,
        }
    if known["value"] == "count":
        return {"input": name, "count": 200 * level, "low": 185 * level, "high": 220 * level}
    amount = {"probability": level} if known["value"] == "probability" else {"score": 30 * level}
    label = known["classes"][next(iter(amount.values())) >= known["threshold"]]
    note = {"note": "the model knows none of its words"} if name == "xyzzy" else {}
    note |= {"unusual": "qwertz" in name, "unusualness": 3.2 if "qwertz" in name else 0.4}
    return {"input": name, "label": label, **amount, "of": known["classes"][1], "threshold": known["threshold"], **note}


def words_level(text: str) -> float:
    return 0.97 if re.search("prize|free|won", text) else 0.0312


def view(known, answer):
    """Return the blocks of an answer, as a kind of output would; what casts doubt on it comes first."""
    if answer.get("unusual"):
        doubt = Prose("It is unlike the training data.", "Unusual input", warning=True)
        return [doubt, *view(known, answer | {"unusual": False})]
    if known["value"] == "count":
        count, between = answer["count"], (answer["low"], answer["high"])
        gauge = Gauge(count, 0, 200, f"{count:.0f} cells", None, "", between, ("0", "200"), "The band is for **90 %**.")
        return [Answer(f"about {count:.0f} cells", f"{between[0]:.0f} to {between[1]:.0f}"), gauge]
    label = answer["label"]
    if known["value"] == "probabilities":
        symbols = known["symbols"]
        bars = [
            Bar(name, share, symbols.get(name, ""), name == label) for name, share in answer["probabilities"].items()
        ]
        doubt = [Prose(f"**One of: {', '.join(answer['set'])}.** In 90 %.")] if len(answer["set"]) > 1 else []
        return [Answer(label, "heart 0.800, and so on", symbols.get(label, "")), *doubt, Bars(bars, "Probabilities")]
    value, of, threshold = known["value"], answer["of"], answer["threshold"]
    is_score = value == "score"
    amount = answer[value]
    written = (lambda number: f"{number:.2f}") if is_score else (lambda number: f"{100 * number:.0f} %")
    note = "A score is not a probability." if is_score else "Calibrated."
    gauge = Gauge(
        amount, 0, 33 if is_score else 1, f"{value} of {of}: {written(amount)}", threshold,
        f"threshold {written(threshold)}", None, tuple(known["classes"]), note,
    )  # fmt: skip
    return [Answer(label, f"{value} of {of} {amount:.3f}, threshold {threshold:.3f}"), gauge]


def explained(known, answer, name: str, data: bytes, method):
    """Return the block of an explanation."""
    of = answer.get("of", "cells")
    if known["modality"] == "image":
        image = np.asarray(Image.open(io.BytesIO(data)).convert("L").resize((128, 128)))[..., None]
        y, x = np.mgrid[:128, :128]
        heat = np.exp(-((x - 85) ** 2 + (y - 78) ** 2) / 700)
        caption = f"evidence for {of} (Grad-CAM)"
        return Picture([Panel("the model's input", image)], caption, heat, caption)
    words = []
    for found in re.finditer(r"\S+", name[:60]):
        weight = (len(found[0]) - 4) / 3 * (-1 if found[0] in ("the", "a", "not") else 1)
        words.append(Word(found.start(), found.end(), weight))
    meaning = f"how much the log-odds of {of} change when the word is left out"
    if method == "attention":
        words = [Word(word.start, word.end, abs(word.weight)) for word in words]
        meaning = "the share of the attention that the word gets"
    return Spans(name, words, len(name[:60]), of, meaning, signed=method != "attention")


def png(image: Image.Image) -> str:
    file = io.BytesIO()
    image.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


@cache
def picture(number: int) -> bytes:
    """Return a PNG that looks a little like a chest: the higher the number, the brighter."""
    y, x = np.mgrid[-1:1:160j, -1:1:160j]
    lungs = sum(np.exp(-((((x - side) / 0.3) ** 2 + (y / 0.6) ** 2) ** 2)) for side in (-0.42, 0.42))
    body = 1 / (1 + np.exp(8 * (x**2 + (y / 1.1) ** 2 - 0.9)))
    grey = 60 + 34 * number - (60 - 6 * number) * lungs * (1 + 0.2 * np.cos(16 * y)) + 60 * body
    return base64.b64decode(png(Image.fromarray(np.clip(grey, 0, 255).astype("uint8"))))


SENTENCES = ["I love you so much", "let us play ball", "I am so happy for you", "that is sad news",
             "shall we get some pizza", "you won a free prize, call now"]  # fmt: skip


@cache
def plain(width: int, height: int) -> bytes:
    """Return a grey PNG of a size."""
    return base64.b64decode(png(Image.new("L", (width, height), 120)))
