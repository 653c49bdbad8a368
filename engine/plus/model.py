"""The language model as a reader of whole histories: one pass, and an answer behind every title."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from engine.config import RunConfig
from engine.data import Catalogue, Split
from engine.errors import StudioError
from engine.finetune.adalora import load_adapter, quiet, save_adapter
from engine.labels import label
from engine.llm import Backbone, Prompts, SoftPrompt
from engine.llm.causal import left_to_right
from engine.llm.verbalizers import title_vectors
from engine.plus.head import CatalogueHead, on_one_scale
from engine.plus.reading import READINGS
from engine.questions import make_prompts
from engine.ranking import History
from engine.seeds import derive
from engine.teachers import Teacher
from engine.training import write_atomically

HEAD = "head.safetensors"
ADAPTER = "adapter"


class Plus(nn.Module):
    """Lower layers of a causal language model with LoRA adapters, and a head over the catalogue.

    Being causal, the model has before title i+1 read exactly the titles 0..i: one pass over a history of n titles
    answers n + 1 questions, as a conventional sequential recommender does. The teacher's item embeddings stand beside
    the titles (as in LLaRA and CoLLM), where ``plus.behaviour`` wants them.

    Args:
        backbone: of this model's own, because its upper layers are dropped.
        soft_prompt: stays as it is; ``None`` to read without one.
        teacher: its item embeddings are copied, and never change.

    Raises:
        StudioError: the language model is not causal, or has too few layers, or the teacher has no item embeddings.
    """

    def __init__(
        self,
        config: RunConfig,
        catalogue: Catalogue,
        split: Split,
        backbone: Backbone,
        soft_prompt: SoftPrompt | None,
        teacher: Teacher,
    ) -> None:
        super().__init__()
        self.config = config
        self.backbone = left_to_right(backbone)
        self.backbone.keep_layers(config.plus.layers)
        self.soft_prompt = soft_prompt
        self.prompts = make_prompts(config, catalogue)
        self._last = self.prompts, title_vectors(backbone, self.prompts.titles, len(self.prompts.titles))
        titles = self._last[1]
        known = _known(teacher).to(titles) if config.plus.behaviour else None
        popularity = torch.from_numpy(split.popularity()).to(titles.device)
        with torch.random.fork_rng():
            torch.manual_seed(derive(config.seed, "plus", "weights"))
            self.head = CatalogueHead(titles, known, popularity, config.plus.width).to(titles)
            self.titles: nn.Linear | None = None
            if config.plus.reading == "titles":
                self.titles = nn.Linear(backbone.width, backbone.width, bias=False).to(titles)
                nn.init.eye_(self.titles.weight)
                everything = torch.arange(len(backbone.embedding().weight), device=titles.device)
                self.embedding_scale = float(backbone.embedding()(everything).float().square().mean().sqrt())
                """Root mean square of the model's embeddings, which titles get too."""
            self.behaviour: nn.Linear | None = None
            if known is not None:
                self.behaviour = nn.Linear(known.shape[1], backbone.width, bias=False).to(titles)
                nn.init.normal_(self.behaviour.weight, std=0.02)
        self._items: Tensor
        self.register_buffer("_items", known, persistent=False)
        self.weights = torch.tensor([0.0, 1.0])
        """float32 ``[2]``: weights of the teacher's and of this model's log-probabilities; see :func:`weigh`."""

    def attach_adapter(self) -> None:
        """Add untrained adapters; they change nothing yet."""
        config = self.config.plus
        targets = self.backbone.adapter_targets(config.targets, config.top_layers, "plus")
        with torch.random.fork_rng(), quiet():
            torch.manual_seed(derive(self.config.seed, "plus", "adapter"))
            settings = LoraConfig(r=config.rank, lora_alpha=2 * config.rank, target_modules=targets)
            # Adapters take the frozen weights' dtype; StageOptimizer keeps their fp32 masters.
            wrapped = get_peft_model(self.backbone.model, settings, autocast_adapter_dtype=False)
        self.backbone.model = wrapped.eval()

    def trainable(self) -> dict[str, nn.Parameter]:
        """The adapters', the head's and the behaviour tokens' parameters by name."""
        adapters = {name: p for name, p in self.backbone.model.named_parameters() if ".lora_" in name}
        return adapters | self._own()

    def states(
        self, histories: Sequence[History], prompts: Prompts | None = None, *, last: bool = False, dropout: float = 0.0
    ) -> Tensor:
        """What has been read before each title and after the last: ``[sum(n + 1), width]``, user after user.

        Args:
            histories: at most ``plus.window`` items each.
            prompts: of an extended catalogue, for titles of one's own.
            last: only the state after the whole history, ``[users, width]``.
            dropout: share of what is read that is blotted out, in training.
        """
        read, ends = READINGS[self.config.plus.reading].read(self, histories, prompts or self.prompts, dropout)
        wanted = [(row, end) for row, places in enumerate(ends) for end in (places[-1:] if last else places)]
        rows, columns = torch.tensor(wanted, device=read.device).T
        return read[rows, columns]

    def title_vectors(self, prompts: Prompts) -> Tensor:
        """float32 ``[titles, width]``, a fixed vector for each title that ``prompts`` know."""
        if prompts is not self._last[0]:
            self._last = prompts, title_vectors(self.backbone, prompts.titles, len(self.prompts.titles))
        return self._last[1]

    def beside(self, items: Tensor) -> Tensor:
        """What the teacher adds to ``items [...]``: float32 ``[..., width]``, nothing where it knows no such title."""
        assert self.behaviour is not None
        known = items < len(self._items)
        added: Tensor = self.behaviour(self._items[items.where(known, 0)]) * known[..., None]
        return added

    def save(self, folder: Path) -> None:
        """Write the adapters in PEFT's format and the rest as safetensors."""
        folder.mkdir(parents=True, exist_ok=True)
        save_adapter(self.backbone, folder / ADAPTER)
        tensors = {name: parameter.data for name, parameter in self._own().items()}
        write_atomically({**tensors, "weights": self.weights}, folder / HEAD)

    def load(self, folder: Path) -> None:
        """Read what :meth:`save` wrote.

        Raises:
            StudioError: missing or damaged files, or made for another model or catalogue.
        """
        load_adapter(self.backbone, folder / ADAPTER)
        path = folder / HEAD
        try:
            with safe_open(path, framework="pt") as file:
                self.weights = file.get_tensor("weights")
                for name, parameter in self._own().items():
                    parameter.data.copy_(file.get_tensor(name))
        except (OSError, SafetensorError, RuntimeError) as error:
            fault = f"no usable head of DELRec-plus: {error}"
            raise StudioError(fault, where=str(path), remedy="restore it, or start the run anew") from None

    def _own(self) -> dict[str, nn.Parameter]:
        parts = {"head": self.head, "titles": self.titles, "behaviour": self.behaviour}
        return {
            f"{part}.{name}": parameter
            for part, module in parts.items()
            if module is not None
            for name, parameter in module.named_parameters()
        }


def _known(teacher: Teacher) -> Tensor:
    """What the teacher knows of each item."""
    embeddings = teacher.item_embeddings()
    if embeddings is None:
        fault = f"{label(teacher.name)} has no item embeddings to stand beside the titles"
        raise StudioError(fault, where="plus.behaviour", remedy="set plus.behaviour=false, or take another teacher")
    return on_one_scale(embeddings)


def load_plus(plus: Plus, folder: Path) -> Plus:
    """``plus`` as it was saved in ``folder``, ready to rank."""
    plus.load(folder)
    return plus.requires_grad_(False).eval()
