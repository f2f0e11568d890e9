"""The page in a real browser, from the first picture to the saved table."""

import base64
import json
import re

import pytest
from helpers import make_picture, run
from PIL import Image
from serving import running, until

for package in ("starlette", "uvicorn", "jinja2", "matplotlib"):
    pytest.importorskip(package, reason="the page needs the extra web")

HOSTILE = "\"><img src=x onerror='window.hacked=1'>.png"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory, samples):
    """A fake, an inconclusive, a damaged one, and one with a hostile name."""
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "fake.webp").write_bytes((samples / "fake" / "mobilestylegan_201.webp").read_bytes())
    Image.fromarray(make_picture(0, asynchrony=0.3, size=96)).save(folder / "small.png")
    (folder / "clip.mp4").write_bytes(b"\0\0\0\x18ftypmp42")
    (folder / HOSTILE.replace("/", "_")).write_bytes((folder / "small.png").read_bytes())
    return folder


@pytest.fixture
def page(browser, served, tmp_path):
    """The open page; nothing may come from elsewhere, and nothing may be logged."""
    for log in ("browser", "performance"):
        browser.get_log(log)
    where = {"behavior": "allow", "downloadPath": str(tmp_path)}
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", where)
    look(browser)
    browser.get(served.address)
    yield browser
    assert browser.execute_script("return window.hacked") is None
    assert [entry["message"] for entry in browser.get_log("browser")] == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [event["params"]["request"]["url"] for event in events
            if event["method"] == "Network.requestWillBeSent"]  # fmt: skip
    assert [url for url in urls if not url.startswith((served.address, "data:"))] == []


def look(browser, *, width=1280, scheme="light"):
    screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def said(page):
    return page.find_element("id", "said").text


def names(page):
    return [cell.text for cell in page.find_elements("css selector", "#pictures tbody th bdi")]


def scored(page, words):
    until(lambda: words in said(page) and not said(page).count("Scoring"), lambda: said(page))


def choose(page, *paths):
    page.find_element("id", "files").send_keys("\n".join(map(str, paths)))


DELIVER = """
const [kind, files] = arguments, data = new DataTransfer();
for (const [name, content] of files) {
  const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
  data.items.add(new File([bytes], name, { type: "image/png" }));
}
const options = { bubbles: true, cancelable: true };
const event = kind === "paste" ? new ClipboardEvent("paste", { ...options, clipboardData: data })
  : new DragEvent(kind, { ...options, dataTransfer: data });
document.querySelector("h1").dispatchEvent(event);
return event.defaultPrevented;
"""


def deliver(page, kind, *files):
    given = [(name, base64.b64encode(data).decode()) for name, data in files]
    return page.execute_script(DELIVER, kind, given)


def test_from_a_picture_to_the_saved_report_and_table(page, served, pictures, tmp_path):
    paths = [pictures / name for name in ("fake.webp", "small.png", "clip.mp4")]
    assert not page.find_element("id", "session").is_displayed()
    choose(page, *paths)
    scored(page, "3 of 3 done.")
    assert "freqfake deep frames" in said(page)
    assert names(page) == ["clip.mp4", "small.png", "fake.webp"]  # the newest first
    shown = [badge.text for badge in page.find_elements("css selector", "#pictures .badge")]
    assert shown == ["No verdict", "Inconclusive", "Fake"]
    counts = [item.text.split() for item in page.find_elements("css selector", "#counts li")]
    assert [item[-1] for item in counts] == ["1", "1", "0", "1"]
    previews = "return [...document.querySelectorAll('.thumb img')].map(i => i.naturalWidth)"
    assert page.execute_script(previews) == [96, 112]

    page.refresh()
    assert names(page) == ["clip.mp4", "small.png", "fake.webp"]

    page.find_element("link text", "Save the table (CSV)").click()
    done = run("score", *(path.name for path in paths), "--out", tmp_path / "s.csv", cwd=pictures)
    assert done.returncode == 1
    saved = tmp_path / "scores.csv"
    until(lambda: saved.exists() and saved.stat().st_size)
    assert saved.read_bytes() == (tmp_path / "s.csv").read_bytes()

    page.find_elements("link text", "Save")[-1].click()
    until(lambda: list(tmp_path.glob("fake-*.html")))
    report = next(tmp_path.glob("fake-*.html")).read_text("utf-8")
    assert "<title>Fake: fake.webp - freqfake</title>" in report

    page.find_element("link text", "Save this list (HTML)").click()
    until(lambda: (tmp_path / "pictures.html").exists())
    check_saved_list(page, tmp_path / "pictures.html")


