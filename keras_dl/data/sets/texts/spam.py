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

from keras_dl.data import kaggle, samples, tables
from keras_dl.data.archive import SUFFIXES, unpack, unpacked
from keras_dl.data.download import Source, cache_folder, fetch_files, made_once, source_named
from keras_dl.data.files import readable, walk
from keras_dl.data.images import Skipped
from keras_dl.data.texts import Row, Texts, collect, labelled, tables_in, with_unread
from keras_dl.errors import BadInput, KerasDLError

TITLE = "SMS Spam Collection"
LICENCE = "CC BY 4.0"
CITATION = (
    "Almeida, T., Gómez Hidalgo, J. (2011). SMS Spam Collection. UCI Machine Learning Repository. "
    "doi:10.24432/C5CC84; Almeida, Gómez Hidalgo, Yamakami, DocEng 2011, 259-262."
)
INTENDED_USE = "Teaching and method comparison on short English messages."
LIMITS = (
    "The messages are from about 2003 to 2011. Most ham comes from students in Singapore and Britain; the spam is "
    "British and advertises premium-rate numbers and prizes. Today's spam (links, messengers, other languages) is "
    "different, so do not block messages because of this model alone."
)
CLASSES = ("ham", "spam")
LABELS = {name: name for name in CLASSES}
NUMBERS = {"0": "ham", "1": "spam"}
PUBLISHED = ("spam.csv", "smsspamcollection", "smsspamcollection.txt", "smsspamcollection.tsv", "smsspamcollection.csv")
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
    """Read the set from Kaggle's spam.csv, UCI's SMSSpamCollection, another table, or a folder or archive with one.

    A table needs a column of texts and one of labels, called as `tables.NAMES` has them; labels are ham and spam, in
    any case, or 0 and 1. A folder may hold one table for each part, such as train.csv and test.csv. Text that spilled
    into the columns without a name is joined again. Signs damaged in Kaggle's file are mended ("å£" -> "£"); HTML
    entities (`&lt;#&gt;` stands for a removed number) stay. Copies share a group. `notes` counts "rows", "copies" and
    "mended" messages. An id is "spam.csv:LINE".

    Raises KerasDLError for a file or folder that is missing or not such a set, and as `texts.collect` does.
    """
    rows: list[Row] = []
    broken: list[Skipped] = []
    files, others = _files(Path(source))
    for path, part in files:
        for one in _tabbed(path) if _is_tabbed(path) else labelled(path, tuple(LABELS), part):
            (rows if isinstance(one, Row) else broken).append(one)  # type: ignore[arg-type]
    mended = [replace(row, text=_mended(row.text), label=NUMBERS.get(row.label, row.label)) for row in rows]
    texts = collect(mended, LABELS, Path(source), bad_share=bad_share, broken=broken)
    changed = sum(old.text != new.text for old, new in zip(rows, mended, strict=True))
    return with_unread(replace(texts, notes={**texts.notes, "mended": changed}), others)


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


def _files(source: Path) -> tuple[list[tuple[Path, str]], list[Path]]:
    """Return the files with the messages, each with its part, and the tables that are not read.

    They are the source itself, or in the folder or archive: a published one, or any table.
    """
    if source.is_file() and not source.name.lower().endswith(SUFFIXES):
        return [(source, "")], []
    folder = unpacked(source, cache_folder() / "unpacked")
    inside = list(walk(folder))
    published = [path for name in PUBLISHED for path in inside if path.name.lower() == name]
    if published:
        return [(published[0], "")], [path for path in inside if tables.is_table(path) and path != published[0]]
    return tables_in(folder, source, "the file itself", "it has neither spam.csv nor SMSSpamCollection, but "), []


def _is_tabbed(path: Path) -> bool:
    """Whether a file is one as of UCI, without a header: label, tab, text. Raises KerasDLError for an empty one."""
    way_out = "pass spam.csv, SMSSpamCollection or a table with the columns label and text to --data"
    try:
        start = tables.text_of(path.read_bytes()).lstrip()
    except BadInput as error:
        raise KerasDLError(f"{readable(str(path))}: {error}; {way_out}") from None
    if not start:
        raise KerasDLError(f"{readable(str(path))}: the file is empty; {way_out}")
    label, tab, _ = start.partition("\n")[0].partition("\t")
    return bool(tab) and label.strip().lower() in CLASSES


def _tabbed(path: Path) -> Iterator[Row]:
    """Give the rows of UCI's file: no header, quotation marks mean nothing."""
    for number, line in enumerate(tables.text_of(path.read_bytes()).split("\n"), 1):
        label, _, text = line.rstrip("\r").partition("\t")
        if line.strip():
            written = label.strip()
            yield Row(f"{path.name}:{number}", text, written.lower() if written.lower() in CLASSES else written)


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
