"""Every node has its help page and its texts, in English and Chinese, and they speak of the node as it is."""

from __future__ import annotations

import ast
import json
import re

import pytest

from tests.conftest import ROOT

from .make_english_locale import PATH, english

LOCALES = ROOT / "locales"
DOCS = ROOT / "web" / "docs"
PICTURE = re.compile(r"!\[[^\]]+\]\(([^)]+)\)")
QUOTE = re.compile(r"^- \*([^*]+)\*", re.M)
MOST_BYTES = 1_500_000


def texts(value) -> list[str]:
    return [value] if isinstance(value, str) else [text for part in value.values() for text in texts(part)]


def paths(value, prefix: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    if isinstance(value, str):
        return {prefix}
    return {path for key, part in value.items() for path in paths(part, (*prefix, key))}


def locale(language: str, name: str = "nodeDefs") -> dict:
    return json.loads((LOCALES / language / f"{name}.json").read_text(encoding="utf-8"))


def page(node_id: str, language: str) -> str:
    """As ComfyUI's front end looks for it: <NodeId>/<language>.md, then <NodeId>.md, which is the English one."""
    path = DOCS / f"{node_id}.md" if language == "en" else DOCS / node_id / f"{language}.md"
    return path.read_text(encoding="utf-8")


def test_english_is_what_the_nodes_say(pack):
    assert locale("en") == english(pack), f"{PATH} is old: run python -m tests.nodes.make_english_locale"


def test_chinese_is_complete(pack):
    chinese = locale("zh")
    assert paths(chinese) == paths(english(pack))
    same = {text for text in texts(chinese) if text.isascii()}
    assert same == {"AdaIN"}, "texts that are not translated"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_categories_have_names(pack, language):
    used = {part for node in pack.NODE_CLASS_MAPPINGS.values() for part in node.CATEGORY.split("/")}
    assert set(locale(language, "main")["nodeCategories"]) == used


@pytest.mark.parametrize("language", ["en", "zh"])
def test_texts_pass_the_front_end_unchanged(language):
    """Its translation library, vue-i18n, reads {name}, @:key and one | two in them."""
    for text in [*texts(locale(language)), *texts(locale(language, "main"))]:
        assert text.strip() == text != ""
        assert not set(text) & set("{}@|"), text


@pytest.mark.parametrize("language", ["en", "zh"])
def test_labels_differ_within_a_node(language):
    for node_id, node in locale(language).items():
        labels = [entry["name"] for entry in node["inputs"].values()]
        assert len(set(labels)) == len(labels), node_id


@pytest.mark.parametrize("language", ["en", "zh"])
def test_pages_name_everything(pack, language):
    translated = locale(language)
    for node_id in pack.NODE_CLASS_MAPPINGS:
        text, node = page(node_id, language), translated[node_id]
        assert text.startswith(f"# {node['display_name']}\n")
        for name, entry in node["inputs"].items():
            label = f"**{entry['name']}**" + ("" if language == "en" else f"\uff08{name}\uff09")  # full-width brackets
            assert label in text, f"{node_id}: {label}"
        for entry in node["outputs"].values():
            assert f"- **{entry['name']}**" in text, f"{node_id}: {entry['name']}"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_nothing_is_wider_than_the_help_panel(pack, language):
    """Code breaks at spaces and hyphens only; what is longer than this is cut off in a list."""
    for node_id in pack.NODE_CLASS_MAPPINGS:
        for code in re.findall("`([^`]+)`", page(node_id, language)):
            assert max(map(len, re.split("[ -]", code))) <= 22, f"{node_id}: {code}"


def test_pages_are_of_nodes_that_exist(pack):
    found = {path.stem for path in DOCS.glob("*.md")} | {path.name for path in DOCS.iterdir() if path.is_dir()}
    assert found == set(pack.NODE_CLASS_MAPPINGS)


def test_translated_pages_have_the_same_parts(pack):
    """Pictures in the same order, as many headings, list entries and option values."""
    for node_id in pack.NODE_CLASS_MAPPINGS:
        first, second = page(node_id, "en"), page(node_id, "zh")
        for part in (PICTURE, re.compile(r"^(#+) ", re.M), re.compile(r"^( *-) ", re.M)):
            assert part.findall(first) == part.findall(second), f"{node_id}: {part.pattern}"


def strings(node: ast.AST) -> list[str]:
    return [part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)]


def test_quoted_errors_are_those_of_the_code(pack):
    """What stands between the dots of a quote is in something raised; a name before its colon may be filled in."""
    paths = [*(ROOT / "nodes").glob("*.py"), *(ROOT / "adain_core").rglob("*.py")]
    everything = [node for path in paths for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    raised = [text for node in everything if isinstance(node, ast.Raise) for text in strings(node)]
    inputs = {name for node in locale("en").values() for name in node["inputs"]}

    def found(fragment: str) -> bool:
        name, colon, rest = fragment.partition(": ")
        return any(fragment in text or (name in inputs and text.startswith(colon + rest)) for text in raised)

    for node_id in pack.NODE_CLASS_MAPPINGS:
        quotes, translated = (
            QUOTE.findall(page(node_id, language).rpartition("\n## ")[2]) for language in ("en", "zh")
        )
        assert quotes
        assert translated == quotes, node_id
        for fragment in "\u2026".join(quotes).split("\u2026"):
            assert found(fragment.strip()), f"{node_id}: {fragment}"


def test_pictures_are_there_and_used():
    used = {name for path in DOCS.rglob("*.md") for name in PICTURE.findall(path.read_text(encoding="utf-8"))}
    files = [path for path in DOCS.rglob("*") if path.is_file() and path.suffix != ".md"]
    # The front end resolves a picture's name against docs/, whichever language's page it is in.
    assert used == {str(path.relative_to(DOCS)) for path in files}
    assert sum(path.stat().st_size for path in files) < MOST_BYTES
