#!/usr/bin/env bats
# ptd-dump --html, and what programs keep for it with --record and --trace: fields that change no
# bit of the rest; a page that is whole, bounded and harmless; and what a person does with it, in a
# browser (make browser; skipped where there is none).
load lib.bash

setup_file() {
    small_run
    fresh run.ptd
    fresh twin.ptd
    run_with run.ptd recorded --record --trace trace.rec > recorded.jsonl
    run_with twin.ptd plain > plain.jsonl
    ptd-dump --html trace.rec > page.html
}
setup() { cd "$WORK" || return; }

# A run of three steps, its streams kept: STORE NAME [--record [OPTIONS OF UPDATE...]].
run_with() {
    local store=$1 name=$2 record=${3:+--record}
    ptd-rollout -q -s "$store" -P 4 -G 4 -m 16 -n 3 $record train.jsonl | tee "$name-rollouts.rec" | ptd-verify -q | ptd-hint -q --from attention $record |
        tee "$name-hinted.rec" | ptd-ref -q | tee "$name.rec" | ptd-update -q --lr 1e-3 "${@:4}"
}
craft() { /usr/bin/python3 "$BATS_TEST_DIRNAME/craft.py" "$@"; }
groups() { ptd-dump --full "$@" | jq -c 'select(.kind == "group")'; }
plain() { groups "$@" | jq -c 'del(.byte, .map, .hint_dropped, .rollouts[].entropy, .rollouts[].top_logp, .rollouts[].divergence, .rollouts[].advantages)'; }

# What page.py finds in a browser: CHECK PAGE [MORE...].
browse() {
    python=${PTD_BROWSER:-$BATS_TEST_DIRNAME/../build/browser/bin/python}
    [ -x "$python" ] && command -v chromium > /dev/null || skip "no browser: make browser"
    "$python" "$BATS_TEST_DIRNAME/page.py" "$@"
}

@test "--record and --trace change no bit of anything else" {
    [ "$(bits run.ptd)" = "$(bits twin.ptd)" ]
    [ "$(timeless recorded.jsonl)" = "$(timeless plain.jsonl)" ]
    for stage in -rollouts -hinted ''; do [ "$(plain recorded$stage.rec)" = "$(plain plain$stage.rec)" ]; done
    [ "$(plain trace.rec)" = "$(plain plain.rec)" ]
    # and what was recorded trains as what was not
    fresh replayed.ptd
    ptd-update -q --lr 1e-3 -s replayed.ptd trace.rec > replayed.jsonl
    [ "$(bits replayed.ptd)" = "$(bits twin.ptd)" ]
    # all programs take it, and leave it as it is
    [ "$(ptd-verify -q recorded-rollouts.rec | ptd-hint -q --from attention --record | groups | jq -c 'del(.byte)')" = "$(groups recorded-hinted.rec | jq -c 'del(.byte)')" ]
    ptd-stat trace.rec > /dev/null
    ptd-dump --check trace.rec
}

@test "--record: log-probs of the best words and the entropy are those of sampling" {
    groups recorded-rollouts.rec | jq -e -s 'map(.rollouts[]) | all((.ids | length) as $n | (.entropy | length) == $n and (.top_logp | length) == $n * .top_k)' > /dev/null
    # the word that was drawn has the log-prob of the draw; the best ones come first, and sum to 1 at most
    groups recorded-rollouts.rec | jq -e -s 'map(.rollouts[]) | all(. as $y | [range($y.ids | length)] | all(. as $t
        | $y.top_ids[$t * $y.top_k:($t + 1) * $y.top_k] as $ids | $y.top_logp[$t * $y.top_k:($t + 1) * $y.top_k] as $logp
        | ($ids | index($y.ids[$t])) as $i
        | ($i == null or ($logp[$i] - $y.logp[$t] | fabs) < 0.01) and ($logp | . == (sort | reverse)) and ($logp | map(exp) | add) < 1.01))' > /dev/null
    # before the first update the trainer finds the same entropy
    [ "$(groups recorded-rollouts.rec | jq -s --slurpfile m plain.jsonl '[.[] | select(.step == 1).rollouts[].entropy[]] | add / length - $m[0]."actor/entropy" | fabs < 1e-4')" = true ]
    [ "$(ptd-dump recorded-rollouts.rec | jq -s '.[0].recorded')" = 1 ]
    [ "$(ptd-dump plain-rollouts.rec | jq -s '.[0].recorded')" = null ]
    # of greedy answers, and of those given with the hint, too
    ptd-rollout -q -s twin.ptd --greedy -P 8 -m 8 -k 0 --record train.jsonl > greedy.rec
    groups greedy.rec | jq -e -s 'map(.rollouts[]) | all((.entropy | length) == (.ids | length) and has("top_logp") == false)' > /dev/null
}

