"""Tables of losses as people have them: Keras, fastai, Lightning, W&B, the Trainer, own loops."""

from __future__ import annotations

from pathlib import Path

import pytest

from kunren.errors import InputError
from kunren.messages import use_language
from kunren.records.losses_csv import Losses, Row, read
from kunren.records.losses_names import meaning


def table(tmp_path: Path, content: str | bytes, name: str = "log.csv") -> Losses:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read(path)


def rows(tmp_path: Path, content: str | bytes, name: str = "log.csv") -> list[Row]:
    return list(table(tmp_path, content, name).rows)


@pytest.mark.parametrize(
    ("name", "means"),
    [
        ("loss", "loss"),
        ("train_loss", "loss"),
        ("Training Loss", "loss"),
        ("train/loss", "loss"),
        ("Loss/train", "loss"),
        ("trainLoss", "loss"),
        ("avg_train_loss", "loss"),
        ("損失", "loss"),
        ("学習損失", "loss"),
        ("訓練ロス", "loss"),
        ("損失（学習）", "loss"),
        ("val_loss", "eval_loss"),
        ("valid_loss", "eval_loss"),
        ("eval_loss", "eval_loss"),
        ("dev_loss", "eval_loss"),
        ("Val. Loss", "eval_loss"),
        ("val_loss/dataloader_idx_0", "eval_loss"),
        ("検証損失", "eval_loss"),
        ("バリデーション損失", "eval_loss"),
        ("損失 (検証)", "eval_loss"),
        ("run-1 - eval/loss", "eval_loss"),
        ("accuracy", "eval_accuracy"),
        ("val_acc", "eval_accuracy"),
        ("正解率", "eval_accuracy"),
        ("検証正解率", "eval_accuracy"),
        ("eval_f1_macro", "eval_macro_f1"),
        ("macro-F1", "eval_macro_f1"),
        ("F値", "eval_f1"),
        ("rougeL", "eval_rougel"),
        ("学習率", "learning_rate"),
        ("lr-AdamW", "learning_rate"),
        ("エポック", "epoch"),
        ("ＥＰＯＣＨ", "epoch"),
        ("train/global_step", "step"),
        ("ステップ数", "step"),
    ],
)
def test_names_that_are_clear(name: str, means: str) -> None:
    found = meaning(name)
    assert found is not None
    assert found.name == means


@pytest.mark.parametrize(
    "name",
    ["time", "aux_loss", "epoch_time", "eval_steps_per_second", "eval_runtime", "train_acc",
     "訓練正解率", "run-1 - train/loss__MIN", "", "メモ", "class", "lossless"],
)  # fmt: skip
def test_names_that_are_not(name: str) -> None:
    assert meaning(name) is None


def test_keras(tmp_path: Path) -> None:
    found = table(
        tmp_path,
        "epoch,accuracy,loss,val_accuracy,val_loss\n0,0.5,1.0,0.4,1.1\n1,0.7,0.8,0.6,0.9\n",
    )
    assert found.rows[0] == {"epoch": 1, "loss": 1.0, "eval_accuracy": 0.4, "eval_loss": 1.1}
    assert found.rows[1]["epoch"] == 2
    assert any("0 から" in note for note in found.notes)


def test_a_metric_beside_a_plain_loss_alone_is_that_of_training(tmp_path: Path) -> None:
    assert rows(tmp_path, "epoch,accuracy,loss\n1,0.99,0.1\n") == [{"epoch": 1, "loss": 0.1}]
    assert rows(tmp_path, "epoch,accuracy,train_loss\n1,0.9,0.1\n")[0]["eval_accuracy"] == 0.9


def test_fastai(tmp_path: Path) -> None:
    content = "epoch,train_loss,valid_loss,accuracy,error_rate,time\n0,0.7,0.5,0.8,0.2,00:12\n"
    assert rows(tmp_path, content) == [
        {"epoch": 1, "loss": 0.7, "eval_loss": 0.5, "eval_accuracy": 0.8, "eval_error_rate": 0.2}
    ]


def test_lightnings_sparse_rows(tmp_path: Path) -> None:
    found = rows(
        tmp_path,
        "epoch,step,train_loss_epoch,train_loss_step,val_acc,val_loss\n"
        "0,49,,1.5,,\n0,99,,1.2,,\n0,99,,,0.5,1.3\n0,99,1.35,,,\n1,149,,1.0,,\n1,199,,,0.6,1.1\n",
    )
    assert [row["loss"] for row in found if "loss" in row] == [1.5, 1.2, 1.0]
    assert [row["eval_loss"] for row in found if "eval_loss" in row] == [1.3, 1.1]
    assert found[0] == {"epoch": 1, "step": 49, "loss": 1.5}


def test_where_there_are_few_batches_the_epochs_mean_is_taken(tmp_path: Path) -> None:
    found = rows(
        tmp_path,
        "epoch,step,train_loss_epoch,train_loss_step\n"
        + "".join(f"{n},{n},{2.0 - n},{1.5 if n == 1 else ''}\n" for n in range(3)),
    )
    assert [row["loss"] for row in found] == [2.0, 1.0, 0.0]


def test_the_trainers_log_history_as_a_table(tmp_path: Path) -> None:
    found = rows(
        tmp_path,
        "loss,epoch,step,eval_loss,eval_rougeLsum,eval_runtime,eval_samples_per_second,train_loss\n"
        "1.5,0.5,10,,,,,\n,1.0,20,1.4,0.3,2.0,50.0,\n1.1,1.5,30,,,,,\n,2.0,40,,,,,1.3\n",
    )
    assert [row["loss"] for row in found if "loss" in row] == [1.5, 1.1]
    assert found[1]["eval_rougeLsum"] == 0.3
    assert found[1]["eval_samples_per_second"] == 50.0
    assert found[3]["train_loss"] == 1.3  # the mean of the run, no loss of a step


