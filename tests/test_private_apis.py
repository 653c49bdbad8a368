"""What we use of libraries that they do not promise, in one place: an upgrade that moves it is told here, by name.

Every test says where we rely on it. Public and documented parts are not here; whatever is added to the code and is
found only in a library's source belongs here too.
"""

from __future__ import annotations

import functools
import importlib.metadata
import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec

import pytest

P = ParamSpec("P")
ROOT = Path(__file__).parent.parent
RELIANCES: list[tuple[str, str, str, str]] = []
"""Package, what of it, our module, the words by which it is found there."""


def relies(package: str, what: str, module: str, word: str) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """A test of one such part; whatever goes wrong in it becomes a sentence that names part, version and our module."""
    RELIANCES.append((package, what, module, word))

    def decorate(test: Callable[P, None]) -> Callable[P, None]:
        @functools.wraps(test)
        def told(*args: P.args, **kwargs: P.kwargs) -> None:
            try:
                test(*args, **kwargs)
            except Exception as error:
                version = importlib.metadata.version(package)
                pytest.fail(f"{package} {version}: {what} is not as {module} needs it ({error!r})")

        return told

    return decorate


@relies("torch", "aten::_softmax_backward_data", "engine/llm/attention.py", "_softmax_backward_data")
def test_the_gradient_of_softmax_from_its_result() -> None:
    import torch

    scores = torch.randn(3, 5, requires_grad=True)
    weights = scores.softmax(-1)
    gradient = torch.randn(3, 5)
    (expected,) = torch.autograd.grad(weights, scores, gradient)
    found = torch.ops.aten._softmax_backward_data(gradient, weights.detach(), -1, weights.dtype)
    assert torch.allclose(found, expected, atol=1e-6)


@functools.cache
def _adapted() -> Any:
    from peft import get_peft_model

    from engine.config import FinetuneConfig
    from engine.finetune.adalora import adalora_config
    from engine.llm.tiny import tiny_causal

    config = FinetuneConfig(steps=10)
    return get_peft_model(tiny_causal(0).model, adalora_config(config, ["model.layers.1.self_attn.q_proj"]))


@relies("peft", "names of AdaLoRA's parameters", "engine/finetune/adalora.py", "lora_E")
def test_what_adalora_calls_its_parameters() -> None:
    names = {name for name, _ in _adapted().named_parameters() if ".lora_" in name}
    inside = "base_model.model.model.layers.1.self_attn.q_proj"
    assert names == {f"{inside}.lora_{part}.default" for part in "AEB"}, names


@relies("peft", "AdaLoRA's rank allocator", "engine/finetune/adalora.py", "rankallocator")
def test_what_the_rank_allocator_remembers() -> None:
    from engine.finetune.adalora import IMPORTANCE

    allocator = _adapted().base_model.rankallocator
    allocator.reset_ipt()
    assert all(getattr(allocator, kind) == {} for kind in IMPORTANCE)
    budget, masked = allocator.budget_schedule(1)
    assert budget / len(allocator.name_set) == 12
    assert isinstance(masked, bool)
    assert list(inspect.signature(_adapted().base_model.update_and_allocate).parameters) == ["global_step"]


@relies("peft", "the adapters' dropout as a dictionary of modules", "engine/finetune/adalora.py", "lora_dropout")
def test_where_the_dropout_of_adapters_is() -> None:
    found = [module for name, module in _adapted().named_modules() if name.endswith("lora_dropout")]
    assert [list(layers) for layers in found] == [["default"]]


@relies("peft", "adapted layers and the layer within", "engine/finetune/adalora.py", "AdaLoraLayer")
def test_adapted_layers_know_the_layer_within() -> None:
    from peft.tuners.adalora.layer import AdaLoraLayer

    (layer,) = [module for module in _adapted().modules() if isinstance(module, AdaLoraLayer)]
    assert layer.get_base_layer().weight.is_floating_point()


