"""A recording is read as it stands: the last of a repeated pair, the file's order, nothing lost."""

from __future__ import annotations

import json

import pytest

from simulation.recording import RecordingError, read_recording


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "labels.csv").write_text(
        "task,worker,label,seconds\na,w1,0,3\nb,w1,1,2\na,w2,1,2\na,w1,1,9\nc,w3,0,1\n"
    )
    return tmp_path


def pairs(recording):
    return [(answer.task, answer.worker, answer.label) for answer in recording.answers]


def test_of_a_repeated_pair_the_last_counts(folder):
    recording = read_recording(folder)
    assert pairs(recording) == [("b", "w1", "1"), ("a", "w2", "1"), ("a", "w1", "1"), ("c", "w3", "0")]
    assert recording.repeats_dropped == 1
    assert recording.workers == ["w1", "w2", "w3"]


def test_without_items_a_task_shows_its_own_id(folder):
    assert read_recording(folder).shown == {"a": "a", "b": "b", "c": "c"}


def test_items_say_what_is_visible_and_their_order_limits(folder):
    rows = [{"task": "c", "text": "see  the\nsea"}, {"task": "a", "text": "hay"}, {"task": "b", "text": "bee"}]
    (folder / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    recording = read_recording(folder, limit=2)
    assert recording.shown == {"c": "see the sea", "a": "hay"}
    assert pairs(recording) == [("a", "w2", "1"), ("a", "w1", "1"), ("c", "w3", "0")]


def test_the_last_answers_can_be_withheld(folder):
    recording = read_recording(folder, withhold=1)
    assert ("c", "w3", "0") not in pairs(recording)
    assert (len(recording.answers), recording.withheld) == (3, 1)


def test_tasks_that_look_the_same_share_their_content(folder):
    (folder / "items.jsonl").write_text('{"task":"a","text":"x"}\n{"task":"b","text":" x "}\n{"task":"c","text":"y"}\n')
    assert read_recording(folder).tasks_by_content == {"x": ["a", "b"], "y": ["c"]}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("labels.csv", "task,label\na,1\n", "must name the columns"),
        ("labels.csv", "task,worker,label\n", "no answers"),
        ("items.jsonl", '{"task":"a","text":"x"}\nnot json\n', r"items\.jsonl, line 2"),
        ("items.jsonl", '{"task":"a"}\n', r"items\.jsonl, line 1"),
        ("items.jsonl", '{"task":"a","text":"x"}\n', r"line 3: task 'b' is not in items\.jsonl"),
    ],
)
def test_a_file_that_is_not_as_expected_is_named(folder, name, text, message):
    (folder / name).write_text(text)
    with pytest.raises(RecordingError, match=message):
        read_recording(folder)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(RecordingError, match=r"labels\.csv: No such file"):
        read_recording(tmp_path)
