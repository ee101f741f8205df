"""Reading counted images: the three layouts, parts, copies, and what each odd file or row is told."""

import tarfile
import zipfile

import numpy as np
import pytest
from counted_images import mask, numbered, pair, pairs, picture, tabled
from PIL import Image

from keras_dl.data.counted import read_counted
from keras_dl.data.sets.images import cells
from keras_dl.errors import KerasDLError


def reasons(root, bad_share=1.0):
    return {one.path: one.reason for one in read_counted(root, bad_share=bad_share, progress=False).skipped}


def refused(root, **options):
    """Return the one line that reading ends with."""
    with pytest.raises(KerasDLError) as caught:
        read_counted(root, progress=False, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_pairs_of_image_and_mask(tmp_path):
    points = [(0, 0), (39, 0), (0, 39), (39, 39), (7, 20)]
    pair(tmp_path, 1, points)
    pair(tmp_path, 2, [])
    found = read_counted(tmp_path, progress=False)
    assert found.ids == ("001cell.png", "002cell.png")
    assert found.counts.tolist() == [5, 0]
    assert {tuple(point) for point in found.points[0].tolist()} == set(points), "x and y, not row and column"
    assert found.points[1].shape == (0, 2)
    assert str(found.notes) == "{'files': 2, 'cells': 5, 'fewest': 0, 'most': 5}"
    assert not found.skipped


def test_a_table_of_counts(tmp_path):
    found = read_counted(tabled(tmp_path, "File , note,COUNT\na0.png,x,3\n\na1.png,,0\n a2.png ,,4.5\n"))
    assert found.counts.tolist() == [3, 0, 4.5]
    assert str(found.notes) == "{'files': 3, 'cells': 7.5, 'fewest': 0, 'most': 4.5}"
    assert found.points == (None, None, None)


def test_a_table_of_points(tmp_path):
    rows = "file,x,y\na0.png,0,0\na0.png,47.9,39.9\na0.png,47.9,39.9\na1.png,,\na2.png,47.99999999,0\n"
    found = read_counted(tabled(tmp_path, rows, width=48))
    assert found.counts.tolist() == [3, 0, 1], "two cells may be at one place"
    np.testing.assert_allclose(found.points[0], [[0, 0], [47.9, 39.9], [47.9, 39.9]], rtol=1e-6)
    assert found.points[1].shape == (0, 2)
    assert found.points[2][0, 0] < 48, "rounding does not move it out of the image"


def test_points_may_be_numbered(tmp_path):
    rows = "image;n;x;y\na0.png;1;3;4\na0.png;2;5;6\na1.png;1;7;8\na2.png;;;\n"
    assert read_counted(tabled(tmp_path, rows)).counts.tolist() == [2, 1, 0]


@pytest.mark.parametrize("table", ["pairs", "counts"])
def test_subfolders_and_parts(tmp_path, table):
    for part, numbers in {"Train/a": (1, 2), "VALID": (3,), "test": (4,), "other": (5,)}.items():
        folder = tmp_path / "set" / part
        if table == "pairs":
            for number in numbers:
                pair(folder, number, [(number, 1)] * number)
        else:
            names = [f"in/{number}.png" for number in numbers]
            tabled(folder, "file,count\n" + "\n".join(f"in/{number}.png,1" for number in numbers), names)
            for number in numbers:
                (folder / f"in/{number}.png").write_bytes(picture(number))
    found = read_counted(tmp_path, progress=False)
    assert found.ids == tuple(sorted(found.ids))
    assert sorted(found.parts) == ["", "test", "train", "train", "validation"]
    assert found.parts[[name.startswith("set/other") for name in found.ids]].tolist() == [""]
    assert found.counts.tolist() == [1] * 5


@pytest.mark.parametrize("kind", ["cells.zip", "cells.tar", "cells.tar.gz"])
def test_archives_are_read_like_folders(tmp_path, monkeypatch, kind):
    monkeypatch.setenv("KERAS_DL_CACHE", str(tmp_path / "cache"))
    folder = pairs(tmp_path / "cells", [3, 4])
    if kind.endswith(".zip"):
        with zipfile.ZipFile(tmp_path / kind, "w") as out:
            for file in folder.iterdir():
                out.write(file, f"cells/{file.name}")
    else:
        with tarfile.open(tmp_path / kind, f"w:{'gz' if kind.endswith('gz') else ''}") as out:
            out.add(folder, "cells")
    found = cells.read(tmp_path / kind)
    assert found.ids == ("cells/001cell.png", "cells/002cell.png")
    assert found.counts.tolist() == [3, 4]
    assert found.root.is_relative_to(tmp_path / "cache" / "unpacked")


def test_take_keeps_the_columns_together(tmp_path):
    found = read_counted(pairs(tmp_path, [1, 2, 3]), progress=False)
    chosen = found.take([2, 0])
    assert chosen.ids == ("003cell.png", "001cell.png")
    assert chosen.counts.tolist() == [3, 1]
    assert [len(points) for points in chosen.points] == [3, 1]
    assert chosen.groups.tolist() == list(chosen.ids)
    assert found.take(found.counts > 1).ids == ("002cell.png", "003cell.png")
    assert len(found.take([])) == 0


def test_halves_of_a_pair_are_named_with_what_is_missing(tmp_path):
    pairs(tmp_path, [3, 3, 3])
    (tmp_path / "001dots.png").unlink()
    (tmp_path / "002cell.png").unlink()
    assert reasons(tmp_path) == {
        "001cell.png": "an image without its mask; put 001dots.png next to it, all black for no cells",
        "002dots.png": "a mask without its image; put 002cell.png next to it",
    }


def test_what_lies_beside_pairs_is_named(tmp_path):
    pairs(tmp_path, [3, 3, 3])
    for name in ("001cell.jpg", "overview.png", "large.tif", "counts.csv", "people.csv", "readme.txt"):
        (tmp_path / name).write_bytes(b"file,count\n001cell.png,9\n" if name == "counts.csv" else picture(9))
    assert reasons(tmp_path) == {
        "001cell.png": "a second file for 001cell.jpg; remove one of the two",
        "overview.png": "an image without a pair; rename it to NNNcell.png and add NNNdots.png",
        "large.tif": "an image without a pair; rename it to NNNcell.png and add NNNdots.png",
        "counts.csv": "a table next to pairs, which is not read; keep only one of the two",
    }
    found = read_counted(tmp_path, bad_share=1, progress=False)
    assert found.notes["files"] == len(found) + len(found.skipped), "what is printed adds up"


def test_masks_that_are_no_dots(tmp_path):
    pairs(tmp_path, [3] * 7)
    Image.fromarray(mask([], width=48)).save(tmp_path / "001dots.png")
    Image.fromarray(mask([(1, 1)])).save(tmp_path / "002dots.png", "JPEG")
    (tmp_path / "003dots.png").write_bytes((tmp_path / "003dots.png").read_bytes()[:60])
    Image.fromarray(np.full((40, 40), 128, np.uint8)).save(tmp_path / "004dots.png")
    Image.fromarray(np.full((40, 40, 3), 255, np.uint8)).save(tmp_path / "005dots.png")
    Image.fromarray(mask([(1, 1)])[..., 0]).save(tmp_path / "006dots.png")  # grey, which is fine
    found = reasons(tmp_path)
    assert found["001cell.png"] == "its mask 001dots.png has 48x40 px, but its image is 40x40 px; the two must be equal"
    other = "its mask 002dots.png is not a readable PNG (another format); save it as PNG, which keeps dots"
    assert found["002cell.png"] == other
    assert found["003cell.png"].startswith("its mask 003dots.png is not a readable PNG (")
    for name in ("004", "005"):
        assert found[f"{name}cell.png"].endswith(
            "dots.png has more than dots; mark each cell with one pixel (255, 0, 0) on black"
        )
    assert set(found) == {f"00{number}cell.png" for number in range(1, 6)}


def test_an_unreadable_image_is_named(tmp_path):
    pairs(tmp_path, [3, 3])
    (tmp_path / "001cell.png").write_bytes(picture(1)[:-40])
    assert reasons(tmp_path) == {"001cell.png": "truncated PNG: the end is missing"}


@pytest.mark.parametrize("count", ["-1", "nan", "inf", "1e400", "1e307", "1e10", "", "many", "0x10"])
def test_what_is_no_count(tmp_path, count):
    folder = tabled(tmp_path, f"file,count\na0.png,{count}\na1.png,4\na2.png,1e9\n")
    assert reasons(folder) == {"a0.png": f"'{count}' at t.csv:2; a count must be a number from 0 to 1e9"}


@pytest.mark.parametrize(("point", "said"), [("nan,3", "nan,3"), ("1,", "1,"), ("a,b", "a,b"), ("1e400,2", "1e400,2")])
def test_what_is_no_point(tmp_path, point, said):
    folder = tabled(tmp_path, f"file,x,y\na0.png,1,1\na0.png,{point}\na1.png,4,4\na2.png,,\n")
    assert reasons(folder) == {"a0.png": f"'{said}' at t.csv:3; x and y must be numbers, in pixels"}


@pytest.mark.parametrize("point", ["48,0", "0,40", "-1,0", "0,-0.1", "39,47", "1e+39,0", "-1e+300,5"])
def test_points_outside_of_their_image(tmp_path, point):
    folder = tabled(tmp_path, f"file,x,y\na0.png,1,1\na0.png,{point}\na1.png,4,4\na2.png,47,39\n", width=48)
    said = f"point {point} lies outside its 48x40 px; correct it (x goes to the right)"
    assert reasons(folder) == {"a0.png": said}


def test_rows_that_name_no_image(tmp_path):
    long, rows = "x" * 5000, "\na0.png,1\na1.png,4\na2.png,5\n"
    table = f"file,count\nb.png,3\n,4\n{long},3\na\0b.png,3\n/etc/passwd,3\n../a0.png,4\n..,3\nold.tif,3{rows}"
    folder = tabled(tmp_path / "set", table)
    (folder / "old.tif").write_bytes(b"II*\0")
    found = reasons(folder)
    named = {2: "b.png", 3: "", 4: long[:60], 5: "a\0b.png", 6: "/etc/passwd", 7: "../a0.png", 8: ".."}
    for line, name in named.items():
        assert found.pop(f"t.csv:{line}") == f"no image '{name}' in set; correct the name or remove the row"
    assert found == {"t.csv:9": "'old.tif' is not a PNG or JPEG; convert it"}


def test_a_file_that_many_rows_name_is_one_fault(tmp_path):
    rows = "".join(f"a{number}.png,1,1\n" for number in range(30)) + "b.png,1,2\n" * 40
    folder = tabled(tmp_path, "file,x,y\n" + rows, 30)
    found = read_counted(folder, progress=False)  # 1 of 31 is less than 5 %
    assert [one.path for one in found.skipped] == ["t.csv:32"]


def test_images_of_other_formats_beside_a_table_are_named(tmp_path):
    folder = tabled(tmp_path, "file,count\na0.png,1\na1.png,2\na2.png,3\n")
    (folder / "large.TIF").write_bytes(b"II*\0")
    assert reasons(folder) == {"large.TIF": "not a PNG or JPEG; convert it"}


@pytest.mark.parametrize("rows", ["a0.png,1,1\na0.png,,\n", "a0.png,,\na0.png,1,1\n", "a0.png,,\na0.png,,\n"])
def test_points_and_an_empty_row_contradict_each_other(tmp_path, rows):
    folder = tabled(tmp_path, f"file,x,y\n{rows}a1.png,4,4\na2.png,,\n")
    said = "points, but also an empty row, which means no cells, at t.csv:3; remove one of them"
    assert reasons(folder) == {"a0.png": said}


def test_images_without_a_row_and_with_two(tmp_path):
    counts = tabled(tmp_path / "a", "file,count\na0.png,3\na0.png,3\na1.png,4\n")
    said = {"a0.png": "a second count at t.csv:3; leave one row for each file"}
    assert reasons(counts) == {**said, "a2.png": "no row in t.csv; add its count"}
    points = tabled(tmp_path / "b", "file,x,y\na0.png,3,3\na1.png,4,4\n")
    assert reasons(points) == {"a2.png": "no row in t.csv; for an image without cells, add a row with empty x and y"}


def test_a_decimal_comma_is_not_read_as_another_number(tmp_path):
    folder = tabled(tmp_path, 'file,count\na0.png,1,5\na1.png,"1,5"\na2.png,4\n')
    assert reasons(folder) == {
        "a0.png": "'a0.png,1,5' at t.csv:2 has more cells than the header has columns; write 3.5, not 3,5",
        "a1.png": "'1,5' at t.csv:3; a count must be a number from 0 to 1e9",
    }


def test_tables_as_programs_write_them(tmp_path):
    table = "file,count,by\na0.png,3,é\na1.png,4,\na2.png,5\n"
    for number, data in enumerate((b"\xef\xbb\xbf" + table.encode(), table.encode("latin-1"), table.encode())):
        data = data.replace(b"\n", b"\r\n").replace(b",", b";") if number else data
        data = data.replace(b"file;count", b"Filename;cell_count") if number > 1 else data
        assert read_counted(tabled(tmp_path / str(number), data), progress=False).counts.tolist() == [3, 4, 5]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("a0.png,3\na1.png,4\n", "t.csv has the columns a0.png,3; use"),
        ("file,count,x,y\na0.png,3,1,1\n", "CSV files of counts and of points; use"),
        ("", "t.csv has the columns (none); use"),
    ],
)
def test_a_table_with_other_columns_is_shown_with_what_is_wanted(tmp_path, table, said):
    message = refused(tabled(tmp_path, table))
    assert message.startswith(f"{tmp_path}: {said}")
    assert message.endswith("the columns file,count or file,x,y, separated by commas, semicolons or tabs")


