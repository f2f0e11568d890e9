"""Reports in a real browser: what it loads, runs, draws and passes to assistive technology."""

import dataclasses
import json
import shutil

import pytest
from helpers import make_picture
from PIL import Image, PngImagePlugin

from freqfake import load_detector
from freqfake.report import Listed, examine, make_report, write_reports
from freqfake.report.page import render, render_index, write_page

HOSTILE = "\"><script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>"


@pytest.fixture(scope="module")
def pages(tmp_path_factory, samples):
    """Index and pages of a fake, an inconclusive, an unreadable and a hostile picture."""
    root = tmp_path_factory.mktemp("pictures")
    name = "fake.webp"
    shutil.copy(samples / "fake" / "mobilestylegan_201.webp", root / name)
    texts, exif = PngImagePlugin.PngInfo(), Image.Exif()
    texts.add_text("prompt", HOSTILE * 20)
    exif[0x0131] = HOSTILE
    small = Image.fromarray(make_picture(0, asynchrony=0.3, size=96))
    try:
        small.save(root / f"{HOSTILE.replace('/', '_')}\n\u202e.png", pnginfo=texts, exif=exif)
    except OSError:  # this file system does not take such names
        small.save(root / "hostile.png", pnginfo=texts, exif=exif)
    small.resize((80, 70)).save(root / "small.jpg")
    (root / "broken.png").touch()
    listed = write_reports(root, root / "out")
    kinds = {"fake.webp": "fake", "small.jpg": "inconclusive", "broken.png": "unreadable"}
    found = {kinds.get(row.name, "hostile"): root / "out" / row.page for row in listed}
    return {**found, "index": root / "out" / "index.html"}


KINDS = ["index", "fake", "inconclusive", "unreadable", "hostile"]


@pytest.fixture(scope="module", params=["film.html", "empty.html", "broken.html"])
def video_page(request, film, videos, judge, tmp_path_factory):
    """Page of a video with faces, of one without, and of a broken one."""
    path = tmp_path_factory.mktemp("pages") / request.param
    report = film if request.param == "film.html" else make_report(
        videos / request.param.replace(".html", ".mp4"), judge
    )  # fmt: skip
    report.save(path)
    return path


def show(browser, path, *, width=1280, scheme="light"):
    """Open a page; return what the browser logged and requested."""
    screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    for log in ("browser", "performance"):
        browser.get_log(log)
    browser.get(path.as_uri())
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    requested = [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]
    return browser.get_log("browser"), [url for url in requested if not url.startswith("data:")]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_load_nothing_and_fit(browser, pages, kind, scheme):
    check_page(browser, pages[kind], scheme)


def check_page(browser, page, scheme):
    for width in (390, 1280):
        logged, requested = show(browser, page, width=width, scheme=scheme)
        assert logged == []
        assert requested == [page.as_uri()]
        loaded = "return performance.getEntriesByType('resource').map(e => e.name)"
        assert all(url.startswith("data:") for url in browser.execute_script(loaded))
        wide = browser.execute_script("return document.documentElement.scrollWidth")
        assert wide <= width
        broken = "return [...document.images].filter(i => !i.naturalWidth).length"
        assert browser.execute_script(broken) == 0


def colours(browser, element):
    code = "const s = getComputedStyle(arguments[0]); return [s.color, s.fill, s.backgroundColor]"
    return browser.execute_script(code, element)


def test_light_and_dark(browser, pages):
    seen = {}
    for scheme in ("light", "dark"):
        show(browser, pages["fake"], scheme=scheme)
        body = browser.find_element("css selector", "body")
        label = browser.find_element("css selector", ".drawing svg text")
        ink, _, ground = colours(browser, body)
        assert colours(browser, label)[1] == ink  # figures follow the page
        seen[scheme] = ink, ground
    assert seen["light"][0] != seen["dark"][0]
    assert seen["light"][1] != seen["dark"][1]


def test_hostile_names_and_texts_run_nothing(browser, pages):
    for kind in ("hostile", "index"):
        show(browser, pages[kind])
        assert browser.execute_script("return window.hacked") is None
        assert "window.hacked" in browser.find_element("tag name", "body").text
    show(browser, pages["hostile"])
    text = browser.execute_script("return document.querySelector('.long').textContent")
    assert text.startswith(HOSTILE)


NAMES = [
    HOSTILE, "javascript:window.hacked=1//.png", '" onfocus="window.hacked=1" autofocus x="',
    "'><svg onload=window.hacked=1>", "</title></style></script><script>window.hacked=1</script>",
    "--><script>window.hacked=1</script>", "]]><img src=x onerror=window.hacked=1>", "&#60;b&#62;",
    "{{ 1 + 1 }}{% raw %}", "${window.hacked=1}", "a\r\nb\tc", "\x1b[31m\x80\x9f\x7f",
    "\u202egpj.exe", "\U0001f600 e\u0301", "=1+1", "  ", "%2e%2e%2f", "a\\b?c#d",
]  # fmt: skip


