"""Tables of all kinds: separators, packing, encodings, quotes, names of columns."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from keras_dl.data import tables
from keras_dl.data.sets.texts import spam
from keras_dl.errors import BadInput, KerasDLError


def rows_of(path: Path) -> list[tuple[int, list[str]]]:
    table = tables.read(path)
    return [*([table.first] if table.first else []), *table.filled]


ROWS_OF_FOUR = [["label", "text"], ["ham", "see you; later, all"], ["spam", "win\ta prize"], ["ham", "5 | 6"]]


def written(rows, separator: str) -> str:
    return "\n".join(separator.join(f'"{cell}"' for cell in row) for row in rows) + "\n"


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("packed", [False, True])
def test_the_same_table_in_any_form_is_the_same(separator, encoding, packed):
    rows = [*ROWS_OF_FOUR, ["ham", "£5 café"]]
    data = written(rows, separator).encode(encoding)
    table = tables.parse(gzip.compress(data, mtime=0) if packed else data)
    assert table.separator == separator
    assert [row for _, row in table.rows] == rows[1:]
    assert (table.column("label"), table.column("text"), table.column("file")) == (0, 1, None)


@pytest.mark.parametrize(
    ("first", "separator"),
    [
        ("see you;0", ";"),
        ("see you, mum;0", ","),
        ("see you\t0", "\t"),
        ("see you,0", ","),
        ("just a text", ","),
        ("", ","),
    ],
)
def test_without_names_the_separator_is_what_each_line_has_as_often(first, separator):
    assert tables.separator("\n".join([first, first.replace("see", "meet")])) == separator


def test_other_names_of_columns():
    for header, place in (("Tweet,Target", 0), (" ID ;Class; Comment ", 2), ("v1,v2,,,", 1)):
        assert tables.parse(f"{header}\n".encode()).column("text") == place


def test_quotes_of_a_table_with_tabs_may_mean_nothing():
    table = tables.parse(b'label\ttext\nham\t"Ok then\nham\tsay "hi\nspam\twin\n')
    assert [row for _, row in table.rows] == [["ham", '"Ok then'], ["ham", 'say "hi'], ["spam", "win"]]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"PK\x03\x04\0\0\0", "zero bytes"),
        (gzip.compress(b"a,b\n" * 1000, mtime=0)[:-20], "a damaged gzip file"),
        (b"\x1f\x8b123", "a damaged gzip file"),
    ],
)
def test_what_is_no_table_is_refused_with_the_reason(data, reason, tmp_path):
    (tmp_path / "a.csv").write_bytes(data)
    with pytest.raises(KerasDLError, match=f"a.csv: .*{reason}"):
        tables.read(tmp_path / "a.csv")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1252"])
def test_files_of_old_and_new_encodings(encoding, tmp_path):
    (tmp_path / "a.txt").write_bytes("café £5 ß\r\n".encode(encoding))
    assert tables.text_of((tmp_path / "a.txt").read_bytes()) == "café £5 ß\r\n"


@pytest.mark.parametrize("data", [b"12345", gzip.compress(b"12345", mtime=0)])
def test_a_file_that_is_too_large_is_not_read(data):
    with pytest.raises(BadInput, match="more than 4 bytes"):
        tables.text_of(data, largest=4)


def test_rows_of_a_csv_know_the_line_where_they_begin(tmp_path):
    (tmp_path / "a.csv").write_bytes(b'one,1\r\n\r\n"two\r\nlines, ""said""",2\r\n , \nthree\nlast,\xa34')
    rows = rows_of(tmp_path / "a.csv")
    assert rows == [(1, ["one", "1"]), (3, ['two\r\nlines, "said"', "2"]), (6, ["three"]), (7, ["last", "£4"])]


ROWS = [f"ham,message {row}" for row in range(20)]
UNCLOSED = "a quote is opened, but not closed at the end of its cell"


@pytest.mark.parametrize(
    ("place", "row", "later"),
    [
        (5, 'ham,"Ok then', ""),  # never closed
        (5, 'ham,"Ok then', 'ham,"See you, later"'),  # closed where another one opens
        (0, '"ham,Ok then', ""),
        (19, 'ham,"', ""),
    ],
)
def test_a_quote_that_swallows_lines_is_refused_with_its_line(tmp_path, place, row, later):
    rows = [*ROWS[:place], row, *ROWS[place:], *([later] if later else [])]
    (tmp_path / "a.csv").write_text("\n".join(rows) + "\n")
    with pytest.raises(KerasDLError, match=rf"a\.csv, line {place + 1}: {UNCLOSED}"):
        rows_of(tmp_path / "a.csv")


def test_a_quote_inside_a_line_swallows_nothing(tmp_path):
    rows = ['ham,5" screen', 'ham,"quoted" and more', 'ham,"two\nlines, ""said"""', *ROWS]
    (tmp_path / "a.csv").write_text("\n".join(rows) + "\n")
    found = rows_of(tmp_path / "a.csv")
    assert len(found) == len(rows)
    assert found[2] == (3, ["ham", 'two\nlines, "said"'])
    assert found[3][0] == 5


def test_a_file_that_is_no_csv_is_one_line_with_its_place(tmp_path):
    generator = np.random.default_rng(0)
    binary = generator.integers(128, 256, 2_000_000, dtype="uint8").tobytes()
    (tmp_path / "a.csv").write_bytes(b"one,1\ntwo,2\n" + binary)
    with pytest.raises(KerasDLError, match=r"a.csv, line 3: field larger than field limit") as caught:
        rows_of(tmp_path / "a.csv")
    assert "\n" not in str(caught.value)


def test_tables_of_parts_in_any_form(tmp_path):
    (tmp_path / "train.csv").write_text("sms;class\nwin a prize;SPAM\nsee you;ham\nok;0\n")
    (tmp_path / "test.tsv").write_text("Label\tText\nspam\tcall now\n1\tfree entry\n")
    (tmp_path / "Thumbs.db").write_bytes(b"x")
    texts = spam.read(tmp_path)
    assert texts.texts == ("call now", "free entry", "win a prize", "see you", "ok")
    assert list(texts.parts) == ["test"] * 2 + ["train"] * 3
    assert texts.labels.tolist() == [1, 1, 1, 0, 0]


def test_tables_of_one_name_in_folders_of_parts_have_ids_of_their_own(tmp_path):
    for part, text in (("train", "see you"), ("test", "call now")):
        (tmp_path / part).mkdir()
        (tmp_path / part / "data.csv").write_text(f"label,text\nham,{text}\n")
    assert spam.read(tmp_path).ids == ("test/data.csv:2", "train/data.csv:2")


def test_a_table_beside_the_published_one_is_counted(tmp_path):
    for name in ("spam.csv", "more.csv"):
        (tmp_path / name).write_text("v1,v2\nham,see you\nspam,a prize\n")
    texts = spam.read(tmp_path)
    (one,) = texts.skipped
    assert (one.path, one.reason) == ("more.csv", "another table next to the published one")
    assert texts.notes["rows"] == len(texts) + len(texts.skipped) == 3
