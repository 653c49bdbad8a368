"""Files that are served: those of a run, from a fixed list of names and ids that the database knows; and plotly.js."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import plotly
from fastapi import APIRouter, HTTPException
from fastapi.responses import FileResponse
from starlette.background import BackgroundTask

from engine.errors import StudioError
from engine.paths import home
from engine.run_folder import RunFolder
from jobs import api

FILES = {
    "metrics.json": "Results with intervals and comparisons",
    "predictions.parquet": "Scores and ranks of every model for every test user",
    "config.yaml": "The whole configuration",
    "environment.json": "Versions, processor, sources",
    "curves.jsonl": "Training curves",
    "log.txt": "The whole log",
}
router = APIRouter()


def available(run_id: str) -> list[tuple[str, int]]:
    """Names and sizes in bytes of a run's files that exist now."""
    folder = api.status(run_id).folder
    return [(name, (folder / name).stat().st_size) for name in FILES if (folder / name).is_file()]


def archive_address(run_id: str) -> str:
    """Where a run is served as an archive, relative to any page."""
    return f"./archives/{run_id}.zip"


def address(run_id: str, name: str) -> str:
    """Where a file is served, relative to any page."""
    return f"./files/{run_id}/{name}"


@router.get("/files/{run_id}/{name}")
def download(run_id: str, name: str) -> FileResponse:
    """A file of a run as an attachment."""
    path = _path(run_id, name)
    if path is None:
        raise HTTPException(404, "no such file")
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
    return FileResponse(path, filename=f"{run_id}-{name}", headers=headers, content_disposition_type="attachment")


@router.get("/archives/{run_id}.zip")
def archive(run_id: str) -> FileResponse:
    """A run that has ended, with its folder and record, for import elsewhere; written anew and removed when sent."""
    folder = Path(tempfile.mkdtemp(prefix=".export-", dir=home()))
    tidy = BackgroundTask(shutil.rmtree, folder, ignore_errors=True)
    try:
        api.export_run(run_id, folder / "run.zip")
    except StudioError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise HTTPException(404, str(error)) from None
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
    return FileResponse(
        folder / "run.zip", filename=f"delrec-{run_id}.zip", media_type="application/zip", headers=headers,
        content_disposition_type="attachment", background=tidy,
    )  # fmt: skip


@router.get("/-/plotly.min.js")
def plotly_script() -> FileResponse:
    """The drawing library, in the very version that the figures are made for; nothing comes from elsewhere."""
    path = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
    return FileResponse(path, media_type="text/javascript", headers={"Cache-Control": "max-age=86400"})


def _path(run_id: str, name: str) -> Path | None:
    if name not in FILES:
        return None
    try:
        folder = api.status(run_id).folder
        path = RunFolder(folder).files.checked(folder / name)
    except StudioError as error:
        raise HTTPException(404, str(error)) from None
    return path if path.is_file() else None
