"""Random examples of each kind of output, and its metrics by scikit-learn. A new kind gets an entry here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn import metrics as sk

from keras_dl.measures.calibration import calibration_error

COUNT = 120


@dataclass(frozen=True)
class Example:
    """Assets that a task learns on its training part, the truth, and what a fair and a perfect model give."""

    assets: dict[str, Any]
    truth: np.ndarray
    outputs: np.ndarray
    perfect: np.ndarray
    oracle: Callable[[np.ndarray, np.ndarray, Mapping[str, Any]], dict[str, float]]  # (truth, values, assets)


def sets(truth: np.ndarray, members: np.ndarray, names: list[str]) -> dict[str, float]:
    """Measure sets of classes, `[count, classes]`."""
    held = members[range(COUNT), truth]
    return {
        "coverage": float(np.mean(held)),
        "set_size": float(np.mean(members.sum(axis=1))),
        **{f"coverage {name}": float(np.mean(held[truth == index])) for index, name in enumerate(names)},
    }


def ranks(truth: np.ndarray, values: np.ndarray, assets: Mapping[str, Any]) -> dict[str, float]:
    """Measure scores by scikit-learn."""
    said = values >= assets["threshold"]
    return {
        "auroc": sk.roc_auc_score(truth, values),
        "accuracy": sk.accuracy_score(truth, said),
        "sensitivity": sk.recall_score(truth, said),
        "specificity": sk.recall_score(1 - truth, ~said),
        "ppv": sk.precision_score(truth, said),
        "npv": sk.precision_score(1 - truth, ~said),
        "f1": sk.f1_score(truth, said),
        "pr_auc": sk.average_precision_score(truth, values),
    }


def probabilities(truth: np.ndarray, values: np.ndarray, assets: Mapping[str, Any]) -> dict[str, float]:
    """Measure probabilities of two classes by scikit-learn."""
    said = values >= assets["threshold"]
    each = np.stack([1 - values, values], axis=1)
    members = (1 - each <= assets["sets"]["limits"]) | (np.eye(2)[said.astype(int)] == 1)
    return {
        **ranks(truth, values, assets),
        **sets(truth, members, assets["classes"]),
        "brier": sk.brier_score_loss(truth, values),
        "ece": calibration_error(truth, values),
        "macro_f1": sk.f1_score(truth, said, average="macro"),
    }


def several(truth: np.ndarray, values: np.ndarray, assets: Mapping[str, Any]) -> dict[str, float]:
    """Measure probabilities of several classes by scikit-learn."""
    names, said, top = assets["classes"], values.argmax(axis=1), values.max(axis=1)
    recall, precision = (of(truth, said, average=None) for of in (sk.recall_score, sk.precision_score))
    likelier = np.array([[row[row > one].sum() for one in row] for row in values])
    members = (likelier <= assets["sets"]["limits"]) | (np.eye(len(names))[said] == 1)
    areas = [sk.roc_auc_score(truth == one, values[:, one]) for one in range(len(names))]
    return {
        "accuracy": sk.accuracy_score(truth, said),
        "balanced_accuracy": sk.balanced_accuracy_score(truth, said),
        "macro_f1": sk.f1_score(truth, said, average="macro"),
        "auroc": float(np.mean(areas)),
        "brier": float(((values - np.eye(len(names))[truth]) ** 2).sum(axis=1).mean()),
        "ece": calibration_error(said == truth, top),
        **sets(truth, members, names),
        **{f"recall {name}": value for name, value in zip(names, recall, strict=True)},
        **{f"precision {name}": value for name, value in zip(names, precision, strict=True)},
    }


def numbers(truth: np.ndarray, values: np.ndarray, assets: Mapping[str, Any]) -> dict[str, float]:
    """Measure numbers and their intervals by scikit-learn."""
    width = assets["radius"] * np.sqrt(np.maximum(values, 1))
    low, high = np.maximum(values - width, 0), values + width
    return {
        "mae": sk.mean_absolute_error(truth, values),
        "rmse": sk.root_mean_squared_error(truth, values),
        "relative_error": float(np.mean(np.abs(values - truth) / np.maximum(truth, 1))),
        "bias": float(np.mean(values - truth)),
        "r2": sk.r2_score(truth, values),
        "coverage": float(np.mean((low <= truth) & (truth <= high))),
        "width": float(np.mean(high - low)),
    }


def of_two(output: Any) -> Example:
    """Return examples of two classes."""
    random = np.random.default_rng(0)
    truth = np.r_[0, 1, random.integers(0, 2, COUNT - 2)]
    fair = np.clip(0.35 * truth + random.uniform(0.02, 0.6, COUNT), 0, 1).astype("float32")
    oracle = probabilities if output.value == "probability" else ranks
    perfect = np.where(truth == 1, 0.999, 0.001).astype("float32")
    return Example({"classes": ["ham", "spam"]}, truth, fair[:, None], perfect[:, None], oracle)


def of_several(output: Any) -> Example:
    """Return examples of three classes."""
    random = np.random.default_rng(0)
    truth = np.r_[0, 1, 2, random.integers(0, 3, COUNT - 3)]
    fair = (random.dirichlet((1, 1, 1), COUNT) * 0.6 + 0.4 * np.eye(3)[truth]).astype("float32")
    perfect = (np.eye(3)[truth] * 0.997 + 0.001).astype("float32")
    return Example({"classes": ["heart", "ball", "fork"]}, truth, fair, perfect, several)


def of_numbers(output: Any) -> Example:
    """Return counts."""
    random = np.random.default_rng(0)
    truth = random.poisson(random.gamma(2, 15, COUNT)).astype(float)
    fair = np.maximum(truth + random.normal(0, 1 + np.sqrt(truth)), 0).astype("float32")
    return Example(output.learned(truth), truth, fair[:, None], truth.astype("float32")[:, None], numbers)


EXAMPLES: dict[str, Callable[[Any], Example]] = {  # by Output.key
    "binary": of_two,
    "classes": of_several,
    "score": of_two,
    "number": of_numbers,
    "density": of_numbers,
}
