"""AdaLoRA by PEFT: low-rank adapters whose ranks go where they matter.

A rank that the allocator takes away has its singular value (``lora_E``) set to zero; only when the adapter is saved are
its vectors cut off. What is zero therefore *is* the rank pattern, whichever step's weights are in place.
"""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from peft import AdaLoraConfig, PeftModel, get_peft_model
from peft.tuners.adalora.layer import AdaLoraLayer
from safetensors import SafetensorError
from torch import Tensor, nn

from engine import distributed
from engine.config import FinetuneConfig
from engine.dropout import Dropout
from engine.errors import StudioError, first_line
from engine.llm.backbone import Backbone
from engine.optim import StageOptimizer
from engine.seeds import derive
from engine.training import Tensors

ADAPTER = "default"
INSIDE = "base_model.model."
"""What PEFT's wrapper puts before the names of the model's own parameters."""
ALLOCATIONS = 20
"""About how often ranks are allocated anew between the warm and the final steps."""
FEWEST_STEPS = 2
"""Importance must be seen in one step before the final allocation in another."""
IMPORTANCE = ("ipt", "exp_avg_ipt", "exp_avg_unc")
"""What the rank allocator remembers of each weight."""


def adalora_config(config: FinetuneConfig, targets: list[str]) -> AdaLoraConfig:
    """PEFT's settings for adapters on the modules named ``targets``; the schedule's shares become steps.

    Raises:
        StudioError: too few steps to allocate ranks.
    """
    if config.steps < FEWEST_STEPS:
        raise StudioError(
            f"AdaLoRA cannot allocate ranks in {config.steps} step",
            where="finetune.steps",
            remedy=f"take at least {FEWEST_STEPS} steps",
        )
    last = max(FEWEST_STEPS, config.steps - int(config.final_steps * config.steps))
    first = min(int(config.warm_steps * config.steps), last - 1)
    return AdaLoraConfig(
        target_modules=targets,
        init_r=config.init_r,
        target_r=config.target_r,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        total_step=config.steps,
        tinit=first,
        tfinal=config.steps - last,
        deltaT=max(1, (last - first) // ALLOCATIONS),
        orth_reg_weight=config.orthogonality,
    )


class AdaLora:
    """A trainable adapter attached to a backbone, whose ``model`` becomes PEFT's wrapper of itself."""

    def __init__(self, backbone: Backbone, config: FinetuneConfig, seed: int) -> None:
        """Adapters start with singular values of zero, so the model answers as before.

        Raises:
            StudioError: unknown target modules, too many layers, or too few steps.
        """
        targets = backbone.adapter_targets(config.targets, config.top_layers)
        with torch.random.fork_rng(), quiet():
            torch.manual_seed(derive(seed, "finetune", "adapter"))
            # Adapters take the frozen weights' dtype; StageOptimizer keeps their fp32 masters.
            self.peft = get_peft_model(backbone.model, adalora_config(config, targets), autocast_adapter_dtype=False)
        keep_format(self.peft)
        self._dropout: list[nn.Module] = []
        for name, layers in self.peft.named_modules():
            if name.endswith("lora_dropout"):
                layers[ADAPTER] = Dropout(config.dropout)  # PEFT's draws a number for every element
                self._dropout.append(layers[ADAPTER])
        backbone.model = self.peft.eval()
        self.allocator = self.peft.base_model.rankallocator
        self.settings = self.peft.peft_config[ADAPTER]
        self.parameters: dict[str, nn.Parameter] = {
            name: parameter for name, parameter in self.peft.named_parameters() if ".lora_" in name
        }
        """Singular vectors and values of every adapted module by name: all that is trained."""
        for name, parameter in self.peft.named_parameters():
            parameter.requires_grad = name in self.parameters  # in bf16, PEFT would also train the scale ``ranknum``

    @contextmanager
    def dropout(self) -> Iterator[None]:
        """Within, the adapters' dropout is active; the frozen model's own stays off."""
        for layer in self._dropout:
            layer.train()
        try:
            yield
        finally:
            for layer in self._dropout:
                layer.eval()

    def orthogonality(self) -> Tensor:
        """How far the singular vectors are from orthonormal: mean Frobenius norm of ``P Pᵀ - I``, an fp32 scalar.

        PEFT adds this term only to losses that the model computes itself, and then in evaluation too.
        """
        distances = []
        for name, parameter in self.parameters.items():
            if "lora_E" not in name:
                vectors = (parameter if "lora_A" in name else parameter.T).float()
                identity = torch.eye(len(vectors), device=vectors.device)
                distances.append(torch.linalg.matrix_norm(vectors @ vectors.T - identity))
        return torch.stack(distances).mean()

    def allocate(self, step: int, optimizer: StageOptimizer) -> float:
        """Update importance and ranks after optimizer step number ``step`` (from 0), before gradients are cleared.

        Returns:
            The mean rank that the schedule allows by now. Until the final allocation a rank that was taken away may
            grow again from one allocation to the next, so :meth:`ranks` may be above it.
        """
        with optimizer.full_precision():
            self.peft.base_model.update_and_allocate(step + 1)
        budget: int = self.allocator.budget_schedule(step + 1)[0]
        return budget / len(self.allocator.name_set)

    def ranks(self) -> dict[str, int]:
        """Singular values in use, by the adapted module's name."""
        return {
            name.split(".lora_E.")[0].removeprefix(INSIDE): int((values != 0).sum())
            for name, values in self._singular_values().items()
        }

    def weights(self) -> dict[str, Tensor]:
        """The adapter's tensors, live."""
        return {name: parameter.data for name, parameter in self.parameters.items()}

    def load_weights(self, tensors: Tensors) -> None:
        """Set the adapter's tensors, and the rank pattern that they imply."""
        for name, parameter in self.parameters.items():
            parameter.data.copy_(tensors[name])
        # PEFT's pattern names parameters from inside its base model and would else be the last allocation's,
        # made after (or steps before) these weights: saving by it cuts off ranks that are in use.
        self.settings.rank_pattern = {
            name.removeprefix(INSIDE): (values != 0).flatten().tolist()
            for name, values in self._singular_values().items()
        }

    def state(self) -> dict[str, Tensor]:
        """The rank allocator's memory and the rank pattern (JSON in bytes), to resume exactly."""
        tensors = {
            f"allocator/{kind}/{name}": value
            for kind in IMPORTANCE
            for name, value in getattr(self.allocator, kind).items()
        }
        if self.settings.rank_pattern:
            text = json.dumps(self.settings.rank_pattern).encode()
            tensors["allocator/rank_pattern"] = torch.frombuffer(bytearray(text), dtype=torch.uint8)
        return tensors

    def load_state(self, tensors: Tensors) -> None:
        """Put back what :meth:`state` returned; other tensors are ignored."""
        self.allocator.reset_ipt()
        for key, value in tensors.items():
            section, _, place = key.partition("/")
            if section != "allocator":
                continue
            kind, _, name = place.partition("/")
            if kind == "rank_pattern":
                self.settings.rank_pattern = json.loads(bytes(value.tolist()))
            else:
                getattr(self.allocator, kind)[name] = value.to(self.peft.device)

    def _singular_values(self) -> dict[str, Tensor]:
        return {name: parameter.data for name, parameter in self.parameters.items() if "lora_E" in name}


def save_adapter(backbone: Backbone, folder: Path) -> None:
    """Write the attached adapter in PEFT's own format, pruned to the ranks in use; ``folder`` is replaced as a whole.

    Of several processes the first writes.

    Raises:
        StudioError: the folder cannot be written.
    """
    if not distributed.is_main_process():
        return
    partial = folder.with_name(f"{folder.name}.part")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        with quiet():  # the embeddings are never adapted; "auto" would ask the hub whether they are
            backbone.model.save_pretrained(str(partial), save_embedding_layers=False)
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    except (OSError, SafetensorError) as error:
        remedy = "make room or allow writing there, then resume the run"
        raise StudioError(f"could not write the adapter: {error}", where=str(folder), remedy=remedy) from None


def load_adapter(backbone: Backbone, folder: Path) -> None:
    """Attach an adapter saved by :func:`save_adapter`, for ranking only.

    Raises:
        StudioError: no adapter there, a damaged one, or one made for another model.
    """
    remedy = "use the run's own llm.name, or run stage 2 again"
    if not (folder / "adapter_config.json").is_file():  # PEFT would take the folder for the name of a repository
        raise StudioError("no usable adapter: none is there", where=str(folder), remedy=remedy)
    try:
        with quiet():
            warnings.filterwarnings("error", message="(?s).*missing adapter keys")  # it would leave them at random
            wrapped = PeftModel.from_pretrained(backbone.model, str(folder), autocast_adapter_dtype=False)
    except (OSError, SafetensorError, RuntimeError, ValueError, KeyError, TypeError, UserWarning) as error:
        raise StudioError(f"no usable adapter: {first_line(error)}", where=str(folder), remedy=remedy) from None
    keep_format(wrapped)
    backbone.model = wrapped.eval()


def keep_format(peft: nn.Module) -> None:
    """Let adapted layers with quantized weights answer in the number format in which they are asked; PEFT's of 8 bits
    answer in float32, which attention does not take beside others."""
    for module in peft.modules():
        if isinstance(module, AdaLoraLayer) and not module.get_base_layer().weight.is_floating_point():
            module.register_forward_hook(lambda _, asked, answer: answer.to(asked[0].dtype))


@contextmanager
def quiet() -> Iterator[None]:
    """Within, PEFT does not warn of modules without any rank, of GPT-2's turned weights, nor of its own old names."""
    with warnings.catch_warnings():
        for message in (
            "deprecated",
            "fan_in_fan_out",
            "Initializing zero-element",
            "LoRA tensor",
            "rank_pattern keys did not match",
        ):
            warnings.filterwarnings("ignore", message=f"(?s).*{message}")
        yield
