from __future__ import annotations

from pathlib import Path

import pytest
from graphs import STAGES, Workshop

from cvimake.cli.clean import Clean


@pytest.fixture
def renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    """A project that was built, and whose model was renamed then."""
    workshop = Workshop(tmp_path, monkeypatch)
    assert sorted(workshop.build()) == sorted(STAGES)
    (tmp_path / "models" / "m0000").rename(tmp_path / "models" / "renamed")
    return workshop


def results(workshop: Workshop, name: str = "m0000") -> list[Path]:
    return list((workshop.root / "build").glob(f"{name}/*"))


@pytest.mark.parametrize("arguments", [(), ("m0000",)])
def test_the_results_of_a_renamed_model_are_removed(renamed: Workshop, arguments: tuple[str, ...]) -> None:
    assert results(renamed)
    assert renamed.doit("clean", *arguments) == 0
    assert results(renamed) == []
    assert not (renamed.root / "build" / "logs" / "m0000").exists()


def test_a_trial_only_says_what_would_be_removed(renamed: Workshop) -> None:
    before = results(renamed)
    assert renamed.doit("clean", "-n", "m0000") == 0
    assert results(renamed) == before


def test_clean_removes_only_the_named_model(renamed: Workshop) -> None:
    renamed.doit("run")
    before = results(renamed)
    assert results(renamed, "renamed")
    assert renamed.doit("clean", "renamed") == 0
    assert results(renamed, "renamed") == []
    assert results(renamed) == before


def test_the_results_of_a_model_that_cannot_be_built_are_removed(renamed: Workshop) -> None:
    declaration = renamed.root / "models" / "renamed" / "model.toml"
    renamed.doit("run")
    declaration.write_text("sauce = 1\n", encoding="utf-8")
    assert renamed.doit("clean", "renamed") == 0
    assert results(renamed, "renamed") == []


def test_a_name_that_nobody_knows_is_refused(renamed: Workshop) -> None:
    assert renamed.doit("clean", "nobody") == 3


def test_the_command_is_called_clean() -> None:
    assert Clean.get_name() == "clean"
