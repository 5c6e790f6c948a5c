'use strict';
// The page of page.h: reads the data that stand in it, lists groups, and shows what is chosen. Texts
// from outside become text nodes, never markup.
(() => {
  const $ = (selector, from = document) => from.querySelector(selector);
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];

  // ---- elements ----

  // Characters that a person would not see, or that turn the direction of writing, are named.
  const unseen = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g;
  const seen = s => String(s).replace(unseen, c => '\\u' + c.charCodeAt(0).toString(16).padStart(4, '0'));

  function fill(node, kids) {
    for (const kid of kids.flat(Infinity)) {
      if (kid === null || kid === undefined || kid === false) continue;
      node.append(kid instanceof Node ? kid : seen(kid));
    }
    return node;
  }

  function set(node, attributes) {
    for (const [key, value] of Object.entries(attributes)) {
      if (value === null || value === undefined || value === false) continue;
      if (typeof value === 'function') node.addEventListener(key, value);
      else if (key === 'style') for (const [k, v] of Object.entries(value)) node.style.setProperty(k, v);
      else node.setAttribute(key, value === true ? '' : seen(value));
    }
    return node;
  }

  const el = (tag, attributes = {}, ...kids) => fill(set(document.createElement(tag), attributes), kids);
  const svg = (tag, attributes = {}, ...kids) => fill(set(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes), kids);
  const empty = node => { node.replaceChildren(); return node; };

  // ---- numbers ----

  const short = (x, digits = 3) => x === null || x === undefined || !isFinite(x) ? '–' : String(+Number(x).toPrecision(digits)).replace('-', '−');
  const signed = (x, digits = 3) => (x > 0 ? '+' : '') + short(x, digits);
  const percent = x => x === null || x === undefined || !isFinite(x) ? '–' : (100 * x).toFixed(x > 0 && x < 1 ? 1 : 0) + ' %';
  const chance = x => x === null || x === undefined ? '' : x > -0.00005 ? '100 %' : Math.exp(x) < 0.0005 ? '<0.1 %' : percent(Math.exp(x));
  const milli = x => x === null || x === undefined ? null : x / 1000;
  const count = (n, one, more) => n.toLocaleString('en') + ' ' + (n === 1 ? one : more || one + 's');
  const mean = list => list.length ? list.reduce((a, b) => a + b, 0) / list.length : null;
  const known = x => x !== null && x !== undefined;

  // ---- data ----

  const streams = [], stores = [], groups = [];

  function read(node) {
    const is = node.dataset.is;
    if (is === 'detail' || is === 'picture') return;
    const data = JSON.parse(node.textContent);
    if (is === 'stream') streams[data.s] = {...data, head: JSON.parse(data.head), words: {}, end: null};
    if (is === 'words') streams[data.s].words = data.words;
    if (is === 'end' && streams[data.s]) streams[data.s].end = data;
    if (is === 'end' && !streams[data.s]) streams[data.s] = {s: data.s, name: '', named: 1, head: {}, words: {}, end: data};
    if (is === 'store') stores.push({...data, lines: data.lines.map(line => JSON.parse(line))});
    if (is === 'group') groups.push({...data, node: node.nextElementSibling, detail: null, n: groups.length});
  }
  for (const node of all('script[data-is]')) read(node);

  async function inflate(text) {
    const bytes = Uint8Array.from(atob(text), c => c.charCodeAt(0));
    const plain = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
    return new Response(plain).json();
  }

  const opened = []; // groups whose detail is kept
  async function detailOf(group) {
    if (!group.detail) {
      group.detail = inflate(group.node.textContent);
      opened.push(group);
      if (opened.length > 60) opened.shift().detail = null;
    }
    return group.detail;
  }

  function pictureOf(hash) {
    const node = document.getElementById('p' + hash);
    return node ? 'data:image/webp;base64,' + node.textContent : null;
  }

  // Rows of the list: what several streams have under one name at one step stands side by side.
  const rows = [];
  function join() {
    const byKey = new Map();
    for (const g of groups) {
      // in evaluation a step says only when a question was asked
      let key = g.uid + '\n' + (streams[g.s].head.mode === 'eval' ? '' : g.step);
      while (byKey.has(key) && byKey.get(key).at[g.s]) key += '\n';
      if (!byKey.has(key)) {
        byKey.set(key, {at: [], n: rows.length});
        rows.push(byKey.get(key));
      }
      byKey.get(key).at[g.s] = g;
    }
    for (const row of rows) {
      row.groups = row.at.filter(Boolean);
      row.first = row.groups[0];
      row.text = row.groups.map(g => [g.uid, g.category, g.q, g.answer, g.hint, g.drop].join('\n')).join('\n').toLowerCase();
    }
  }
  join();

  // ---- state ----

  const state = {view: 'groups', list: rows, chosen: null, shade: '', ready: 0};
  const shades = [
    {name: '', words: 'nothing'},
    {name: 'advantage', words: 'advantage', signed: true, full: 2, of: (r, t) => r.advantages ? milli(r.advantages[t]) : r.advantage},
    {name: 'entropy', words: 'entropy', full: 2, unit: 'nats', of: (r, t) => r.entropy && milli(r.entropy[t])},
    {name: 'divergence', words: 'divergence', full: 0.35, of: (r, t) => r.divergence && milli(r.divergence[t])},
    {name: 'tutor', words: 'tutor − student', signed: true, full: 3, unit: 'log-prob', of: (r, t) => r.tutor && r.logp && known(r.tutor[t]) && known(r.logp[t]) ? milli(r.tutor[t] - r.logp[t]) : null},
    {name: 'logp', words: 'surprise', full: 3, unit: 'nats', of: (r, t) => r.logp && known(r.logp[t]) ? -milli(r.logp[t]) : null},
  ];

  function colour(shade, x) {
    if (!known(x) || x === undefined) return '';
    const depth = Math.min(1, Math.abs(x) / shade.full) * 0.62;
    const hue = !shade.signed ? '--much' : x > 0 ? '--plus' : '--minus';
    return depth < 0.02 ? '' : 'rgba(var(' + hue + '), ' + depth.toFixed(3) + ')';
  }

  // ---- tokens ----

  const encoder = new TextEncoder();

  // A token's bytes may be half a character: it shows nothing then, and the one that ends it all.
  function names(stream, ids) {
    const decoder = new TextDecoder();
    return ids.map(id => {
      const word = stream.words[id];
      if (word === undefined) return {number: id};
      if (word.s !== undefined) return {special: word.s || '<' + id + '>'};
      const bytes = typeof word === 'string' ? encoder.encode(word) : Uint8Array.from(word);
      return {text: decoder.decode(bytes, {stream: true})};
    });
  }

  function nameOf(stream, id) {
    const word = stream.words[id];
    if (word === undefined) return '#' + id;
    if (typeof word === 'string') return word.replace(/\n/g, '⏎').replace(/\t/g, '⇥').replace(/ /g, '␣');
    return word.s !== undefined ? word.s : word.map(b => '\\x' + b.toString(16).padStart(2, '0')).join('');
  }

  function tokenNode(name) {
    if (known(name.number)) return el('span', {class: 'number'}, name.number);
    if (known(name.special)) return el('span', {class: 'special'}, name.special);
    return el('span', {}, name.text.split('\n').flatMap((part, i) => i ? [el('i', {class: 'mark', 'aria-hidden': 'true'}, '⏎'), '\n', part] : [part]));
  }

  function shadeTokens(box) {
    const shade = shades.find(s => s.name === state.shade);
    box.spans.forEach((span, t) => {
      span.style.backgroundColor = shade.name ? colour(shade, shade.of(box.r, t)) : '';
    });
  }

  function tokensOf(stream, r, title) {
    const box = el('div', {class: 'tokens', tabindex: '0', role: 'group', 'aria-label': title + ': tokens; arrow keys go through them'});
    box.r = r;
    box.stream = stream;
    box.at = -1;
    box.spans = names(stream, r.ids).map(tokenNode);
    box.spans.forEach((span, t) => { span.t = t; });
    fill(box, [box.spans]);
    shadeTokens(box);
    return box;
  }

  // ---- what is said of a token ----

  const card = $('#token');

  function beside(stream, r, t) {
    const flat = r.beside && r.beside[t];
    const line = [];
    for (let i = 0; flat && i < flat.length; i += 3) line.push({id: flat[i], student: milli(flat[i + 1]), tutor: milli(flat[i + 2])});
    if (!line.length) return null;
    const cell = (x, kind) => el('td', {}, known(x) && el('i', {class: 'bar ' + kind, style: {width: Math.max(1, 56 * Math.exp(x)) + 'px'}}), chance(x) || '–');
    const tutored = line.some(w => known(w.tutor));
    return el('table', {},
      el('thead', {}, el('tr', {}, el('th', {}, 'word'), el('th', {}, 'student'), tutored && el('th', {}, 'tutor'))),
      el('tbody', {}, line.map(w => el('tr', {class: w.id === r.ids[t] ? 'own' : null}, el('td', {}, nameOf(stream, w.id)), cell(w.student, ''), tutored && cell(w.tutor, 'tutor')))));
  }

  function facts(r, t) {
    const logp = r.logp && milli(r.logp[t]), ref = r.ref && milli(r.ref[t]), tutor = r.tutor && milli(r.tutor[t]);
    const list = [['student', logp], ['reference', ref], ['tutor', tutor], ['tutor − student', known(tutor) && known(logp) ? tutor - logp : null],
      ['masked picture', r.masked && milli(r.masked[t])], ['entropy', r.entropy && milli(r.entropy[t])],
      ['divergence', r.divergence && milli(r.divergence[t])], ['advantage', shades[1].of(r, t)]];
    return list.filter(([, x]) => known(x) && x !== false);
  }

  function tellToken(box, t, spoken) {
    const r = box.r, list = facts(r, t), at = box.spans[t].getBoundingClientRect();
    fill(empty(card), [
      el('div', {class: 'name'}, nameOf(box.stream, r.ids[t])),
      el('div', {}, 'token ' + (t + 1) + ' of ' + r.ids.length + ', id ' + r.ids[t] + (known(list[0] && list[0][1]) && list[0][0] === 'student' ? ', ' + chance(list[0][1]) : '')),
      el('dl', {}, list.map(([name, x]) => [el('dt', {}, name), el('dd', {}, short(x, 4))])),
      beside(box.stream, r, t)]);
    card.hidden = false;
    const room = card.getBoundingClientRect();
    card.style.left = Math.max(8, Math.min(at.left, innerWidth - room.width - 8)) + 'px';
    card.style.top = (at.bottom + room.height + 8 < innerHeight ? at.bottom + 6 : Math.max(8, at.top - room.height - 6)) + 'px';
    if (spoken) $('#said').textContent = seen(nameOf(box.stream, r.ids[t])) + ', ' + list.map(([name, x]) => name + ' ' + short(x)).join(', ');
  }

  function leaveToken() {
    card.hidden = true;
    all('.tokens .at').forEach(span => span.classList.remove('at'));
  }

  function goToken(box, t) {
    leaveToken();
    box.at = Math.max(0, Math.min(box.spans.length - 1, t));
    if (!box.spans.length) return;
    box.spans[box.at].classList.add('at');
    box.spans[box.at].scrollIntoView({block: 'nearest'});
    tellToken(box, box.at, true);
  }

  // ---- pictures ----

  // Warm where a model looked more than elsewhere: what is above the mean, as a share of the most.
  function heatOf(map) {
    const canvas = el('canvas', {class: map.rows * map.columns < 150 ? 'coarse' : '', width: map.columns, height: map.rows, 'aria-hidden': 'true'});
    const ctx = canvas.getContext('2d'), image = ctx.createImageData(map.columns, map.rows);
    const level = mean(map.score), most = Math.max(...map.score, level + 1e-9);
    map.score.forEach((x, i) => {
      const v = Math.max(0, (x - level) / (most - level));
      image.data.set([255, Math.round(190 - 130 * v), Math.round(50 * (1 - v)), Math.round(150 * v)], 4 * i);
    });
    ctx.putImageData(image, 0, 0);
    return canvas;
  }

  function boxOf([label, x0, y0, x1, y1], kind) {
    return el('div', {class: 'box ' + kind, 'aria-hidden': 'true', style: {left: x0 / 10 + '%', top: y0 / 10 + '%', width: (x1 - x0) / 10 + '%', height: (y1 - y0) / 10 + '%'}},
      label && el('span', {}, label));
  }

  function picture(detail, i) {
    const [hash, width, height] = detail.pictures[i], source = pictureOf(hash);
    const map = detail.map && detail.map.picture === i ? detail.map : null;
    const regions = i ? [] : (detail.hint && detail.hint.regions) || [], data = i || regions.length ? [] : detail.regions || [];
    const where = regions.map(r => r[0]).filter(Boolean).join(', ');
    const frame = el('div', {class: 'picture' + (Math.max(width, height) < 260 ? ' small' : ''), style: {'max-width': Math.round(Math.min(520, 460 * width / height)) + 'px'}},
      source ? el('img', {src: source, width, height, alt: 'Picture ' + (i + 1) + ' of the prompt' + (where ? '; the hint names ' + where : '')}) : 'no picture',
      map && heatOf(map), regions.map(r => boxOf(r, 'told')), data.map(r => boxOf(r, 'data')));
    const words = [width + ' × ' + height, map && 'heat: where ' + (map.source || 'a model') + ' looked most', regions.length && 'boxes: the hint', data.length && 'dashed: the data set'];
    return el('figure', {}, frame, el('figcaption', {}, words.filter(Boolean).join(' · ')));
  }

  // ---- a group ----

  const block = (title, ...kids) => el('div', {}, el('h3', {}, title), ...kids);
  const text = (s, kind = '') => el('div', {class: 'text ' + kind}, s);

  const rules = {
    'empty': 'it says nothing', 'too-long': 'it is too long', 'degenerate': 'it is no text', 'answer-number': 'it has a number that is the answer, or comes to it',
    'answer-text': 'it has the answer’s words', 'answer-judged': 'the judge would take a part of it for the answer', 'option-letter': 'it names the right option',
    'option-text': 'it has the right option’s text', 'yes-no': 'it says yes or no', 'decisive-number': 'it has a number of the solution that the question lacks',
    'place-count': 'it names as many places as are asked for', 'gate': 'under it the right answer gains nothing'};

  function hintOf(d) {
    const hint = d.hint, gain = known(d.gain) && 'gain ' + signed(d.gain);
    if (hint) return el('div', {class: 'hint'},
      el('h3', {}, 'Hint', el('span', {class: 'tag tutored'}, 'from ' + (hint.source || '?')),
        el('span', {class: 'tag ' + (hint.unchecked ? 'odd' : 'right')}, hint.unchecked ? 'unchecked: it may tell the answer' : '✓ no zero-spoiler rule broken'),
        gain && el('span', {class: 'tag ' + (d.gain > 0 ? 'right' : 'odd')}, (d.gain > 0 ? '✓ gate: ' : 'gate: ') + gain)),
      text(hint.text));
    if (!d.drop) return null;
    return el('div', {class: 'hint dropped'},
      el('h3', {}, 'Hint dropped', el('span', {class: 'tag odd'}, d.drop), gain && el('span', {class: 'tag odd'}, gain)),
      Object.hasOwn(rules, d.drop) && el('p', {class: 'rule'}, 'Why: ' + rules[d.drop] + '.'),
      (d.dropped || d.refused) && text(d.dropped || d.refused),
      !d.dropped && !d.refused && el('p', {class: 'rule'}, 'Its words are kept with ptd-hint --record.'));
  }

  function goldOf(d) {
    return [known(d.answer) && block('Answer', text([d.answer, ...(d.answers || [])].join('\nor '), 'gold'), d.judge && el('span', {class: 'tag plain'}, 'judge ' + d.judge)),
      d.solution && el('details', {open: d.solution.length < 400}, el('summary', {}, 'Solution of the data set'), text(d.solution)),
      d.steps && el('details', {}, el('summary', {}, 'Steps of the data set'), el('ol', {class: 'steps'}, d.steps.map(s => el('li', {}, s))))];
  }

  // A question with its marks for pictures.
  const asked = s => el('div', {class: 'text question'}, s.split('<image>').flatMap((part, i) => i ? [el('span', {class: 'tag plain'}, 'picture'), ' ', part] : [part]));

  function questionOf(d) {
    return [d.system && el('details', {}, el('summary', {}, 'System message'), text(d.system)),
      (d.turns || []).map(turn => block(turn.role === 'user' ? 'User, before' : 'Assistant, before', asked(turn.text))),
      d.question && block('Question', asked(d.question))];
  }

  function advantageOf(a) {
    const width = Math.min(1, Math.abs(a) / 2.5) * 50;
    return [el('span', {class: 'meter', 'aria-hidden': 'true'}, el('i', {class: a > 0 ? 'plus' : 'minus', style: {left: (a > 0 ? 50 : 50 - width) + '%', width: width + '%'}}), el('i', {class: 'mid'})), ' ', el('b', {}, signed(a))];
  }

  const mark = {right: '✓', wrong: '✗', unparsable: '?', unjudged: '–'};

  function answerHead(r, i) {
    const judged = r.outcome !== 'unjudged';
    return el('div', {class: 'head'},
      el('b', {}, '#' + i), el('span', {class: 'tag ' + r.outcome}, mark[r.outcome] + ' ' + r.outcome),
      r.tutored && el('span', {class: 'tag tutored'}, 'tutored'), r.greedy && el('span', {class: 'tag plain'}, 'greedy'),
      known(r.found) && el('span', {}, 'found ', el('b', {}, '“' + r.found + '”')), r.reason && el('span', {}, r.reason),
      judged && el('span', {}, 'reward ', el('b', {}, short(r.reward)), ' (accuracy ' + short(r.accuracy) + ', format ' + short(r.format) +
        (r.parts || []).map(([name, x]) => ', ' + name + ' ' + short(x)).join('') + ')'),
      judged && el('span', {}, 'advantage ', advantageOf(r.advantage)),
      el('span', {}, count(r.n, 'token') + (r.stop ? ', ' + r.stop : '')));
  }

  function answer(stream, r, i) {
    const title = 'Response ' + i;
    const plain = el('div', {class: 'said-text tokens'}, r.text);
    return el('article', {class: 'answer ' + r.outcome, 'aria-label': title + ', ' + r.outcome}, answerHead(r, i),
      !r.ids ? plain : [!stream.named && plain, tokensOf(stream, r, title)]);
  }

  // shared: question and answer stand above all columns.
  function column(group, detail, shared) {
    const stream = streams[group.s];
    return el('section', {class: 'stream', 'aria-label': stream.name},
      streams.length > 1 && el('h3', {}, stream.name),
      el('div', {class: 'about'},
        el('span', {class: 'tag plain'}, 'step ' + group.step), group.category && el('span', {class: 'tag plain'}, group.category),
        detail.generation >= 0 && el('span', {class: 'tag plain'}, 'generation ' + detail.generation),
        known(group.accuracy) && el('span', {}, 'accuracy ', el('b', {}, percent(group.accuracy)), ' ', el('span', {class: 'meter', 'aria-hidden': 'true'}, el('i', {class: 'share', style: {width: 100 * group.accuracy + '%'}}))),
        known(detail.baseline) && el('span', {}, 'greedy baseline ', el('b', {}, short(detail.baseline))),
        detail.shortened && el('span', {class: 'tag odd'}, 'shortened to fit the page')),
      el('div', {class: detail.pictures.length ? 'ask' : 'ask bare'},
        detail.pictures.length > 0 && el('div', {class: 'pictures'}, detail.pictures.map((p, i) => picture(detail, i))),
        el('div', {class: 'facts'}, !shared && [questionOf(detail), goldOf(detail)], hintOf(detail))),
      detail.rollouts.map((r, i) => answer(stream, r, i)),
      detail.rollouts.length < group.o.length && el('p', {class: 'note'}, 'There was no room for ' + count(group.o.length - detail.rollouts.length, 'more response') + '.'));
  }

  // The same question at other steps.
  function again(row) {
    const others = rows.filter(r => r !== row && r.first.uid === row.first.uid);
    return others.length > 0 && el('span', {class: 'again'}, 'asked again: ', others.slice(0, 30).map(r =>
      el('button', {type: 'button', click: () => { reveal(r); show(r, true); }}, 'step ' + r.first.step + (known(r.first.accuracy) ? ', ' + percent(r.first.accuracy) : ''))));
  }

  async function groupNode(row) {
    const details = await Promise.all(row.groups.map(detailOf));
    const n = row.groups.length, prompts = new Set(details.map(d => JSON.stringify([d.system, d.turns, d.question, d.answer, d.answers, d.solution, d.steps])));
    const shared = n > 1 && prompts.size === 1;
    return el('div', {class: 'group'}, el('div', {class: 'about'}, el('h2', {}, row.first.uid), again(row)),
      shared && el('div', {class: 'facts shared'}, questionOf(details[0]), goldOf(details[0])),
      el('div', {class: 'columns', 'data-n': n, style: {'--n': n}}, row.groups.map((g, i) => column(g, details[i], shared))));
  }

  async function show(row, focus) {
    state.chosen = row;
    drawList();
    leaveToken();
    $('#groups').classList.toggle('looking', !!row && (focus || $('#groups').classList.contains('looking')));
    if (!row) {
      fill(empty($('#chosen')), [el('p', {class: 'empty'}, 'No group fits.')]);
      return;
    }
    const node = await groupNode(row).catch(e => el('p', {class: 'note'}, 'This group cannot be shown: ' + e.message));
    if (state.chosen !== row) return;
    fill(empty($('#chosen')), [node]);
    $('#main').scrollTop = 0;
    remember();
    offer();
  }

  // Which ways to shade there are numbers for.
  function offer() {
    const boxes = all('#chosen .tokens').filter(box => box.r);
    for (const button of all('#shades button')) {
      const shade = shades.find(s => s.name === button.dataset.shade);
      button.disabled = !!shade.name && !boxes.some(box => box.r.ids.some((id, t) => known(shade.of(box.r, t))));
      button.title = button.disabled ? 'not in this group: ' + ({entropy: 'ptd-rollout --record or ptd-update --trace', divergence: 'ptd-update --trace', tutor: 'ptd-ref', advantage: 'ptd-verify', logp: 'ptd-rollout'})[shade.name] : 'Key ' + shades.indexOf(shade);
    }
  }

  function shadeBy(name) {
    state.shade = name;
    const shade = shades.find(s => s.name === name);
    for (const button of all('#shades button')) button.setAttribute('aria-pressed', String(button.dataset.shade === name));
    all('.tokens').filter(box => box.r).forEach(shadeTokens);
    const legend = empty($('#legend'));
    if (name) fill(legend, [shade.signed ? '≤ −' + shade.full : '0', el('i', {style: {background: shade.signed ? 'linear-gradient(90deg, ' + colour(shade, -shade.full) + ', transparent, ' + colour(shade, shade.full) + ')' : 'linear-gradient(90deg, transparent, ' + colour(shade, shade.full) + ')'}}), (shade.signed ? '≥ +' : '≥ ') + shade.full + ' ' + (shade.unit || '')]);
    remember();
  }

  // ---- the list ----

  const HEIGHT = 66, list = $('#list'), listed = $('#rows');

  function dots(group, few) {
    const o = group.o, n = {r: 0, w: 0, u: 0, '-': 0}, kind = {r: 'right', w: 'wrong', u: 'unparsable', '-': 'unjudged'};
    for (const c of o) n[c]++;
    if (few && o.length <= 10) return el('span', {'aria-hidden': 'true'}, [...o].map(c => el('i', {class: 'o-' + kind[c]}, mark[kind[c]])));
    return el('span', {'aria-hidden': 'true'}, Object.keys(n).filter(c => n[c]).map(c => el('i', {class: 'o-' + kind[c]}, mark[kind[c]] + n[c] + ' ')));
  }

  const plain = s => (s || '').replace(/<image>/g, '').replace(/\s+/g, ' ').trim();
  const spoken = g => ['r', 'w', 'u'].map((c, i) => [[...g.o].filter(x => x === c).length, ['right', 'wrong', 'unparsable'][i]]).filter(([n]) => n).map(([n, w]) => n + ' ' + w).join(', ');

  function rowNode(row, i) {
    const g = row.first, source = g.picture && pictureOf(g.picture);
    return el('div', {class: 'row', id: 'row-' + row.n, role: 'option', 'aria-selected': String(row === state.chosen), 'aria-posinset': i + 1, 'aria-setsize': state.list.length,
      'aria-label': g.uid + ', step ' + g.step + ', ' + row.groups.map(spoken).join('; ') + (g.hint ? ', hint' : '') + (g.drop ? ', hint dropped' : ''),
      style: {top: i * HEIGHT + 'px'}, click: () => { show(row, true); list.focus({preventScroll: true}); }},
      source ? el('img', {class: 'thumb', src: source, alt: ''}) : el('span', {class: 'thumb'}),
      el('div', {},
        el('div', {class: 'top'}, el('b', {}, g.uid), g.category && el('span', {}, g.category), el('span', {}, 'step ' + g.step)),
        el('div', {class: 'q'}, plain(g.q)),
        el('div', {class: 'dots'}, row.at.map(h => h ? dots(h, row.groups.length === 1) : null), row.groups.some(h => h.tutored) && el('span', {class: 'tag tutored'}, 'tutored'),
          row.groups.some(h => h.drop) && el('span', {class: 'tag odd'}, 'dropped'), row.groups.length === 1 && known(g.accuracy) && el('span', {class: 'o-unjudged'}, percent(g.accuracy)))));
  }

  function drawList() {
    const first = Math.max(0, Math.floor(list.scrollTop / HEIGHT) - 4), n = Math.ceil(list.clientHeight / HEIGHT) + 8;
    listed.style.height = state.list.length * HEIGHT + 'px';
    fill(empty(listed), [state.list.slice(first, first + n).map((row, i) => rowNode(row, first + i))]);
    const chosen = state.chosen && document.getElementById('row-' + state.chosen.n);
    if (chosen) list.setAttribute('aria-activedescendant', chosen.id);
    else list.removeAttribute('aria-activedescendant');
  }

  function reveal(row) {
    const at = state.list.indexOf(row) * HEIGHT;
    if (at < list.scrollTop) list.scrollTop = at;
    if (at + HEIGHT > list.scrollTop + list.clientHeight) list.scrollTop = at + HEIGHT - list.clientHeight;
  }

  function move(by) {
    const at = state.list.indexOf(state.chosen), to = state.list[Math.max(0, Math.min(state.list.length - 1, at < 0 ? 0 : at + by))];
    if (!to) return;
    reveal(to);
    show(to, state.chosen !== null && $('#groups').classList.contains('looking'));
  }

  const fits = {
    outcome: {wrong: g => /w/.test(g.o), allwrong: g => /^[wu]+$/.test(g.o), mixed: g => /r/.test(g.o) && /[wu]/.test(g.o), allright: g => /^r+$/.test(g.o), unparsable: g => /u/.test(g.o)},
    hinted: {hint: g => !!g.hint, tutored: g => g.tutored > 0, dropped: g => !!g.drop, none: g => !g.hint && !g.drop},
  };
  const orders = [
    ['', 'as in the stream', null], ['accuracy', 'accuracy, lowest first', r => r.first.accuracy], ['-reward', 'reward, highest first', r => -r.first.reward],
    ['-entropy', 'entropy, highest first', r => known(r.first.entropy) ? -r.first.entropy : null], ['-divergence', 'divergence, highest first', r => known(r.first.divergence) ? -r.first.divergence : null],
    ['-tokens', 'longest first', r => -r.first.tokens], ['differ', 'largest difference between streams', r => r.groups.length > 1 ? -Math.max(...r.groups.map(g => Math.abs((g.accuracy || 0) - (r.first.accuracy || 0)))) : 1]];

  function fit(row) {
    const words = $('#search').value.toLowerCase().split(/\s+/).filter(Boolean), outcome = fits.outcome[$('#outcome').value], hinted = fits.hinted[$('#hinted').value];
    const category = $('#category').value, step = $('#step').value;
    return (!outcome || row.groups.some(outcome)) && (!hinted || row.groups.some(hinted)) &&
      (!category || seen(row.first.category) === category) && (!step || row.groups.some(g => String(g.step) === step)) && words.every(w => row.text.includes(w));
  }

  function filter() {
    const order = orders.find(o => o[0] === $('#order').value);
    state.list = rows.filter(fit);
    if (order[2]) state.list = state.list.map(row => [order[2](row), row]).sort((a, b) => (a[0] ?? Infinity) - (b[0] ?? Infinity) || a[1].n - b[1].n).map(pair => pair[1]);
    $('#found').textContent = count(state.list.length, 'group') + (state.list.length === rows.length ? '' : ' of ' + rows.length) + ($('#search').value && state.ready < rows.length ? '; still reading responses' : '');
    list.scrollTop = 0;
    if (state.list.includes(state.chosen)) { reveal(state.chosen); drawList(); remember(); }
    else show(state.list[0] || null, false);
  }

  // What responses, solutions and hints say is searched too, once it has been read.
  let reading = false;
  async function readAll() {
    if (reading) return;
    reading = true;
    for (const row of rows) {
      for (const g of row.groups) {
        const d = await (g.detail || inflate(g.node.textContent)).catch(() => null);
        if (d) row.text += '\n' + [d.question, d.solution, d.hint && d.hint.text, d.dropped, ...d.rollouts.flatMap(r => [r.text, r.found, r.reason, r.outcome])].filter(Boolean).join('\n').toLowerCase();
      }
      if (++state.ready % 100 === 0 && $('#search').value) filter();
    }
    filter();
  }

  // ---- steps ----

  const curves = [
    ['Accuracy', gs => mean(gs.map(g => g.accuracy).filter(known)), percent], ['Reward', gs => gs.some(g => known(g.accuracy)) ? mean(gs.map(g => g.reward)) : null, short],
    ['Tutored responses', gs => mean(gs.map(g => g.tutored / g.o.length)), percent], ['Tokens of a response', gs => mean(gs.map(g => g.tokens)), short],
    ['Entropy, nats', gs => mean(gs.map(g => g.entropy).filter(known)), short], ['Divergence', gs => mean(gs.map(g => g.divergence).filter(known)), short]];

  function bySteps() {
    const steps = new Map();
    for (const g of groups) {
      if (!steps.has(g.step)) steps.set(g.step, streams.map(() => []));
      steps.get(g.step)[g.s].push(g);
    }
    return [...steps.entries()].sort((a, b) => a[0] - b[0]);
  }

  const dash = ['', '6 3', '2 3', '8 3 2 3'];
  function chart([name, value, print], steps) {
    const lines = streams.map((_, s) => steps.map(([step, at]) => [step, at[s].length ? value(at[s]) : null]).filter(([, y]) => known(y)));
    const points = lines.flat();
    if (!points.length) return null;
    const W = 300, H = 130, left = 44, xs = points.map(p => p[0]), ys = points.map(p => p[1]);
    const x0 = Math.min(...xs), x1 = Math.max(...xs, x0 + 1), y0 = Math.min(0, ...ys), y1 = Math.max(...ys, y0 + 1e-9);
    const x = v => left + (v - x0) / (x1 - x0) * (W - left - 8), y = v => H - 20 - (v - y0) / (y1 - y0) * (H - 34);
    return el('div', {class: 'card chart'}, el('h3', {}, name),
      svg('svg', {viewBox: '0 0 ' + W + ' ' + H, role: 'img', 'aria-label': name + ' by step: ' + streams.map((s, i) => lines[i].length ? s.name + ' from ' + print(lines[i][0][1]) + ' to ' + print(lines[i][lines[i].length - 1][1]) : '').filter(Boolean).join('; ')},
        [y0, (y0 + y1) / 2, y1].map(v => [svg('line', {class: 'axis', x1: left, x2: W - 8, y1: y(v), y2: y(v)}), svg('text', {x: left - 5, y: y(v) + 3, 'text-anchor': 'end'}, print(v))]),
        svg('text', {x: left, y: H - 5}, x0), svg('text', {x: W - 8, y: H - 5, 'text-anchor': 'end'}, Math.max(...xs)),
        lines.map((line, s) => [line.length > 1 && svg('polyline', {class: 'line line-' + s % 4, 'stroke-dasharray': dash[s % 4], points: line.map(p => x(p[0]).toFixed(1) + ',' + y(p[1]).toFixed(1)).join(' ')}),
          line.length < 40 && line.map(p => svg('circle', {class: 'line line-' + s % 4, cx: x(p[0]), cy: y(p[1]), r: 2}))])));
  }

  function stepCells(gs) {
    if (!gs.length) return [el('td', {}, '–'), el('td', {}), el('td', {}), el('td', {}), el('td', {})];
    const acc = curves[0][1](gs);
    return [el('td', {}, percent(acc), ' ', known(acc) && el('span', {class: 'meter', 'aria-hidden': 'true'}, el('i', {class: 'share', style: {width: 100 * acc + '%'}}))), el('td', {}, short(curves[1][1](gs))),
      el('td', {}, gs.filter(g => g.hint).length), el('td', {}, gs.filter(g => g.drop).length), el('td', {}, short(curves[3][1](gs)))];
  }

  function toStep(step) {
    $('#step').value = String(step);
    view('groups');
    filter();
  }

  function drawSteps() {
    const steps = bySteps(), box = empty($('#steps'));
    if (!steps.length) { fill(box, [el('p', {class: 'empty'}, 'No stream with groups is in this page.')]); return; }
    fill(box, [streams.length > 1 && el('p', {class: 'key'}, streams.map((s, i) => el('span', {}, svg('svg', {viewBox: '0 0 34 10', 'aria-hidden': 'true'}, svg('line', {class: 'line line-' + i % 4, 'stroke-dasharray': dash[i % 4], x1: 0, x2: 34, y1: 5, y2: 5})), s.name))),
      el('div', {class: 'charts'}, curves.map(c => chart(c, steps))),
      el('div', {class: 'card', tabindex: '0', role: 'region', 'aria-label': 'Table of steps'}, el('table', {class: 'table'},
        el('thead', {}, streams.length > 1 && el('tr', {}, el('td', {}), el('td', {}), streams.map(s => el('th', {colspan: 5, class: 'word', scope: 'colgroup'}, s.name))),
          el('tr', {}, el('th', {scope: 'col'}, 'step'), el('th', {scope: 'col'}, 'groups'), streams.map(() => ['accuracy', 'reward', 'hints', 'dropped', 'tokens'].map(w => el('th', {scope: 'col'}, w))))),
        el('tbody', {}, steps.map(([step, at]) => el('tr', {}, el('td', {}, el('button', {type: 'button', click: () => toStep(step), 'aria-label': 'Groups of step ' + step}, step)), el('td', {}, at.map(gs => gs.length).join(' · ')), at.map(stepCells))))))]);
  }

  // ---- run ----

  const pairs = list => el('dl', {class: 'pairs'}, list.filter(([, v]) => known(v) && v !== '').map(([k, v]) => [el('dt', {}, k), el('dd', {}, typeof v !== 'object' ? v : JSON.stringify(v).length < 80 ? JSON.stringify(v) : el('details', {}, el('summary', {}, Object.keys(v).length + ' entries'), el('pre', {}, JSON.stringify(v, null, 2))))]));

  function streamCard(s) {
    if (!s.name) return el('p', {class: 'empty'}, 'Nothing of this stream could be read.');
    const h = s.head, skip = ['kind', 'record', 'byte', 'stages', 'version'];
    return el('section', {class: 'card', tabindex: '0', 'aria-label': s.name}, el('h2', {}, s.name),
      s.end && s.end.why && el('p', {class: 'note'}, 'As far as it goes: ' + s.end.why),
      !s.named && el('p', {class: 'note'}, 'Tokens are shown by their numbers: the store of this stream could not be read.'),
      pairs(Object.entries(h).filter(([k]) => !skip.includes(k))),
      el('h3', {}, 'Programs'), (h.stages || []).map((stage, i) => [el('pre', {}, (i ? '| ' : '') + (stage.command || stage.name)), el('details', {}, el('summary', {}, 'version ' + (stage.version || '?')), el('p', {}, [stage.machine, stage.decided && 'decides: ' + stage.decided, stage.build && 'build ' + stage.build].filter(Boolean).join(' · ')))]));
  }

  const size = n => { const units = ['B', 'KB', 'MB', 'GB', 'TB']; let i = 0; while (n >= 999.5 && i < 4) { n /= 1000; i++; } return (i ? n.toPrecision(3) : short(n)) + ' ' + units[i]; }; // as size.c

  function tensorTable(store) {
    const heads = ['tensor', 'type', 'shape', 'numbers', 'mean', 'deviation', 'least', 'most', 'change'], most = Math.max(1e-12, ...store.tensors.map(t => t[8] || 0));
    const body = el('tbody');
    const draw = (by, down) => fill(empty(body), [[...store.tensors].sort((a, b) => by < 0 ? 0 : (typeof a[by] === 'number' || typeof b[by] === 'number' ? (a[by] ?? -1) - (b[by] ?? -1) : String(a[by]).localeCompare(String(b[by]))) * (down ? -1 : 1)).map(t =>
      el('tr', {}, el('td', {class: 'word code'}, t[0]), el('td', {}, t[1]), el('td', {}, t[2].join(' × ')), el('td', {}, t[3].toLocaleString('en')), t.slice(4, 8).map(x => el('td', {}, short(x))),
        el('td', {}, known(t[8]) ? [short(t[8]) + ' ', el('span', {class: 'meter', 'aria-hidden': 'true'}, el('i', {class: 'share', style: {width: 100 * t[8] / most + '%'}}))] : '–')))]);
    draw(-1);
    return el('div', {class: 'card', tabindex: '0', role: 'region', 'aria-label': 'Tensors of ' + store.name}, el('h3', {}, 'Tensors of the newest generation; change: length of the difference from generation 0, as a share of its length'),
      el('table', {class: 'table'}, el('thead', {}, el('tr', {}, heads.map((w, i) => el('th', {scope: 'col', class: i ? null : 'word'}, el('button', {type: 'button', click: () => draw(i, i > 2)}, w))))), body));
  }

  function storeCard(store) {
    const of = kind => store.lines.filter(l => l.kind === kind), config = of('config')[0] || {};
    const state = of('state').filter(l => !/^asked\//.test(l.name));
    return [el('section', {class: 'card', tabindex: '0', 'aria-label': store.name}, el('h2', {}, store.name),
      el('h3', {}, 'Model'), pairs(Object.entries(config).filter(([k]) => k !== 'kind')),
      el('h3', {}, 'Generations'), el('table', {class: 'table'}, el('thead', {}, el('tr', {}, ['generation', 'tensors', 'numbers', 'type', 'bytes', 'digest'].map(w => el('th', {scope: 'col'}, w)))),
        el('tbody', {}, of('weights').map(w => el('tr', {}, el('td', {}, w.generation + (w.head ? ' (newest)' : '')), el('td', {}, w.entries), el('td', {}, (w.numbers || 0).toLocaleString('en')), el('td', {}, w.dtype), el('td', {}, size(w.bytes)), el('td', {class: 'code'}, w.xxh3))))),
      el('h3', {}, 'State'), pairs(state.map(l => [l.name, l.value])),
      el('h3', {}, 'Also'), pairs([...of('optim'), ...of('dist'), ...of('meta')].map(l => [l.kind + ' ' + l.name, size(l.bytes)]))), tensorTable(store)];
  }

  function drawRun() {
    fill(empty($('#run')), [streams.map(streamCard), stores.map(storeCard)]);
  }

  // ---- the whole ----

  function view(name) {
    state.view = name;
    for (const button of all('[data-view]')) button.setAttribute('aria-pressed', String(button.dataset.view === name));
    for (const id of ['groups', 'steps', 'run']) document.getElementById(id).hidden = id !== name;
    if (name === 'steps' && !$('#steps').firstChild) drawSteps();
    if (name === 'run' && !$('#run').firstChild) drawRun();
    leaveToken();
    if (name === 'groups') drawList();
    remember();
  }

  function theme(to) {
    const dark = to === 'dark' || (!to && matchMedia('(prefers-color-scheme: dark)').matches);
    document.documentElement.dataset.theme = dark ? 'dark' : 'light';
  }

  // Where one is, in the address: it can be kept and sent.
  let still = true;
  function remember() {
    if (still) return;
    const at = new URLSearchParams();
    if (state.view !== 'groups') at.set('view', state.view);
    if (state.chosen) at.set('group', state.chosen.n);
    if (state.shade) at.set('shade', state.shade);
    for (const id of ['search', 'outcome', 'hinted', 'category', 'step', 'order']) if ($('#' + id).value) at.set(id, $('#' + id).value);
    try { history.replaceState(null, '', '#' + at); } catch (e) { /* a page without an address */ }
  }

  function recall() {
    const at = new URLSearchParams(location.hash.slice(1));
    for (const id of ['search', 'outcome', 'hinted', 'category', 'step', 'order']) if (at.get(id)) $('#' + id).value = at.get(id);
    if (!$('#order').value) $('#order').value = '';
    const chosen = at.get('group');
    shadeBy(shades.some(s => s.name === at.get('shade')) ? at.get('shade') : '');
    return {view: at.get('view'), row: chosen === null ? null : rows[+chosen]};
  }

  function totals() {
    const acc = mean(groups.map(g => g.accuracy).filter(known)), parts = [];
    if (groups.length) parts.push([el('b', {}, rows.length.toLocaleString('en')), rows.length === 1 ? ' group' : ' groups']);
    if (groups.length) parts.push([el('b', {}, groups.reduce((n, g) => n + g.o.length, 0).toLocaleString('en')), ' responses']);
    if (streams.length > 1) parts.push(streams.map((s, i) => [i ? ', ' : '', s.name + ' ', el('b', {}, percent(mean(groups.filter(g => g.s === i).map(g => g.accuracy).filter(known)))), i ? '' : ' right']));
    else if (acc !== null) parts.push([el('b', {}, percent(acc)), ' right']);
    const hints = groups.filter(g => g.hint).length, dropped = groups.filter(g => g.drop).length;
    if (hints || dropped) parts.push([el('b', {}, hints), ' with a hint, ', el('b', {}, dropped), ' dropped']);
    fill(empty($('#totals')), [parts.map((p, i) => [i ? ' · ' : '', p])]);
  }

  function choices(select, values) {
    for (const value of values) $(select).append(el('option', {value}, value));
  }

  function start() {
    theme(null);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => theme(null));
    $('#title').textContent = document.title;
    $('#title').title = document.title;
    totals();
    choices('#category', [...new Set(groups.map(g => g.category).filter(Boolean))].sort());
    choices('#step', [...new Set(groups.map(g => g.step))].sort((a, b) => a - b));
    for (const [value, words] of orders) if (value !== 'differ' || streams.length > 1) $('#order').append(el('option', {value}, words));
    shades.forEach((s, i) => $('#shades').append(el('button', {type: 'button', 'data-shade': s.name, 'aria-pressed': 'false', title: 'Key ' + i, click: () => shadeBy(s.name)}, s.words)));
    for (const s of streams) if (s.end && s.end.why) $('header').after(el('p', {class: 'note'}, (s.name || 'This') + ' is shown as far as it goes: ' + s.end.why));
    const was = recall();
    filter();
    if (was.row) { reveal(was.row); show(was.row, true); }
    view(['steps', 'run'].includes(was.view) ? was.view : groups.length ? 'groups' : 'run');
    still = false;
    if ($('#search').value) readAll();
  }

  async function printList() {
    const chosen = state.list.slice(0, 200), was = state.chosen;
    fill(empty($('#chosen')), [await Promise.all(chosen.map(groupNode))]);
    await Promise.all(all('#chosen img').map(img => img.decode().catch(() => null)));
    print();
    show(was, true);
  }

  // ---- what people do ----

  for (const button of all('[data-view]')) button.addEventListener('click', () => view(button.dataset.view));
  $('#theme').addEventListener('click', () => theme(document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark'));
  $('#help').addEventListener('click', () => $('#keys').showModal());
  $('#back').addEventListener('click', () => { $('#groups').classList.remove('looking'); drawList(); });
  $('#next').addEventListener('click', () => move(1));
  $('#before').addEventListener('click', () => move(-1));
  $('#print').addEventListener('click', printList);
  $('#filters').addEventListener('submit', event => event.preventDefault());
  for (const id of ['outcome', 'hinted', 'category', 'step', 'order']) $('#' + id).addEventListener('change', filter);
  let typed = 0;
  $('#search').addEventListener('input', () => { clearTimeout(typed); typed = setTimeout(() => { filter(); if ($('#search').value) readAll(); }, 120); });
  for (const [id, kind] of [['heat', 'noheat'], ['boxes', 'noboxes']]) $('#' + id).addEventListener('change', event => document.body.classList.toggle(kind, !event.target.checked));
  list.addEventListener('scroll', drawList, {passive: true});
  addEventListener('resize', () => { leaveToken(); drawList(); });
  $('#main').addEventListener('scroll', leaveToken, {passive: true});

  const tokenAt = event => { const span = event.target.closest && event.target.closest('.tokens > span'); return span && span.parentNode.r ? span : null; };
  $('#chosen').addEventListener('mouseover', event => { const span = tokenAt(event); if (span) tellToken(span.parentNode, span.t, false); else leaveToken(); });
  $('#chosen').addEventListener('mouseleave', leaveToken);
  $('#chosen').addEventListener('click', event => { const span = tokenAt(event); if (span) goToken(span.parentNode, span.t); });
  $('#chosen').addEventListener('focusout', leaveToken);
  $('#chosen').addEventListener('keydown', event => {
    const box = event.target, by = {ArrowRight: 1, ArrowLeft: -1, ArrowDown: 10, ArrowUp: -10}[event.key];
    if (!box.r || !by) return;
    goToken(box, box.at < 0 ? 0 : box.at + by);
    event.preventDefault();
  });
  list.addEventListener('keydown', event => {
    const page = Math.max(1, Math.floor(list.clientHeight / HEIGHT) - 1), by = {ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -1e9, End: 1e9}[event.key];
    if (event.key === 'Enter' && state.chosen) show(state.chosen, true);
    if (!by) return;
    move(by);
    event.preventDefault();
  });

  const toggle = id => { $('#' + id).checked = !$('#' + id).checked; $('#' + id).dispatchEvent(new Event('change')); };
  const keys = {j: () => move(1), k: () => move(-1), h: () => toggle('heat'), b: () => toggle('boxes'), g: () => view('groups'), s: () => view('steps'), r: () => view('run'),
    d: () => $('#theme').click(), '?': () => $('#keys').showModal(), '/': () => { view('groups'); $('#groups').classList.remove('looking'); $('#search').focus(); }};
  shades.forEach((s, i) => { keys[i] = () => shadeBy(s.name); });

  addEventListener('keydown', event => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) && event.target.type !== 'checkbox';
    if (event.key === 'Escape') {
      if (event.target.id === 'search') { event.target.value = ''; filter(); }
      leaveToken();
      if (typing) event.target.blur();
      return;
    }
    if (typing || event.ctrlKey || event.metaKey || event.altKey || $('#keys').open || !keys[event.key]) return;
    keys[event.key]();
    event.preventDefault();
  });

  start();
})();
