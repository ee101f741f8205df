"""What a kind of input owns. Heavy imports stand inside the methods."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from keras_dl.task.blocks import Block
from keras_dl.task.kinds import Assets, Method

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import tensorflow as tf


@dataclass(frozen=True)
class Upload:
    """The inputs of an uploaded file."""

    count: int
    items: Iterator[tuple[str, bytes]]  # what each is called, and what it is
    labels: Sequence[Sequence[str]] | None = None  # what may be the truth of each, the likeliest first; None: not told


class Input(ABC):
    """A kind of input. Heavy imports stand inside the methods."""

    key: ClassVar[str]  # "image"; in the API and in the export's signatures
    raw_name: ClassVar[str]  # argument of the exported signature that takes raw inputs
    title: ClassVar[str]  # "an image"
    unit: ClassVar[str] = "file"  # what is left out where an input cannot be used
    plural: ClassVar[str]  # "pictures"
    wanted: str  # what the model's tensor holds, in words
    hint: ClassVar[str] = ""  # what else to type where there is no such file; {name} is the task's
    remarks: ClassVar[bool] = False  # whether `remark` ever says something
    tables: ClassVar[bool] = False  # whether the cells of a table are inputs; else it lists their files
    most_explained: ClassVar[int | None] = None  # bytes of an input that a server explains

    def facts(self) -> dict[str, Any]:
        """Return what a client of the server needs to know, as JSON values."""
        return {"modality": self.key}

    @abstractmethod
    def check(self, raw: bytes, assets: Assets | None = None) -> None:
        """Raise BadInput, with the reason, for bytes that `decode` cannot take.

        `assets` are those of the run, where there is one: it may take less than the kind.
        """

    @abstractmethod
    def decode(self, config: Any, assets: Assets) -> Callable[[tf.Tensor], tf.Tensor]:
        """Return the function from a raw scalar string to one model input, as graph operations."""

    @abstractmethod
    def given(self, item: str) -> Iterator[Any] | None:
        """Give the inputs that an argument stands for when it names no file or folder; None where it must name one."""

    @abstractmethod
    def tabled(self, path: Path) -> Iterator[Any]:
        """Give the inputs that the rows of a table hold or name; raises KerasDLError where it has no such column."""

    @abstractmethod
    def many(self, data: bytes, most: int) -> Upload:
        """Read an uploaded file that is no zip. Of more than `most` inputs a few may be missing. Raises BadInput."""

    @abstractmethod
    def fitted_to(self, split: Any, decoded: Callable[[], np.ndarray]) -> Any:
        """Return what a classical baseline is fitted to."""

    @abstractmethod
    def preview(self, run: Any, raws: Sequence[bytes]) -> list[Block]:
        """Return how each input is shown without an explanation."""

    @abstractmethod
    def methods(self, run: Any) -> Mapping[str, Method]:
        """Return the ways to explain an answer of this run, the usual one first."""

    def suffix(self, name: str) -> str:
        """Return the suffix of the file that keeps the raw input called `name`."""
        from pathlib import PurePath

        return PurePath(name).suffix

    def quick(self, size: int) -> bool:
        """Whether inputs of so many bytes are checked in less than a millisecond."""
        return False

    def remark(self, config: Any, decoded: np.ndarray) -> str:
        """Say what a user should know of one decoded input; "" mostly."""
        return ""

    def traits(self, config: Any, x: tf.Tensor) -> tf.Tensor | None:
        """Return what the decoded inputs `[batch, ...]` tell by themselves, `[batch, width]`: graph operations.

        It helps to tell unusual inputs, beside the network's own vectors. None where there is nothing to add.
        """
        return None

    def seen(self, split: Any, ids: set[str], groups: set[str]) -> int:
        """Count the examples of another set that are in a run's training part, by what tells copies here."""
        from pathlib import PurePath

        known = {PurePath(name).name for name in ids}
        return sum(PurePath(name).name in known for name in split.ids)

    def described(self, config: Any, split: Any, decoded: Callable[[], np.ndarray]) -> Mapping[str, Any]:
        """Return what can be measured of the inputs themselves, `[count]` each, by its name with its unit.

        Args:
            config: of the run.
            split: the examples.
            decoded: gives them as the network sees them, `[count, ...]`.
        """
        return {}

    @abstractmethod
    def miniatures(self, split: Any, decoded: np.ndarray) -> np.ndarray | Sequence[str]:
        """Return what stands for each example where many are shown: thumbnails `[count, side, side, ...]` or texts."""
