"""Documents that would never end, are no document, or name what no disk can hold."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kunren.config import foreign
from kunren.config.document import DEEPEST, MOST_VALUES
from kunren.config.keys import walk
from kunren.config.load import load
from kunren.errors import InputError, Problem

HEAD = "name: x\ndata: {train: rows.jsonl}\nmodel: {id: m}\n"


def problems(path: Path, *overrides: str) -> list[Problem]:
    with pytest.raises(InputError) as caught:
        load(path, overrides)
    assert str(caught.value)  # each can be worded
    return list(caught.value.problems)


def codes(folder: Path, text: str | bytes, *overrides: str) -> list[str]:
    path = folder / "experiment.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return [problem.code for problem in problems(path, *overrides)]


@pytest.mark.parametrize("width", [3, 10])
def test_aliases_that_multiply_are_refused_at_once(tmp_path: Path, width: int) -> None:
    rows = ["a0: &a0 [" + ",".join(["x"] * width) + "]"]
    rows += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * width)}]" for n in range(1, 40)]
    assert codes(tmp_path, HEAD + "\n".join(rows)) == ["config.too-many-values"]


def test_maps_of_aliases_that_multiply_are_refused_too(tmp_path: Path) -> None:
    rows = ["a0: &a0 {x: 1, y: 2}"]
    rows += [f"a{n}: &a{n} {{p: *a{n - 1}, q: *a{n - 1}, r: *a{n - 1}}}" for n in range(1, 30)]
    assert codes(tmp_path, HEAD + "\n".join(rows)) == ["config.too-many-values"]


def test_an_alias_is_a_value_like_any_other(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(
        "name: x\ndata: {train: &file rows.jsonl, validation: v.jsonl}\nmodel: {id: *file}\n"
    )
    assert load(path).config.model.id == "rows.jsonl"


@pytest.mark.parametrize("depth", [DEEPEST + 1, 1_000, 50_000])
@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_nesting_that_has_no_end(tmp_path: Path, depth: int, opening: str) -> None:
    text = HEAD + ("train: " if opening != "- " else "train:\n  ") + opening * depth
    found = codes(tmp_path, text)
    assert len(found) == 1
    # What is not closed may be told as that: either is one message.
    assert found[0] in ("config.too-deep", "config.yaml-unclosed-bracket", "config.yaml-broken")


def test_more_values_than_a_config_has(tmp_path: Path) -> None:
    assert codes(tmp_path, HEAD + f"train: {[1] * (MOST_VALUES + 1)}") == ["config.too-many-values"]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ('data: {train: "a\\0.jsonl"}', "config.path-character"),
        ('data: {train: "a\\nb.jsonl"}', "config.path-character"),
        (f"data: {{train: {'d' * 256}}}", "config.path-too-long"),
        (f"data: {{train: {'あ' * 86}.csv}}", "config.path-too-long"),
        (f"data: {{train: {'d/' * 2100}x}}", "config.path-too-long"),
        (f"data: {{train: a.csv, test: {'t' * 300}}}", "config.path-too-long"),
        ("data: {train: ~nobody-of-that-name/a.csv}", "config.path-no-home"),
        (f"data: {{train: a.csv}}\nevaluate: {{against: {'r' * 300}}}", "config.path-too-long"),
    ],
)
def test_paths_that_no_disk_can_hold(tmp_path: Path, line: str, code: str) -> None:
    assert codes(tmp_path, f"name: x\nmodel: {{id: m}}\n{line}\n") == [code]


@pytest.mark.parametrize("model", ["m\\0", "m" * 300])
def test_models_that_no_disk_can_hold(tmp_path: Path, model: str) -> None:
    text = f'name: x\ndata: {{train: a.csv}}\nmodel: {{id: "{model}"}}\n'
    assert codes(tmp_path, text)[0].startswith("config.path-")


def test_a_path_given_on_the_command_line_is_looked_at_likewise(tmp_path: Path) -> None:
    assert codes(tmp_path, HEAD, f"data.test={'d' * 300}") == ["config.path-too-long"]


def test_what_is_no_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    (tmp_path / "large.yaml").write_bytes(b"#" * (2**22 + 1))
    found = [problems(path)[0] for path in (Path("/dev/zero"), pipe, tmp_path / "large.yaml")]
    assert [one.code for one in found] == ["config.not-a-file"] * 2 + ["config.too-large"]
    (loop,) = problems(tmp_path / "a")
    assert loop.code == "config.unreadable"
    assert isinstance(loop.fields["detail"], Problem)
    (long,) = problems(tmp_path / ("d" * 300))
    assert long.code == "config.unreadable"


def test_comments_in_another_encoding_say_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(("# 感情の学習、設定はここから\n" + HEAD).encode("cp932"))
    assert load(path).config.name == "x"
    value = HEAD + "task: {system: 感情を答えてください}\n"
    assert codes(tmp_path, value.encode("cp932")) == ["config.wrong-encoding"]


def test_a_config_of_another_trainer_is_answered_key_by_key(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(
        "base_model: org/m\nadapter: qlora\nlora_r: 8\nlora_alpha: 16\nnum_epochs: 2\n"
        "datasets:\n  - path: rows.jsonl\n    type: alpaca\nbf16: auto\nload_in_8bit: true\n"
        "logging_steps: 10\nname: x\n"
    )
    found = problems(path)
    assert {p.code for p in found} == {
        "config.foreign-key", "config.foreign-quantised", "config.foreign-each-epoch",
    }  # fmt: skip
    lines = {p.fields["key"]: p.fields.get("line") for p in found}
    assert lines["adapter"] == "tuning: {kind: lora}"
    assert lines["datasets"] == "data: {train: rows.jsonl}"
    assert lines["bf16"] == "train: {precision: auto}"


def test_what_a_foreign_key_says_is_checked_as_ours(tmp_path: Path) -> None:
    found = codes(tmp_path, HEAD + "num_train_epochs: -1\nlora_rank: many\n")
    assert sorted(found) == sorted(
        ["config.foreign-key", "config.foreign-key", "config.out-of-range", "config.want-int"]
    )


def test_foreign_keys_of_a_section_in_that_section(tmp_path: Path) -> None:
    text = HEAD + "train: {num_train_epochs: 3, fp16: true, report_to: wandb, max_steps: 100}\n"
    assert sorted(codes(tmp_path, text)) == sorted(
        ["config.foreign-key"] * 2 + ["config.foreign-tracker", "config.foreign-steps"]
    )


@pytest.mark.parametrize(
    ("name", "value", "ours"),
    [
        ("torch_dtype", "torch.bfloat16", "bf16"),
        ("fp16", True, "fp16"),
        ("bf16", False, "auto"),
        ("lora_target", "q_proj, v_proj", ["q_proj", "v_proj"]),
        ("lora_target", "all", None),
        ("use_lora", False, "full"),
        ("finetuning_type", "full", "full"),
    ],
)
def test_foreign_values(name: str, value: object, ours: object) -> None:
    assert foreign.our_value(name, value) == ours


def test_the_tables_name_keys_that_exist_and_no_name_twice() -> None:
    ours = dict(walk())
    assert set(foreign.KEYS) <= set(ours)
    names = [
        name for names in (*foreign.KEYS.values(), *foreign.WITHOUT.values()) for name in names
    ]
    assert len(names) == len(set(names))
