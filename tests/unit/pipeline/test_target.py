from __future__ import annotations

from pathlib import Path

from small_stages import SMALL, action_of, changed, declared, definitions


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
