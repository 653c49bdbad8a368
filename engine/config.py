"""One configuration object: form, YAML, command line and stored record at once.

Settings are addressed by dotted names (``distill.steps``). The docstring under a field is its help
everywhere; ``unit`` and ``advanced`` in ``json_schema_extra`` tell the form how to show it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from engine.architectures import TeacherName
from engine.backbones import SMOLLM2, USUAL
from engine.config_base import Section
from engine.config_base import setting as _field
from engine.config_data import DataConfig
from engine.config_explain import ExplainConfig
from engine.config_teacher import TeacherConfig
from engine.verbalizers import VERBALIZERS, VerbalizerName

__all__ = ["DataConfig", "DistillConfig", "EvalConfig", "ExplainConfig", "FinetuneConfig", "LLMConfig"]
__all__ += ["PlusConfig", "RunConfig", "TeacherConfig"]

Placement = Literal["whole", "sharded", "offloaded"]


class LLMConfig(Section):
    """The language model and how its outputs become scores."""

    name: str = _field(SMOLLM2, min_length=1, choices=lambda: USUAL)
    """A model that comes with the studio (tiny ones are random, for tests), a local folder, or a hub id."""
    prompts: Literal["candidates", "sequence"] = _field("candidates")
    """candidates: one question a prompt, which lists the candidates, as published. sequence: a list of titles that the
    model goes on with, each of them a question; it ranks the whole catalogue."""
    window: int = _field(20, unit="titles", ge=3, le=200)
    """With prompts=sequence: titles of a training text, each of them a label."""
    title_encoder: str = _field("", advanced=True)
    """What reads titles for their vectors: empty, the language model itself; all-minilm-l6-v2, or the folder or hub id
    of an encoder of sentences."""
    verbalizer: VerbalizerName = _field(
        "title-tokens", description=f"Scores. {'; '.join(f'{name}: {it.help}' for name, it in VERBALIZERS.items())}."
    )
    prior: float | None = _field(None, advanced=True, ge=0.0, le=2.0)
    """How much of a title's likelihood without the history is taken off its likelihood with it; 0 takes the plain one,
    empty fits it on validation users, for each row that is asked for likelihoods."""
    show_year: bool = _field(False, advanced=True)
    """Print the year behind every title in prompts, for more tokens than most titles. Shared titles always get it."""
    title_length: int = _field(120, unit="characters", advanced=True, ge=20, le=1000)
    """Longer titles are cut in prompts: reading them is most of the cost, and products are told by their first words.
    Those that would become alike keep their ends. Title vectors see 120 in any case."""
    dtype: Literal["auto", "float32", "bfloat16"] = _field("auto")
    """Number format of the frozen weights; auto measures once which is faster on this machine."""
    weights: Literal["full", "8bit", "4bit"] = _field("full", advanced=True)
    """Frozen weights as they are, or quantized by bitsandbytes (an extra of that name) to 8 or 4 bits."""
    checkpointing: bool = _field(False, advanced=True)
    """Gradient checkpointing: what blocks make of prompts is made again in the backward pass instead of being kept, for
    about a third more time."""
    device: str = _field("auto", advanced=True, pattern=r"^(auto|cpu|cuda(:\d+)?|mps)$")
    """auto takes a GPU where there is one."""
    batch_size: int = _field(16, unit="prompts", advanced=True, ge=1)
    """Prompts in a forward pass when ranking."""
    micro_batch: int = _field(8, unit="prompts", advanced=True, ge=1)
    """Prompts in a forward and backward pass in training; a step's batch adds up several. Bounds memory."""
    seed: int = _field(0, advanced=True, ge=0)
    """Seed of the weights of tiny random models."""


