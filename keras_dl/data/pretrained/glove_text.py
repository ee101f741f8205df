"""Turn the text of word vectors into arrays: fast, in blocks, with bad lines left out and reported."""

from __future__ import annotations

import gzip
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

import numpy as np
from numpy.lib import format as npy

from keras_dl.errors import KerasDLError
from keras_dl.progress import bar

BLOCK = 1 << 21  # bytes; one bad line makes its block slower
LONGEST_LINE = 1 << 17  # bytes; 300 numbers take about 3,000
LARGEST = 3.4e38  # of float32
SAMPLE = 1000  # lines that tell the dimension
MOST_BAD = 0.01
NAMED = 3  # bad lines in an error
DAMAGES = (OSError, EOFError, ValueError, RuntimeError, zlib.error, zipfile.BadZipFile, NotImplementedError)


def convert(path: Path, member: zipfile.ZipInfo | None, folder: Path) -> None:
    """Write matrix.npy (float32 [count, dimension]), words.txt and skipped.txt of a text of vectors into a folder.

    Args:
        path: the text, plain or .gz, or the archive that holds it.
        member: its entry in the archive.
        folder: an existing one.

    Raises:
        KerasDLError: if the file is damaged or holds no vectors, or over 1 % of its lines are bad.
    """
    reader = Reader(path)
    with (folder / "matrix.npy").open("wb") as file:
        _header(file, 0, 0)
        for lines in _blocks(path, member):
            reader.parse(lines).tofile(file)
        reader.refuse_too_many()
        file.seek(0)
        _header(file, len(reader.words), reader.dimension)
    (folder / "words.txt").write_bytes("\n".join(reader.words).encode())
    (folder / "skipped.txt").write_text("\n".join(reader.skipped), encoding="utf-8")


def failure(path: Path, error: Exception) -> KerasDLError:
    """Return the error to raise for a file that cannot be read."""
    reason = " ".join(str(getattr(error, "strerror", None) or error).split()) or type(error).__name__
    return KerasDLError(f"{path}: cannot be read: {reason}; download the file again")


class Readable(Protocol):
    """What all opened files can do."""

    def read(self, size: int, /) -> bytes:
        """Return up to so many bytes."""