def test_folders_that_hold_nothing_counted(tmp_path):
    assert refused(tmp_path / "none").startswith(f"{tmp_path / 'none'}: no such folder; use a folder with pairs")
    assert ": 0 images and no CSV file; use" in refused(tmp_path)
    (tmp_path / "a.png").write_bytes(picture(0))
    assert ": 1 images and no CSV file; use" in refused(tmp_path)
    (tmp_path / "t.csv").write_text("file,count\n")
    assert "no usable image in 1 files (a.png: no row in t.csv; add its count)" in refused(tmp_path)


def test_files_that_only_end_like_pairs_are_read_by_their_table(tmp_path):
    folder = tabled(tmp_path, "file,count\nredcell.png,3\nb.png,4\n", ["redcell.png", "b.png"])
    assert read_counted(folder, progress=False).ids == ("b.png", "redcell.png")
    (folder / "t.csv").unlink()
    assert "put reddots.png next to it" in refused(folder, bad_share=0.5)


def test_copies_and_contradictions(tmp_path):
    folder = tabled(tmp_path, numbered([1, 2, 3, 3, 4, 5]), 6)
    for name, seed in {"a2": 77, "a3": 77, "a4": 78, "a5": 78}.items():
        (folder / f"{name}.png").write_bytes(picture(seed))
    assert reasons(folder) == {
        "a3.png": "duplicate of a2.png",
        "a4.png": "the same image has another count at a5.png",
        "a5.png": "the same image has another count at a4.png",
    }
    assert read_counted(folder, bad_share=0.34, progress=False).counts.tolist() == [1, 2, 3]


def test_a_clash_of_counts_leaves_file_names_as_they_are(tmp_path):
    names = ["labels/a.png", "labels/b.png", "labels/c.png"]
    folder = tabled(tmp_path, "file,count\nlabels/a.png,1\nlabels/b.png,2\nlabels/c.png,3\n", names)
    for name in names[:2]:
        (folder / name).write_bytes(picture(7))
    assert reasons(folder)["labels/b.png"] == "the same image has another count at labels/a.png"


def test_too_many_bad_files_are_an_error_that_says_how_to_go_on(tmp_path):
    folder = tabled(tmp_path, numbered([-1, *range(9)]), 10)
    message = refused(folder)
    assert "1 of 10 files (10.0%) cannot be used, and at most 5.0% may be (a0.png: '-1' at t.csv:2" in message
    assert "--set bad_share=0.11" in message
    assert len(read_counted(folder, bad_share=0.1, progress=False)) == 9
