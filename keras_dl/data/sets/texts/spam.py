"""Text messages from phones, ham and spam: the SMS Spam Collection of Almeida, Gómez Hidalgo and Yamakami.

Source   UCI Machine Learning Repository, set 228; on Kaggle as uciml/sms-spam-collection-dataset (spam.csv)
Licence  CC BY 4.0
Sizes    5,572 messages on Kaggle (4,825 ham, 747 spam), 5,574 at UCI; no parts; 403 of Kaggle's are copies
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from keras_dl.data import kaggle, samples
from keras_dl.data.archive import SUFFIXES, unpack, unpacked
from keras_dl.data.download import Source, cache_folder, fetch_files, made_once, source_named
from keras_dl.data.texts import Row, Texts, collect, csv_rows, text_of
from keras_dl.errors import KerasDLError

TITLE = "SMS Spam Collection"
LICENCE = "CC BY 4.0"
CITATION = (
    "Almeida, T., Gómez Hidalgo, J. (2011). SMS Spam Collection. UCI Machine Learning Repository. "
    "doi:10.24432/C5CC84; Almeida, Gómez Hidalgo, Yamakami, DocEng 2011, 259-262."
)
INTENDED_USE = "Teaching and method comparison on short English messages."
LIMITS = (
    "Messages of about 2003 to 2011: ham mostly of students in Singapore and Britain, spam British, of premium-rate "
    "numbers and prizes. Today's spam (links, messengers, other languages) is different; do not block anyone's "
    "messages on its word alone."
)
CLASSES = ("ham", "spam")
COLUMNS = (("v1", "v2"), ("label", "text"), ("label", "message"), ("category", "message"))  # label and text
FILES = ("spam.csv", "smsspamcollection", "smsspamcollection.txt", "smsspamcollection.tsv", "smsspamcollection.csv")
SYNTHETIC_VERSION = 1  # of the generator; a new one gets a new folder in the cache
TINY_ROWS = 200

# The signs of Kaggle's file are UTF-8 read as cp1252, written as Mac Roman and read as cp1252 again: "£" is "å£", "’"
# is "‰Ûª". Mac Roman lacks two of them, and an underscore took their place.
DAMAGED = re.compile(r"[^\x00-\x7f]+_?")
LOST = {"Ì_": "ü", "‰Û_": "…"}
CONTROLS = {code: bytes([code]).decode("cp1252", "ignore") or chr(code) for code in range(0x80, 0xA0)}


SOURCES = {
    "kaggle": Source(
        base="https://www.kaggle.com/api/v1/datasets/download",
        files={"": "uciml/sms-spam-collection-dataset"},
        account=kaggle.account,
        holds={"": 5572},
        by_hand="open https://www.kaggle.com/datasets/uciml/sms-spam-collection-dataset, sign in, press Download and "
        "save archive.zip as {target}.zip, then type: keras-dl train spam --data {target}.zip",
    ),
    "uci": Source(
        base="https://archive.ics.uci.edu/static/public/228",
        files={"": "sms+spam+collection.zip"},
        holds={"": 5574},
        by_hand="open https://archive.ics.uci.edu/dataset/228/sms+spam+collection, press Download and save the file "
        "as {target}.zip, then type: keras-dl train spam --data {target}.zip",
    ),
}


def read(source: Path, *, bad_share: float = 0.05) -> Texts:
    """Read the set from Kaggle's spam.csv, UCI's SMSSpamCollection, another CSV file, or a folder or archive with one.

    A CSV file needs one of the pairs of COLUMNS, in any case; labels are ham and spam, in any case. Text that spilled
    into the columns without a name is joined again with commas. Signs damaged in Kaggle's file are mended ("å£" ->
    "£"); HTML entities (`&lt;#&gt;` stands for a removed number) stay. Copies share a group. `notes` counts "rows",
    "copies" and "mended" messages. An id is "spam.csv:LINE".

    Raises KerasDLError for a file or folder that is missing or not such a set, and as `texts.collect` does.
    """
    path = _file(Path(source))
    rows = list(_tabbed(path) if _is_tabbed(path) else _csv(path))
    mended = [replace(row, text=_mended(row.text)) for row in rows]
    texts = collect(mended, {name: name for name in CLASSES}, path, bad_share=bad_share)
    changed = sum(old.text != new.text for old, new in zip(rows, mended, strict=True))
    return replace(texts, notes={**texts.notes, "mended": changed})


def document_split(texts: Texts, rows: int = 5572) -> np.ndarray | None:
    """Return which texts (len(texts), bool) are the test part of the course document; None for another set.

    It is scikit-learn's `train_test_split(test_size=.4, random_state=123)` over all rows of the published file, of
    which `rows` is the number; copies are on both sides of it. `texts` has to be as `read` gave it: kept and skipped
    rows together tell each text's position in the file.
    """
    from sklearn.model_selection import train_test_split

    names = [*texts.ids, *(one.path for one in texts.skipped)]
    if len(names) != rows or texts.notes.get("rows") != rows:
        return None
    lines = np.array([int(name.rpartition(":")[2]) for name in names])
    positions = np.argsort(np.argsort(lines))[: len(texts)]
    test = train_test_split(np.arange(rows), test_size=0.4, random_state=123)[1]
    return np.isin(positions, test)


def synthesize(folder: Path | None = None, *, tiny: bool = False, seed: int = 0) -> Path:
    """Return the folder of the embedded set, or write it (another seed, a tiny one) in `folder` or the cache."""
    if folder is None and not tiny and seed == 0:
        return samples.folder("spam")
    from keras_dl.data.sets.texts import sms_synthetic

    target = Path(folder or cache_folder()) / f"spam-synthetic-{SYNTHETIC_VERSION}-{seed}{'-tiny' if tiny else ''}"

    def make(work: Path) -> None:
        sms_synthetic.write(work, rows=TINY_ROWS if tiny else sms_synthetic.ROWS, seed=seed)

    return made_once(target, make)


def download(folder: Path, source: str = "kaggle", *, base: str | None = None) -> Path:
    """Download the set into `folder` (0.2 MB) and return the folder to give to `read`.

    `source` is a name from SOURCES. Nothing is fetched that is there already. The publishers give no checksums: the
    sum seen first is kept beside the file, and the number of rows is checked. Raises KerasDLError that says what to
    do by hand.
    """
    place = source_named(source, SOURCES)
    target = Path(folder).absolute() / f"spam-{source}"
    archive = target.with_name(f"{target.name}.zip")
    if not target.exists():
        fetch_files(place, {"": archive}, target, base=base)
    made_once(target, lambda work: unpack(archive, work))
    found = read(target).notes["rows"]
    if found != place.holds[""]:
        raise KerasDLError(
            f"{target}: {found} rows instead of {place.holds['']}; delete {target} and {archive}*, then download again"
        )
    return target


def _file(source: Path) -> Path:
    """Return the file with the messages: the source itself, or found in the folder or archive that it is."""
    if source.is_file() and not source.name.lower().endswith(SUFFIXES):
        return source
    folder = unpacked(source, cache_folder() / "unpacked")
    inside = [path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file()]
    inside = [path for path in inside if not any(part.startswith((".", "__")) for part in path.parts)]
    named = [path for name in FILES for path in inside if path.name.lower() == name]
    tables = [path for path in inside if path.suffix.lower() in (".csv", ".tsv")]
    if not named and len(tables) != 1:
        found = f"the tables {', '.join(map(str, tables[:5]))}" if tables else "no other CSV file"
        raise KerasDLError(
            f"{source}: neither spam.csv nor SMSSpamCollection in it, but {found}; give --data the file itself"
        )
    return folder / (named or tables)[0]


def _is_tabbed(path: Path) -> bool:
    """Whether a file is one as of UCI: label, tab, text. Raises KerasDLError for an empty or a binary file."""
    with path.open("rb") as file:
        start = file.read(1 << 16)
    way_out = "give --data spam.csv, SMSSpamCollection or a CSV file with the columns label,text, as UTF-8 or latin-1"
    if not start.strip():
        raise KerasDLError(f"{path}: the file is empty; {way_out}")
    if b"\0" in start:
        raise KerasDLError(f"{path}: not a text file, it has zero bytes; {way_out}")
    cells = tuple(start.decode("latin-1").removeprefix("ï»¿").strip().split("\n")[0].lower().split("\t"))
    return len(cells) > 1 and (cells[0].strip() in CLASSES or _is_header(cells))


def _is_header(cells: tuple[str, ...]) -> bool:
    return tuple(cell.strip().lower() for cell in cells) in COLUMNS


def _tabbed(path: Path) -> Iterator[Row]:
    """Give the rows of UCI's file: no header, quotation marks mean nothing."""
    for number, line in enumerate(text_of(path).split("\n"), 1):
        label, _, text = line.rstrip("\r").partition("\t")
        if line.strip() and not (number == 1 and _is_header((label, text))):
            yield Row(f"{path.name}:{number}", text, _label(label))


