"""The recipe, top to bottom: data → language model → teachers → distil → fine-tune → text, plus → evaluate."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from engine import cache_keys, distributed
from engine.calibration import calibrate
from engine.config import RunConfig
from engine.data import Dataset, Split, candidate_sets, split_dataset
from engine.devices import check_machine
from engine.distill import distil, random_prompt
from engine.distributed import SynchronizedMonitor
from engine.environment import environment, peak_memory_mb
from engine.evaluate import Evaluation, RowEntry, build_report, context, evaluate, sample_users, write_predictions
from engine.evaluate.report import TeacherCheck
from engine.explain.predictor import EMPTY
from engine.explain.row_predictors import RowPredictors
from engine.feasibility import check_data, check_prompts
from engine.finetune import finetune, load_adapter, save_adapter
from engine.folder_monitor import FolderMonitor
from engine.llm import BackboneFingerprint, SoftPrompt, load_backbone
from engine.llm.activation_cache import ActivationCache, LatestActivations
from engine.llm.unknown_tokens import unread
from engine.models import Models, load_head
from engine.monitor import SILENT, Monitor, MonitorGroup
from engine.other_prompt import other_run_prompt
from engine.plus import PlusWeights, learn_weights
from engine.recipe import row_recipe, stage_recipes
from engine.row_validation import validate_rows
from engine.rows import TEXT, full_catalogue_rows, likelihood_rows, llm_rows, table_rows
from engine.run_data import dataset_to_learn
from engine.run_folder import RunFolder
from engine.seeds import derive
from engine.stage_cache import RowCache, StageCache
from engine.stage_files import left
from engine.stages import distilled_teacher, stage_names, teacher_stage, trained_teachers
from engine.teachers import load_teacher, train_teacher, train_text
from engine.training import write_atomically
from engine.whole_files import write_text


def run_pipeline(
    config: RunConfig, path: Path | str, monitor: Monitor = SILENT, run_id: str | None = None
) -> dict[str, Any]:
    """Run DELRec from data to results, or continue the run that ``path`` holds.

    Finished stages are read back instead of repeated; an unfinished one goes on from its checkpoint and takes the
    same steps that it would have taken without the interruption.

    Processes that work together (:mod:`engine.distributed`) all call this; each does its share, and one of them writes.

    >>> config = engine.load_config("smoke")
    >>> metrics = engine.run_pipeline(config, folder)  # seconds; an hour with the preset "full"
    >>> [row["name"] for row in metrics["models"]][-2:]
    ['delrec', 'delrec-plus']

    Args:
        path: of the run's folder, which is made where there is none (:mod:`engine.run_folder` lists what it holds).
        run_id: how the run is called in its report; the folder's name by default.

    Returns:
        The object in ``metrics.json`` (:class:`engine.evaluate.Report`); nothing in processes other than the first.

    Raises:
        Cancelled: the monitor asked to stop; a checkpoint is left behind.
        StudioError: settings that do not fit the data or the model, sources out of reach, a folder that cannot be used.
    """
    if not RunFolder(Path(path)).metrics.exists():
        check_machine(config)
    with distributed.main_process_first():
        run = RunFolder(Path(path))
        if distributed.is_main_process():
            run = RunFolder.create(Path(path), config, run_id)
    remedy = "share the data folder among the machines, at the same path"
    distributed.check_same("another run's folder than the first, or none", run.identity(), remedy, str(path))
    config = run.config().model_copy(update={"run": config.run})
    run.check()
    if run.metrics.exists():
        return run.report()
    run.check_parts()
    monitor = SynchronizedMonitor(MonitorGroup([FolderMonitor(run), monitor]))

    with run.stage("data", monitor), distributed.main_process_first():
        for warning in config.teacher.warnings():
            monitor.message(f"Warning: {warning}")
        dataset = dataset_to_learn(run, config, monitor.own)
        split = split_dataset(dataset, config.data, config.seed)
        check_data(config, dataset, split)
    models = _language_model(run, config, dataset, split, monitor)
    _teachers(run, models, monitor)
    shared = StageCache(run, cache_keys.of_language_model(run, models), monitor)
    _soft_prompt(run, models, shared, monitor)
    _adapter(run, models, shared, monitor)
    _plus(run, models, shared, monitor)
    with run.stage("evaluate", monitor):
        calibrate(models, run, monitor, shared)
        validate_rows(models, run, monitor)
        evaluation = _evaluate(run, models, shared, monitor)
        if distributed.is_main_process():
            run.files.withdraw(run.predictions)
            write_predictions(evaluation, dataset.user_ids, config.data.history, run.predictions)
    if not distributed.is_main_process():
        return {}
    report = build_report(
        evaluation,
        context(dataset, split, evaluation.examples),
        config,
        run_id=run.run_id,
        dataset=dataset.name,
        users_available=len(split.test),
        stages=run.stages(),
        teachers=[
            TeacherCheck(name=name, ndcg=teacher.validated.ndcg, popularity=teacher.validated.popularity)
            for name, teacher in [*models.teachers.items(), (TEXT, models.text)]
            if teacher and teacher.validated
        ],
        peak_memory_mb=round(peak_memory_mb(), 1),
        priors={row: models.prior(row) for row in likelihood_rows(config)},
    )
    run.files.announce("evaluate", run.metrics, report.to_json())
    write_text(run.metrics, report.to_json())
    run.clear_checkpoints()
    return report.model_dump(mode="json")


def _language_model(
    run: RunFolder, config: RunConfig, dataset: Dataset, split: Split, monitor: SynchronizedMonitor
) -> Models:
    with run.stage("llm", monitor):
        with distributed.main_process_first():
            earlier = BackboneFingerprint.read(run.files.checked(run.llm))
            backbone = load_backbone(config.llm, monitor.own, earlier, config.run.placement, prove=False)
            if earlier is None and backbone.record is not None:
                backbone.record.write(run.llm)
        backbone.prove()
        models = Models(config, dataset, split, backbone)
        prompts = models.prompts()
        check_prompts(config, backbone, prompts)
        for warning in unread(backbone.encoder, prompts.titles):
            monitor.message(warning)
        if config.distill.prompt in ("random", "run") and not run.soft_prompt.exists():
            own = config.distill.prompt == "random"
            prompt = random_prompt(config, backbone) if own else other_run_prompt(models, run)
            prompt.save(run.soft_prompt)
        facts = {"data_source": dataset.source, "llm_source": backbone.source, "llm_dtype": str(backbone.dtype)}
        facts = environment() | facts | {"seed": config.seed}
        run.files.write("llm", run.path / "environment.json", json.dumps(facts, indent=1))
    return models


def _teachers(run: RunFolder, models: Models, monitor: Monitor) -> None:
    config, split = models.config, models.split
    shared = StageCache(run, cache_keys.of_interactions(run), monitor)
    for name, (architecture, copy) in trained_teachers(config).items():
        stage, file = teacher_stage(config, name), run.teacher(None if name == config.teacher.name else name)
        seed = config.seed if copy == 1 else derive(config.seed, "copy", copy)

        def train(checkpoint: Path) -> None:
            train_teacher(architecture, split, config.teacher, seed, checkpoint, monitor, stage).save(file)  # noqa: B023

        _go_through(stage, config, shared, config.teacher.epochs, train, {"teacher.safetensors": file})
        models.teachers[name] = load_teacher(run.files.checked(file), split.n_items, config.teacher.device)


def _go_through(
    stage: str,
    config: RunConfig,
    shared: StageCache,
    total: int,
    make: Callable[[Path], None],
    files: Mapping[str, Path] | None = None,
) -> bool:
    """Whether ``make`` went through a stage here: one that is not enabled or is done is skipped, and what another run
    has is taken over.

    Args:
        total: of its units of progress.
        make: trains, from the checkpoint whose path it is given, if that is there, and writes the files.
        files: what it leaves, as :meth:`engine.stage_cache.StageCache.stage` takes it; by default each under its name.
    """
    run, monitor = shared.run, shared.monitor
    if stage not in stage_names(config):
        return False
    files = files or {file.name: file for file in map(run.path.joinpath, left(config)[stage])}
    if run.is_done(stage):
        run.skip(stage, monitor)
        return False
    with shared.stage(stage, stage_recipes(config)[stage], files) as taken:
        if not taken:
            with run.stage(stage, monitor, total=total):
                make(run.checkpoint(stage))
    return not taken


def _soft_prompt(run: RunFolder, models: Models, shared: StageCache, monitor: Monitor) -> None:
    """Stage 1, unless the prompt is another run's, untrained or absent."""
    config, backbone, file = models.config, models.backbone, run.soft_prompt
    if config.distill.prompt == "none":
        return

    def train(checkpoint: Path) -> None:
        taught = models.teachers[distilled_teacher(config)]
        distil(config, models.dataset, models.split, taught, backbone, checkpoint, monitor).save(file)

    _go_through("distil", config, shared, config.distill.steps, train)
    models.soft_prompt = SoftPrompt.load(run.files.checked(file), backbone, models.split.n_items)


