#!/usr/bin/env python3
"""Looks at a page of ptd-dump --html as a person would, in Debian's Chromium.

usage: page.py CHECK PAGE [STREAM.jsonl]    (PyPI: playwright axe-playwright-python, see make browser)

PTD_SHOTS=DIR keeps pictures of what was looked at. Leaves with 1 and the reason where something is wrong.
"""
import json
import os
import sys
import time
from contextlib import contextmanager

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

WIDTHS = {"wide": (1440, 900), "middle": (900, 800), "narrow": (390, 800)}
SHADES = ("advantage", "entropy", "divergence", "tutor", "logp")


@contextmanager
def opened(path, size="wide", dark=False, hash=""):
    """The page, which must ask for nothing and say nothing on the console."""
    said = []
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"])
        width, height = WIDTHS[size]
        page = browser.new_page(viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light")
        page.on("console", lambda m: said.append(f"console: {m.text}"))
        page.on("pageerror", lambda e: said.append(f"error: {e}"))
        page.on("request", lambda r: said.append(f"request: {r.url[:100]}") if not r.url.startswith(("file:", "data:")) else None)
        page.on("dialog", lambda d: (said.append(f"dialog: {d.message}"), d.dismiss()))
        page.goto("file://" + os.path.abspath(path) + hash)
        page.wait_for_function("document.querySelector('#chosen').childElementCount > 0 || document.querySelector('#run').childElementCount > 0")
        yield page
        browser.close()
    assert not said, said


def shot(page, name):
    if os.environ.get("PTD_SHOTS"):
        os.makedirs(os.environ["PTD_SHOTS"], exist_ok=True)
        page.screenshot(path=os.path.join(os.environ["PTD_SHOTS"], name + ".png"))


def rows(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def choose(page, uid):
    page.locator("#list .row", has_text=uid).first.click()
    page.wait_for_function("uid => document.querySelector('#chosen h2')?.textContent === uid", arg=uid)


def same(got, wanted, what):
    assert got == wanted, f"{what}: {got!r}, expected {wanted!r}"


def told(page):
    """What stands in the card of a token, by name."""
    names = page.locator("#token dt").all_inner_texts()
    return dict(zip(names, (s.replace("\u2212", "-") for s in page.locator("#token dd").all_inner_texts())))


def shows_tokens(page, group):
    y = next(y for y in group["rollouts"] if y.get("divergence"))
    i = group["rollouts"].index(y)
    box = page.locator("#chosen .answer").nth(i).locator(".tokens")
    same(box.locator("> span").count(), len(y["ids"]), "tokens")
    t = max(range(len(y["ids"])), key=lambda t: y["entropy"][t])
    box.locator("> span").nth(t).hover()
    card = told(page)
    for name, x in (("entropy", y["entropy"][t]), ("divergence", y["divergence"][t]), ("student", y["logp"][t]), ("tutor", y["teacher_on_ids"][t]),
                    ("tutor \u2212 student", y["teacher_on_ids"][t] - y["logp"][t]), ("advantage", y["advantages"][t])):
        assert abs(float(card[name.replace("−", "\u2212")]) - x) < 2e-3 + 1e-3 * abs(x), (name, card, x)
    assert page.locator("#token tbody tr").count() >= 2
    for name in SHADES:
        page.locator(f"#shades [data-shade={name}]").click()
        colours = box.locator("> span").evaluate_all("spans => spans.map(s => getComputedStyle(s).backgroundColor)")
        assert len(set(colours)) > 1 or name == "advantage", (name, colours)
        if name == "entropy":
            assert colours[t] != "rgba(0, 0, 0, 0)", colours
    shot(page, "shaded")


def shows(path, stream):
    groups = rows(stream)
    group = next(g for g in groups if "hint" in g and any(y.get("divergence") for y in g["rollouts"]))
    with opened(path) as page:
        same(page.locator("#found").inner_text(), f"{len(groups)} groups", "list")
        choose(page, group["uid"])
        text = page.locator("#chosen").inner_text()
        for words in (group["question"].replace("<image>", "").strip(), group["answer"], group["hint"]["text"], "from " + group["hint"]["source"], "no zero-spoiler rule broken"):
            assert words in text, words
        same(page.locator("#chosen .answer").count(), len(group["rollouts"]), "responses")
        for i, y in enumerate(group["rollouts"]):
            answer = page.locator("#chosen .answer").nth(i)
            assert y["outcome"] in answer.inner_text()
            shown = "".join(answer.locator(".tokens > span:not(.special)").all_text_contents())
            assert shown.replace("\u23ce", "").strip() == y["text"].strip(), (shown, y["text"])
        assert page.locator("#chosen img").first.evaluate("img => img.decode().then(() => img.naturalWidth)") == group["pictures"][0]["width"]
        same(page.locator("#chosen .picture .box").count(), len(group["hint"]["regions"]), "boxes")
        canvas = page.locator("#chosen canvas")
        same([canvas.evaluate("c => c.height"), canvas.evaluate("c => c.width")], [group["map"]["rows"], group["map"]["columns"]], "heat")
        best = group["map"]["score"].index(1)
        alpha = canvas.evaluate("c => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data].filter((_, i) => i % 4 === 3)")
        same(alpha.index(max(alpha)), best, "hottest place")
        for key, what in (("h", "canvas"), ("b", ".picture .box")):
            page.keyboard.press(key)
            assert not page.locator(f"#chosen {what}").first.is_visible()
            page.keyboard.press(key)
            assert page.locator(f"#chosen {what}").first.is_visible()
        shows_tokens(page, group)
        box = page.locator("#chosen .answer .tokens").first
        box.focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        assert page.locator("#token").is_visible() and "token 2 of" in page.locator("#token").inner_text()
        assert page.locator("#said").inner_text()


def found(page):
    return int(page.locator("#found").inner_text().split()[0])


def finds(path, stream):
    groups = rows(stream)
    outcomes = [[y["outcome"] for y in g["rollouts"]] for g in groups]
    wanted = {
        ("outcome", "wrong"): sum("wrong" in o for o in outcomes), ("outcome", "allright"): sum(set(o) == {"right"} for o in outcomes),
        ("outcome", "mixed"): sum("right" in o and set(o) != {"right"} for o in outcomes), ("outcome", "unparsable"): sum("unparsable" in o for o in outcomes),
        ("hinted", "hint"): sum("hint" in g for g in groups), ("hinted", "dropped"): sum("hint_drop" in g for g in groups),
        ("hinted", "tutored"): sum(any("teacher_key" in y for y in g["rollouts"]) for g in groups), ("step", "2"): sum(g["step"] == 2 for g in groups),
        ("category", groups[0]["category"]): sum(g["category"] == groups[0]["category"] for g in groups)}
    with opened(path) as page:
        for (select, value), n in wanted.items():
            page.select_option(f"#{select}", value)
            same(found(page), n, f"{select} {value}")
            page.select_option(f"#{select}", "")
        text = groups[5]["rollouts"][1]["text"].strip()
        n = sum(all(w in json.dumps(g, ensure_ascii=False).lower() for w in text.lower().split()) for g in groups)
        page.keyboard.press("/")
        page.keyboard.type(text)
        page.wait_for_function("!document.querySelector('#found').textContent.includes('reading')")
        page.wait_for_timeout(400)
        assert 1 <= found(page) <= max(n, 1), (text, found(page), n)
        page.keyboard.press("Escape")
        same(found(page), len(groups), "all again")
        first = page.locator("#chosen h2").inner_text()
        page.keyboard.press("j")
        page.wait_for_function("was => document.querySelector('#chosen h2').textContent !== was", arg=first)
        page.keyboard.press("k")
        page.wait_for_function("was => document.querySelector('#chosen h2').textContent === was", arg=first)
        page.select_option("#order", "accuracy")
        lowest = min(g["group_accuracy"] for g in groups)
        page.locator("#list").focus()
        page.keyboard.press("Home")
        page.wait_for_function("document.querySelector('#list .row[aria-posinset=\"1\"]').getAttribute('aria-selected') === 'true'")
        uid = page.locator("#chosen h2").inner_text()
        assert any(g["uid"] == uid and g["group_accuracy"] == lowest for g in groups), uid
        page.keyboard.press("2")
        here = page.evaluate("location.hash")
        assert "shade=entropy" in here and "order=accuracy" in here, here
    with opened(path, hash=here) as page:
        same(page.locator("#chosen h2").inner_text(), uid, "the address")
        same(page.locator("#shades [aria-pressed=true]").inner_text(), "entropy", "shade of the address")


def beside(path):
    with opened(path) as page:
        same(page.locator("#chosen .stream").count(), 2, "streams side by side")
        left, right = (page.locator("#chosen .stream").nth(i).bounding_box() for i in (0, 1))
        assert left["x"] + left["width"] <= right["x"] and abs(left["y"] - right["y"]) < 2
        same(page.locator("#chosen .stream").nth(0).locator(".answer").count(), 4, "answers")
        shot(page, "beside")
        page.keyboard.press("s")
        same(page.locator("#steps tbody tr").count(), 3, "steps")
        assert page.locator("#steps .chart").count() >= 4
        same(page.locator("#steps .chart").first.locator("polyline").count(), 2, "curves")
        shot(page, "steps")
        page.locator("#steps tbody button").nth(1).click()
        same(found(page), 4, "groups of the step")
        page.keyboard.press("r")
        run = page.locator("#run").inner_text()
        assert "ptd-rollout" in run and "hidden_size" in run and "model.language_model.norm.weight" in run and "3 (newest)" in run and "5.51 MB" in run
        changes = page.locator("#run table").last.locator("tbody tr td:last-child").all_inner_texts()
        assert len(changes) > 10 and all(0 < float(c) < 1 for c in changes), changes
        shot(page, "run")


def harmless(path):
    with opened(path) as page:
        for key in "gsrg":
            page.keyboard.press(key)
        for _ in range(3):
            page.keyboard.press("j")
            page.wait_for_timeout(150)
        page.locator("#chosen .tokens > span").first.hover()
        same(page.evaluate("window.owned === undefined"), True, "nothing ran")
        same(page.locator("img[src=x]").count(), 0, "markup")
        same(page.locator("#chosen script").count(), 0, "scripts")
        text = page.locator("#chosen").inner_text()
        assert "</script><script>window.owned = 1</script><img src=x" in text and "\u202e" not in text and "\\u202e" in text
        shot(page, "hostile")


def findings(page, where):
    result = Axe().run(page)
    bad = [f"{v['id']} ({v['impact']}): {v['nodes'][0]['html'][:160]} {v['nodes'][0].get('failureSummary', '')}" for v in result.response["violations"] if v["impact"] in ("serious", "critical")]
    assert not bad, (where, bad)


def fits(page, where):
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0, f"{where}: {wide} pixels wider than the window"


def accessible(path):
    for dark, sizes in ((False, WIDTHS), (True, ("wide",))):
        for size in sizes:
            with opened(path, size, dark) as page:
                for key in "gsr":
                    page.keyboard.press(key)
                    where = f"{size}-{'dark' if dark else 'light'}-{key}"
                    findings(page, where)
                    fits(page, where)
                    shot(page, where)
                page.keyboard.press("g")
                if size == "narrow":
                    page.locator("#list .row").first.click()
                page.keyboard.press("2")
                page.wait_for_timeout(100)
                findings(page, size + " chosen")
                fits(page, size + " chosen")
                shot(page, f"{size}-{'dark' if dark else 'light'}-chosen")
                page.keyboard.press("?")
                findings(page, size + " keys")
    with opened(path, dark=True) as page:
        page.emulate_media(media="print")
        assert not page.locator("aside").is_visible() and not page.locator("#tools").is_visible() and page.locator("#chosen h2").is_visible()
        same(page.evaluate("getComputedStyle(document.body).backgroundColor"), "rgb(255, 255, 255)", "paper")
        pdf = page.pdf()
        assert pdf[:5] == b"%PDF-" and len(pdf) > 10000
        if os.environ.get("PTD_SHOTS"):
            open(os.path.join(os.environ["PTD_SHOTS"], "paper.pdf"), "wb").write(pdf)


def large(path):
    began = time.monotonic()
    with opened(path) as page:
        took = time.monotonic() - began
        assert took < 20, f"{took:.1f} s to open"
        same(page.locator("#found").inner_text(), "1,000 groups", "list")
        assert page.locator("#list .row").count() < 60
        page.locator("#list").focus()
        page.keyboard.press("End")
        page.wait_for_function("document.querySelector('#list .row[aria-selected=true]')?.getAttribute('aria-posinset') === '1000'")
        assert page.locator("*").count() < 12000
        began = page.evaluate("performance.now()")
        page.select_option("#outcome", "wrong")
        assert page.evaluate("performance.now()") - began < 2000


def crowded(path):
    """What there was no room for is said: of 512 responses some, of 16 pictures some."""
    with opened(path) as page:
        page.locator("#list").focus()
        page.keyboard.press("End")
        page.wait_for_selector("#chosen .note")
        shown = page.locator("#chosen .answer").count()
        same(page.locator("#chosen .note").inner_text(), f"There was no room for {512 - shown} more responses.", "note")
        assert 0 < shown < 512
        shot(page, "crowded")


def nothing(path):
    """Of what is no stream: why, and no word about a store that it cannot have named."""
    with opened(path) as page:
        words = page.locator(".note").all_inner_texts()
        assert len(words) == 1 and words[0].startswith("This is shown as far as it goes: standard input: "), words
        same(page.locator("#run").inner_text(), "Nothing of this stream could be read.", "run")


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
