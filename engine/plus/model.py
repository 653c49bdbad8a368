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
from engine.llm import Backbone, Prompts, SoftPrompt
from engine.llm.causal import left_to_right
from engine.llm.verbalizers import title_vectors
from engine.plus.head import CatalogueHead, item_embeddings
from engine.questions import make_prompts
from engine.ranking import History
from engine.seeds import derive
from engine.teachers import Teacher
from engine.training import write_atomically

HEAD = "head.safetensors"
ADAPTER = "adapter"


class Plus(nn.Module):
    """Lower layers of a causal language model with LoRA adapters, and a head over the catalogue.

    Being causal, the model has at the token before title i+1 read exactly the titles 0..i: one pass over a history of n
    titles answers n + 1 questions, as a conventional sequential recommender does. The teacher's item embeddings stand
    at the same tokens (as LLaRA and CoLLM put behaviour beside text), where ``plus.behaviour`` wants them.

    Args:
        backbone: of this model's own, because its upper layers are dropped.
        soft_prompt: stays as it is; ``None`` to read without one.
        teacher: its item embeddings are copied, and never change.

    Raises:
        StudioError: the language model is not causal, or has too few layers.
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
        titles = title_vectors(backbone, self.prompts.titles, len(self.prompts.titles))
        behaviour = item_embeddings(teacher.network.items.weight[: split.n_items]).to(titles)
        popularity = torch.from_numpy(split.popularity()).to(titles.device)
        with torch.random.fork_rng():
            torch.manual_seed(derive(config.seed, "plus", "weights"))
            known = behaviour if config.plus.behaviour else None
            self.head = CatalogueHead(titles, known, popularity, config.plus.width).to(titles)
            self.behaviour: nn.Linear | None = None
            if config.plus.behaviour:
                self.behaviour = nn.Linear(behaviour.shape[1], backbone.width, bias=False).to(titles)
                nn.init.normal_(self.behaviour.weight, std=0.02)
        self._items: Tensor
        self.register_buffer("_items", behaviour, persistent=False)
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

    def states(self, histories: Sequence[History], prompts: Prompts | None = None, *, last: bool = False) -> Tensor:
        """What has been read before each title and after the last: ``[sum(n + 1), width]``, user after user.

        Args:
            histories: at most ``plus.window`` items each.
            prompts: of an extended catalogue, for titles of one's own.
            last: only the state after the whole history, ``[users, width]``.
        """
        prompts = prompts or self.prompts
        soft = self.soft_prompt
        encoded = [
            self.backbone.encode(prompts.reading(history, soft=soft is not None), len(soft) if soft else 0)
            for history in histories
        ]
        batch = self.backbone.embed(encoded, soft.weight if soft else None)
        ends = [
            [encoding.spans["history", i].start - 1 for i in range(len(history))] + [len(encoding) - 1]
            for encoding, history in zip(encoded, histories, strict=True)
        ]
        if self.behaviour is not None:
            at = [
                (row, end, int(item))
                for row, history in enumerate(histories)
                for end, item in zip(ends[row][1:], history, strict=True)
                if item < len(self._items)
            ]
            if at:
                rows, columns, items = torch.tensor(at, device=self.backbone.device).T
                beside = self.behaviour(self._items[items]).to(batch.inputs)
                batch.inputs.index_put_((rows, columns), beside, accumulate=True)
        read = self.backbone.token_states(batch)
        wanted = [(row, end) for row, places in enumerate(ends) for end in (places[-1:] if last else places)]
        rows, columns = torch.tensor(wanted, device=self.backbone.device).T
        return read[rows, columns]

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
        parts = {"head": self.head, "behaviour": self.behaviour}
        return {
            f"{part}.{name}": parameter
            for part, module in parts.items()
            if module is not None
            for name, parameter in module.named_parameters()
        }


def load_plus(plus: Plus, folder: Path) -> Plus:
    """``plus`` as it was saved in ``folder``, ready to rank."""
    plus.load(folder)
    return plus.requires_grad_(False).eval()
