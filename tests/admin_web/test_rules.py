"""Rules for all files of the web: every error has its sentence, nothing is inline, vendored files
are unchanged."""

import re
from pathlib import Path

import pytest

import admin_web
from admin_web import vendored
from admin_web.words.audit_log import ACTIONS

ROOT = Path(admin_web.__file__).parent
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))


def test_everything_that_is_written_in_the_audit_log_has_words() -> None:
    sources = (path.read_text() for path in (ROOT.parent / "api").rglob("*.py"))
    recorded = {
        action
        for source in sources
        for action in re.findall(r'audit\.record\(\s*\w+,\s*"(\w+)"', source)
    }
    assert len(recorded) > 15
    assert recorded - ACTIONS.keys() == set()


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.stem)
def test_templates_hold_nothing_that_the_content_policy_forbids(template: Path) -> None:
    text = template.read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)", text)
    assert not re.search(r"\sstyle=|<style", text)
    assert not re.search(r"\son[a-z]+=", text)
    assert "|safe" not in text.replace(" ", "")
    assert "javascript:" not in text


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.stem)
def test_every_form_that_changes_something_has_its_token(template: Path) -> None:
    for form in re.findall(r"<form method=\"post\".*?</form>", template.read_text(), re.DOTALL):
        assert "ui.csrf()" in form


def test_no_script_is_loaded_twice() -> None:
    """A script that a page loads with a version in its address, and another script imports without
    it, would be two modules that both act."""
    imports = {
        path.name: set(re.findall(r'from "\./(\w+\.js)"', path.read_text()))
        for path in (ROOT / "static" / "js").glob("*.js")
    }

    def all_imports(name: str) -> set[str]:
        return imports[name] | {deeper for one in imports[name] for deeper in all_imports(one)}

    for template in TEMPLATES:
        loaded = set(re.findall(r"asset\('js/(\w+\.js)'\)", template.read_text())) | {
            "every_page.js"
        }
        assert not loaded & {one for name in loaded for one in all_imports(name)}, template.name


def test_own_styles_and_scripts_load_from_this_site_only() -> None:
    for path in [*(ROOT / "static" / "css").glob("*.css"), *(ROOT / "static" / "js").glob("*.js")]:
        assert not re.search(r"https?://|url\(\"?data:|eval\(|new Function", path.read_text()), (
            path.name
        )


def test_pico_is_only_there_with_what_replaces_its_icons() -> None:
    """Without the replacement, a page that is drawn too early asks for addresses that the content
    policy blocks, and its console complains."""
    version = next(row.version for row in vendored.listed() if row.package == "@picocss/pico")
    base = (ROOT / "static" / "css" / "base.css").read_text()
    frame = (ROOT / "templates" / "base.html").read_text()
    assert f'@import url("../vendor/pico/pico.min.css?v={version}");' in base
    found = re.findall(r"<link rel=.(\w+).[^>]*pico\.min\.css', v='([^']+)'", frame)
    assert found == [("preload", version)]


def test_vendored_files_are_the_ones_that_were_reviewed(tmp_path: Path) -> None:
    for folder, number in ((vendored.VENDOR, 5), (ROOT.parent / "tests" / "browser" / "vendor", 3)):
        assert vendored.problems(folder) == []
        assert len(vendored.listed(folder)) == number
    (tmp_path / "VENDORED.md").write_text(
        f"| `a.css` | `@x/y@1.0` | `a.css` | `{'0' * 64}` | MIT |\n"
    )
    (tmp_path / "a.css").write_text("changed")
    (tmp_path / "b.js").write_text("smuggled in")
    found = vendored.problems(tmp_path)
    assert found == ["b.js is not in VENDORED.md", "a.css is not the file of @x/y 1.0"]
