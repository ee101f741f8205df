"""How unusual an input is for a network: the largest distance of any stage from the training part, over its limit.

The limits are set on validation, by group, so that a new input of the same source exceeds one with a chance of at most
`false_alarms`. They and the Gaussians of the stages stand in assets/novelty.npz.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from keras_dl.errors import KerasDLError
from keras_dl.measures import conformal, novelty
from keras_dl.measures.novelty import NAMES, Gaussian
from keras_dl.runs.files import replacing

FILE = "assets/novelty.npz"


@dataclass(frozen=True)
class Novelty:
    """The Gaussians of a network's stages, and the squared distance that each may reach."""

    gaussians: Sequence[Gaussian]
    limits: Sequence[float]

    @classmethod
    def fit(
        cls,
        training: Sequence[np.ndarray],
        validation: Sequence[np.ndarray],
        groups: Sequence[Any],
        false_alarms: float,
        reach: float = 1.0,
    ) -> Novelty:
        """Fit the Gaussians to training vectors, and set the limits on validation.

        Args:
            training: of each stage `[count, width]`.
            validation: of each stage `[count, width]`, of examples that nothing was fitted to.
            groups: of the validation examples.
            false_alarms: the share of new examples of the same source that may be called unusual, in (0, 1).
            reach: how many times as far as that an input may be; see `Output.reach`.
        """
        return cls(novelty.fit(training), ()).limited(validation, groups, false_alarms, reach)

    def limited(
        self, vectors: Sequence[np.ndarray], groups: Iterable[Any], false_alarms: float, reach: float = 1.0
    ) -> Novelty:
        """Return the same Gaussians with the limits set on other examples: of each stage `[count, width]`."""
        groups = list(groups)
        squares = [one.squared(stage)[:, 0] for one, stage in zip(self.gaussians, vectors, strict=True)]
        limits = np.array([limit(each, groups, false_alarms) for each in squares])
        worst = np.max([each / most for each, most in zip(squares, limits, strict=True)], axis=0)
        return Novelty(self.gaussians, (limits * limit(worst, groups, false_alarms) * reach**2).tolist())

    def unusualness(self, vectors: Sequence[tf.Tensor]) -> tf.Tensor:
        """Return how unusual examples are, `[count]`: above 1 they are called unusual. Graph operations."""
        shares = [
            one.squared(tf.cast(stage, tf.float32), tf.transpose) / most
            for one, stage, most in zip(self.gaussians, vectors, self.limits, strict=True)
        ]
        return tf.sqrt(tf.reduce_max(tf.concat(shares, axis=1), axis=1))

    def features(self, vectors: Sequence[np.ndarray]) -> np.ndarray:
        """Return vectors of all stages side by side, float32 `[count, width]`, each whitened by the training part."""
        plain = [Gaussian(**{name: np.asarray(getattr(one, name)) for name in NAMES}) for one in self.gaussians]
        whitened = [one.whitened(stage) for one, stage in zip(plain, vectors, strict=True)]
        return np.concatenate(whitened, axis=1).astype("float32")

    def tracked(self) -> tuple[Novelty, tf.Module]:
        """Return the same with variables in place of arrays, and what holds them: so an export has each only once."""
        holder = tf.Module(name="novelty")
        holder.arrays = [
            {name: tf.Variable(getattr(one, name), trainable=False) for name in NAMES} for one in self.gaussians
        ]
        return Novelty([Gaussian(**arrays) for arrays in holder.arrays], self.limits), holder

    def write(self, folder: Path) -> None:
        """Write a run's novelty.npz."""
        arrays = {f"{stage} {name}": getattr(one, name) for stage, one in enumerate(self.gaussians) for name in NAMES}
        with replacing(folder / FILE) as temporary:
            np.savez(temporary, limits=np.asarray(self.limits), **arrays)


def read(folder: Path) -> Novelty | None:
    """Read a run's novelty.npz; None where there is none, as in a run of an earlier version.

    Raises:
        KerasDLError: if the file does not hold what `Novelty.write` wrote.
    """
    path = folder / FILE
    if not path.exists():
        return None
    try:
        with path.open("rb") as opened, np.load(opened) as file:
            limits = file["limits"].tolist()
            stages = [{name: file[f"{stage} {name}"] for name in NAMES} for stage in range(len(limits))]
        return Novelty([Gaussian(**arrays) for arrays in stages], limits)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise KerasDLError(f"{path} is damaged ({' '.join(str(error).split())}); train again") from None


def limit(scores: np.ndarray, groups: Iterable[Any], share: float) -> float:
    """Return what an example of a new group exceeds with a chance of at most `share`.

    Where there are too few groups to promise that, their logarithms are taken to be normal, and it is the end of their
    prediction interval, or the highest score if that is higher.
    """
    found = conformal.quantile(scores, groups, 1 - share)
    if np.isfinite(found):
        return found
    from scipy import stats

    count, logarithms = len(scores), np.log(np.maximum(scores, 1e-12))
    if count < 2:
        return float(np.max(scores, initial=1.0))
    beyond = stats.t.ppf(1 - share, count - 1) * logarithms.std(ddof=1) * np.sqrt(1 + 1 / count)
    return float(max(np.max(scores), np.exp(logarithms.mean() + beyond)))