def test_names_are_only_text(browser, tmp_path):
    """They run nothing, add nothing to the page, and can be restored from it exactly."""
    rows = [Listed(f"p{n}.html", name, f"d/{name}", 0.0, "", name, "")
            for n, name in enumerate(NAMES)]  # fmt: skip
    detector = load_detector()
    found = examine(tmp_path / "none.png", detector)
    write_page(tmp_path / "index.html", render_index(rows, found.model))
    logged, requested = show(browser, tmp_path / "index.html")
    assert (logged, requested) == ([], [(tmp_path / "index.html").as_uri()])
    back = "return [...document.querySelectorAll('tr[data-path]')]"
    back += ".map(row => decodeURIComponent(row.dataset.path))"
    assert browser.execute_script(back) == [f"d/{name}" for name in NAMES]
    links = "return [...document.querySelectorAll('#pictures a')].map(a => a.getAttribute('href'))"
    assert browser.execute_script(links) == [row.page for row in rows]
    kinds = "return [...new Set([...document.querySelectorAll('tbody *')].map(e => e.tagName))]"
    assert set(browser.execute_script(kinds)) <= {
        "TR", "TD", "TH", "A", "BDI", "SPAN", "svg", "path"
    }  # fmt: skip
    assert browser.execute_script("return window.hacked") is None
    for name in NAMES:
        report = dataclasses.replace(found, name=name, path=f"d/{name}", error=name)
        write_page(tmp_path / "p.html", render(report, detector))
        assert show(browser, tmp_path / "p.html")[0] == []
        path = "return decodeURIComponent(document.querySelector('h1').dataset.path)"
        assert browser.execute_script(path) == f"d/{name}"
        assert browser.execute_script("return window.hacked") is None


def test_policy_blocks_added_content(browser, pages):
    """A script or a remote picture that got into a page is blocked."""
    show(browser, pages["index"])
    browser.execute_script(
        "const s = document.createElement('script'); s.textContent = 'window.hacked = 1';"
        "document.body.append(s); const i = new Image(); i.src = 'https://example.org/x.png';"
        "document.body.append(i);"
    )
    assert browser.execute_script("return window.hacked") is None
    logged = [entry["message"] for entry in browser.get_log("browser")]
    assert sum("Content Security Policy" in message for message in logged) == 2


def column(browser, number):
    code = (
        "return [...document.querySelectorAll('#pictures tbody tr')]"
        ".map(row => row.cells[arguments[0]].dataset.value)"
    )
    return browser.execute_script(code, number)


def sorts(browser):
    headings = browser.find_elements("css selector", "#pictures thead th")
    return [heading.get_dom_attribute("aria-sort") for heading in headings]


def test_sorting_by_click(browser, pages):
    show(browser, pages["index"])
    buttons = browser.find_elements("css selector", "#pictures thead button")
    assert [button.text for button in buttons] == [
        "Picture", "Verdict", "Evidence", "Pixels", "Format"
    ]  # fmt: skip
    before = column(browser, 1)
    buttons[3].click()
    assert column(browser, 4) == ["5600", "9216", "1048576", ""]
    assert sorts(browser) == [None, None, None, "ascending", None]
    status = browser.find_element("id", "sorted")
    assert status.text == "Sorted by Pixels, ascending"
    buttons[3].click()
    assert column(browser, 4) == ["1048576", "9216", "5600", ""]
    assert sorts(browser) == [None, None, None, "descending", None]
    assert status.text == "Sorted by Pixels, descending"
    buttons[1].click()
    assert column(browser, 2) == ["0", "2", "2", "3"]
    buttons[0].click()
    assert column(browser, 1) == sorted(before, key=column(browser, 1).index)
    assert sorts(browser) == ["ascending", None, None, None, None]


def test_sorting_of_numbers(browser, tmp_path):
    llrs = [-0.8, 10.0, -1.5, float("nan"), 9.5]
    rows = [Listed("p.html", f"{llr}", "", llr, "", "", "") for llr in llrs]
    model = examine(make_picture(0, asynchrony=0.3)).model
    write_page(tmp_path / "index.html", render_index(rows, model))
    show(browser, tmp_path / "index.html")
    button = browser.find_elements("css selector", "#pictures thead button")[2]
    button.click()
    assert column(browser, 3) == ["-1.5", "-0.8", "9.5", "10.0", ""]
    button.click()
    assert column(browser, 3) == ["10.0", "9.5", "-0.8", "-1.5", ""]


def test_sorting_by_keyboard(browser, pages):
    from selenium.webdriver import ActionChains, Keys

    show(browser, pages["index"])
    keys = ActionChains(browser)
    keys.send_keys(Keys.TAB).perform()
    assert browser.switch_to.active_element.text == "Skip to the content"
    for _ in range(20):
        keys.send_keys(Keys.TAB).perform()
        if browser.switch_to.active_element.text == "Format":
            break
    outline = "return getComputedStyle(document.activeElement).outlineStyle"
    assert browser.execute_script(outline) == "solid"
    keys.send_keys(Keys.ENTER).perform()
    assert [value.split()[0] for value in column(browser, 5) if value] == [
        "JPEG", "lossless", "lossless"
    ]  # fmt: skip
    assert sorts(browser)[4] == "ascending"
    keys.send_keys(Keys.SPACE).perform()
    assert sorts(browser)[4] == "descending"
    assert column(browser, 5) == ["lossless", "lossless", "JPEG 4:2:0", ""]


