"""What is written is what is read, whatever the strings and numbers are."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from kunren.config.load import dump, load
from kunren.config.schema import Config
from kunren.errors import InputError

# YAML cannot hold control characters; a lone surrogate is no text.
TEXT = st.text(
    st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\ufeff\ufffd"), max_size=60
)
TRICKY = st.sampled_from(["3e-5", "no", "null", "~", "", "1_000", "0x1f", ".nan", "true", "1:30"])


def reload(text: str) -> Config:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "c.yaml"
        path.write_text(text, encoding="utf-8", newline="")
        return load(path).config


@given(
    system=st.none() | TEXT | TRICKY,
    train=TEXT | TRICKY,
    rate=st.none() | st.floats(1e-30, 1e30),
    seed=st.integers(0, 2**32 - 1),
    modules=st.none() | st.lists(TEXT | TRICKY, max_size=3),
)
def test_dump_then_load_is_identity(
    system: str | None, train: str, rate: float | None, seed: int, modules: list[str] | None
) -> None:
    config = Config.model_validate(
        {
            "name": "x",
            "task": {"system": system, "template": "{text}" + train},
            "data": {"train": f"./{train}"},
            "model": {"id": "m"},
            "tuning": {"target_modules": modules},
            "train": {"learning_rate": rate, "seed": seed},
        }
    )
    assert reload(dump(config)) == config


@given(st.text() | st.text("trainepochs: ：{}[],'\"\n\t　#＃-|&*!"))
def test_no_text_gives_anything_but_a_config_or_an_input_error(text: str) -> None:
    with suppress(InputError):
        reload(text.encode("utf-8", "ignore").decode("utf-8"))
