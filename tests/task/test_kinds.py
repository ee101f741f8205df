import pytest

from keras_dl.errors import KerasDLError
from keras_dl.task.kinds import Metric, UnknownMetric, metric_of

RECORDS = {"recall {of}": Metric("recall of {of}", True), "ece": Metric("ECE", False, distance=True)}


def test_a_key_with_a_class_has_the_record_of_its_first_word():
    assert metric_of("recall heart attack", RECORDS) is RECORDS["recall {of}"]
    assert metric_of("ece", RECORDS) is RECORDS["ece"]
    whole = Metric("recall of a heart", True)
    assert metric_of("recall heart", {**RECORDS, "recall heart": whole}) is whole


def test_a_key_without_record_is_an_error_that_names_those_there_are():
    with pytest.raises(UnknownMetric, match=r"no metric 'auroc'; choose from recall \{of\}, ece"):
        metric_of("auroc", RECORDS)
    assert issubclass(UnknownMetric, KerasDLError)
