"""MLflow: a run in an experiment, through its low-level client.

The client is used instead of ``mlflow.log_*``, which keep a global active run and record who runs
them and from where. Telemetry is switched off before MLflow is imported.
"""

from __future__ import annotations

import logging
import os
import shlex
from importlib import import_module
from typing import Any

from kunren.export.content import Content
from kunren.export.run import Exported, Target, without_password

IDENTITY = "kunren.run"
COMPLETE = "kunren.complete"

_LONGEST_PARAM = 6000
_LONGEST_TAG = 5000
_METRICS_AT_ONCE = 500
_PARAMS_AT_ONCE = 100
"""Limits of MLflow's REST API."""


def export(content: Content, target: Target) -> Exported:
    """Write the run, unless it is there; one whose export was cut short is made anew."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    # Its default keeps a user whose server is down waiting for minutes.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    mlflow = import_module("mlflow")
    for chatty in ("alembic", "mlflow"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    client = mlflow.MlflowClient(tracking_uri=target.uri)
    experiment = client.get_experiment_by_name(target.project)
    experiment_id = experiment.experiment_id if experiment else None
    earlier = _earlier(client, experiment_id, content) if experiment_id else []
    view = f"mlflow ui --backend-store-uri {shlex.quote(without_password(target.uri))}"
    complete = [run for run in earlier if COMPLETE in run.data.tags]
    if complete and not target.replace:
        return Exported("already", _place(target, complete[0].info.run_id), view)
    run_id = _write(client, experiment_id or client.create_experiment(target.project), content)
    # Only now, so that a failure leaves the earlier one.
    for run in earlier:
        client.delete_run(run.info.run_id)
    return Exported("replaced" if complete else "written", _place(target, run_id), view)


def _place(target: Target, run_id: str) -> str:
    return f"{without_password(target.uri)} › {target.project} › {run_id}"


def _earlier(client: Any, experiment_id: str, content: Content) -> list[Any]:
    wanted = f"tags.`{IDENTITY}` = '{content.identity}'"
    return list(client.search_runs([experiment_id], filter_string=wanted))


def _write(client: Any, experiment_id: str, content: Content) -> str:
    entities = import_module("mlflow.entities")
    began, ended = (round(1000 * moment) for moment in (content.began, content.ended))
    run = client.create_run(
        experiment_id, start_time=began, run_name=content.name, tags={IDENTITY: content.identity}
    )
    run_id: str = run.info.run_id
    try:
        metrics = [
            entities.Metric(name, value, ended, step)
            for step, values in content.curves
            for name, value in values.items()
        ]
        metrics += [entities.Metric(n, v, ended, 0) for n, v in content.results.items()]
        params = [entities.Param(k, v[:_LONGEST_PARAM]) for k, v in content.settings.items()]
        for at in range(0, len(params), _PARAMS_AT_ONCE):
            client.log_batch(run_id, params=params[at : at + _PARAMS_AT_ONCE])
        for at in range(0, len(metrics), _METRICS_AT_ONCE):
            client.log_batch(run_id, metrics=metrics[at : at + _METRICS_AT_ONCE])
        said = {"mlflow.note.content": _note(content), "kunren.verdict": content.verdict}
        for key, value in {**content.facts, **said}.items():
            client.set_tag(run_id, key, value[:_LONGEST_TAG])
        for file in content.files:
            inside, _, _ = file.rpartition("/")
            client.log_artifact(run_id, str(content.folder / file), inside or None)
        client.set_tag(run_id, COMPLETE, "true")
        client.set_terminated(run_id, "FINISHED", ended)
    except BaseException:
        client.set_terminated(run_id, "FAILED")
        raise
    return run_id


def _note(content: Content) -> str:
    """The description that MLflow shows of a run, as Markdown."""
    found = [f"- [{severity}] {message}" for severity, message in content.findings]
    return "\n\n".join(part for part in (content.verdict, "\n".join(found)) if part)
