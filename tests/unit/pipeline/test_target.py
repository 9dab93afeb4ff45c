from __future__ import annotations

from pathlib import Path

from small_stages import SMALL, action_of, changed, declared, definitions

from cvimake.pipeline.checks import SamplesCheck, TablesCheck
from cvimake.pipeline.stages import cvimodel, qtable


def test_a_variant_for_several_processors_is_a_cvimodel_for_each(tmp_path: Path) -> None:
    model = declared(tmp_path, SMALL + 'processor = ["cv180x", "cv181x"]\n')
    mix = {name for name in definitions(model) if name.startswith("mix")}
    assert mix == {
        f"mix_{chip}{stage}" for chip in ("cv180x", "cv181x") for stage in ("", "_qtable", "_info")
    }
    for chip in ("cv180x", "cv181x"):
        assert action_of(model, f"mix_{chip}").outputs[0].name == f"net_{chip}_mix.cvimodel"
        assert f"--processor={chip}" in action_of(model, f"mix_{chip}").argv
        assert f"--processor={chip}" in action_of(model, f"mix_{chip}_qtable").argv
        assert f"--quantize_table=net_{chip}_mix_qtable" in action_of(model, f"mix_{chip}").argv


def test_a_list_of_one_processor_is_that_processor(tmp_path: Path) -> None:
    one = declared(tmp_path, SMALL + 'processor = ["cv180x"]\n')
    other = declared(tmp_path, SMALL + 'processor = "cv180x"\n')
    assert changed(one, other) == set()


def test_only_tables_of_the_users_own_are_checked(tmp_path: Path) -> None:
    text = SMALL.replace("qtable = {}", 'qtable = "tables/mine"')
    model = declared(tmp_path, text)
    checks = {stage.action.name: stage.checks for stage in cvimodel.stages(model)}
    mix = model.variants[-1]
    assert checks == {
        "net:f16": (),
        "net:int8": (),
        "net:mix": (TablesCheck(model=model, variant=mix, mlir=Path("build/net/net.mlir")),),
    }


def test_a_search_checks_the_calibration_table_that_it_is_given(tmp_path: Path) -> None:
    model = declared(tmp_path, SMALL + 'calibration_table = "mine"\n')
    (search,) = qtable.stages(model)
    assert [type(check) for check in search.checks] == [SamplesCheck, TablesCheck]
