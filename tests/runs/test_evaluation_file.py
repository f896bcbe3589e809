import json

import pytest

from reszoo.errors import UserError
from reszoo.runs.evaluation_file import NAME, read_evaluation, write_evaluation

VALUES = {
    "data": "digits",
    "split": "test",
    "examples": 4,
    "accuracy": 0.75,
    "interval95": [0.3, 0.95],
    "top5": None,
    "loss": 0.5,
    "views": {"count": 1},
    "classes": ["cat", "<b>dog</b>"],
    "confusion": [[0, 0, 2], [1, 0, 1], [1, 1, 1]],
    "calibration": [
        {"low": 0.0, "high": 0.5, "examples": 0, "confidence": None, "accuracy": None},
        {"low": 0.5, "high": 1.0, "examples": 4, "confidence": 0.85, "accuracy": 0.75},
    ],
    "mistakes": [
        {"index": 3, "true": "<b>dog</b>", "predicted": "cat", "confidence": 0.9, "png": "aGk="}
    ],
}


def test_what_is_written_is_read(tmp_path):
    write_evaluation(tmp_path, VALUES)
    evaluation = read_evaluation(tmp_path)
    assert evaluation.confusion == {(0, 0): 2, (1, 0): 1, (1, 1): 1}
    assert evaluation.mistakes[0].png == b"hi"
    assert evaluation.expected_calibration_error == pytest.approx(0.1)


def test_a_folder_without_one_has_none(tmp_path):
    assert read_evaluation(tmp_path) is None


@pytest.mark.parametrize(
    "change",
    [
        {"format": "other"},
        {"format_version": 99},
        {"confusion": [[0, 2, 1]]},
        {"confusion": [[0, 1]]},
        {"mistakes": [{}]},
        {"mistakes": [{**VALUES["mistakes"][0], "png": "no base64!"}]},
        {"calibration": [{"low": 0}]},
        {"interval95": None},
    ],
)
def test_a_damaged_file_names_the_command_that_mends_it(tmp_path, change):
    write_evaluation(tmp_path, VALUES)
    values = json.loads((tmp_path / NAME).read_text())
    (tmp_path / NAME).write_text(json.dumps({**values, **change}))
    with pytest.raises(UserError, match="cannot be read") as raised:
        read_evaluation(tmp_path)
    assert "reszoo evaluate" in raised.value.hint
