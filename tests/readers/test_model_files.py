"""Model files from elsewhere are data: no file that is loaded runs code, whatever it holds."""

from __future__ import annotations

import io
import json
import pickle
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from j4d.errors import ModelError
from j4d.readers.archives import DEFLATED_LIMIT
from j4d.readers.exported import is_expression
from j4d.readers.loading import load_model
from j4d.readers.scripted import _refusal

Change = Callable[[dict[str, bytes], str], None]  # members by name, and a file that their code would write


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.register_buffer("offset", torch.ones(1).expand(4))
        self.scale = torch.tensor(2.0)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x).mean((2, 3)) * self.scale + self.offset


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The members of an exported classifier for pictures of any size."""
    path = tmp_path_factory.mktemp("program") / "net.pt2"
    sizes = {0: torch.export.Dim("batch"), 2: torch.export.Dim("height", min=4), 3: torch.export.Dim("width", min=4)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(
            torch.export.export(Net().eval(), (torch.zeros(2, 3, 14, 16),), dynamic_shapes=(sizes,)), path
        )
    with zipfile.ZipFile(path) as archive:
        return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}


def write(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(f"net/{name}", data)
    return path


def edited(members: dict[str, bytes], name: str, change: Callable[[Any], None]) -> None:
    value = json.loads(members[name])
    change(value)
    members[name] = json.dumps(value).encode()


def code(marker: str) -> str:
    return f"__import__('pathlib').Path({marker!r}).touch()"


class Runs:
    """Pickled, it runs code when it is read."""

    def __init__(self, marker: str) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return eval, (code(self.marker),)


def pickled(marker: str) -> bytes:
    file = io.BytesIO()
    torch.save(Runs(marker), file)
    return file.getvalue()


def pickled_weight(members: dict[str, bytes], marker: str) -> None:
    def change(config: Any) -> None:
        config["config"]["conv.weight"]["use_pickle"] = True

    edited(members, "data/weights/model_weights_config.json", change)
    members["data/weights/weight_0"] = pickled(marker)


def pickled_constant(members: dict[str, bytes], marker: str) -> None:
    def change(config: Any) -> None:
        for entry in config["config"].values():
            entry["use_pickle"] = True

    edited(members, "data/constants/model_constants_config.json", change)
    members["data/constants/tensor_0"] = pickled(marker)


def opaque_constant(members: dict[str, bytes], marker: str) -> None:
    def change(config: Any) -> None:
        for entry in config["config"].values():
            entry["path_name"] = "opaque_obj_0"

    edited(members, "data/constants/model_constants_config.json", change)
    members["data/constants/opaque_obj_0"] = pickle.dumps(Runs(marker))


def legacy_weights(members: dict[str, bytes], marker: str) -> None:
    members["data/weights/model.pt"] = pickled(marker)


def size_expression(members: dict[str, bytes], marker: str) -> None:
    def change(program: Any) -> None:
        for meta in program["graph_module"]["graph"]["tensor_values"].values():
            for size in meta["sizes"]:
                if "as_expr" in size:
                    size["as_expr"]["expr_str"] = code(marker)

    edited(members, "models/model.json", change)


def operator_of_python(members: dict[str, bytes], marker: str) -> None:
    def change(program: Any) -> None:
        node = program["graph_module"]["graph"]["nodes"][0]
        node["target"] = "torch.os.system"
        node["inputs"] = [{"name": "command", "arg": {"as_string": f"touch {marker}"}, "kind": 1}]

    edited(members, "models/model.json", change)


def operator_of_files(members: dict[str, bytes], marker: str) -> None:
    def change(program: Any) -> None:
        node = program["graph_module"]["graph"]["nodes"][0]
        node["target"] = "torch.ops.aten.from_file.default"

    edited(members, "models/model.json", change)


def input_name(members: dict[str, bytes], marker: str) -> None:
    text = members["models/model.json"].decode()
    members["models/model.json"] = text.replace(
        '"name": "x"', json.dumps(f"x={code(marker)}").join(['"name": ', ""])
    ).encode()


def tree_that_imports(members: dict[str, bytes], marker: str) -> None:
    context = json.dumps({"__enum__": True, "fqn": "this:d", "name": "a"})
    tree = json.dumps([1, {"type": "builtins.dict", "context": context, "children_spec": []}])

    def change(program: Any) -> None:
        program["graph_module"]["module_call_graph"][0]["signature"]["in_spec"] = tree

    edited(members, "models/model.json", change)


def compiled_library(members: dict[str, bytes], marker: str) -> None:
    members["data/aotinductor/model/model.so"] = b"\x7fELF"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (pickled_weight, "'conv.weight' is a pickle, which can run code"),
        (pickled_constant, "is a pickle, which can run code"),
        (opaque_constant, "opaque_obj_0"),
        (legacy_weights, "member 'data/weights/model.pt' is not what an exported classifier has"),
        (size_expression, "expr_str .*__import__"),
        (operator_of_python, r"target 'torch\.os\.system'"),
        (operator_of_files, r"target 'torch\.ops\.aten\.from_file"),
        (input_name, "name .x="),
        (tree_that_imports, "in_spec"),
        (compiled_library, "member 'data/aotinductor/model/model.so'"),
    ],
)
def test_a_program_that_would_run_code_is_refused_in_one_line(
    change: Change, message: str, program: dict[str, bytes], tmp_path: Path
) -> None:
    members, marker = dict(program), tmp_path / "ran"
    change(members, str(marker))
    assert members != program
    with pytest.raises(ModelError, match=message) as caught:
        load_model(str(write(tmp_path / "net.pt2", members)))
    assert not marker.exists(), "code in the file ran"
    assert "\n" not in str(caught.value) and "file.py:callable" in str(caught.value)


def test_sample_inputs_and_guards_of_a_program_are_not_read(program: dict[str, bytes], tmp_path: Path) -> None:
    members, marker = dict(program), tmp_path / "ran"
    members["data/sample_inputs/model.pt"] = pickled(str(marker))
    edited(members, "models/model.json", lambda value: value.update(guards_code=[code(str(marker))]))
    pixels = torch.rand(3, 3, 20, 24) * 255
    plain, changed = (
        load_model(str(write(tmp_path / name, each)))(pixels)
        for name, each in (("plain.pt2", program), ("changed.pt2", members))
    )
    assert not marker.exists() and torch.equal(plain, changed)


@pytest.mark.parametrize(
    "text",
    [
        "Symbol('s77', positive=True, integer=True)",
        "Add(Mul(Integer(2), Symbol('s0', integer=True)), Integer(-1))",
        "FloorDiv(Symbol('s3'), Integer(8))",
        "Pow(Symbol('s3'), Integer(2))",
        "s0*2 - s1//3",
    ],
)
def test_size_expressions_are_read(text: str) -> None:
    assert is_expression(text)


@pytest.mark.parametrize(
    "text",
    [
        "exec(chr(112))",
        "Symbol('s0').__class__",
        "Symbol('x; import os')",
        "Max('__import__(1)', 2)",
        "[c for c in ()]",
        "lambda: 1",
        "9**9**9**9",
        "Pow(Integer(10), Integer(1000000))",
        "2**(10**10)",
        "(" * 500 + "1" + ")" * 500,
        "s0" * 5000,
        "Float('1', precision='9')",
        "",
    ],
)
def test_what_is_no_size_expression_is_refused(text: str) -> None:
    assert not is_expression(text)


def scripted(path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated, and still what many keep
        torch.jit.save(torch.jit.trace(Net().eval(), torch.zeros(1, 3, 14, 14)), path)
    return path


class Writes(nn.Module):
    """A TorchScript program that writes a file when it is asked."""

    def __init__(self, marker: str) -> None:
        super().__init__()
        self.marker = marker

    def forward(self, x: Tensor) -> Tensor:
        torch.save(x, self.marker)
        return x.mean((2, 3))


class Maps(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3)) + torch.from_file("/etc/hostname", False, 1)


@pytest.mark.parametrize("method", ["save", "from_file"])
def test_a_script_that_reaches_files_is_refused(method: str, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = Writes(str(marker)) if method == "save" else Maps()
        torch.jit.save(torch.jit.script(net), tmp_path / "net.ts")
    with pytest.raises(ModelError, match=f"its code calls {method}, an operator that reaches files") as caught:
        load_model(str(tmp_path / "net.ts"))
    assert not marker.exists() and "\n" not in str(caught.value)


def test_a_script_is_loaded_as_before(tmp_path: Path) -> None:
    path = scripted(tmp_path / "net.ts")
    pixels = torch.rand(2, 3, 14, 14)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert torch.equal(load_model(str(path))(pixels), torch.jit.load(path)(pixels))


def archive(path: Path, *members: tuple[str, bytes], deflated: bool = False) -> Path:
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if deflated else 0) as file:
        warnings.simplefilter("ignore")  # names that come twice
        for name, data in members:
            file.writestr(name, data)
    return path


def test_archives_with_strange_members_are_refused(tmp_path: Path) -> None:
    for members, message in [
        ((("net/a", b"1"), ("net/a", b"2")), "member 'a' is there twice"),
        ((("net/../../a", b""),), "lies outside"),
        ((("/a", b""),), "lies outside"),
        ((("a", b""),), "lies outside"),
    ]:
        for suffix in (".ts", ".pt2"):
            with pytest.raises(ModelError, match=message):
                load_model(str(archive(tmp_path / f"net{suffix}", *members)))


def test_an_archive_that_swells_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = archive(tmp_path / "net.ts", ("net/code/a.py", bytes(1 << 20)), deflated=True)
    monkeypatch.setattr("j4d.readers.archives.DEFLATED_LIMIT", 1 << 19)
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda *_: pytest.fail("it was read"))
    assert DEFLATED_LIMIT > 1 << 20
    with pytest.raises(ModelError, match="compressed members of 1048576 bytes once read, the limit is 524288"):
        load_model(str(path))


def test_damaged_archives_are_refused(program: dict[str, bytes], tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.pt2", program).read_bytes()
    for cut in (bytes(len(whole)), whole[:-30], whole[: len(whole) // 2], whole[:500] + bytes(500) + whole[1000:]):
        (tmp_path / "cut.pt2").write_bytes(cut)
        with pytest.raises(ModelError):
            load_model(str(tmp_path / "cut.pt2"))


def test_weights_alone_are_no_model_and_are_not_unpickled(tmp_path: Path) -> None:
    (tmp_path / "weights.pt").write_bytes(pickled(str(tmp_path / "ran")))
    with pytest.raises(ModelError, match="not a TorchScript file"):
        load_model(str(tmp_path / "weights.pt"))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("code", "refused"),
    [
        ("self : __torch__.torchvision.ops.misc.Conv2dNormActivation", False),
        ("x = ops.prim.RaiseException(a); y = torch.ops.torchvision.nms(b)", False),
        ("y = ops.mylib.run(x)", True),
        ("y = ops . mylib.run(x)", True),
        ("y = (ops.aten.save)", False),
        ("y = torch.save(x, 'f')", True),
    ],
)
def test_operators_are_told_from_names_of_classes(code: str, refused: bool) -> None:
    assert bool(_refusal(code)) == refused