def check_saved_list(page, path):
    """It is complete and can be sorted without the server."""
    before = page.current_url
    page.get(path.as_uri())
    assert names(page) == ["fake.webp", "small.png", "clip.mp4"]
    page.find_elements("css selector", "#pictures thead button")[0].click()
    assert names(page) == ["clip.mp4", "fake.webp", "small.png"]
    page.get_log("performance")  # a file of ours
    page.get(before)


def test_a_report_opens_beside_the_page(page, served, pictures):
    choose(page, pictures / "small.png")
    scored(page, "small.png: inconclusive")
    here = page.current_window_handle
    page.find_elements("link text", "Open")[0].click()
    until(lambda: len(page.window_handles) == 2)
    try:
        page.switch_to.window(next(h for h in page.window_handles if h != here))
        until(lambda: page.title == "Inconclusive: small.png - freqfake")
        assert page.find_element("tag name", "h1").text == "Report on small.png"
        assert page.find_elements("css selector", ".drawing svg")
        assert page.execute_script("return window.opener") is None
        page.close()
    finally:
        page.switch_to.window(here)
    assert "small.png" in names(page)


def test_dropping(page, pictures):
    small = (pictures / "small.png").read_bytes()
    assert deliver(page, "dragover")
    assert "dragging" in page.execute_script("return document.body.className")
    assert deliver(page, "drop", ("one.png", small), (HOSTILE, small), ("none.png", b""))
    scored(page, "3 of 3 done.")
    assert names(page)[:3] == ["none.png", HOSTILE, "one.png"]
    assert "the file is empty" in page.find_element("css selector", "#pictures tbody tr").text
    assert "dragging" not in page.execute_script("return document.body.className")
    page.refresh()
    assert names(page)[1] == HOSTILE
    deliver(page, "drop")
    assert "is not a file" in page.find_element("id", "problems").text


def test_pasting(page, pictures):
    deliver(page, "paste", ("image.png", (pictures / "small.png").read_bytes()))
    scored(page, "inconclusive")
    assert re.fullmatch(r"pasted \d\d-\d\d-\d\d\.png", names(page)[0])
    deliver(page, "paste")
    assert page.find_element("id", "problems").text == "The clipboard has no picture"


def test_pictures_added_while_others_are_scored(page, pictures):
    small = (pictures / "small.png").read_bytes()
    for n in range(3):
        deliver(page, "drop", (f"first-{n}.png", small), (f"then-{n}.png", small))
    scored(page, "6 of 6 done.")
    assert names(page)[:6] == [f"{w}-{n}.png" for n in (2, 1, 0) for w in ("then", "first")]


def test_with_the_keyboard(page, pictures):
    from selenium.webdriver import ActionChains, Keys

    choose(page, pictures / "small.png")
    scored(page, "inconclusive")
    page.refresh()
    focused, marked = [], []
    for _ in range(8):
        ActionChains(page).send_keys(Keys.TAB).perform()
        element = page.switch_to.active_element
        focused.append(element.get_dom_attribute("id") or element.accessible_name)
        outline = "return getComputedStyle(document.activeElement).outlineStyle"
        marked.append(page.execute_script(outline))
    assert focused[:6] == ["Skip to the content", "files", "Save the table (CSV)",
                           "Save this list (HTML)", "Table of the pictures",
                           "Open the report on small.png in a new tab"]  # fmt: skip
    assert set(marked) <= {"solid", "auto"}


