"""Programs of torch.export (.pt2): a graph of operators and weights, loaded once every part of it is seen to be data.

`torch.export.load` trusts its file. It unpickles weights, constants and sample inputs that say so, looks operators up
by any dotted name below `torch`, evaluates size expressions as Python, imports what a tree's description names,
compiles names of the graph into source text and loads compiled libraries. So the archive is read here first. What is
needed to run a graph must have the form that an exported classifier has; what is not needed is left out; what is left
goes to PyTorch as a new archive. Read with PyTorch 2.13 and 2.14 beside it (torch/export/pt2_archive/_package.py,
torch/_export/serde/serialize.py).
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from j4d.errors import ModelError
from j4d.readers.archives import members, packed
from j4d.readers.scripted import INSTEAD

GRAPH = "models/model.json"
WEIGHTS, CONSTANTS = "data/weights/model_weights_config.json", "data/constants/model_constants_config.json"
SAMPLES = "data/sample_inputs/model.pt"  # a pickle, which no run needs
JSON_LIMIT = 64 << 20  # bytes of each
TEXT_LIMIT = 4096  # characters

_KEPT = re.compile(
    r"data/weights/weight_\d+|data/constants/tensor_\d+|archive_format|archive_version|byteorder|version|\.data/\w+"
)
_LEFT_OUT = re.compile(r"extra/.*|data/sample_inputs/.*|module_info\.json")
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_PATH = re.compile(r"[\w.]*", re.ASCII)
_PLAIN = re.compile(r"[\w.:+<>= -]*", re.ASCII)
_OPERATOR = re.compile(
    r"torch\.ops\.(aten|prims|quantized|quantized_decomposed|torchvision)\.\w+(\.\w+)?"
    r"|torch\.ops\.higher_order\.(cond|wrap_with_set_grad_enabled|wrap_with_autocast)"
    r"|torch\.(_sym_\w+|sym_\w+)|math\.\w+"
    r"|_operator\.(getitem|add|sub|mul|truediv|floordiv|mod|pow|neg|pos|abs|eq|ne|lt|le|gt|ge|and_|or_|not_|lshift|rshift)",
    re.ASCII,
)
_FILES = re.compile(r"torch\.ops\.aten\.(from_file|save|load)\b")
_NAMES = frozenset(("name", "as_name", "forward_arg_names"))
_PATHS = frozenset(("fqn", "parameter_name", "buffer_name", "tensor_constant_name", "user_input_name"))
_TREES = frozenset(("in_spec", "out_spec"))
_TREE_TYPES = (None, "builtins.tuple", "builtins.list", "builtins.dict", "builtins.NoneType")
_OBJECTS = frozenset(("as_custom_obj", "custom_obj", "custom_obj_name", "class_fqn"))
_EXPRESSIONS = frozenset(
    (
        "Add",
        "And",
        "CeilDiv",
        "CeilToInt",
        "CleanDiv",
        "Eq",
        "Equality",
        "Float",
        "FloorDiv",
        "FloorToInt",
        "Ge",
        "Gt",
        "GreaterThan",
        "Identity",
        "IntTrueDiv",
        "FloatTrueDiv",
        "Integer",
        "Le",
        "LessThan",
        "Lt",
        "Max",
        "Min",
        "Mod",
        "ModularIndexing",
        "Mul",
        "Ne",
        "Not",
        "Or",
        "Pow",
        "PythonMod",
        "Rational",
        "StrictGreaterThan",
        "StrictLessThan",
        "Symbol",
        "ToFloat",
        "TruncToFloat",
        "TruncToInt",
        "Unequality",
        "Where",
        "oo",
        "int_oo",
        "IsNonOverlappingAndDenseIndicator",
    )
)
_SYMBOL = re.compile(r"[a-z]+\d+", re.ASCII)
_MOST_POWERS, _LARGEST_POWER = 4, 16


def load_program(path: Path) -> Any:
    """The module of an exported program, on the device it was exported on. Raises ModelError for one that is refused.

    PyTorch raises many types on damaged ones.
    """
    import torch

    return torch.export.load(packed(checked(members(path), str(path)))).module()


def checked(found: Mapping[str, bytes], name: str) -> dict[str, bytes]:
    """The members that PyTorch is given: those that a run needs, all of them data. Raises ModelError."""
    if "serialized_exported_program.json" in found or "models/model.json" not in found:
        raise ModelError(
            f"{name}: no program of torch.export.save of PyTorch 2.8 or later; older ones hold pickles: save it again"
        )
    kept: dict[str, bytes] = {SAMPLES: b""}
    for member, data in found.items():
        if member in (GRAPH, WEIGHTS, CONSTANTS):
            kept[member] = json.dumps(_CHECKS[member](_json(data, f"{name}: {member}"), f"{name}: {member}")).encode()
        elif _KEPT.fullmatch(member):
            kept[member] = data
        elif not _LEFT_OUT.fullmatch(member):
            raise _refused(f"{name}: member {member!r}")
    return kept


def _refused(what: str) -> ModelError:
    return ModelError(f"{what[:300]} is not what an exported classifier has, and could run code; {INSTEAD}")


def _json(data: bytes, name: str) -> Any:
    if len(data) > JSON_LIMIT:
        raise ModelError(f"{name}: {len(data)} bytes, the limit is {JSON_LIMIT}")
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise ModelError(f"{name} is not JSON; save the program again") from None


def _payloads(value: Any, name: str) -> Any:
    """The description of weights or constants: raw numbers, all of them."""
    try:
        for key, entry in value["config"].items():
            if entry["use_pickle"] is not False:
                raise ModelError(f"{name}: {key[:100]!r} is a pickle, which can run code; {INSTEAD}")
            if not re.fullmatch(r"(weight|tensor)_\d+", entry["path_name"]):
                raise _refused(f"{name}: {key[:100]!r} in {entry['path_name']!r}")
            _walk(entry, "", name)
    except ModelError:
        raise
    except (KeyError, TypeError, AttributeError):
        raise ModelError(f"{name} does not describe weights; save the program again") from None
    return value


def _program(value: Any, name: str) -> Any:
    """The graph without what only compilers and people read: guards and where each node came from."""
    if not isinstance(value, dict):
        raise ModelError(f"{name} does not describe a program; save it again")
    value = {**value, "guards_code": []}
    _walk(value, "", name)
    return value


_CHECKS = {GRAPH: _program, WEIGHTS: _payloads, CONSTANTS: _payloads}


def _walk(value: Any, key: str, name: str) -> None:
    """Check everything below `value`, which stands at `key`; drop metadata on the way."""
    if isinstance(value, dict):
        if "metadata" in value:
            value["metadata"] = {}
        for inner, each in value.items():
            if not _PATH.fullmatch(inner) or inner in _OBJECTS:
                raise _refused(f"{name}: {inner!r}")
            _walk(each, inner, name)
    elif isinstance(value, list):
        for each in value:
            _walk(each, key, name)
    elif isinstance(value, str) and not _fits(key, value):
        raise _refused(f"{name}: {key} {value!r}")


def _fits(key: str, text: str) -> bool:
    if key in _NAMES:
        # names of operators' arguments and of graph nodes become source text
        return text == "" or bool(_NAME.fullmatch(text))
    if key in _PATHS:
        return bool(_PATH.fullmatch(text))
    if key in ("target", "as_operator"):
        return bool(_OPERATOR.fullmatch(text)) and not _FILES.match(text)
    if key == "expr_str":
        return is_expression(text)
    if key in _TREES:
        return _is_tree_text(text)
    return len(text) <= TEXT_LIMIT and (bool(_PLAIN.fullmatch(text)) or key in ("as_string", "as_strings", "equation"))


def _is_tree_text(text: str) -> bool:
    try:
        version, tree = json.loads(text)
        return version == 1 and _is_tree(tree)
    except (ValueError, TypeError, KeyError, RecursionError):
        return False


def _is_tree(tree: Any) -> bool:
    """Whether it is a tree of tuples, lists and dicts, whose contexts are keys."""
    if tree["type"] not in _TREE_TYPES:
        return False
    context = None if tree["context"] is None else json.loads(tree["context"])
    keys = context is None or (isinstance(context, list) and all(isinstance(key, (str, int)) for key in context))
    return keys and all(map(_is_tree, tree["children_spec"]))


def is_expression(text: str) -> bool:
    """Whether a size expression, as sympy prints it, is one: PyTorch evaluates it as Python."""
    if len(text) > TEXT_LIMIT:
        return False
    try:
        tree = ast.parse(text, mode="eval").body
        nodes = list(ast.walk(tree))
        return sum(map(_is_power, nodes)) <= _MOST_POWERS and _is_term(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def _is_power(node: ast.AST) -> bool:
    return isinstance(node, ast.Pow) or (isinstance(node, ast.Name) and node.id == "Pow")


def _is_term(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, (int, float)) and abs(node.value) < 2**63
    if isinstance(node, ast.Name):
        return node.id in _EXPRESSIONS or bool(_SYMBOL.fullmatch(node.id))
    if isinstance(node, ast.UnaryOp):
        return _is_term(node.operand)
    if isinstance(node, ast.BinOp):
        if isinstance(node.op, ast.Pow):
            return _is_term(node.left) and _is_small(node.right)
        return isinstance(node.op, (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod)) and (
            _is_term(node.left) and _is_term(node.right)
        )
    if isinstance(node, ast.Compare):
        return _is_term(node.left) and all(map(_is_term, node.comparators))
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and _is_call(node.func.id, node)


def _is_call(name: str, node: ast.Call) -> bool:
    if name not in _EXPRESSIONS:
        return False
    if not all(
        isinstance(each.value, ast.Constant) and type(each.value.value) in (bool, int) for each in node.keywords
    ):
        return False
    if name in ("Symbol", "Float"):  # the only ones with text in them
        form = _SYMBOL if name == "Symbol" else re.compile(r"[\d.e+-]+", re.ASCII)
        first = node.args[0] if len(node.args) == 1 else None
        return isinstance(first, ast.Constant) and bool(form.fullmatch(str(first.value)))
    if name == "Pow":
        return len(node.args) == 2 and _is_term(node.args[0]) and _is_small(node.args[1])
    return all(map(_is_term, node.args))


def _is_small(node: ast.AST) -> bool:
    """Whether an exponent is a whole number of no great size."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Integer":
        node = node.args[0] if len(node.args) == 1 else node
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError):
        return False
    return isinstance(value, int) and abs(value) <= _LARGEST_POWER
