"""Reads exported annotations with Argilla's and Label Studio's own code; prints one JSON object.

Usage: read_annotations.py FOLDER   (argilla.jsonl, label-studio.json, label-studio.json.card.md)
"""

import json
import os
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["ARGILLA_TELEMETRY"] = "0"

CHOICES = ["first-much", "first", "tie", "second", "second-much"]


def argilla(path):
    """Each line as a record, checked against the settings it is meant for, and back."""
    from types import SimpleNamespace
    from unittest.mock import Mock

    import argilla as rg

    # Nothing is sent: settings only want a client to be there.
    rg.Argilla._default_client = Mock()
    settings = rg.Settings(
        fields=[rg.TextField("prompt"), rg.TextField("answer_1"), rg.TextField("answer_2", required=False)],
        questions=[
            rg.LabelQuestion("preference", labels=CHOICES),
            rg.LabelQuestion("all_bad", labels=["yes", "no"], required=False),
            rg.LabelQuestion("flag", labels=["yes", "no"], required=False),
            rg.TextQuestion("note", required=False),
            rg.TextQuestion("critique_1", required=False),
            rg.TextQuestion("critique_2", required=False),
        ],
        allow_extra_metadata=True,
    )
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    reasons = sorted({tag for row in rows for said in row["responses"].get("reasons", []) for tag in said["value"]})
    if reasons:
        settings.add(rg.MultiLabelQuestion("reasons", labels=reasons, required=False))
    settings.validate()
    dataset = SimpleNamespace(settings=settings)
    questions = {question.name: question for question in settings.questions}
    fields = {field.name: field for field in settings.fields}
    told = {"version": rg.__version__, "records": 0, "responses": 0, "suggestions": 0, "users": set()}
    for row in rows:
        record = rg.Record.from_dict(row, dataset=dataset)
        assert record.id == row["id"] and set(record.fields.keys()) <= set(fields), row
        assert all(record.fields[name] for name, field in fields.items() if field.required), row
        # pydantic's check of what would be sent.
        model = record.api_model()
        assert model.external_id == row["id"]
        for response in record.responses:
            assert response.status is not None and response.user_id, row
            labels = getattr(questions.get(response.question_name), "labels", None)
            values = response.value if isinstance(response.value, list) else [response.value]
            assert labels is None or set(values) <= set(labels), response
            told["users"].add(str(response.user_id))
            told["responses"] += 1
        for suggestion in record.suggestions:
            assert suggestion.question_name in questions and suggestion.agent, row
            told["suggestions"] += 1
        back = record.to_dict()
        for part in ["id", "fields", "metadata", "suggestions"]:
            kept = {k: v for k, v in back[part].items()} if isinstance(back[part], dict) else back[part]
            given = row[part]
            if part == "suggestions":
                kept = {name: value["value"] for name, value in kept.items()}
                given = {name: value["value"] for name, value in given.items()}
            assert kept == given, (part, kept, given)
        told["records"] += 1
    told["users"] = len(told["users"])
    return told


def label_studio(path):
    """The card's interface is valid, every task, annotation and prediction fits it, and the converter reads the file."""
    from label_studio_sdk.converter import Converter
    from label_studio_sdk.label_interface import LabelInterface

    config = Path(f"{path}.card.md").read_text().split("```xml\n")[1].split("```")[0]
    interface = LabelInterface(config)
    interface.validate()
    tasks = json.loads(path.read_text())
    told = {"tasks": len(tasks), "annotations": 0, "predictions": 0}
    for task in tasks:
        # With annotations the SDK calls its own check without them.
        assert interface.validate_task({"data": task["data"]}), task
        for annotation in task["annotations"]:
            assert interface.validate_annotation(annotation), annotation
            told["annotations"] += 1
        for prediction in task["predictions"]:
            errors = interface.validate_prediction(prediction, return_errors=True)
            assert not errors, (prediction, errors)
            told["predictions"] += 1
    # As they are once Label Studio has taken them in: with ids.
    for n, task in enumerate(tasks):
        task["id"] = n + 1
        for m, annotation in enumerate(task["annotations"]):
            annotation["id"] = 100 * (n + 1) + m
    out, taken = path.parent / "converted", path.parent / "taken.json"
    taken.write_text(json.dumps(tasks))
    Converter(config, str(out), download_resources=False).convert_to_json_min(str(taken), str(out), is_dir=False)
    rows = json.loads(next(out.glob("*.json")).read_text())
    told["converted"] = len(rows)
    assert {row["preference"] for row in rows if "preference" in row} <= set(CHOICES), rows
    return told


def main():
    folder = Path(sys.argv[1])
    told = {}
    for name, read, file in [
        ("argilla", argilla, folder / "argilla.jsonl"),
        ("label_studio", label_studio, folder / "label-studio.json"),
    ]:
        try:
            __import__({"label_studio": "label_studio_sdk"}.get(name, name))
        except ImportError:
            continue
        told[name] = read(file)
    json.dump(told, sys.stdout)


main()