def accessible(page):
    page.execute_cdp_cmd("Accessibility.enable", {})
    nodes = page.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    return [
        (node["role"]["value"], node.get("name", {}).get("value", ""), node)
        for node in nodes
        if not node["ignored"]
    ]


def test_for_screen_readers(page, pictures):
    choose(page, pictures / "small.png")
    scored(page, "inconclusive")
    nodes = accessible(page)
    roles = [role for role, _, _ in nodes]
    for role, name, _ in nodes:
        if role in ("button", "link", "table", "region", "heading", "status", "image", "progress"):
            assert name.strip() or role in ("status", "image"), role
    for landmark in ("main", "banner", "contentinfo"):
        assert roles.count(landmark) == 1
    assert {"status", "alert", "table", "rowheader", "columnheader"} <= set(roles)
    (chooser,) = [name for role, name, _ in nodes if "choose files" in name and role == "button"]
    assert chooser.startswith("Drop pictures anywhere")
    live = "return document.getElementById('said').getAttribute('role')"
    assert page.execute_script(live) == "status"
    assert page.execute_script("return document.documentElement.lang") == "en"
    ids = page.execute_script("return [...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))


CONTRAST = """
const light = (colour) => {
  const part = colour.match(/[\\d.]+/g).slice(0, 3).map((n) => n / 255)
    .map((n) => n <= 0.04045 ? n / 12.92 : ((n + 0.055) / 1.055) ** 2.4);
  return 0.2126 * part[0] + 0.7152 * part[1] + 0.0722 * part[2];
};
const ground = (element) => {
  for (; element; element = element.parentElement) {
    const colour = getComputedStyle(element).backgroundColor;
    if (colour !== "rgba(0, 0, 0, 0)") return colour;
  }
};
return [...document.querySelectorAll("h1, h2, p, a, label, th, td, .badge, .why, caption, li")]
  .filter((e) => e.innerText.trim() && e.checkVisibility()).map((e) => {
    const [a, b] = [getComputedStyle(e).color, ground(e)].map(light).sort((x, y) => y - x);
    return [(a + 0.05) / (b + 0.05), e.outerHTML.slice(0, 80)];
  }).filter(([ratio]) => ratio < 4.5);
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_fits_and_can_be_read(page, pictures, tmp_path, scheme, width):
    choose(page, *(pictures / name for name in ("fake.webp", "clip.mp4")))
    scored(page, "2 of 2 done.")
    deliver(page, "paste")
    look(page, width=width, scheme=scheme)
    assert page.execute_script("return document.documentElement.scrollWidth") <= width
    assert page.execute_script(CONTRAST) == []


def test_the_policy_blocks_what_gets_in(browser, served):
    """A script or a remote picture in the page would not run or load."""
    browser.get(served.address)
    browser.get_log("browser")
    browser.execute_script(
        "const s = document.createElement('script'); s.textContent = 'window.hacked = 1';"
        "document.body.append(s); const i = new Image(); i.src = 'https://example.org/x.png';"
        "document.body.append(i); document.body.setAttribute('onclick', 'window.hacked = 1');"
        "document.body.click(); fetch('https://example.org/').catch(() => 0);"
    )
    assert browser.execute_script("return window.hacked") is None
    logged = [entry["message"] for entry in browser.get_log("browser")]
    assert sum("Content Security Policy" in message for message in logged) >= 3


def test_when_the_program_has_ended(browser, tmp_path, pictures):
    with running(tmp_path) as served:
        browser.get(served.address)
        served.process.kill()
        served.process.wait()
        choose(browser, pictures / "small.png")
        until(lambda: browser.find_element("id", "problems").text)
        assert "freqfake does not answer" in browser.find_element("id", "problems").text
    browser.get("about:blank")