class DistillConfig(Section):
    """Stage 1: distil the teacher's pattern into a soft prompt of the frozen LLM (paper section IV-B)."""

    prompt: Literal["distilled", "random", "lsr", "run", "none"] = _field("distilled")
    """Soft prompt: distilled by TA and RPS, untrained, trained directly on LSR, another run's, or none at all."""
    prompt_run: str | None = _field(None, advanced=True)
    """With prompt=run: id or folder of the run whose soft prompt is used (another teacher's, say)."""
    teacher: TeacherName | None = _field(None, advanced=True)
    """Whose pattern is distilled, one of teacher.also: does another teacher's soft prompt do as well? Empty: that of
    teacher.name, which teaches all else in any case."""
    ta: bool = _field(True)
    """Train on Temporal Analysis."""
    rps: bool = _field(True)
    """Train on Recommendation Pattern Simulating."""
    weights: Literal["dynamic", "fixed"] = _field("dynamic")
    """Mix of the two losses: by gradient norm, or by ta_weight."""
    ta_weight: float = _field(0.5, advanced=True, ge=0.0, le=1.0)
    """Share of TA's loss with fixed weights."""
    soft_tokens: int = _field(20, unit="tokens", ge=1, le=500)
    """Length of the soft prompt (k)."""
    conditional: bool = _field(False)
    """Let the soft prompt depend on the history: a learned projection of the teacher's state of the titles listed so
    far is added before each answer (beyond the paper). Untrained prompts have none."""
    item_embeddings: bool = _field(False)
    """Give items of a verbalizer that learns, beside their titles, the embeddings that the distilled teacher has of
    them, by a learned projection (beyond the paper). Untrained prompts bring none."""
    teacher_top: int = _field(10, unit="items", ge=1)
    """With llm.prompts=candidates: the teacher's best h items that stand among RPS's candidates."""
    show_teacher_ranks: bool = _field(False, advanced=True)
    """Print the teacher's ranks 2..h in RPS prompts, as the published code does; it leaks the answer by elimination."""
    head_lr: float = _field(1e-3, advanced=True, gt=0.0)
    """Peak learning rate of the head of a verbalizer that learns, such as title-vectors."""
    soft_labels: bool = _field(False, advanced=True)
    """In RPS aim at the teacher's probabilities of all that is asked about, not at its first choice alone (beyond the
    paper)."""
    temperature: float = _field(1.0, advanced=True, gt=0.0)
    """With distill.soft_labels: what the teacher's and the model's scores are divided by before they become
    probabilities. Above 1 the order of what the teacher finds unlikely weighs more (Hinton et al., 2015)."""
    steps: int = _field(100, unit="steps", ge=1)
    """Optimizer steps."""
    batch_size: int = _field(8, unit="prompts", ge=1)
    """Prompts of each task in a step."""
    lr: float = _field(5e-3, gt=0.0)
    """Peak learning rate."""
    weight_decay: float = _field(1e-5, advanced=True, ge=0.0)
    """Decoupled weight decay."""
    warmup: float = _field(0.1, advanced=True, ge=0.0, lt=1.0)
    """Share of the steps in which the learning rate rises; it then falls linearly."""
    clip: float = _field(2.0, advanced=True, gt=0.0)
    """Largest gradient norm."""
    optimizer: Literal["adamw", "lion"] = _field("adamw", advanced=True)
    """AdamW, or Lion as in the paper."""
    validate_every: int = _field(25, unit="steps", advanced=True, ge=1)
    """Steps between validations; the best soft prompt is kept."""
    validation_users: int = _field(64, unit="users", advanced=True, ge=1)
    """Validation users asked at each validation."""

    @model_validator(mode="after")
    def _consistent(self) -> DistillConfig:
        if self.prompt == "distilled" and not (self.ta or self.rps):
            raise ValueError(
                "distill.prompt=distilled needs distill.ta or distill.rps; use distill.prompt=random instead"
            )
        if (self.prompt == "run") != (self.prompt_run is not None):
            raise ValueError("distill.prompt_run goes with distill.prompt=run, and only with it")
        return self