@test "--record: where a model looked, and the words of what was dropped" {
    groups recorded-hinted.rec | jq -e -s 'map(select(.hint.text or .hint_drop)) | length > 0 and all(.map
        | .source == "attention" and (.score | length) == .rows * .columns and (.score | max) == 1 and (.score | min) >= 0)' > /dev/null
    # the boxes lie where the map is high
    groups recorded-hinted.rec | jq -e -s 'map(select(.hint.text)) | length > 0 and all(.map as $m | (.map.score | index(1)) as $best
        | (($best % $m.columns + 0.5) / $m.columns) as $x | ((($best / $m.columns | floor) + 0.5) / $m.rows) as $y
        | any(.hint.regions[]; .[1] <= $x and $x <= .[3] and .[2] <= $y and $y <= .[4]))' > /dev/null
    [ "$(groups plain-hinted.rec | jq -s 'any(has("map") or has("hint_dropped"))')" = false ]
    # a dropped hint keeps its words when asked to
    craft plain-hinted.rec 'for g in groups: g["solution"] = g["answer"]; g["steps"] = ["it is " + g["answer"]]' > telling.rec
    ptd-hint -q --from data --always --record telling.rec > dropped.rec
    groups dropped.rec | jq -e -s 'all(.hint_drop and (.answer as $a | .hint_dropped == "data: it is " + $a))' > /dev/null
    # and without --record nothing of it stays
    [ "$(ptd-hint -q --from data --always dropped.rec | groups | jq -s 'any(has("hint_dropped") or has("map"))')" = false ]
    [ "$(ptd-hint -q --from data recorded-hinted.rec | groups | jq -s 'any(has("map"))')" = false ]
}