def test_weights_and_biases(tmp_path: Path) -> None:
    found = rows(
        tmp_path,
        '"Step","deep-1 - train/loss","deep-1 - train/loss__MIN","deep-1 - train/loss__MAX"\n'
        '"10","1.5","1.5","1.5"\n',
    )
    assert found == [{"step": 10, "loss": 1.5}]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932", "utf-16"])
@pytest.mark.parametrize("mark", [",", "\t", ";"])
def test_encodings_and_separators(tmp_path: Path, encoding: str, mark: str) -> None:
    lines = ["エポック,損失,検証損失,正解率,学習率", "1,2.0,1.9,０.５,3e-4", "2,1.5,1.7,62%,1e-4"]
    content = "\r\n".join(lines).replace(",", mark).encode(encoding)
    first, second = rows(tmp_path, content, "記録.tsv")
    assert first == {
        "epoch": 1, "loss": 2.0, "eval_loss": 1.9, "eval_accuracy": 0.5, "learning_rate": 3e-4,
    }  # fmt: skip
    assert second["eval_accuracy"] == 0.62


def test_decimal_commas_and_what_stands_above_the_header(tmp_path: Path) -> None:
    content = "sep=;\n# run 3\n\nstep;loss\n1;0,75\n"
    assert rows(tmp_path, content) == [{"step": 1, "loss": 0.75}]


def test_percent(tmp_path: Path) -> None:
    found = table(tmp_path, "epoch,val_loss,val_acc,ppl\n1,1.2,81.5,40\n2,1.1,84.0,35\n")
    assert [row["eval_accuracy"] for row in found.rows] == [0.815, 0.84]
    assert [row["eval_perplexity"] for row in found.rows] == [40, 35]
    assert any("eval_accuracy" in note and "0〜1" in note for note in found.notes)


def test_steps_that_begin_anew_with_each_epoch(tmp_path: Path) -> None:
    content = "epoch,step,loss\n1,0,3.0\n1,50,2.0\n2,0,1.9\n2,50,1.5\n3,0,1.4\n"
    found = table(tmp_path, content)
    assert [row["step"] for row in found.rows] == [0, 50, 51, 101, 102]
    assert any("通し番号" in note for note in found.notes)
    from_one = rows(tmp_path, "epoch,step,loss\n1/2,1,3.0\n1/2,2,2.0\n2/2,1,1.9\n2/2,2,1.5\n")
    assert [row["step"] for row in from_one] == [1, 2, 3, 4]
    assert [row["epoch"] for row in from_one] == [1, 1, 2, 2]


def test_an_evaluation_before_training_is_at_epoch_0(tmp_path: Path) -> None:
    content = "epoch,step,loss,eval_loss\n0,0,,3.0\n1,10,2.0,1.9\n"
    assert rows(tmp_path, content)[0] == {"epoch": 0, "step": 0, "eval_loss": 3.0}


def test_nan_is_a_value_and_other_words_are_said(tmp_path: Path) -> None:
    found = table(tmp_path, "step,loss\n1,nan\n2,-\n3,N/A\n4,abc\n5,inf\n")
    assert [row.get("loss") for row in found.rows[1:]] == [None, None, None, float("inf")]
    assert found.rows[0]["loss"] != found.rows[0]["loss"]
    assert list(found.odd) == ["5: abc"]
    assert any("1 個" in note and "abc" in note for note in found.notes)
    assert rows(tmp_path, "step,epoch,loss\nnan,inf,1.5\n") == [{"loss": 1.5}]


@pytest.mark.parametrize(
    ("content", "code", "says"),
    [
        (b"", "doctor.empty-table", "空"),
        (b"\n\n  \n", "doctor.empty-table", "空"),
        (b"\xef\xbb\xbf", "doctor.empty-table", "空"),
        (b"step,loss\n", "doctor.no-rows", "値の行"),
        (b"step,loss\n,\n", "doctor.no-rows", "値の行"),
        (b"1,0.5\n2,0.4\n", "doctor.no-header", "1 / 0.5"),
        (b"time,value\n1,2\n", "doctor.no-loss-column", "time / value"),
        (b"step,los\n1,2\n", "doctor.no-loss-column-near", "「los」"),
        (b"step,my_loss\n1,2\n", "doctor.no-loss-column-near", "「my_loss」"),
        ("step,補助損失\n1,2\n".encode(), "doctor.no-loss-column-near", "「補助損失」"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "data.media", "PNG"),
        (b"PK\x03\x04\x14\0\x06\0loss,step\n1,2\n", "data.excel", "CSV"),
        (b"version https://git-lfs.github.com/spec/v1\nsize 9\n", "data.lfs-pointer", "LFS"),
        (b"\x1f\x8b\x08\0 cut", "data.packed-broken", "gzip"),
        (bytes(range(256)) * 20, "doctor.not-text", "CSV"),
    ],
)
def test_one_clear_message(tmp_path: Path, content: bytes, code: str, says: str) -> None:
    for language in ("en", "ja"):
        use_language(language)
        with pytest.raises(InputError) as error:
            table(tmp_path, content)
        assert [problem.code for problem in error.value.problems] == [code]
    assert says in str(error.value)
    assert "\0" not in str(error.value)