class FinetuneConfig(Section):
    """Stage 2: AdaLoRA on the ground truth, soft prompt frozen (paper section IV-C)."""

    enabled: bool = _field(True)
    """Off: prompt only, the LLM stays as it is."""
    steps: int = _field(150, unit="steps", ge=1)
    """Optimizer steps, known in advance because AdaLoRA schedules its ranks by them."""
    batch_size: int = _field(16, unit="prompts", ge=1)
    """Prompts in a step."""
    soft_labels: float = _field(0.0, unit="share of the loss", ge=0.0, le=1.0)
    """With llm.prompts=sequence: how much is learned from the teacher's probabilities of all items at every place,
    instead of from the label alone (beyond the paper)."""
    head_lr: float = _field(1e-3, advanced=True, gt=0.0)
    """Peak learning rate of the head of a verbalizer that learns, such as title-vectors."""
    passes: int = _field(1, unit="passes", ge=1)
    """How often each prompt is asked. With decoder-only models the layers below the adapters are run the first time
    alone: what they make of it is kept on disk until the stage ends."""
    lr: float = _field(1e-3, gt=0.0)
    """Peak learning rate."""
    weight_decay: float = _field(1e-6, advanced=True, ge=0.0)
    """Decoupled weight decay."""
    warmup: float = _field(0.1, advanced=True, ge=0.0, lt=1.0)
    """Share of the steps in which the learning rate rises; it then falls linearly."""
    clip: float = _field(2.0, advanced=True, gt=0.0)
    """Largest gradient norm."""
    optimizer: Literal["adamw", "lion"] = _field("adamw", advanced=True)
    """AdamW, or Lion as in the paper."""
    init_r: int = _field(12, ge=2)
    """Rank of every adapter at first (AdaLoRA)."""
    target_r: int = _field(8, ge=1)
    """Mean rank after AdaLoRA has allocated its budget; below init_r."""
    alpha: float = _field(32.0, advanced=True, gt=0.0)
    """Scale of the adapters."""
    dropout: float = _field(0.05, advanced=True, ge=0.0, lt=1.0)
    """Dropout before the adapters."""
    targets: tuple[str, ...] = _field((), advanced=True)
    """Modules that get adapters; empty takes the query and value projections as the model's family calls them."""
    top_layers: int | None = _field(10, unit="layers", ge=1)
    """Only the last so many layers are adapted (no backward pass below them); empty adapts all."""
    orthogonality: float = _field(0.1, advanced=True, ge=0.0)
    """Weight of AdaLoRA's orthogonality term, in training only."""
    warm_steps: Annotated[float, Field(ge=0, lt=1)] = _field(0.2, unit="share of steps", advanced=True)
    """Share of the steps before AdaLoRA starts to prune (tinit)."""
    final_steps: Annotated[float, Field(ge=0, lt=1)] = _field(0.3, unit="share of steps", advanced=True)
    """Share of the steps after the last allocation (tfinal)."""
    history_dropout: float = _field(0.0, advanced=True, ge=0.0, lt=1.0)
    """Chance of dropping each history item from a training prompt."""
    validate_every: int = _field(25, unit="steps", advanced=True, ge=1)
    """Steps between validations; the best adapter is kept."""
    validation_users: int = _field(128, unit="users", advanced=True, ge=1)
    """Validation users asked at each validation, and asked by every row at the end for the one that is explained by
    default."""

    @model_validator(mode="after")
    def _ranks(self) -> FinetuneConfig:
        if self.init_r <= self.target_r:
            raise ValueError(f"finetune.init_r={self.init_r} must be above finetune.target_r={self.target_r}")
        if self.warm_steps + self.final_steps >= 1:
            raise ValueError("finetune.warm_steps and finetune.final_steps must leave steps between them (sum below 1)")
        return self


class PlusConfig(Section):
    """DELRec-plus, beyond the paper: a weighed sum of the language model after its stages, a recommender that reads
    titles and the teachers."""

    enabled: bool = _field(False)
    """Weigh the language model and its teachers, as a row of its own. Needs llm.prompts=sequence."""
    text: bool = _field(True)
    """Train a text recommender and weigh it too: the teachers' settings and training, SASRec's network, embeddings read
    off the titles' vectors and, left out half of the time in training, one of each item's own."""
    teachers: Literal["one", "all"] = _field("one")
    """Weighed against the teacher alone, or the ensemble of all teachers and their copies."""
    weighed_users: int = _field(2000, unit="users", advanced=True, ge=2)
    """Validation users from whom the weights are learned, at most; each costs a prompt."""


class EvalConfig(Section):
    """What is measured on the test users."""

    users: int | None = _field(None, unit="users", ge=2)
    """Test users, drawn once with the seed; empty takes all."""
    full_top: int = _field(20, unit="items", ge=2, le=1000)
    """On the full catalogue the LLM re-ranks the teacher's best so many items (K); DELRec-plus ranks all."""
    bootstrap: int = _field(2000, unit="samples", advanced=True, ge=100)
    """Bootstrap samples behind each 95 % interval."""
    llm_rows: tuple[Literal["llm-zero-shot", "llm-distilled", "delrec", "delrec-plus"], ...] = _field(
        ("llm-zero-shot", "llm-distilled", "delrec", "delrec-plus"), advanced=True
    )
    """LLM rows of the table; each but DELRec-plus costs two prompts per test user."""