@test "--trace: divergence, entropy and advantages as they were learned with" {
    groups trace.rec > t.jsonl
    [ "$(wc -l < t.jsonl)" = 12 ]
    jq -e -s 'map(.rollouts[]) | all(has("divergence") == has("teacher_key") and (.advantages | length) == (.ids | length))' t.jsonl > /dev/null
    jq -e -s 'map(.rollouts[]) | all(.advantage as $a | .advantages | all(. - $a | fabs < 1e-6))' t.jsonl > /dev/null
    # their mean over a step is what the metrics say
    for step in 1 2 3; do
        [ "$(jq -s --argjson s $step --slurpfile m recorded.jsonl '$m[$s - 1]."actor/ptd_kl" as $d | [.[] | select(.step == $s).rollouts[].divergence? // [] | .[]]
            | if length == 0 then $d == 0 else (add / length - $d | fabs) < 1e-5 end' t.jsonl)" = true ]
    done
    jq -e -s 'any(.[].rollouts[]; has("divergence"))' t.jsonl > /dev/null
    # the entropy comes from the trainer where sampling kept none
    fresh other.ptd
    ptd-update -q -s other.ptd --trace other.rec plain.rec > other.jsonl
    [ "$(groups other.rec | jq -s --slurpfile m other.jsonl '[.[] | select(.step == 2).rollouts[].entropy[]] | add / length - $m[1]."actor/entropy" | fabs < 1e-5')" = true ]
    # of several updates and passes the first look counts
    fresh many.ptd
    ptd-update -q -s many.ptd --updates 2 --epochs 2 --trace many.rec plain.rec > /dev/null
    [ "$(groups many.rec | jq -c '[.rollouts[].advantages]')" = "$(groups other.rec | jq -c '[.rollouts[].advantages]')" ]
    fresh many.ptd
    fails 73 'ptd-update: no/where.rec: *' ptd-update -q -s many.ptd --trace no/where.rec plain.rec
    cp plain.rec read.rec
    fails 2 'ptd-update: --trace *is the stream that is read*' ptd-update -q -s many.ptd --trace ./read.rec read.rec
    cmp read.rec plain.rec
    fails 74 'ptd-update: /dev/full: *' ptd-update -q -s many.ptd --trace /dev/full plain.rec
    [ "$(head_of many.ptd)" = 0 ]
    # supervised, too
    fresh gold.ptd
    ptd-gold -q -s gold.ptd -P 4 -n 1 train.jsonl | ptd-update -q --loss sft --trace gold.rec > /dev/null
    groups gold.rec | jq -e -s 'length == 4 and all(.[].rollouts[]; has("entropy") and (has("advantages") or has("divergence") | not))' > /dev/null
}

@test "--trace: a run that goes on goes on with its file" {
    fresh part.ptd
    pipeline part.ptd 2 --trace part.rec > /dev/null
    groups part.rec > two.jsonl
    [ "$(jq -s 'map(.step) | unique' -c two.jsonl)" = '[1,2]' ]
    head -c -20 part.rec > cut
    mv cut part.rec # as a kill leaves it
    pipeline part.ptd 3 --trace part.rec > /dev/null
    ptd-dump --check part.rec
    [ "$(groups part.rec | jq -s 'map(.step) | unique' -c)" = '[1,2,3]' ]
    [ "$(groups part.rec | jq -c 'select(.step < 3) | del(.byte)')" = "$(jq -c 'del(.byte)' two.jsonl)" ]
    [ "$(ptd-dump part.rec | jq -s '.[0].first_step')" = 1 ]
    # what comes again replaces what was there
    cp part.rec full.rec
    fresh again.ptd
    pipeline again.ptd 1 > /dev/null
    pipeline again.ptd 2 --trace full.rec > /dev/null
    [ "$(groups full.rec | jq -s 'map(.step) | unique' -c)" = '[1,2]' ]
    [ ! -e full.rec.part ]
    cp train.jsonl none.rec
    ptd-rollout -q -s again.ptd -P 4 -G 4 -m 16 -n 3 train.jsonl | ptd-verify -q | ptd-hint -q | ptd-ref -q > third.rec
    fails 65 'ptd-update: none.rec: *not a ptd stream' ptd-update -q --lr 1e-3 -s again.ptd --trace none.rec third.rec
    cmp none.rec train.jsonl
}

@test "a page: one file, whole, the same twice, and misuse in one line" {
    [ "$(head -c 15 page.html)" = '<!doctype html>' ]
    [ "$(tail -n 1 page.html)" = '</html>' ]
    run -1 grep -qE '(src|href)="?(https?:)?//|@import|url\(' page.html
    ptd-dump --html trace.rec | cmp - page.html
    ptd-dump --html < trace.rec > piped.html
    [ "$(grep -c 'data-is="group"' page.html)" = 12 ]
    [ "$(grep -c 'data-is="group"' piped.html)" = 12 ]
    [ "$(ptd-dump --html --head 2 trace.rec | grep -c 'data-is="group"')" = 2 ]
    # pictures stand there once, however often they are asked
    [ "$(grep -c 'data-is="picture"' page.html)" = "$(groups trace.rec | jq -r '.pictures[].hash' | sort -u | wc -l)" ]
    ptd-dump --html trace.rec plain.rec > both.html
    [ "$(grep -c 'data-is="picture"' both.html)" = "$(grep -c 'data-is="picture"' page.html)" ]
    [ "$(grep -c 'data-is="stream"' both.html)" = 2 ]
    [ "$(ptd-dump --html trace.rec run.ptd | grep -c 'data-is="store"')" = 1 ]
    fails 66 'ptd-dump: missing.rec: *' ptd-dump --html trace.rec missing.rec
    [ -z "$output" ]
    fails 2 'ptd-dump: --html goes with --head alone*' ptd-dump --html --text trace.rec
    fails 66 'ptd-dump: store *' ptd-dump --html "$BATS_TEST_DIRNAME"
}

@test "a page of a damaged stream shows what there is, and says so" {
    head -c 60000 trace.rec > cut.rec
    run -76 --separate-stderr ptd-dump --html cut.rec
    [ "${lines[-1]}" = '</html>' ]
    [[ "$stderr" == "ptd-dump: cut.rec: "*"stream is cut in the middle of a frame" ]]
    [[ "$output" == *'data-is="end">{"s":0,"whole":0,"why":"cut.rec: '* ]]
    craft trace.rec 'groups[3]["uid"] = 7' > bad.rec
    run -65 --separate-stderr ptd-dump --html bad.rec plain.rec
    [ "$(grep -c 'data-is="group"' <<< "$output")" = 15 ]
    # without its store tokens have no names
    craft trace.rec 'head["store"] = "gone.ptd"' > gone.rec
    run -0 --separate-stderr ptd-dump --html gone.rec
    [[ "$stderr" == "ptd-dump: "*"tokens are shown by their numbers"* ]]
    run -0 --separate-stderr ptd-dump --html gone.rec run.ptd
    [ -z "$stderr" ]
    [ "$(grep -c 'data-is="words"' <<< "$output")" = 1 ]
}

@test "a page of what is no stream says why" {
    ptd-dump --html < /dev/null > nothing.html 2> said || [ $? = 76 ]
    browse nothing nothing.html
}

# Words that would be markup, in every text that a stream has.
hostile() {
    craft trace.rec 'evil = "</script><script>window.owned = 1</script><img src=x onerror=\"window.owned = 2\"><!-- ]]>&lt;\u2028\u202e"
n = 0
for g in groups:
    n += 1
    for key in ("uid", "category", "system", "question", "answer", "solution", "hint_drop", "hint_dropped", "hint_refused", "judge"):
        g[key] = evil + str(n)
    g.pop("judge"); g["turns"] = [{"role": "user", "text": evil}]; g["answers"] = [evil]; g["steps"] = [evil]
    g["regions"] = [[evil, 0.1, 0.1, 0.5, 0.5]]
    g["hint"] = {"text": evil, "source": evil, "regions": [[evil, 0, 0, 0.5, 0.5]], "steps": [evil]}
    g["map"] = {"score": f16(0, 1, 0.5, 0.2), "rows": 2, "columns": 2, "picture": 0, "source": evil}
    for y in g["rollouts"]:
        y.update(text=evil, stop=evil, extracted=evil, reason=evil, parts=[{"name": evil, "value": 1}])
head.update(data=evil, mode=evil, sampling=evil)
head["stages"][0]["command"] = evil' > hostile.rec
}

@test "hostile text stands in the page as data alone" {
    hostile
    ptd-dump --html hostile.rec > hostile.html
    [ "$(grep -o '<script' hostile.html | wc -l)" = "$(grep -o '<script' page.html | wc -l)" ]
    run -1 grep -q 'onerror="window' hostile.html
    run -1 grep -q '<!-- ]]>' hostile.html
    mkdir -p 'a<b>&"'
    cp trace.rec 'a<b>&"/x.rec'
    ptd-dump --html 'a<b>&"/x.rec' | grep -qF '<title>a&#60;b&#62;&#38;&#34;/x.rec</title>'
}

@test "a page stays within its bound: what is least missed goes first" {
    # 40 groups of large noisy pictures and long answers, again and again
    craft trace.rec 'import random
random.seed(1)
side, n = 640, 3000
def large(k):
    pixels = random.randbytes(side * side * 3)
    h = dict(g); h["uid"] = "u%d" % k
    h["pictures"] = [{"hash": "%016x" % xxh3(struct.pack("<II", side, side) + pixels), "height": side, "width": side, "pixels": pixels}]
    y = dict(g["rollouts"][0])
    for key in list(y):
        if isinstance(y[key], msgpack.ExtType): y.pop(key)
    for key in ("top_k", "teacher_k", "teacher_key"): y.pop(key, 0)
    ids = [random.randrange(100) for _ in range(n)]
    y.update(ids=i32(*ids), logp=f32(*[-random.random() for _ in ids]), entropy=f32(*[random.random() for _ in ids]), text=" ".join(map(str, ids)),
             top_k=4, top_ids=i32(*[i for t in ids for i in range(4)]), top_logp=f16(*[-random.random() for t in ids for i in range(4)]))
    h["rollouts"] = [y] * 4
    return h
frames[:] = [f for f in frames if f[0] != GROUP]
frames[1:1] = [(GROUP, large(k)) for k in range(120)]' > large.rec
    ptd-dump --html large.rec > large.html
    # the share of a group, what is ahead, and the page itself
    [ "$(stat -c %s large.html)" -lt $((2097152 + 120 * 26000 + 200000)) ]
    [ "$(stat -c %s large.html)" -gt 3000000 ]
    [ "$(grep -c 'data-is="detail"' large.html)" = 120 ]
}

# 30 groups of 16 noisy pictures each, and 30 of 512 responses
many() {
    craft trace.rec 'import random
random.seed(2)
side = 256
def noise():
    pixels = random.randbytes(side * side * 3)
    return {"hash": "%016x" % xxh3(struct.pack("<II", side, side) + pixels), "height": side, "width": side, "pixels": pixels}
def answer():
    y = {k: v for k, v in g["rollouts"][0].items() if not isinstance(v, msgpack.ExtType)}
    for key in ("top_k", "teacher_k", "teacher_key"): y.pop(key, 0)
    words = "".join(random.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=400))
    y.update(ids=i32(1), logp=f32(-1), text=words, extracted=words, reason=words, stop=words[:200])
    return y
def group(k, pictures, answers):
    return dict({key: v for key, v in g.items() if key != "map"}, uid="u%d" % k, pictures=[noise() for _ in range(pictures)], rollouts=[answer() for _ in range(answers)],
                steps=["".join(random.choices("abcdefghij", k=200)) for _ in range(64)])
frames[:] = [f for f in frames if f[0] != GROUP]
frames[1:1] = [(GROUP, group(k, 16, 2) if k < 30 else group(k, 0, 512)) for k in range(60)]' > many.rec
}

