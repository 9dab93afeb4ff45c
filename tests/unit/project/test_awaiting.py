from __future__ import annotations

from pathlib import Path

from cvimake.builder import unbuildable
from cvimake.project import read_declarations
from cvimake.project.awaiting import Awaiting, counted, owners

SUM = f'sha256 = "{"0" * 64}"'
MODEL = """\
source = "net.onnx"
[verify]
input = "cat.png"
[calibration]
dataset = "cats"
[variant.a]
quantize = "INT8"
"""
DATASET = f"""\
files = ["*.png"]
[fetch]
base_url = "https://example.org"
files = {{ "0.png" = {{ {SUM}, size = 1000 }}, "1.png" = {{ {SUM}, size = 234 }}, "dog.jpg" = {{ {SUM} }} }}
"""


def write(root: Path, name: str, text: str = "") -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def project(root: Path, model: str = MODEL, dataset: str = DATASET) -> None:
    write(root, "models/net/model.toml", model)
    for name in ("net.onnx", "cat.png"):
        write(root, f"models/net/{name}")
    write(root, "datasets/cats/dataset.toml", dataset)


def told(root: Path) -> list[str]:
    """Why models cannot be built."""
    declarations = read_declarations(root)
    assert not declarations.unusable
    assert not declarations.mistakes
    found = unbuildable.of_declarations(declarations, root).values()
    assert not any(each.is_wrong for each in found)
    return [str(each.error) for each in found]


def test_a_model_waits_for_the_files_of_its_dataset_and_for_no_fewer(tmp_path: Path) -> None:
    project(tmp_path)
    assert told(tmp_path) == ["net waits for 3 files of cats: ./doit fetch cats"]
    # Two of three samples would calibrate something else.
    write(tmp_path, "datasets/cats/0.png")
    write(tmp_path, "datasets/cats/dog.jpg")
    assert told(tmp_path) == ["net waits for 1 file of cats (0.2 kB): ./doit fetch cats"]
    write(tmp_path, "datasets/cats/1.png")
    assert told(tmp_path) == []
    samples = read_declarations(tmp_path).models["net"].calibration_samples
    assert samples
    assert list(samples.files) == ["0.png", "1.png"]


def test_a_model_that_reads_none_of_the_samples_does_not_wait(tmp_path: Path) -> None:
    project(tmp_path, MODEL.replace("INT8", "BF16"))
    assert told(tmp_path) == []


def test_a_search_waits_for_its_samples(tmp_path: Path) -> None:
    write(tmp_path, "datasets/dogs/dataset.toml")
    write(tmp_path, "datasets/dogs/0.png")
    searched = MODEL.replace('"cats"', '"dogs"') + 'qtable = { dataset = "cats" }\n'
    project(tmp_path, searched)
    assert told(tmp_path) == ["net waits for 3 files of cats: ./doit fetch cats"]


def test_a_search_waits_for_the_samples_of_the_calibration(tmp_path: Path) -> None:
    project(tmp_path, f"{MODEL}qtable = {{ expected_cos = 0.9 }}\n")
    assert told(tmp_path) == ["net waits for 3 files of cats: ./doit fetch cats"]


def test_a_model_that_names_a_fetched_file_waits_for_it(tmp_path: Path) -> None:
    named = MODEL.replace("cat.png", "../../datasets/cats/dog.jpg").replace("INT8", "BF16")
    project(tmp_path, named)
    assert told(tmp_path) == ["net waits for 3 files of cats: ./doit fetch cats"]


def test_a_model_waits_for_its_own_files_and_its_network_among_them(tmp_path: Path) -> None:
    fetched = f'[fetch]\nbase_url = "s3://bucket"\n[fetch.files]\n"net.onnx" = {{ {SUM}, size = 4000000 }}\n'
    project(tmp_path, MODEL + fetched, "")
    write(tmp_path, "datasets/cats/0.png")
    assert told(tmp_path) == []
    (tmp_path / "models/net/net.onnx").unlink()
    assert told(tmp_path) == ["net waits for 1 file of net (4.0 MB): ./doit fetch net"]


def test_a_list_of_samples_can_be_fetched(tmp_path: Path) -> None:
    fetched = f'[fetch.files."list.txt"]\nurl = "https://example.org/list.txt"\n{SUM}\n'
    listed = MODEL.replace('dataset = "cats"', 'data_list = "./list.txt"\ntune_list = "list.txt"')
    project(tmp_path, listed + fetched)
    assert told(tmp_path) == ["net waits for 1 file of net: ./doit fetch net"]
    project(tmp_path, dataset='data_list = "list.txt"\n' + fetched)
    assert told(tmp_path) == ["net waits for 1 file of cats: ./doit fetch cats"]


def test_a_network_that_nobody_fetches_is_told_beside_the_files_to_fetch(tmp_path: Path) -> None:
    project(tmp_path)
    (tmp_path / "models/net/net.onnx").unlink()
    (text,) = told(tmp_path)
    place = tmp_path / "models/net/net.onnx"
    wait = "waits for 3 files of cats: ./doit fetch cats"
    assert text == f"net waits for its source: put it at {place}; {wait}"


def test_the_folder_of_the_samples_can_be_a_fetched_one(tmp_path: Path) -> None:
    fetched = f'[fetch]\nbase_url = "https://example.org"\nfiles = {{ "images/0.png" = {{ {SUM} }} }}\n'
    project(tmp_path, dataset=f'folder = "images"\n{fetched}')
    assert told(tmp_path) == ["net waits for 1 file of cats: ./doit fetch cats"]
    write(tmp_path, "datasets/cats/images/0.png")
    assert told(tmp_path) == []


def test_an_archive_is_counted_once_and_whole(tmp_path: Path) -> None:
    archived = (
        f'[fetch.files]\n"0.png" = {{ {SUM}, size = 9, archive = "all" }}\n'
        f'"1.png" = {{ {SUM}, archive = "all" }}\n'
        f'"2.png" = {{ {SUM}, size = 5, url = "https://example.org" }}\n'
        f'[fetch.archives.all]\nurl = "https://example.org/all.zip"\nsize = 1000\n{SUM}\n'
    )
    project(tmp_path, dataset=archived)
    (owner,) = owners(read_declarations(tmp_path))
    assert owner.size(owner.missing) == 1005
    assert owner.size(["0.png"]) == 1000
    assert counted(3, "cats", 1005) == "3 files of cats (1.0 kB)"


def test_a_path_is_recognised_however_it_is_written(tmp_path: Path) -> None:
    project(tmp_path)
    awaiting = Awaiting(read_declarations(tmp_path))
    assert awaiting.is_fetched(tmp_path / "models/net/../../datasets/cats/dog.jpg")
    assert not awaiting.is_fetched(tmp_path / "datasets/cats/cat.jpg")
