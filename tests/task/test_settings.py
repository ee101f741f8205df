import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_dl import registry
from keras_dl.errors import UsageError
from keras_dl.task import settings

TASK = registry.find("pneumonia")


def test_later_sources_win(tmp_path):
    file = tmp_path / "settings.json"
    file.write_text(json.dumps({"epochs": 7, "seed": 1}))
    resolved = settings.resolve(TASK, {"seed": "2"}, file=file, tiny=True)
    assert (resolved.epochs, resolved.seed, resolved.image_size) == (7, 2, TASK.tiny["image_size"])


def test_a_recipe_sets_what_it_stands_for_and_single_settings_win_over_it():
    resolved = settings.resolve(TASK, {"recipe": "original", "epochs": 3})
    assert (resolved.network, resolved.epochs, resolved.recipe) == ("xray_cnn", 3, "original")


def test_a_recipe_given_beside_a_file_is_taken_whole(tmp_path):
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"task": "pneumonia", "config": settings.to_json(settings.resolve(TASK))}))
    assert settings.resolve(TASK, {"recipe": "original"}, file=file) == settings.resolve(TASK, {"recipe": "original"})


def test_a_runs_own_config_gives_the_same_config_back(tmp_path):
    first = settings.resolve(TASK, {"recipe": "original", "zoom": 0.3, "flip": "false"})
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"task": "pneumonia", "config": settings.to_json(first)}))
    assert settings.resolve(TASK, file=file) == first


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epoch": 3}, "no setting 'epoch'; did you mean 'epochs'"),
        ({"xyz": 3}, "the settings are recipe, seed, epochs"),
        ({"epochs": "many"}, "epochs='many' is not of type int"),
        ({"epochs": "1.5"}, "not of type int"),
        ({"flip": "perhaps"}, "not of type bool"),
        ({"network": "resnet"}, "network='resnet' must be one of: xray_resnet, xray_cnn"),
        ({"batch_size": 0}, "batch_size=0 must be from 1"),
        ({"learning_rate": "nan"}, "learning_rate=nan must be from"),
        ({"image_size": 8}, "image_size=8 must be from 32 to 1024"),
        ({"recipe": "orginal"}, "choose from default, original"),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_allowed(values, message):
    with pytest.raises(UsageError, match=message):
        settings.resolve(TASK, values)


def test_a_setting_that_a_task_does_not_look_at_is_refused_and_not_shown():
    unet = registry.find("cells-unet")
    with pytest.raises(UsageError, match="cells-unet does not use patience; leave it out"):
        settings.resolve(unet, {"patience": 3})
    assert settings.resolve(unet, {"patience": unet.config.patience}) == unet.config, "as a run's own file says it"
    assert "patience" not in settings.used(unet.config, unet)
    assert "patience" in settings.used(TASK.config, TASK)


@pytest.mark.parametrize("text", ["not json", "[1]", '{"task": "emoji", "config": {}}'])
def test_a_file_that_holds_no_settings_of_the_task_is_an_error(tmp_path, text):
    file = tmp_path / "settings.json"
    file.write_text(text)
    with pytest.raises(UsageError, match=r"settings\.json"):
        settings.resolve(TASK, file=file)


@given(st.text(), st.sampled_from([int, float, bool, str]))
def test_any_text_is_converted_or_refused_in_one_way(text, kind):
    with contextlib.suppress(UsageError):
        assert type(settings.convert("key", text, kind)) is kind


def test_pairs_need_an_equals_sign():
    assert settings.parse(["a=1", "b=c=d"]) == {"a": "1", "b": "c=d"}
    with pytest.raises(UsageError, match="write key=value"):
        settings.parse(["epochs"])
