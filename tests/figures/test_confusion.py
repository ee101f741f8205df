"""The confusion matrix: counts for a few classes, a map and a list of errors for many; names never overlap."""

import io
import itertools

import numpy as np
import pytest

from keras_dl.figures import plots
from keras_dl.figures.confusion import LISTED, MAPPED, confusion

CLASSES = ["NORMAL", "PNEUMONIA"]
SEVERAL = ["NORMAL", "BACTERIAL", "VIRAL"]


@pytest.mark.parametrize("classes", [CLASSES, SEVERAL])
def test_a_confusion_matrix_counts_every_answer(classes):
    count = len(classes)
    labels, answers = np.arange(60) % count, np.arange(60) // 7 % count
    axes = confusion("baseline", labels, answers, classes).axes[0]
    counts = np.array([int(text.get_text().split("\n")[0]) for text in axes.texts]).reshape(count, count)
    assert counts.sum() == 60
    assert counts[1, 0] == ((labels == 1) & (answers == 0)).sum()
    assert [text.get_text() for text in axes.get_xticklabels()] == classes


def overlapping(figure):
    """Return pairs of tick labels of one axis that overlap when drawn; slanted ones by the distance of lines."""
    figure.savefig(io.BytesIO(), format="svg")
    renderer, found = figure._get_renderer(), []
    for axes in figure.findobj(lambda one: hasattr(one, "get_xticklabels")):
        for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
            for one, other in itertools.pairwise(label for label in labels if label.get_text()):
                box, next_box = one.get_window_extent(renderer), other.get_window_extent(renderer)
                if one.get_rotation() % 90:
                    apart = np.hypot(box.x1 - next_box.x1, box.y1 - next_box.y1)
                    high = one.get_fontsize() * figure.dpi / 72
                    clear = apart * np.sin(np.deg2rad(one.get_rotation())) >= 0.95 * high
                else:
                    clear = not box.overlaps(next_box)
                found += [] if clear else [(one.get_text(), other.get_text())]
    return found


@pytest.mark.parametrize("count", [2, 3, 5, 9, 10, 12, 25, 100])
@pytest.mark.parametrize("name", ["{}", "a name of several words, number {}", "averylongnamewithoutanygapinit{}"])
def test_names_do_not_overlap(count, name):
    labels = np.arange(10 * count) % count
    answers = np.where(np.arange(10 * count) % 3 == 0, (labels + 1) % count, labels)
    figure = confusion("network", labels, answers, [name.format(one) for one in range(count)])
    assert overlapping(figure) == []
    width, height = figure.get_size_inches()
    assert width < 8
    assert height < 8.5


def map_and_list(figure):
    return [figure.subfigs[place].axes[0] for place in (0, 1)]


def test_classes_that_are_taken_for_one_another_stand_together():
    count = 12
    labels = np.repeat(np.arange(count), 20)
    partner = (labels + 6) % count  # far apart in the usual order
    answers = np.where(np.arange(len(labels)) % 20 < 8, partner, labels)
    axes, _ = map_and_list(confusion("network", labels, answers, [f"c{one}" for one in range(count)]))
    order = [int(text.get_text()[1:]) for text in axes.get_yticklabels()]
    assert sorted(order) == list(range(count))
    assert [text.get_text() for text in axes.get_xticklabels()] == [f"c{one}" for one in order]
    places = {one: place for place, one in enumerate(order)}
    assert all(abs(places[one] - places[one + 6]) == 1 for one in range(6))
    assert not axes.texts, "no numbers in the cells"


def test_the_list_counts_the_most_frequent_errors():
    labels = np.repeat(np.arange(10), 10)
    answers = labels.copy()
    answers[:5] = 7  # of class 0
    answers[12:15] = 2  # of class 1
    _, axes = map_and_list(confusion("baseline", labels, answers, [f"c{one}" for one in range(10)]))
    assert [text.get_text() for text in axes.get_yticklabels()] == ["c0 → c7", "c1 → c2"]
    assert [text.get_text() for text in axes.texts] == ["5 (50%)", "3 (30%)"]
    _, axes = map_and_list(confusion("baseline", labels, labels, [f"c{one}" for one in range(10)]))
    assert [text.get_text() for text in axes.texts] == ["no answer was wrong"]


def test_of_a_thousand_classes_those_of_the_most_frequent_errors_are_mapped():
    random = np.random.default_rng(0)
    labels = random.integers(0, 1000, 20_000)
    answers = random.integers(0, 1000, 20_000)
    labels[:500], answers[:500] = 700, 13
    figure = confusion("network", labels, answers, [f"a class with a long name, number {one}" for one in range(1000)])
    axes, listed = map_and_list(figure)
    names = [text.get_text() for text in axes.get_yticklabels()]
    assert len(names) == MAPPED
    assert any(name.endswith(" 700") for name in names)
    assert any(name.endswith(" 13") for name in names)
    assert len(listed.get_yticklabels()) == LISTED
    assert listed.get_yticklabels()[0].get_text().endswith("r 13")
    assert "25 of 1,000 classes" in figure.subfigs[0].get_suptitle()
    assert len(plots.svg(figure, "a", "b")) < 60_000