class ProcessConfig(Section):
    """How a run is worked on; its results do not depend on it, but for rounding."""

    processes: int = _field(1, unit="processes", ge=1, le=64)
    """Processes that train and evaluate together, each with a share of every batch: on GPUs one for each of them, on
    the processor at most one for each core."""
    placement: Placement = _field("whole", advanced=True)
    """The language model's frozen weights. whole: every process has all of them. sharded: each has a share of every
    block, which is put together while it is read. offloaded: in the host's memory, and on the GPU one block at a time.
    Both take more time, change no result, and leave embeddings whole."""
    device: Literal["any", "gpu"] = _field("any", advanced=True)
    """What the machine must have: with gpu a queued run waits for a worker with a GPU (of NVIDIA or AMD), and a run in
    the foreground is refused without."""
    memory: float | None = _field(None, unit="GB", advanced=True, gt=0.0)
    """Memory that the machine must have, or its GPU where run.device=gpu; empty asks for none."""


class RunConfig(Section):
    """Everything that defines a run."""

    seed: int = _field(0, ge=0, le=2**31 - 1)
    """Seed of splits, candidates, initial weights and batches."""
    data: DataConfig = DataConfig()
    teacher: TeacherConfig = TeacherConfig()
    llm: LLMConfig = LLMConfig()
    distill: DistillConfig = DistillConfig()
    finetune: FinetuneConfig = FinetuneConfig()
    plus: PlusConfig = PlusConfig()
    eval: EvalConfig = EvalConfig()
    run: ProcessConfig = ProcessConfig()
    explain: ExplainConfig = ExplainConfig()

    @model_validator(mode="after")
    def _sequences(self) -> RunConfig:
        if self.llm.prompts == "sequence":
            if not VERBALIZERS[self.llm.verbalizer].of_states:
                fitting = " or ".join(name for name, verbalizer in VERBALIZERS.items() if verbalizer.of_states)
                raise ValueError(f"llm.prompts=sequence asks for the whole catalogue: llm.verbalizer={fitting}")
            for name, set_ in (
                ("finetune.history_dropout", self.finetune.history_dropout > 0),
                ("distill.show_teacher_ranks", self.distill.show_teacher_ranks),
            ):
                if set_:
                    raise ValueError(f"{name} is for prompts that list candidates: unset it, or llm.prompts=candidates")
        elif self.finetune.soft_labels:
            raise ValueError("finetune.soft_labels needs llm.prompts=sequence")
        return self

    @model_validator(mode="after")
    def _placement(self) -> RunConfig:
        placement = self.run.placement
        if placement != "whole" and self.llm.weights != "full":
            raise ValueError(f"llm.weights={self.llm.weights} goes with run.placement=whole, not with {placement}")
        if placement == "offloaded" and self.llm.device in ("cpu", "mps"):
            raise ValueError(
                f"run.placement=offloaded is for weights that a GPU reads, not for llm.device={self.llm.device}: unset"
                " one of them"
            )
        return self

    @model_validator(mode="after")
    def _across_sections(self) -> RunConfig:
        several = self.teacher.copies > 1 or set(self.teacher.also) - {self.teacher.name}
        if self.plus.enabled and self.llm.prompts != "sequence":
            raise ValueError(
                "plus.enabled needs a language model that ranks the whole catalogue: set llm.prompts=sequence, or"
                " plus.enabled=false"
            )
        if self.plus.teachers == "all" and not several:
            raise ValueError("plus.teachers=all needs further teachers; name them in teacher.also, or teacher.copies=2")
        if self.distill.teacher not in (None, self.teacher.name, *self.teacher.also):
            raise ValueError(f"distill.teacher={self.distill.teacher} is not trained; name it in teacher.also too")
        if self.distill.item_embeddings and not VERBALIZERS[self.llm.verbalizer].learns:
            fitting = " or ".join(name for name, verbalizer in VERBALIZERS.items() if verbalizer.learns)
            raise ValueError(f"distill.item_embeddings is for verbalizers that learn: llm.verbalizer={fitting}")
        if self.distill.teacher_top > self.data.candidates:
            raise ValueError(
                f"distill.teacher_top={self.distill.teacher_top} must not exceed data.candidates={self.data.candidates}"
            )
        return self