def test_table_is_complete_without_scripts(browser, pages):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        show(browser, pages["index"])
        assert browser.find_elements("css selector", "#pictures button") == []
        assert len(browser.find_elements("css selector", "#pictures tbody a")) == 4
        assert not browser.find_element("css selector", ".hint").is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_links_lead_to_the_pages_and_back(browser, pages):
    show(browser, pages["index"])
    browser.find_element("link text", "fake.webp").click()
    assert browser.title == "Fake: fake.webp - freqfake"
    assert browser.current_url == pages["fake"].as_uri()
    browser.find_element("link text", "All pictures").click()
    assert browser.find_element("tag name", "h1").text == "Reports on 4 pictures"


def accessible(browser):
    """Role and name of every node that assistive technology gets."""
    browser.execute_cdp_cmd("Accessibility.enable", {})
    nodes = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    return [
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in nodes
        if not node["ignored"]
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_everything_has_an_accessible_name(browser, pages, kind):
    show(browser, pages[kind])
    nodes = accessible(browser)
    for role, name in nodes:
        if role in ("image", "img", "button", "link", "navigation", "table", "region", "heading"):
            assert name.strip(), role
    roles = [role for role, _ in nodes]
    for landmark in ("main", "banner", "contentinfo"):
        assert roles.count(landmark) == 1
    tables = {"index": 1, "unreadable": 3}.get(kind, 5)
    assert roles.count("table") >= tables


def test_figures_are_described(browser, pages):
    show(browser, pages["fake"])
    images = [name for role, name in accessible(browser) if role in ("image", "img")]
    for words in (
        "The picture that was examined, fake.webp",
        "log10 likelihood ratio +2.6 between",
        "Scale of the log10 likelihood ratio",
        "Two histograms: scores of known real pictures",
        "Bars: parts of the score",
        "Spectrum of red, zero frequency in the middle",
        "Three lines: how far red and green",
    ):
        assert sum(words in name for name in images) == 1, words
    assert len(images) == 1 + 1 + 3 + 6 + 2


def test_videos_have_such_a_page(browser, video_page):
    for scheme in ("light", "dark"):
        check_page(browser, video_page, scheme)
    for role, name in accessible(browser):
        if role in ("image", "img", "button", "link", "navigation", "table", "region", "heading"):
            assert name.strip(), role
    if video_page.stem == "broken":
        return
    from selenium.webdriver import Keys

    (timeline,) = browser.find_elements("css selector", "[aria-label^='Scores of ']")
    assert "looks" in timeline.accessible_name or "no face found" in timeline.accessible_name
    browser.find_element("css selector", "#frames ~ .split summary").send_keys(Keys.ENTER)
    rows = browser.find_elements("css selector", "#frames ~ .split .scroll tbody tr")
    assert len(rows) == {"film": 8, "empty": 2}[video_page.stem]
    assert rows[0].find_element("css selector", "th").text == "0:00.00"
    assert rows[-1].is_displayed()


def test_marks_of_frames_differ_in_shape(browser, film, tmp_path):
    """Each look has its own outline, so that the figure needs no colour."""
    film.save(tmp_path / "film.html")
    show(browser, tmp_path / "film.html")
    outlines = browser.execute_script(
        "return [...document.querySelectorAll('#timeline-legend_1 defs path, "
        "#timeline-axes_1 defs path')].map(p => p.getAttribute('d').replace(/[-\\d.]+/g, 'n'))"
    )
    assert len(set(outlines)) >= 3


def test_print_shows_no_navigation(browser, pages):
    show(browser, pages["fake"], scheme="dark")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert not browser.find_element("css selector", ".contents").is_displayed()
        ground = colours(browser, browser.find_element("css selector", "body"))[2]
        assert ground == "rgb(255, 255, 255)"
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_frame_of_a_notebook(browser, tmp_path):
    """The style stays inside, the page is shown, and links within it work."""
    report = make_report(make_picture(0, asynchrony=0.3, size=96), name=HOSTILE)
    notebook = tmp_path / "notebook.html"
    notebook.write_text(
        f"<!DOCTYPE html><meta charset=utf-8><p id=p>text</p>{report._repr_html_()}"
    )
    logged, _ = show(browser, notebook)
    assert logged == []
    background = colours(browser, browser.find_element("css selector", "body"))[2]
    assert background == "rgba(0, 0, 0, 0)"
    browser.switch_to.frame(0)
    try:
        heading = browser.find_element("tag name", "h1")
        assert heading.text == f"Report on {HOSTILE}"
        browser.find_element("link text", "Limits").click()
        assert browser.find_element("id", "limits").is_displayed()
    finally:
        browser.switch_to.default_content()
    assert browser.execute_script("return window.hacked") is None
    assert browser.find_element("id", "p").text == "text"
