"""Colours, type and the style sheet of the app."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
from gradio.themes.utils import sizes

STATIC = Path(__file__).parent / "static"
SHEETS = ("studio", "inspect")
SCRIPTS = (*SHEETS, "tour")
"""Names of style sheets and scripts, those of all pages first."""
SANS = ("Inter", "ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
MONO = ("JetBrains Mono", "ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")

ACCENT = gr.themes.Color(
    c50="#eef5fb",
    c100="#d9e8f6",
    c200="#b5d2ed",
    c300="#84b4e0",
    c400="#5596d0",
    c500="#2f7fc1",
    c600="#2168a6",
    c700="#1d5587",
    c800="#1b4870",
    c900="#1a3d5e",
    c950="#11273d",
    name="delrec",
)


def theme() -> gr.themes.Base:
    """Quiet greys, one blue, no shadows on inputs."""
    return gr.themes.Base(
        primary_hue=ACCENT,
        secondary_hue=ACCENT,
        neutral_hue="slate",
        spacing_size=sizes.spacing_md,
        radius_size=sizes.radius_lg,
        text_size=sizes.text_md,
        font=SANS,
        font_mono=MONO,
    ).set(
        body_background_fill="#f6f8fa",
        body_background_fill_dark="#0e141b",
        background_fill_primary="#ffffff",
        background_fill_primary_dark="#151d27",
        background_fill_secondary="#f6f8fa",
        background_fill_secondary_dark="#1a2430",
        border_color_primary="#dfe5ec",
        border_color_primary_dark="#293543",
        block_background_fill="#ffffff",
        block_background_fill_dark="#151d27",
        block_border_width="0px",
        block_shadow="none",
        block_label_text_size="*text_sm",
        block_title_text_weight="550",
        block_title_text_color="*body_text_color",
        block_title_text_color_dark="*body_text_color",
        block_info_text_size="*text_xs",
        body_text_color="#17212d",
        body_text_color_dark="#e4eaf1",
        body_text_color_subdued="#5a6878",
        body_text_color_subdued_dark="#97a6b7",
        input_background_fill="#ffffff",
        input_background_fill_dark="#0f1720",
        input_border_color="#cfd7e0",
        input_border_color_dark="#334254",
        input_border_color_focus="*primary_500",
        input_border_color_focus_dark="*primary_400",
        input_border_width="1px",
        input_shadow_focus="0 0 0 3px rgba(47,127,193,.22)",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_dark="*primary_500",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_hover_dark="*primary_400",
        button_primary_text_color="#ffffff",
        button_primary_text_color_dark="#ffffff",
        button_secondary_background_fill="#ffffff",
        button_secondary_background_fill_dark="#1d2834",
        button_secondary_background_fill_hover="#f0f3f7",
        button_secondary_background_fill_hover_dark="#263341",
        button_secondary_border_color="#cfd7e0",
        button_secondary_border_color_dark="#334254",
        button_border_width="1px",
        button_large_text_weight="600",
        button_transform_hover="none",
        checkbox_background_color_selected="*primary_600",
        checkbox_border_color_selected="*primary_600",
        checkbox_label_background_fill="transparent",
        checkbox_label_background_fill_dark="transparent",
        checkbox_label_border_color="#cfd7e0",
        checkbox_label_border_color_dark="#334254",
        checkbox_label_border_width="1px",
        checkbox_label_padding="5px 10px",
    )


def head() -> str:
    """What every page carries in its head: the style sheets, and the app's only own scripts.

    Not handed over as ``css``: gradio prefixes rules in ``@media`` so that they no longer meet the page.
    """
    style = "".join(_read(f"{name}.css") for name in SHEETS)
    script = "".join(_read(f"{name}.js") for name in SCRIPTS)
    return f'<meta name="color-scheme" content="light dark"><style>{style}</style><script>{script}</script>'


def _read(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")
