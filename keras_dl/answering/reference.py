"""What a network made of the validation part, in assets/reference.npz: what new inputs are compared with."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from keras_dl.answering.answering import Network, Seen
from keras_dl.answering.novelty import Novelty
from keras_dl.errors import KerasDLError
from keras_dl.runs.files import replacing
from keras_dl.task import Assets, Split, Task
from keras_dl.training.pipeline import Examples

if TYPE_CHECKING:
    from keras_dl.runs.run import Run

FILE = "assets/reference.npz"
MOST = 2000  # training examples that are looked at: more change the Gaussians little


@dataclass(frozen=True)
class Reference:
    """What the network made of the validation examples, in one order."""

    features: np.ndarray  # [count, width], float32: the vectors of all stages, each whitened by the training part
    values: np.ndarray  # [count, ...], `Output.value`
    unusualness: np.ndarray  # [count], above 1 where an example is called unusual
    groups: np.ndarray  # [count], str
    truth: np.ndarray  # [count]; nan where it is not known

    @classmethod
    def of(cls, task: Task, novelty: Novelty, seen: Seen, groups: Sequence[str], truth: Any, assets: Assets) -> Self:
        """Put together what a network made of examples."""
        return cls(
            features=novelty.features(seen.vectors),
            values=task.output.values(seen.outputs, assets),
            unusualness=novelty.unusualness(seen.vectors).numpy(),
            groups=np.asarray(groups, dtype=str),
            truth=np.asarray(truth),
        )

    def write(self, folder: Path) -> None:
        """Write a run's reference.npz."""
        with replacing(folder / FILE) as temporary:
            np.savez_compressed(temporary, **asdict(self))


def keep(run: Run, network: Network, train: Examples, validation: Split, seen: Seen, assets: Assets) -> Novelty | None:
    """Fit what is usual, and write it down with what the network made of validation.

    Args:
        run: to write to.
        network: the trained one.
        train: the training part; of many examples some are drawn.
        validation: what nothing was fitted to.
        seen: what the network made of it.
        assets: with what was settled on validation.

    Returns:
        The limits of what is usual; None for a network without vectors.
    """
    if not seen.vectors:
        return None
    trained = network.see(some(train, run.config.seed), name="what is usual")
    share, reach = run.config.false_alarms, run.task.output.reach
    novelty = Novelty.fit(trained.vectors, seen.vectors, validation.groups, share, reach)
    novelty.write(run.path)
    Reference.of(run.task, novelty, seen, validation.groups, validation.truth, assets).write(run.path)
    return novelty


def read(run: Run) -> Reference | None:
    """Read a run's reference.npz; None where there is none, as in a run of an earlier version or an export.

    Raises:
        KerasDLError: if the file does not hold what `keep` wrote.
    """
    path = run.path / FILE
    if not path.exists():
        return None
    try:
        with path.open("rb") as opened, np.load(opened) as file:
            return Reference(**{name: file[name] for name in Reference.__dataclass_fields__})
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise KerasDLError(f"{path} is damaged ({' '.join(str(error).split())}); train again") from None


def some(examples: Examples, seed: int) -> Examples:
    """Return examples drawn at random, where there are many."""
    if len(examples) <= MOST:
        return examples
    rows = np.sort(np.random.default_rng(seed).choice(len(examples), MOST, replace=False))
    return Examples(np.asarray(examples.x)[rows], np.asarray(examples.y)[rows], examples.truth[rows])
