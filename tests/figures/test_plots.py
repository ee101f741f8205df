"""The colours, the SVG and the training curves."""

import itertools
import re

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from keras_dl.figures import plots
from keras_dl.pages.html import style


def history(*phases):
    """The columns of a history with so many epochs of each phase."""
    names = [name for name, count in phases for _ in range(count)]
    own = [number for _, count in phases for number in range(1, count + 1)]
    values = np.linspace(3, 1, len(names))
    curves = dict.fromkeys(("auroc", "val_auroc", "loss", "val_loss", "learning_rate"), values)
    return {"epoch": range(1, len(names) + 1), "phase": names, "phase_epoch": own, **curves}


def labels(axes):
    return [(tick, text.get_text()) for tick, text in zip(axes.get_xticks(), axes.get_xticklabels(), strict=True)]


def test_training_curves_count_the_epochs_of_each_phase():
    figure = plots.training(history(("head", 2), ("all", 3)), best=4)
    loss, auroc = figure.axes
    assert (loss.get_title(), auroc.get_title()) == ("loss", "auroc")
    assert len(loss.lines) == 4, "training, validation, a new phase, the epoch that was kept"
    assert [text.get_text().strip() for text in loss.texts] == ["head", "all"]
    assert labels(loss) == [(1, "1"), (2, "2"), (3, "1"), (4, "2"), (5, "3")]
    assert loss.get_xlabel() == "epoch of the phase"
    kept = loss.lines[-1]
    assert (kept.get_label(), kept.get_xdata()[0]) == ("kept: epoch 2 of 'all'", 4)


def test_training_curves_of_one_phase_name_none():
    loss, _ = plots.training(history(("train", 60)), best=7).axes
    assert labels(loss) == [(number, str(number)) for number in (10, 20, 30, 40, 50, 60)]
    assert (loss.get_xlabel(), loss.lines[-1].get_label()) == ("epoch", "kept: epoch 7")
    assert not loss.texts


def test_a_phase_too_short_for_a_round_number_has_its_end_marked():
    loss, _ = plots.training(history(("head", 3), ("all", 40)), best=None).axes
    assert labels(loss) == [(3, "3"), (13, "10"), (23, "20"), (33, "30"), (43, "40")]


def test_without_an_epoch_there_is_an_empty_figure():
    assert plots.training({"epoch": [], "phase": [], "phase_epoch": []}).axes


# Machado, Oliveira, Fernandes 2009: what people without one kind of cone see, for linear RGB.
VISION = {
    "usual": np.eye(3),
    "no red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "no blue": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def linear(colour):
    values = np.array([int(colour[start : start + 2], 16) for start in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def seen(colour, vision):
    values = np.clip(np.array(vision) @ linear(colour), 0, 1)
    return rgb2lab(np.where(values <= 0.0031308, 12.92 * values, 1.055 * values ** (1 / 2.4) - 0.055))


def palettes():
    """The colours of classes, and those of the paper, on white and on dark."""
    blocks = re.findall(r":root \{([^}]*)\}", style())[:2]
    variables = [dict(re.findall(r"--([\w-]+): (#\w+)", block)) for block in blocks]
    return [([one[f"class-{index}"] for index in range(plots.CLASSES)], one["paper"]) for one in variables]


@pytest.mark.parametrize("vision", VISION.values(), ids=VISION)
@pytest.mark.parametrize("page", [0, 1], ids=["white", "dark"])
def test_colours_of_classes_can_be_told_apart(page, vision):
    colours, paper = palettes()[page]
    distances = [
        deltaE_ciede2000(seen(one, vision), seen(other, vision)) for one, other in itertools.combinations(colours, 2)
    ]
    assert min(distances) > 11
    light = np.array([0.2126, 0.7152, 0.0722])
    for colour in colours:
        low, high = sorted([linear(colour) @ light + 0.05, linear(paper) @ light + 0.05])
        assert high / low > 2.6, f"{colour} on {paper}"


def test_a_page_knows_every_colour_of_a_class():
    (white, _), _ = palettes()
    assert white == [plots.COLOURS[f"class-{index}"] for index in range(plots.CLASSES)]
    assert plots.CLASSES == 8


def test_up_to_eight_classes_have_a_colour_of_their_own():
    assert [plots.class_colour(index, 8) for index in range(8)] == [plots.COLOURS[f"class-{one}"] for one in range(8)]
    assert plots.class_colour(2) == plots.COLOURS["class-2"]


@pytest.mark.parametrize("count", [9, 100, 1000])
def test_more_classes_share_a_scale_that_rises(count):
    lightness = [
        rgb2lab(np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255)[0]
        for colour in (plots.class_colour(index, count) for index in range(count))
    ]
    assert all(np.diff(lightness) > -0.5)
    assert lightness[-1] - lightness[0] > 25
    assert plots.class_colour(10) == plots.class_colour(10, 11)


def test_a_users_own_settings_of_matplotlib_change_no_figure():
    import matplotlib

    plain = plots.svg(plots.training(history(("head", 2)), best=1), "one", "curves")
    own = {
        "text.usetex": True,
        "axes.facecolor": "black",
        "figure.dpi": 300,
        "lines.linewidth": 9,
        "font.family": "serif",
    }
    with matplotlib.rc_context(own):
        assert plots.svg(plots.training(history(("head", 2)), best=1), "one", "curves") == plain
        assert matplotlib.rcParams["text.usetex"], "and they are as they were afterwards"