@test "a page stays within its bound, however many pictures and responses a group has" {
    many
    ptd-dump --html many.rec > many.html
    [ "$(stat -c %s many.html)" -lt $((2097152 + 60 * 26000 + 200000)) ]
    [ "$(grep -c 'data-is="detail"' many.html)" = 60 ]
    browse crowded many.html
}

@test "in a browser: it opens without a word on the console, and shows what the stream says" {
    groups trace.rec > t.jsonl
    browse shows page.html t.jsonl
}

@test "in a browser: filters, search, order and keys find what is there" {
    groups trace.rec > t.jsonl
    browse finds page.html t.jsonl
}

@test "in a browser: several streams side by side, by step; a store" {
    ptd-dump --html trace.rec plain.rec run.ptd > both.html
    browse beside both.html
}

@test "in a browser: hostile text is shown as it is, and does nothing" {
    hostile
    ptd-dump --html hostile.rec > hostile.html
    browse harmless hostile.html
}

@test "in a browser: accessible in light and dark and at three widths, and on paper" {
    ptd-dump --html trace.rec plain.rec run.ptd > both.html
    browse accessible both.html
}

@test "in a browser: a thousand groups open at once, and only what is seen is drawn" {
    craft trace.rec 'many = [dict(h, uid="%s-%d" % (h["uid"], k)) for k in range(84) for h in groups][:1000]
frames[:] = [f for f in frames if f[0] != GROUP]
frames[1:1] = [(GROUP, h) for h in many]' > thousand.rec
    ptd-dump --html thousand.rec > thousand.html
    [ "$(stat -c %s thousand.html)" -lt 30000000 ]
    browse large thousand.html
}