def _csv(path: Path) -> Iterator[Row]:
    rows = csv_rows(path)
    header = [cell.strip().lower() for cell in next(rows)[1]]
    pair = next((pair for pair in COLUMNS if set(pair) <= set(header)), None)
    if pair is None:
        wanted = " or ".join(",".join(pair) for pair in COLUMNS)
        found = ",".join(header)[:60]
        raise KerasDLError(f"{path}: its first line '{found}' does not name the columns {wanted}; name them there")
    label, text = (header.index(name) for name in pair)
    nameless = [not name or name.startswith("unnamed") for name in header]
    for line, row in rows:
        cells = row[text : text + 1]
        for at in range(text + 1, len(row)):  # up to the next column that has a name
            if at < len(header) and not nameless[at]:
                break
            cells.append(row[at])
        while len(cells) > 1 and not cells[-1]:
            cells.pop()
        yield Row(f"{path.name}:{line}", ",".join(cells), _label(row[label] if label < len(row) else ""))


def _label(written: str) -> str:
    """Return a label as CLASSES has it, or as it was written where it is none of them."""
    return written.strip().lower() if written.strip().lower() in CLASSES else written.strip()


def _mended(text: str) -> str:
    return DAMAGED.sub(_mended_run, text)


def _mended_run(match: re.Match[str]) -> str:
    """Undo the encodings of a run of signs: UTF-8 taken for cp1252, written as Mac Roman, taken for cp1252 again.

    What does not come out as UTF-8 was not damaged in this way and stays.
    """
    run = match[0].translate(CONTROLS)
    if run in LOST:
        return LOST[run]
    try:
        return run.encode("cp1252").decode("mac_roman").encode("cp1252").decode("utf-8").translate(CONTROLS)
    except UnicodeError:
        return match[0]
