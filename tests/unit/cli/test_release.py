from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from graphs import STAGES
from releases import LABEL, Shop, git

from cvimake.camera.recognition import Recognition
from cvimake.core import digest
from cvimake.core.content import Contents
from cvimake.release import making, provenance, publish
from cvimake.release.contents import PROVENANCE, Content
from cvimake.release.making import Draft

FILES = {
    "README.md",
    "SHA256SUMS",
    "provenance.intoto.json",
    "report.json",
    "report.md",
    "m0000/m0000_calibration_table",
    "m0000/m0000_cv181x_int8.cvimodel",
    "m0000/m0000_cv181x_int8.json",
    "m0000/m0000_cv181x_int8_info.json",
    "m0000/m0000_cv181x_mix.cvimodel",
    "m0000/m0000_cv181x_mix.json",
    "m0000/m0000_cv181x_mix_info.json",
    "m0000/m0000_cv181x_mix_qtable",
}


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    root = tmp_path / "project"
    root.mkdir()
    return Shop(root, monkeypatch)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def error(shop: Shop, capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 2) -> str:
    """What a release that is not made says."""
    capsys.readouterr()
    assert shop.release(*arguments) == code
    assert not list((shop.root / "release").glob("*"))
    return capsys.readouterr().err


def test_a_release_builds_first_and_holds_what_one_ships(shop: Shop) -> None:
    folder = shop.released()
    assert shop.ran
    assert set(contents(folder)) == FILES
    assert (folder / "m0000/m0000_cv181x_int8.cvimodel").read_bytes() == (
        shop.root / "build/m0000/m0000_cv181x_int8.cvimodel"
    ).read_bytes()
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=folder, check=True)


def test_the_archive_unpacks_to_the_release(shop: Shop, tmp_path: Path) -> None:
    folder = shop.released()
    subprocess.run(["tar", "-xf", f"{folder}.tar", "-C", str(tmp_path)], check=True)
    assert contents(tmp_path / LABEL) == contents(folder)


def test_the_record_lies_beside_it(shop: Shop) -> None:
    record = Path(f"{shop.released()}.build")
    told = json.loads((record / "record.json").read_text(encoding="utf-8"))
    assert told["machine"] == {"cores": 2}
    assert {stage["name"] for stage in told["stages"]} == set(shop.ran)
    assert (record / "logs" / "m0000" / "int8.log").is_file()
    assert json.loads((record / "toolchain.cdx.json").read_text(encoding="utf-8"))["bomFormat"] == "CycloneDX"


def test_a_release_names_the_frameworks_image_if_it_was_used(shop: Shop) -> None:
    shop.take_tflite()
    shop.commit()
    folder = shop.released()
    assert shop.doit("release:verify", str(folder)) == 0
    bills = {
        name: json.loads(Path(f"{folder}.build", f"{name}.cdx.json").read_text(encoding="utf-8"))
        for name in ("toolchain", "frameworks")
    }
    assert "torch" in {component["name"] for component in bills["frameworks"]["components"]}
    assert "torch" not in {component["name"] for component in bills["toolchain"]["components"]}
    fingerprint = bills["frameworks"]["metadata"]["component"]["version"]
    assert f"in the frameworks image, fingerprint `{fingerprint[:12]}`" in (folder / "README.md").read_text(
        encoding="utf-8"
    )