class Reader:
    """Parses blocks of lines, in order; knows the words so far and the lines left out."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.dimension = 0
        self.words: list[str] = []
        self.skipped: list[str] = []
        self._seen: set[str] = set()
        self._line = 0  # how many have been read

    def parse(self, lines: list[bytes]) -> np.ndarray:
        """Return the vectors of a block, [usable lines, dimension], and note their words."""
        if not self.dimension:
            self.dimension = self._find_dimension(lines[:SAMPLE])
            if [len(line.split()) for line in lines[:2]] == [2, self.dimension + 1]:
                lines = [b"", *lines[1:]]  # "400000 50": the header that word2vec and fastText write
        words, matrix = self._at_once(lines) or self._one_by_one(lines)
        self._line += len(lines)
        self.words += words
        self._seen.update(words)
        return matrix

    def refuse_too_many(self) -> None:
        """Raise KerasDLError if there is no word, or over 1 % of the lines are bad."""
        if not self.words:
            raise self._no_vectors()
        total = len(self.words) + len(self.skipped)
        if len(self.skipped) > MOST_BAD * total:
            raise KerasDLError(
                f"{self.path}: {len(self.skipped)} of {total} lines are damaged ({'; '.join(self.skipped[:NAMED])}); "
                f"up to {MOST_BAD:.0%} may be; download the file again"
            )

    def _find_dimension(self, lines: list[bytes]) -> int:
        counts = Counter(len(line.split()) - 1 for line in lines if _numbers(line.split()[-1:]) is not None)
        dimension = counts.most_common(1)[0][0] if counts else 0
        if dimension < 2:
            raise self._no_vectors()
        return dimension

    def _no_vectors(self) -> KerasDLError:
        return KerasDLError(f"{self.path}: no word vectors in it; expected lines such as: the 0.418 0.24968 -0.41242")

    def _at_once(self, lines: list[bytes]) -> tuple[list[str], np.ndarray] | None:
        """Parse lines that are all well formed, or return None."""
        blanks, pieces = self.dimension - 1, [line.rstrip().partition(b" ") for line in lines]
        numbers = b" ".join(rest for *_, rest in pieces)
        if any(rest.count(b" ") != blanks for *_, rest in pieces) or b"  " in numbers or b"\t" in numbers:
            return None
        try:
            words = b"\n".join(word for word, *_ in pieces).decode().split("\n")
            with warnings.catch_warnings():
                warnings.simplefilter("error", DeprecationWarning)  # how NumPy says that something is no number
                values = np.fromstring(numbers, dtype=np.float32, sep=" ")
        except (ValueError, DeprecationWarning):
            return None
        fresh = set(words)
        if values.size != len(words) * self.dimension or not np.isfinite(values).all():
            return None
        if "" in fresh or len(fresh) < len(words) or not fresh.isdisjoint(self._seen):
            return None
        return words, values.reshape(-1, self.dimension)

    def _one_by_one(self, lines: list[bytes]) -> tuple[list[str], np.ndarray]:
        words: dict[str, list[float]] = {}
        for number, line in enumerate(lines, self._line + 1):
            if not line.strip():
                continue
            parts = line.split()
            word, values = b" ".join(parts[: -self.dimension]), _numbers(parts[-self.dimension :])
            # A word may hold blanks (". . ."); one that ends in a number has taken a value too many for its own.
            if len(parts) <= self.dimension or (b" " in word and _numbers(parts[: -self.dimension][-1:]) is not None):
                self._skip(number, f"{len(parts) - 1} values instead of {self.dimension}")
            elif values is None:
                self._skip(number, "not all of its values are numbers")
            elif (text := _decoded(word)) is None:
                self._skip(number, "its word is not UTF-8")
            elif text in words or text in self._seen:
                self._skip(number, f"a second vector for the word {text[:30]!r}")
            else:
                words[text] = values
        return list(words), np.array(list(words.values()), dtype=np.float32).reshape(-1, self.dimension)

    def _skip(self, number: int, reason: str) -> None:
        self.skipped.append(f"line {number}: {reason}")


def _numbers(parts: list[bytes]) -> list[float] | None:
    """Return the numbers that these are, or None if they are not, or not finite."""
    try:
        values = [float(part) for part in parts]
    except ValueError:
        return None
    return values if values and all(abs(value) < LARGEST for value in values) else None


def _decoded(word: bytes) -> str | None:
    try:
        return word.decode()
    except UnicodeDecodeError:
        return None


def _header(file: IO[bytes], count: int, dimension: int) -> None:
    """Write the header of a .npy file; NumPy keeps its length the same however long the array grows."""
    npy.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (count, dimension)})


def _blocks(path: Path, member: zipfile.ZipInfo | None) -> Iterator[list[bytes]]:
    """Give the lines of a text in blocks, with progress."""
    name = Path(member.filename if member else path.name).name
    total = member.file_size if member else None if _is_packed(path) else path.stat().st_size
    shown = bar(desc=f"reading {name}", total=total, unit="B", unit_scale=True)
    rest = b""
    try:
        with _opened(path, member) as file, shown:
            while block := file.read(BLOCK):
                shown.update(len(block))
                *lines, rest = (rest + block).split(b"\n")
                if len(rest) > LONGEST_LINE:
                    raise KerasDLError(
                        f"{path}: not a file of word vectors: it has a line of more than {LONGEST_LINE:,} bytes"
                    )
                if lines:
                    yield lines
    except DAMAGES as error:
        raise failure(path, error) from error
    if rest:
        yield [rest]


@contextmanager
def _opened(path: Path, member: zipfile.ZipInfo | None) -> Iterator[Readable]:
    if member:
        with zipfile.ZipFile(path) as archive, archive.open(member) as file:
            yield file
    elif _is_packed(path):
        with gzip.open(path) as file:
            yield file
    else:
        with path.open("rb") as file:
            yield file


def _is_packed(path: Path) -> bool:
    return path.suffix.lower() == ".gz"
