from __future__ import annotations

from pathlib import Path

from small_stages import FULL, SMALL, action_of, declared

from cvimake.pipeline.stages import info
from cvimake.toolchain import commands


def test_the_info_stage_runs_this_command(tmp_path: Path) -> None:
    action = action_of(declared(tmp_path, FULL), "full_info")
    assert action.argv == commands.info_command(
        "net_cv180x_full.cvimodel", "net_cv180x_full_info.txt", "net_cv180x_full_time.json"
    )


def test_the_info_is_concluded_from_cvimodel_listing_and_validation(tmp_path: Path) -> None:
    stage = next(info.stages(declared(tmp_path)))
    assert stage.concluded == (Path("build/net/net_cv181x_f16_info.json"),)
    assert stage.also_read == (
        Path("build/net/net_cv181x_f16_validation.json"),
        Path("build/net/net_outputs.json"),
    )


def test_the_info_of_a_check_that_was_left_out_is_concluded_all_the_same(tmp_path: Path) -> None:
    model = declared(tmp_path, SMALL + "skip_validation = true\n")
    assert "net_cv181x_mix_validation.json" in {file.name for file in action_of(model, "mix").outputs}
