"""A user's own table is matched to the examples, and what is not is said."""

import pytest

from keras_dl.errors import KerasDLError, UsageError
from keras_dl.slicing.annotations import read

IDS = ["test/NORMAL/a-1.jpeg", "test/NORMAL/b-2.jpeg", "test/PNEUMONIA/c-3.jpeg"]
TEXTS = ["sms.csv:2", "sms.csv:5", "sms.csv:9"]


@pytest.fixture
def table(tmp_path):
    """Write a table, and read it for these examples."""

    def written(text, ids=IDS, name="own.csv", encoding="utf-8"):
        (tmp_path / name).write_text(text, encoding=encoding)
        return read(tmp_path / name, ids)

    return written


@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
def test_a_table_of_any_separator_is_in_the_order_of_the_examples(table, sign):
    rows = ["ID,Scanner,Age", f"{IDS[2]},new,7", f"{IDS[0]},old,90", f"{IDS[1]},,"]
    found = table("\n".join(row.replace(",", sign) for row in rows))
    assert found.columns == {"Scanner": ["old", "", "new"], "Age": ["90", "", "7"]}
    assert found.notes == ["The table has a row for 3 of 3 test examples."]


@pytest.mark.parametrize(
    "name",
    [
        "{id}",
        "/home/me/chest/{id}",
        "NORMAL/{base}",
        "{base}",
        "{stem}",
        "test\\NORMAL\\{base}",
        "elsewhere/{base}",
        "C:\\data\\{stem}.png",
    ],
)
def test_an_example_is_named_by_its_id_a_path_or_a_file_name(table, name):
    named = name.format(id=IDS[0], base="a-1.jpeg", stem="a-1")
    assert table(f"file,scanner\n{named},old\n").columns == {"scanner": ["old", None, None]}


def test_the_strictest_way_counts_for_all_rows(table):
    found = table(f"file,scanner\n{IDS[0]},old\ntrain/NORMAL/b-2.jpeg,new\n")
    assert found.columns["scanner"] == ["old", None, None], "the second is another film of the same name"
    assert found.notes[-1] == "1 of its rows name no test example."


def test_a_name_that_two_examples_have_means_none(table):
    with pytest.raises(UsageError, match="no row names a test example"):
        table("file,scanner\na.png,old\n", ids=["one/a.png", "two/a.png"])


def test_of_two_rows_the_first_counts_and_it_is_said_where_they_differ(table):
    found = table(f"id,s\n{IDS[0]},old\n{IDS[0]},old\n{IDS[1]},old\n{IDS[1]},new\n")
    assert found.columns["s"] == ["old", "old", None]
    assert found.notes[-1] == "1 example has rows that differ; the first counts."


def test_the_table_that_the_texts_are_from_needs_no_ids(table):
    lines = ["text,label,source", *(f"t{line},ham,{'web' if line < 6 else 'app'}" for line in range(2, 12))]
    found = table("\n".join(lines), TEXTS, name="sms.csv")
    assert found.columns["source"] == ["web", "web", "app"]
    assert found.columns["text"] == ["t2", "t5", "t9"]


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("scanner,age\nold,3\n", UsageError, "no column is called id or file.*its columns are: scanner, age"),
        ("id\na\n", UsageError, "only the column 'id'"),
        ("id,s\nx,old\ny,new\n", UsageError, r"'id' has 'x', 'y', but the ids .* 'test/NORMAL/a-1.jpeg'.*splits.csv"),
        ("id,s\n", UsageError, "'id' has nothing"),
        ("", UsageError, "no column is called id"),
        (f"id,s\n{IDS[0]},old,more\n", KerasDLError, "line 2: it has more cells"),
        ("\0\0\0", KerasDLError, "not a text file"),
    ],
)
def test_a_table_that_cannot_be_used_says_why(table, text, error, said):
    with pytest.raises(error, match=said):
        table(text)


def test_a_table_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match="no table at"):
        read(tmp_path / "nothing.csv", IDS)
    with pytest.raises(UsageError, match="no table at"):
        read(tmp_path, IDS)


def test_columns_of_one_name_are_told_apart_and_nameless_ones_left_out(table):
    found = table(f"id,s,s,,\n{IDS[0]},a,b,c,\n", encoding="utf-16")
    assert found.columns == {"s": ["a", None, None], "s (3)": ["b", None, None]}
