from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cvimake.builder.build import Build
from cvimake.builder.executor import Here
from cvimake.cli import clusters
from cvimake.cluster.executor import ClusterExecutor
from cvimake.core import lock
from cvimake.core.errors import CvimakeError

SETTINGS = '[tool.cvimake.cluster]\nurl = "tls://scheduler:8786"\n'


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


@pytest.mark.parametrize(
    ("settings", "variables", "kind"),
    [
        ("", {}, Here),
        ("", {"CVIMAKE_CLUSTER": "none"}, Here),
        ("", {"CVIMAKE_CLUSTER": "tcp://127.0.0.1:8786"}, ClusterExecutor),
        (SETTINGS, {}, ClusterExecutor),
        (SETTINGS, {"CVIMAKE_CLUSTER": "none"}, Here),
    ],
)
def test_a_build_uses_the_cluster_that_is_chosen(
    project: Path, settings: str, variables: dict[str, str], kind: type
) -> None:
    (project / "pyproject.toml").write_text(settings, encoding="utf-8")
    build = Build(project, variables)
    clusters.use(build)
    assert type(build.executor) is kind


def test_a_wrong_address_is_told_before_anything_runs(project: Path) -> None:
    with pytest.raises(CvimakeError, match="is no address of a cluster's scheduler"):
        clusters.use(Build(project, {"CVIMAKE_CLUSTER": "scheduler"}))


def test_a_wrong_share_of_compared_stages_is_told_before_anything_runs(project: Path) -> None:
    variables = {"CVIMAKE_CLUSTER": "tcp://127.0.0.1:8786", "CVIMAKE_CLUSTER_COMPARE": "5"}
    with pytest.raises(CvimakeError, match="CVIMAKE_CLUSTER_COMPARE is '5'; it must be a number from 0 to 1"):
        clusters.use(Build(project, variables))


@pytest.mark.parametrize(("name", "value"), [("CVIMAKE_STORE", "none"), ("CVIMAKE_STORE_READ_ONLY", "1")])
@pytest.mark.usefixtures("project")
def test_a_worker_without_a_store_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(CvimakeError, match="needs a store that takes files"), clusters.workplace("w", "a", 1):
        pass


def test_two_workers_do_not_work_in_one_folder(project: Path) -> None:
    (project / "w").mkdir()
    with (
        lock.exclusive(project / "w" / "lock", "is the worker a"),
        pytest.raises(CvimakeError, match="is the worker a"),
        clusters.workplace("w", "b", 1),
    ):
        pass


def test_dask_is_not_imported_before_something_runs(project: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from cvimake.builder.build import Build; "
        "from cvimake.cli import clusters; build = Build(Path(), {'CVIMAKE_CLUSTER': 'tls://scheduler:1'}); "
        "clusters.use(build); print(type(build.executor).__name__, 'distributed' in sys.modules)"
    )
    told = subprocess.run(
        [sys.executable, "-c", program], cwd=project, capture_output=True, text=True, check=True
    ).stdout
    assert told == "ClusterExecutor False\n"