def test_an_image_that_was_replaced_since_the_build_stops_it(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.take_tflite()
    shop.commit()
    shop.build()
    shop.frameworks["packages"]["torch"]["version"] = "2.0.2"
    told = error(shop, capsys)
    assert "the frameworks image is not the one that build/frameworks.json describes" in told


def test_the_same_again_is_said_and_leaves_everything(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    folder = shop.released()
    inodes = {path: path.stat().st_ino for path in folder.rglob("*")}
    assert shop.released() == folder
    assert "was there already, the same" in capsys.readouterr().out
    assert {path: path.stat().st_ino for path in folder.rglob("*")} == inodes


def test_a_different_release_of_the_same_version_is_refused(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(shop.released())
    shop.declare("quant_input = true", "quant_input = false")
    shop.commit()
    assert shop.release() == 2
    told = capsys.readouterr().err
    assert f"release/{LABEL} exists, and is another release" in told
    assert "m0000/m0000_cv181x_int8.cvimodel: " in told
    assert contents(shop.root / "release" / LABEL) == before


def test_a_release_does_not_depend_on_place_time_or_user(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = shop.released()
    elsewhere = tmp_path / "a" / "much longer way to it"
    elsewhere.mkdir(parents=True)
    before = os.umask(0o077)
    try:
        monkeypatch.setenv("TZ", "Asia/Tokyo")
        monkeypatch.setenv("LANG", "C")
        other = Shop(elsewhere, monkeypatch)
        # Another machine finds the same commit, and dates its files as it likes.
        shutil.rmtree(elsewhere / ".git")
        shutil.copytree(shop.root / ".git", elsewhere / ".git")
        second = other.released()
    finally:
        os.umask(before)
    subprocess.run(["diff", "--recursive", str(first), str(second)], check=True)
    assert Path(f"{first}.tar").read_bytes() == Path(f"{second}.tar").read_bytes()
    assert {path.stat().st_mode & 0o777 for path in second.rglob("*")} == {0o644, 0o755}


# What stops one


def test_all_reasons_are_told_at_once(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    shop.failing.add("m0000:mix")
    shop.conclude(similarity=())
    text = shop.declaration.read_text(encoding="utf-8")
    shop.declaration.write_text(f"{text}\n[budget]\nsize = 10\nion_memory = 0.01\n", encoding="utf-8")
    waiting = shop.root / "models" / "waiting"
    waiting.mkdir()
    (waiting / "model.toml").write_text(text, encoding="utf-8")
    told = error(shop, capsys, "--require-recognised", code=1)
    for reason in (
        "there are changes that are not in commit ",
        "?? models/waiting/model.toml",
        "waiting waits for its source: put it at models/waiting/tiny.onnx",
        "`./doit release m0000` leaves out the models that wait.",
        "m0000:mix did not succeed",
        "m0000:mix_info did not succeed",
        "m0000:int8 is over its budget: size: 1000 bytes",
        "m0000:int8 is over its budget: ion_memory",
        "m0000:int8 was not validated on the simulator",
        "m0000:int8: the camera refuses it: no such outputs",
    ):
        assert reason in told, told


def test_a_wrong_declaration_stops_a_release_of_its_model_and_no_other(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = shop.root / "models" / "wrong"
    wrong.mkdir()
    (wrong / "model.toml").write_text("sauce = 1\n", encoding="utf-8")
    told = error(shop, capsys, "--allow-dirty", code=2)
    assert "models/wrong/model.toml:1: sauce: no such key" in told
    assert shop.ran == []
    assert shop.release("m0000", "--allow-dirty") == 0


def test_a_model_that_waits_alone_is_the_only_reason(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    (shop.declaration.parent / "tiny.onnx").unlink()
    told = error(shop, capsys, "--allow-dirty", code=2)
    assert "m0000 waits for its source" in told
    assert "leaves out" not in told
    assert "toolchain did not succeed" not in told


def test_a_dirty_tree_can_be_allowed_and_is_marked(shop: Shop) -> None:
    (shop.root / "more").touch()
    assert shop.release("--allow-dirty") == 0
    folder = shop.root / "release" / f"{LABEL}-dirty"
    assert "from uncommitted sources" in (folder / "README.md").read_text(encoding="utf-8")
    told = json.loads((folder / "provenance.intoto.json").read_text(encoding="utf-8"))
    assert told["predicate"]["buildDefinition"]["internalParameters"]["dirty"] is True


def test_a_tree_without_git_is_refused(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(shop.root / ".git")
    assert "there is no commit (" in error(shop, capsys)
    capsys.readouterr()
    assert shop.doit("release") == 2
    assert "nothing gives the release a version" in capsys.readouterr().err


def test_stages_without_containers_are_refused_unless_allowed(
    shop: Shop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CVIMAKE_ENGINE", "local")
    shop.identity["engine"] = "local"
    shop.not_held = ("the clock",)
    assert "the stages ran without containers" in error(shop, capsys)
    text = (shop.released("--allow-local") / "README.md").read_text(encoding="utf-8")
    assert "- option: `--allow-local`" in text
    assert "- the clock" in text


def test_a_file_that_changes_meanwhile_stops_the_release(
    shop: Shop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    drafted = making.draft

    def edited_meanwhile(*arguments: object) -> Draft:
        source = shop.root / "models" / "m0000" / "tiny.onnx"
        source.write_bytes(source.read_bytes() + b"x")
        return drafted(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(making, "draft", edited_meanwhile)
    assert "changed while the release was made: m0000:onnx" in error(shop, capsys)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nothing",), "no model is called nothing"),
        (("m0000:int8",), "A release is of whole models: m0000"),
        (("--name", "../x"), "'../x' cannot be a release's name"),
        (("--sign", "no-key"), "--sign: no file"),
        (("-n", "-1"), "-n is the number of cores for all running stages"),
    ],
)
def test_a_wrong_command_line_is_refused(
    shop: Shop, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], told: str
) -> None:
    capsys.readouterr()
    assert shop.doit("release", "--version", "1", *arguments) in {2, 3}
    assert told in "".join(capsys.readouterr())
    assert not (shop.root / "release").exists()


def test_the_version_is_gits(shop: Shop) -> None:
    git(shop.root, "tag", "v2.0")
    assert shop.doit("release", "m0000") == 0
    assert (shop.root / "release" / "bench-v2.0").is_dir()


def test_another_source_date_epoch_rebuilds_everything(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.released()
    shop.ran.clear()
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    folder = shop.released(version="1.1")
    assert shop.ran
    assert "have the time 1970-01-01 00:00:01 UTC" in (folder / "README.md").read_text(encoding="utf-8")


def test_a_leftover_of_a_killed_release_goes(shop: Shop) -> None:
    (shop.root / "release" / f".{LABEL}.abc").mkdir(parents=True)
    shop.released()
    assert not list((shop.root / "release").glob(".*"))


def test_a_release_says_whether_each_file_works_on_the_camera(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    blind = Recognition(as_="YOLOv8", type=6, works="no", reason="it finds nothing", remedy="in turns")
    shop.conclude(recognised_as="YOLOv8", recognition=blind)
    assert f"m0000:int8: {blind.trouble}" in error(shop, capsys, "--require-recognised")
    folder = shop.released()
    page = (folder / "README.md").read_text(encoding="utf-8")
    assert "| YOLOv8 | does not work | cv181x |" in page
    assert f"- **m0000/m0000_cv181x_int8.cvimodel**: {blind.trouble}\n" in page
    sidecar = json.loads((folder / "m0000" / "m0000_cv181x_int8.json").read_text(encoding="utf-8"))
    assert (sidecar["recognised_as"], sidecar["works_on_camera"]) == ("YOLOv8", "no")


def test_a_release_may_require_that_each_file_works_on_the_camera(shop: Shop) -> None:
    shop.conclude(recognised_as="YOLO11", recognition=Recognition(as_="YOLO11", type=9, works="yes"))
    assert shop.released("--require-recognised").is_dir()


def test_class_names_go_to_the_camera(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    shop.declare('source = "tiny.onnx"', 'source = "tiny.onnx"\nclasses = "names.txt"')
    shop.commit()
    assert "models/m0000/model.toml:3: classes: no file models/m0000/names.txt" in error(shop, capsys)
    assert not shop.ran
    (shop.root / "models" / "m0000" / "names.txt").write_text("cat\n\nsmall dog\n", encoding="utf-8")
    shop.commit()
    folder = shop.released()
    sidecar = json.loads((folder / "m0000" / "m0000_cv181x_int8.json").read_text(encoding="utf-8"))
    assert sidecar["classes"] == ["cat", "small dog"]
    assert (sidecar["model_id"], sidecar["model_name"]) == ("m0000_cv181x_int8", "m0000 int8")
    assert "models/m0000/names.txt" in (folder / "provenance.intoto.json").read_text(encoding="utf-8")


def test_records_that_nothing_ran_for_are_no_release(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """An edited source, which doit's records are made to take for built."""
    shop.build()
    source = Path("models/m0000/tiny.onnx")
    source.write_bytes(b"edited")
    shop.commit()
    with shop.records() as records:
        records.backend.set("m0000:onnx", str(source), Contents().state(str(source)))
    assert shop.build() == [], "doit's records say that nothing has to run"
    told = error(shop, capsys)
    assert (
        "m0000:onnx has files that no recorded run made: its last run on record read other contents of"
        in told
    )
    assert "models/m0000/tiny.onnx; `./doit forget m0000:onnx`, then build it again" in told
    assert shop.doit("forget", "m0000:onnx") == 0
    assert shop.release() == 0


def test_a_result_that_no_run_wrote_is_no_release(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    shop.build()
    result = Path("build/m0000/m0000_cv181x_int8.cvimodel")
    result.write_bytes(b"another")
    with shop.records() as records:
        values = records.get_values("m0000:int8")
        outputs = {**values["outputs"], str(result): Contents().state(str(result))}
        records.backend.set("m0000:int8", "_values_:", {**values, "outputs": outputs})
        records.backend.set("m0000:int8_info", str(result), Contents().state(str(result)))
    told = error(shop, capsys)
    assert (
        "m0000:int8 has files that no recorded run made: its last run on record wrote other contents of "
        f"{result}" in told
    )


def test_a_lost_history_is_no_release(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    shop.build()
    (shop.root / "build" / "history.sqlite").unlink()
    assert "m0000:int8 has files that no recorded run made: no run of it is on record" in error(shop, capsys)


def test_a_result_that_is_edited_as_it_is_copied_is_no_release(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.build()
    result = Path("build/m0000/m0000_cv181x_int8.cvimodel")
    fill = publish._fill

    def edit_and_fill(folder: Path, files: dict[str, Content]) -> None:
        result.write_bytes(b"edited")
        fill(folder, files)

    monkeypatch.setattr(publish, "_fill", edit_and_fill)
    assert f"{result} was edited while the release was made" in error(shop, capsys)


def test_a_result_that_is_edited_and_edited_back_as_its_digest_is_taken_is_no_release(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.build()
    result = Path("build/m0000/m0000_cv181x_int8.cvimodel")
    drafted = making.draft

    def draft_of_an_edit(*arguments: object) -> Draft:
        held = result.read_bytes()
        result.write_bytes(b"edited")
        draft = drafted(*arguments)  # type: ignore[arg-type]
        result.write_bytes(held)
        return draft

    monkeypatch.setattr(making, "draft", draft_of_an_edit)
    assert f"changed while the release was made: {result}" in error(shop, capsys)


@pytest.mark.parametrize(
    "command",
    [
        ["reset-dep", "--backend", "sqlite3", "--db-file", "build/doit.sqlite"],
        [
            "reset-dep",
            "--backend",
            "sqlite3",
            "--db-file",
            "build/doit.sqlite",
            "--check_file_uptodate",
            "md5",
        ],
        ["run", "--check_file_uptodate", "timestamp", "m0000:onnx"],
        ["run", "--single", "m0000:int8"],
        ["clean", "--forget", "m0000:onnx"],
    ],
)
def test_an_edited_source_is_rebuilt_for_a_release_despite_doits_records(
    shop: Shop, command: list[str]
) -> None:
    shop.build()
    Path("models/m0000/tiny.onnx").write_bytes(b"edited")
    shop.commit()
    assert shop.doit(*command) == 0
    shop.ran.clear()
    assert shop.release() == 0
    assert set(STAGES) <= set(shop.ran)


def test_a_stage_that_is_left_out_is_no_release(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    shop.build()
    Path("models/m0000/tiny.onnx").write_bytes(b"edited")
    shop.commit()
    assert shop.doit("ignore", "m0000:onnx") == 0
    told = error(shop, capsys)
    assert "m0000:onnx is left out of builds (`./doit ignore`); `./doit forget m0000:onnx` ends that" in told


MEASURED = {f"m0000/m0000_{network}_accuracy.json" for network in ("float", "cv181x_int8", "cv181x_mix")}


def test_a_release_of_measured_models_has_their_accuracy(shop: Shop) -> None:
    shop.measure()
    shop.accuracy["m0000:int8_accuracy"] = 0.75
    shop.commit()
    folder = shop.released()
    assert set(contents(folder)) == FILES | MEASURED
    told = (folder / "README.md").read_text(encoding="utf-8")
    assert "| similarity | accuracy | on camera | agreement | recognised as |" in told
    assert "| 0.9900 | 0.750 ±0.010 (-0.050) | 0.650 (-0.050) | 0.900 |" in told
    assert (
        "- m0000: accuracy is mAP50-95 on 8 images, ± its standard error; the float network has 0.800" in told
    )
    assert shop.doit("release:verify", str(folder)) == 0
    subjects = json.loads((folder / "provenance.intoto.json").read_text(encoding="utf-8"))["subject"]
    assert {subject["name"] for subject in subjects} >= MEASURED


def test_the_report_of_a_release_has_nothing_of_this_machine(shop: Shop) -> None:
    shop.measure()
    shop.commit()
    folder = shop.released()
    shown = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    (model,) = shown["models"]
    assert {variant["file"] for variant in model["variants"]} == {
        "m0000/m0000_cv181x_int8.cvimodel", "m0000/m0000_cv181x_mix.cvimodel",
    }  # fmt: skip
    assert [variant["making"] for variant in model["variants"]] == [None, None]
    text = (folder / "report.md").read_text(encoding="utf-8")
    for each in (text, (folder / "report.json").read_text(encoding="utf-8")):
        assert str(shop.root) not in each
        assert "build/" not in each
    assert "| m0000 | int8 | 0.800 ±0.010 | +0.000 |" in text


def test_a_release_of_models_that_are_not_measured_says_nothing_of_accuracy(shop: Shop) -> None:
    assert "accuracy" not in (shop.released() / "README.md").read_text(encoding="utf-8")


def test_an_accuracy_over_its_budget_stops_it_and_is_told_once(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.measure()
    shop.declare("[variant.int8]", "[budget]\naccuracy_drop = 0.02\n\n[variant.int8]")
    shop.accuracy["m0000:int8_accuracy"] = 0.75
    shop.commit()
    told = error(shop, capsys, code=1)
    assert (
        "- m0000:int8 is over its budget: accuracy_drop: 0.0500 less than the float network, "
        "at most 0.02 is declared\n" in told
    )
    assert "did not succeed" not in told


def test_a_float_network_below_its_budget_stops_it(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    shop.measure()
    shop.declare("[variant.int8]", "[budget]\naccuracy = 0.9\n\n[variant.int8]")
    shop.commit()
    told = error(shop, capsys, code=1)
    assert "- m0000:float is over its budget: accuracy: mAP50-95 is 0.800 ±0.010, at least 0.9 is" in told
    assert "m0000:float_accuracy did not succeed" not in told


def test_an_accuracy_of_an_earlier_cvimodel_is_not_told(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.measure()
    shop.declare("[variant.int8]", "[budget]\naccuracy_drop = 0.02\n\n[variant.int8]")
    shop.accuracy["m0000:int8_accuracy"] = 0.75
    shop.build()
    shop.declare("quant_input = true", "quant_input = false")
    shop.commit()
    shop.failing.add("m0000:int8_accuracy")
    told = error(shop, capsys, code=1)
    assert "m0000:int8_accuracy did not succeed" in told
    assert "over its budget" not in told


def test_a_release_names_the_checkpoint_and_the_image_that_exported_it(shop: Shop) -> None:
    shop.take_checkpoint()
    shop.commit()
    folder = shop.released()
    assert shop.doit("release:verify", str(folder)) == 0
    bill = json.loads(Path(f"{folder}.build", "export.cdx.json").read_text(encoding="utf-8"))
    assert "ultralytics" in {component["name"] for component in bill["components"]}
    told = (folder / "README.md").read_text(encoding="utf-8")
    assert "checkpoints were exported by Ultralytics 8.4.190 (AGPL-3.0) in the export image" in told
    statement = provenance.read((folder / PROVENANCE).read_bytes())
    assert statement.sources["models/m0000/best.pt"] == digest.of_file(shop.root / "models/m0000/best.pt")