@relies("transformers", "the modules of a Llama block", "engine/llm/decoder.py", "self_attn")
def test_the_parts_of_a_block() -> None:
    from engine.llm.tiny import tiny_causal

    decoder = tiny_causal(0).model.model
    block = decoder.layers[0]
    parts = {name for name, _ in block.named_modules()}
    assert {f"self_attn.{part}_proj" for part in "qkvo"} <= parts, parts
    assert {"mlp", "input_layernorm", "post_attention_layernorm"} <= parts, parts
    assert callable(decoder.rotary_emb)


@relies("transformers", "RMSNorm's epsilon", "engine/llm/norm.py", "variance_epsilon")
def test_what_rms_norms_call_their_epsilon() -> None:
    from transformers.models.llama.modeling_llama import LlamaRMSNorm

    assert LlamaRMSNorm(4, eps=1e-3).variance_epsilon == 1e-3


@relies("transformers", "GPT-2's turned linear layer", "engine/llm/backbone.py", "Conv1D")
def test_the_turned_linear_layer() -> None:
    from transformers.pytorch_utils import Conv1D

    assert Conv1D(3, 2).weight.shape == (2, 3)


@relies("transformers", "the lists of architectures", "engine/llm/checkpoint.py", "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES")
def test_the_lists_of_architectures() -> None:
    from transformers.models.auto import modeling_auto

    assert modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES["llama"] == "LlamaForCausalLM"
    assert modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES["bert"] == "BertForMaskedLM"