def _adapter(run: RunFolder, models: Models, shared: StageCache, monitor: Monitor) -> None:
    """Stage 2."""
    config, backbone = models.config, models.backbone
    if not config.finetune.enabled:
        return

    def train(checkpoint: Path) -> None:
        teacher = models.teacher if config.finetune.soft_labels else None
        models.head = finetune(
            config, models.dataset, models.split, backbone, models.soft_prompt, teacher, checkpoint, monitor
        )
        save_adapter(backbone, run.adapter)
        if models.head:
            write_atomically(models.head, run.head)

    if not _go_through("finetune", config, shared, config.finetune.steps, train):
        run.check()
        load_adapter(backbone, run.adapter)
        models.head = load_head(config, run)


def _text(run: RunFolder, models: Models, shared: StageCache, monitor: Monitor) -> None:
    config, file = models.config, run.text

    def train(checkpoint: Path) -> None:
        train_text(models.title_vectors(), models.split, config.teacher, config.seed, checkpoint, monitor).save(file)

    _go_through(TEXT, config, shared, config.teacher.epochs, train)
    models.load_text(run)


def _plus(run: RunFolder, models: Models, shared: StageCache, monitor: Monitor) -> None:
    """The extension, beside the two stages of the paper."""
    config = models.config
    if not config.plus.enabled:
        return
    if config.plus.text:
        _text(run, models, shared, monitor)

    def weigh(_: Path) -> None:
        weights = learn_weights(config, models.dataset, models.split, models.plus_parts(), monitor)
        write_text(run.plus, weights.to_json())

    _go_through("plus", config, shared, 0, weigh)
    models.plus = PlusWeights.read(run.files.checked(run.plus), models.plus_names)


