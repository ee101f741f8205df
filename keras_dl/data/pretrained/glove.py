"""Word vectors of GloVe (Pennington, Socher, Manning 2014): read from the published text, kept as an array.

Source   https://nlp.stanford.edu/projects/glove, glove.6B: 400,000 words of Wikipedia 2014 and Gigaword 5, lower case,
         in 50, 100, 200 and 300 dimensions
Licence  Public Domain Dedication and License 1.0
"""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_dl.data.download import cache_folder, fetch, made_once
from keras_dl.data.pretrained.glove_text import convert, failure
from keras_dl.errors import KerasDLError, UsageError

BASE = "https://nlp.stanford.edu/data"
SUMS = {"glove.6B": "617afb2fe6cbd085c235baf7a465b96f4112bd7f7ccb2b2cbd649fed9cbcf2fb"}  # sha256 of the .zip, 862 MB
HOMEPAGE = "https://nlp.stanford.edu/projects/glove"
CHOICES = (
    f"choose --set embedding=PATH for a file you have (get glove.6B.zip by hand from {HOMEPAGE}), "
    "--set embedding=glove to download it, or --set embedding=none to train without it"
)
FORMAT = 1  # of what is kept in the cache; a new one is read anew
MEMBER = re.compile(r"(?:.*/)?([^/.][^/]*\.txt)", re.DOTALL)
DIMENSION = re.compile(r"\.(\d+)d\b")


@dataclass(frozen=True)
class Vectors:
    """Words and their vectors; row i of the matrix is that of word i."""

    words: list[str]  # most frequent first: the order of the file
    matrix: np.ndarray  # float32 [count, dimension], mapped from the cache, not to be written to
    skipped: tuple[str, ...] = ()  # lines of the file that could not be used: "line 17: 49 values instead of 50"


def vectors(path: Path | str, words: int = 0, *, dimension: int = 50) -> Vectors:
    """Read word vectors: a word and its numbers in each line, separated by blanks.

    The first reading converts the text and keeps the arrays in the cache, by the content of the file; from then on
    they are mapped.

    Args:
        path: text, plain or .gz, or a .zip with one or several of them.
        words: only the first so many; 0 for all.
        dimension: which to take of a .zip with several.

    Raises:
        KerasDLError: if there is no such file, it is damaged, holds no vectors, or over 1 % of its lines are bad.
        UsageError: if a .zip holds several texts and none has this dimension, or `words` is negative.
    """
    path = Path(path)
    if words < 0:
        raise UsageError(f"words={words} is not allowed; give a number of words, or 0 for all")
    if not path.is_file():
        raise KerasDLError(f"{path}: no such file with word vectors; {CHOICES}")
    try:
        member = _member(path, dimension) if path.suffix.lower() == ".zip" else None
        key = _sum(path, member)
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError) as error:
        raise failure(path, error) from error
    name = Path(member.filename if member else path.name).name.removesuffix(".gz").removesuffix(".txt")
    folder = cache_folder() / "glove" / f"{name}-{key}"
    made_once(folder, lambda work: convert(path, member, work))
    count = words or None
    skipped = (folder / "skipped.txt").read_text(encoding="utf-8").splitlines()
    return Vectors(
        (folder / "words.txt").read_bytes().decode().split("\n")[:count],
        np.load(folder / "matrix.npy", mmap_mode="r")[:count],
        tuple(skipped),
    )


def matrix_for(vocabulary: Sequence[str], vectors: Vectors) -> np.ndarray:
    """Return the vectors of these words, float32 `[len(vocabulary), dimension]`: zeros for one that has none."""
    row_of = {word: row for row, word in enumerate(vectors.words)}
    known = [place for place, word in enumerate(vocabulary) if word in row_of]
    matrix = np.zeros((len(vocabulary), vectors.matrix.shape[1]), dtype=np.float32)
    matrix[known] = vectors.matrix[[row_of[vocabulary[place]] for place in known]]
    return matrix


def download(name: str = "glove.6B", *, base: str | None = None) -> Path:
    """Return the archive of vectors, downloaded to the cache (862 MB) unless it is there.

    Args:
        name: "glove.6B".
        base: another address that has the same file below it.

    Raises:
        UsageError: if the name is not known.
        KerasDLError: if it cannot be had, with what else to do.
    """
    target = _archive(name)
    if target.exists():
        return target
    try:
        return fetch(f"{base or BASE}/{name}.zip", target, SUMS[name])
    except KerasDLError as error:
        raise KerasDLError(f"{error}; {CHOICES}") from error


def cached(name: str = "glove.6B") -> Path | None:
    """Return the archive if it has been downloaded. Raises UsageError as `download` does."""
    target = _archive(name)
    return target if target.exists() else None


def _archive(name: str) -> Path:
    if name not in SUMS:
        raise UsageError(f"there are no vectors '{name}'; choose from {', '.join(SUMS)}")
    return cache_folder() / "glove" / f"{name}.zip"


def _member(path: Path, dimension: int) -> zipfile.ZipInfo:
    """Choose the text to read of an archive."""
    with zipfile.ZipFile(path) as archive:
        texts = [info for info in archive.infolist() if MEMBER.fullmatch(info.filename)]
    if not texts:
        raise KerasDLError(f"{path}: no .txt with word vectors in it; {CHOICES}")
    of_dimension = [info for info in texts if DIMENSION.findall(info.filename)[-1:] == [str(dimension)]]
    if len(texts) > 1 and len(of_dimension) != 1:
        names = ", ".join(info.filename for info in texts[:8])
        raise UsageError(
            f"{path}: {len(of_dimension)} of its files have {dimension} dimensions; "
            f"unpack one of {names} and pass that file"
        )
    return texts[0] if len(texts) == 1 else of_dimension[0]


def _sum(path: Path, member: zipfile.ZipInfo | None) -> str:
    """Return a checksum of the content; of an archive, whose members have sums, of its list: at once for 862 MB."""
    if member:
        return hashlib.sha256(f"{FORMAT} {member.filename} {member.CRC} {member.file_size}".encode()).hexdigest()[:16]
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    digest.update(str(FORMAT).encode())
    return digest.hexdigest()[:16]
