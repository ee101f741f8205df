"""The interval of a single number, by split conformal prediction: it holds for a stated share of new examples.

See `measures.conformal` for the method: it is fitted by group. The half-width grows with the square root of the number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_dl.measures import counts
from keras_dl.task import Assets
from keras_dl.task.blocks import Prose, exactly

if TYPE_CHECKING:
    import tensorflow as tf


def fit(truth: np.ndarray, predicted: np.ndarray, groups: Sequence[str], coverage: float) -> Assets:
    """Return "radius", from the errors on validation, and "coverage"; the radius is None where these are too few.

    Args:
        truth: `[count]`.
        predicted: `[count]`.
        groups: `[count]`, what each example belongs to.
        coverage: share of new examples whose true number is to lie in the interval.
    """
    return {"radius": counts.scaled_radius(truth, np.maximum(predicted, 0), groups, coverage), "coverage": coverage}


def ends(number: tf.Tensor, assets: Assets) -> dict[str, tf.Tensor]:
    """Return "low" and "high" of numbers `[batch]`, both in the interval; nothing where there is no radius."""
    import tensorflow as tf

    if assets["radius"] is None:
        return {}
    width = assets["radius"] * tf.sqrt(tf.maximum(number, 1.0))
    return {"low": tf.maximum(number - width, 0.0), "high": number + width}


def explained(measured: Mapping[str, Any], assets: Assets, example: str) -> Prose:
    """Explain the interval, and how it held on the test part; `example` is what one is called."""
    title, share = "Interval of a single answer", exactly(assets["coverage"])
    if assets["radius"] is None:
        few = f"The validation part has too few {example}s for an interval that covers {share}."
        return Prose(few, title, warning=True)
    held = measured["network"]["coverage"]["value"]
    return Prose(
        f"Each answer comes with an interval that should contain the true number for {share} of new {example}s from "
        f"the same source. Its half-width is {assets['radius']:.2f} times the square root of the answer, which comes "
        "from the errors on the validation part (split conformal prediction by group). On the test part, "
        f"**{100 * held:.0f} %** of the intervals contain the true number.",
        title,
    )
