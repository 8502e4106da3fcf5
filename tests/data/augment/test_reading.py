import pytest

from melisma.core.errors import InputError
from melisma.data.augment.reading import read_yaml


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "recipe.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_plain_values_are_read(file):
    assert read_yaml(file("a: [1, 2.5]\nb: {c: yes}\n")) == {"a": [1, 2.5], "b": {"c": True}}


BOMB = 'a: &a ["x","x","x"]\n' + "".join(
    f"{b}: &{b} [{', '.join('*' + a for _ in range(9))}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (BOMB, r"line 1: anchors and aliases"),
        ("a: 1\n<<: *b\n", "line 2: anchors and aliases"),
        ("a: !!python/object/apply:os.system [echo]\n", "line 1: tags such as tag:yaml.org,2002:python/object"),
        ("a: !!int 3\n", "tags such as"),
        ("a: 1\nb: 2\na: 3\n", "line 3: 'a' stands here twice"),
        ("x:\n  - {a: 1, a: 2}\n", "line 2: 'a' stands here twice"),
        ("[" * 40 + "]" * 40, "nested more than 12 deep"),
        ("[" * 60000, "nested more than 12 deep"),
        ("[" + "1," * 6000 + "]", "more than 5000 values"),
        ("#" * 70000, "longer than 64 KiB"),
        ("a: [1, 2\n", "is no YAML: line 2"),
        ("a: b: c\n", "is no YAML: line 1"),
        ("a: " + "9" * 6000 + "\n", "is no YAML that can be read"),
        ("a: 2026-99-99\n", "is no YAML that can be read"),
        (b"a: \xff\xfe\n", "not in UTF-8"),
        ("a: \x00\n", "is no YAML"),
        ("--- 1\n--- 2\n", "is no YAML"),
    ],
)
def test_what_is_no_plain_yaml_is_refused(file, text, fault):
    with pytest.raises(InputError, match=fault):
        read_yaml(file(text))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"cannot read the recipe .*none\.yaml"):
        read_yaml(tmp_path / "none.yaml")
