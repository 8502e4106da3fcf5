from __future__ import annotations

import pytest

from melisma.core.errors import ModelError
from melisma.models import embedded
from melisma.models.onnx_file import check_whole

onnx = pytest.importorskip("onnx")


def outside(location: str = "../../etc/passwd"):
    tensor = onnx.TensorProto(name="w", data_type=onnx.TensorProto.FLOAT, dims=[4])
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return tensor


def model(**parts):
    graph = onnx.helper.make_graph(parts.get("nodes", []), "g", [], [], parts.get("weights", []))
    return onnx.helper.make_model(graph)


def inside():
    return onnx.helper.make_tensor("w", onnx.TensorProto.FLOAT, [2], [1.0, 2.0])


def nested(tensor):
    body = onnx.helper.make_graph([], "body", [], [], [tensor])
    return model(nodes=[onnx.helper.make_node("If", ["c"], ["y"], then_branch=body, else_branch=body)])


def test_the_embedded_model_keeps_everything_inside():
    for card in embedded.cards():
        check_whole(card.path)


@pytest.mark.parametrize("made", [model(weights=[inside()]), nested(inside())])
def test_weights_inside_are_taken(made, tmp_path):
    (tmp_path / "m.onnx").write_bytes(made.SerializeToString())
    check_whole(tmp_path / "m.onnx")


@pytest.mark.parametrize(
    "made",
    [
        model(weights=[inside(), outside()]),
        model(weights=[outside("weights.data")]),
        model(nodes=[onnx.helper.make_node("Constant", [], ["c"], value=outside())]),
        nested(outside()),
    ],
    ids=["traversal", "beside", "constant", "subgraph"],
)
def test_weights_in_other_files_are_refused(made, tmp_path):
    (tmp_path / "m.onnx").write_bytes(made.SerializeToString())
    with pytest.raises(ModelError, match="keeps weights in other files"):
        check_whole(tmp_path / "m.onnx")


@pytest.mark.parametrize("data", [b"", b"\xff" * 40, b"\x3a\xff\xff\xff\xff\x07", b"\x0b\x0b", b"no onnx file at all"])
def test_what_is_no_onnx_file_is_refused(data, tmp_path):
    (tmp_path / "m.onnx").write_bytes(data)
    with pytest.raises(ModelError, match="is no ONNX file, or a damaged one"):
        check_whole(tmp_path / "m.onnx")


def test_messages_without_end_are_refused(tmp_path):
    data = b""
    for _ in range(200):  # a graph in an attribute of a node of a graph …
        for tag in (b"\x32", b"\x2a", b"\x0a"):
            data = tag + _length(len(data)) + data
    (tmp_path / "m.onnx").write_bytes(b"\x3a" + _length(len(data)) + data)
    with pytest.raises(ModelError, match="is no ONNX file"):
        check_whole(tmp_path / "m.onnx")


def _length(n: int) -> bytes:
    out = b""
    while n > 0x7F:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])