def _evaluate(run: RunFolder, models: Models, shared: StageCache, monitor: Monitor) -> Evaluation:
    """The test users' answers. Rows of the language model are asked together: DELRec-plus adds to what DELRec said, and
    blocks below the adapters make the same of a prompt in all of them."""
    config, split = models.config, models.split
    examples = split.test.take(sample_users(len(split.test), config.eval.users, config.seed))
    predictors = RowPredictors(models, models.dataset.catalogue, EMPTY)
    together = {row.name for row in llm_rows(config) if not row.likelihood(config)}
    entries = [
        RowEntry(
            name,
            kind,
            partial(predictors.ranker, name),
            version=shared.key("evaluate", row_recipe(config, name)) if shared.on else "",
            whole=name in full_catalogue_rows(config),
            group="llm" if name in together else "",
        )
        for name, kind in table_rows(config).items()
    ]

    def draw(purpose: str) -> np.ndarray:
        return candidate_sets(models.dataset, examples, config.data, config.seed, purpose)

    frozen = models.backbone.layers_below(config.finetune.top_layers)
    models.backbone.cache_activations(ActivationCache(frozen, LatestActivations()))
    try:
        return evaluate(
            entries,
            config.teacher.name,
            examples,
            draw("test"),
            n_items=split.n_items,
            top=config.eval.full_top,
            folder=run.checkpoints / "evaluate",
            monitor=monitor,
            warm=draw("warm") if len(split.cold) else None,
            store=RowCache(shared) if shared.on else None,
        )
    finally:
        models.backbone.cache_activations(None)
