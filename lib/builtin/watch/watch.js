// The page of ptd-watch --serve: asks for /state.json every two seconds, for /series.json when
// there is more of the metrics. Whatever comes is shown as text.
"use strict";
const EVERY = 2000;
const at = (id) => document.getElementById(id);
let series = {}, shown = [], lines = -1;

function make(tag, text, cls) {
    const e = document.createElement(tag);
    if (text !== undefined) e.textContent = text;
    if (cls) e.className = cls;
    return e;
}
function time(s) {
    if (s === null) return "–";
    s = Math.round(s);
    const two = (n) => String(n).padStart(2, "0");
    return s < 3600 ? `${Math.floor(s / 60)}:${two(s % 60)}` : `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}
function bytes(n) {
    if (n === null) return "–";
    const unit = ["B", "KB", "MB", "GB", "TB"];
    let i = 0;
    for (; n >= 999.5 && i < 4; i++) n /= 1000;
    return `${i ? n.toPrecision(3) : Math.round(n)} ${unit[i]}`; // as size.c
}
const number = (x) => String(Number(x.toPrecision(4)));

function facts(s) {
    const rows = [["generation", s.generation + (s.steps ? ` of ${s.steps}` : "")], ["trainer", s.trained ? "at work" : "none"],
        ["ETA", time(s.eta)], ["memory left", bytes(s.left)], ["metrics", `${s.lines} lines`]];
    at("store").textContent = s.store;
    document.title = `${s.generation}${s.steps ? "/" + s.steps : ""} ${s.store}`;
    at("facts").replaceChildren(...rows.map(([k, v]) => {
        const d = make("div");
        d.append(make("dt", k), make("dd", v));
        return d;
    }));
}
function programs(list) {
    at("idle").hidden = list.length > 0;
    at("programs").replaceChildren(...list.map((p) => {
        const now = p.awaits ? `waits for ${p.awaits}` : p.total ? `step ${p.done} of ${p.total}` : "works";
        const cells = [now, p.step_seconds === null ? "–" : `${p.step_seconds.toFixed(2)} s`, `${Math.round(100 * p.busy)} %`,
            p.tokens_per_second ? Math.round(p.tokens_per_second) : "–", bytes(p.queued), bytes(p.memory), p.groups];
        const row = make("tr"), head = make("th", p.name);
        head.scope = "row";
        row.append(head, ...cells.map((c) => make("td", c)));
        return row;
    }));
}
function answers(list) {
    at("answers").replaceChildren(...list.map((a) => {
        const row = make("li");
        row.append(make("span", a.outcome, a.outcome), ` ${a.question} = ${a.answer}`, make("p", a.text));
        return row;
    }));
}
function curve(name, points) {
    const W = 300, H = 100, f = make("figure"), caption = make("figcaption", name);
    const xs = points.map((p) => p[0]), ys = points.map((p) => p[1]);
    const x0 = xs[0], x1 = xs[xs.length - 1], y0 = Math.min(...ys), y1 = Math.max(...ys);
    const X = (x) => (x1 > x0 ? (x - x0) / (x1 - x0) * W : W / 2), Y = (y) => (y1 > y0 ? H - (y - y0) / (y1 - y0) * H : H / 2);
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg"), path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    svg.setAttribute("viewBox", `0 -4 ${W} ${H + 8}`);
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", `${name}: ${number(ys[ys.length - 1])} at step ${Math.round(x1)}, from ${number(y0)} to ${number(y1)}`);
    const d = points.map((p, i) => `${i ? "L" : "M"}${X(p[0]).toFixed(1)} ${Y(p[1]).toFixed(1)}`).join("");
    path.setAttribute("d", points.length > 1 ? d : `M0 ${H / 2}L${W} ${H / 2}`);
    svg.append(path);
    caption.append(make("span", number(ys[ys.length - 1])));
    const below = make("small");
    below.append(make("span", `step ${Math.round(x0)} to ${Math.round(x1)}`), make("span", `${number(y0)} to ${number(y1)}`));
    f.append(caption, svg, below);
    return f;
}
function curves() {
    const which = at("all").value, names = which === "*" ? Object.keys(series) : which ? [which] : shown;
    const there = names.filter((n) => series[n] && series[n].length);
    at("empty").hidden = there.length > 0;
    at("curves").replaceChildren(...there.map((n) => curve(n, series[n])));
}
function options() {
    const have = new Set([...at("all").options].map((o) => o.value));
    for (const n of Object.keys(series).sort()) {
        if (have.has(n)) continue;
        const o = make("option", n);
        o.value = n;
        at("all").append(o);
    }
}
async function look() {
    try {
        const s = await (await fetch("state.json")).json();
        facts(s), programs(s.programs), answers(s.answers);
        shown = s.shown;
        if (s.lines !== lines) {
            series = await (await fetch("series.json")).json();
            lines = s.lines;
            options(), curves();
        }
        at("lost").hidden = true;
    } catch (e) {
        at("lost").textContent = "ptd-watch does not answer; what is shown is old.";
        at("lost").hidden = false;
    }
    setTimeout(look, EVERY);
}
at("all").addEventListener("change", curves);
look();