@relies("transformers", "what loading reports", "engine/llm/checkpoint.py", "mismatched_keys")
def test_what_loading_reports(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file
    from transformers import AutoModelForCausalLM

    from engine.llm.tiny import tiny_causal

    tiny_causal(0).model.save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    weights["model.norm.weight"] = torch.ones(3)
    weights["surplus"] = weights.pop("model.layers.0.mlp.up_proj.weight")
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    _, found = AutoModelForCausalLM.from_pretrained(tmp_path, output_loading_info=True, ignore_mismatched_sizes=True)
    assert set(found["missing_keys"]) == {"model.layers.0.mlp.up_proj.weight"}
    assert set(found["unexpected_keys"]) == {"surplus"}
    ((key, there, wanted),) = found["mismatched_keys"]
    assert (key, tuple(there), tuple(wanted)) == ("model.norm.weight", (3,), (32,))


@relies(
    "transformers", "the tokenizer of the library tokenizers within", "engine/llm/fingerprint.py", "backend_tokenizer"
)
def test_the_tokenizer_within() -> None:
    from engine.llm.tiny import tiny_tokenizer

    within = tiny_tokenizer().backend_tokenizer
    assert "model" in json.loads(within.to_str())
    assert within.decoder is not None


@relies("huey", "the table of tasks in SQLite", "jobs/queues.py", "insert into task (queue, data, priority)")
def test_the_table_of_tasks(tmp_path: Path) -> None:
    from huey import SqliteHuey

    huey = SqliteHuey("q", filename=str(tmp_path / "q.db"), results=False)
    take = huey.task(name="take")(lambda waiting: None)
    row = (huey.storage.name, huey.serialize_task(take.s("r-1")), 0)
    with huey.storage.db(commit=True) as cursor:
        cursor.executemany("insert into task (queue, data, priority) values (?, ?, ?)", [row])
    assert [task.args for task in huey.pending()] == [("r-1",)]


@relies("huey", "a serializer's two methods and what a message holds", "jobs/queues.py", "_deserialize")
def test_what_a_serializer_is_asked() -> None:
    from huey.registry import Message
    from huey.serializer import Serializer, SignedSerializer

    assert {"_serialize", "_deserialize"} <= vars(Serializer).keys()
    assert SignedSerializer.__mro__[1] is Serializer
    assert {"id", "name", "args", "kwargs", "retries", "retry_delay"} <= set(Message._fields)


@relies("huey", "how PostgreSQL's tables are made", "jobs/queues.py", "initialize_schema")
def test_how_the_tables_are_made() -> None:
    from huey.storage import PostgresStorage

    assert isinstance(PostgresStorage.ddl, list)
    assert callable(PostgresStorage.initialize_schema)


@relies("gradio", "that a page's connection can be left out", "webapp/app.py", "connect_heartbeat")
def test_a_page_tells_its_browser_whether_to_stay_connected() -> None:
    import gradio as gr

    with gr.Blocks() as pages:
        gr.HTML("x")
    assert "connect_heartbeat" in pages.config


@relies("gradio", "how many opened pages are remembered", "webapp/app.py", "state_session_capacity")
def test_opened_pages_are_bounded() -> None:
    import gradio as gr
    from gradio.state_holder import StateHolder

    with gr.Blocks() as pages:
        gr.HTML("x")
    assert isinstance(pages.state_session_capacity, int)
    assert "state_session_capacity" in inspect.getsource(StateHolder)


@relies("gradio", "which page a component belongs to", "webapp/app.py", "current_page")
def test_pages_drawn_at_once_are_those_drawn_one_by_one() -> None:
    import gradio as gr

    def draw(pages: gr.Blocks, word: str) -> None:
        box = gr.Textbox(lambda: word, label=word)
        gr.HTML(word)
        pages.load(lambda: word, outputs=box)

    with gr.Blocks() as one_by_one:
        draw(one_by_one, "first")
    with one_by_one.route("Second", "second", show_in_navbar=False):
        draw(one_by_one, "other")
    with gr.Blocks() as at_once:
        draw(at_once, "first")
        at_once.current_page = "second"
        at_once.pages.append(("second", "Second", False))
        draw(at_once, "other")
    assert at_once.pages == one_by_one.pages
    for page, word in (("", "first"), ("second", "other")):
        of_page = at_once.config["page"][page]
        said = [at_once.blocks[it].value for it in of_page["components"] if isinstance(at_once.blocks[it], gr.HTML)]
        assert said == [word]
        drawn = [[pages.blocks[it].get_block_name() for it in pages.config["page"][page]["components"]]
                 for pages in (at_once, one_by_one)]  # fmt: skip
        assert sorted(drawn[0]) == sorted(drawn[1])
        assert of_page["dependencies"]


CLASSES = ("gradio-container", "html-container", "nav-holder", "label-wrap", "info-text", "checkbox-container")


@relies("gradio", "class names that its pages are made of", "webapp/static/studio.css", "html-container")
def test_the_class_names_of_its_pages() -> None:
    import gradio

    folder = Path(gradio.__file__).parent / "templates" / "frontend" / "assets"
    missing = set(CLASSES)
    for path in folder.rglob("*.js"):
        if not missing:
            break
        text = path.read_text(encoding="utf-8", errors="replace")
        missing -= {name for name in missing if name in text}
    assert not missing, sorted(missing)


@relies("gradio", "where a page sends what no queue works on", "webapp/static/studio.js", "gradio_api")
def test_the_address_of_events_without_a_queue() -> None:
    from gradio import route_utils, routes

    assert route_utils.API_PREFIX == "/gradio_api"
    source = inspect.getsource(routes)
    assert '"/run/{api_name}' in source
    assert '"/queue/join' in source


def test_every_reliance_is_where_it_is_said_to_be() -> None:
    assert RELIANCES
    lost = [(what, module) for _, what, module, word in RELIANCES if word not in (ROOT / module).read_text("utf-8")]
    assert lost == []


def test_what_moved_is_told_by_name() -> None:
    @relies("torch", "a part that is not there", "engine/llm/attention.py", "_softmax_backward_data")
    def gone() -> None:
        raise AttributeError("no such part")

    RELIANCES.pop()
    with pytest.raises(pytest.fail.Exception, match=r"^torch \S+: a part that is not there"):
        gone()
