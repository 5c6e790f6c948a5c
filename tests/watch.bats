# ptd-watch: what it says of a run, in text and as a page that can only be read; the board that
# programs tell it by.
load lib

setup_file() {
    load lib
    small_run
    mkdir -p run1
    fresh run1/run.ptd
    pipeline run1/run.ptd 3 > run1/metrics.jsonl
}

setup() {
    cd "$WORK" || return
    mkdir -p "$BATS_TEST_TMPDIR/shm"
    export PTD_SHM="$BATS_TEST_TMPDIR/shm" LC_ALL=C.UTF-8
}
teardown() { [ -z "${server:-}" ] || kill "$server" 2> /dev/null || true; }

# Serves run1 in the background; $url is where.
serve() {
    : > served # not what an earlier one said
    ptd-watch --every 0.2 --serve 127.0.0.1:0 "$@" 2> served &
    server=$!
    for ((i = 0; i < 100; i++)); do grep -q http served && break; sleep 0.1; done
    url=$(sed -n 's/^ptd-watch: //p' served)
}
# get PATH [OPTIONS...]: status and headers to $head, body to $body
get() {
    local path=$1
    shift
    python3 - "$url$path" "$@" << 'PY' > answer
import http.client, sys, urllib.parse
u = urllib.parse.urlparse(sys.argv[1])
c = http.client.HTTPConnection(u.netloc, timeout=10)
method = sys.argv[2] if len(sys.argv) > 2 else "GET"
c.request(method, u.path, body=b"x" * 100000 if method == "POST" else None, headers=dict(h.split("=", 1) for h in sys.argv[3:]))
r = c.getresponse()
print(r.status)
print(r.headers)
sys.stdout.flush()
sys.stdout.buffer.write(r.read())
PY
    head=$(sed '/^$/q' answer) body=$(sed '1,/^$/d' answer | sed '1{/^$/d}')
}

@test "once: the store, nobody at work, curves of what there is" {
    ptd-watch -q --once run1/run.ptd run1/metrics.jsonl > text
    grep -q '^run1/run.ptd  generation 3  nobody trains  ETA -  memory left ' text
    grep -q '^no program works on it here$' text
    grep -qE '^reward/accuracy [0-9.]+ +actor/loss ' text
    LC_ALL=C grep -q $'\xe2[\xa0-\xa3]' text
    ptd-watch -q --once run1/run.ptd > beside # metrics.jsonl lies beside the store
    grep -q '^reward/accuracy ' beside
    LC_ALL=C ptd-watch -q --once --fields actor/grad_norm run1/run.ptd > plain
    grep -qE '^actor/grad_norm [0-9.]+ *$' plain
    grep -q '\*' plain
    run grep -c 'reward/accuracy' plain
    [ "$output" = 0 ]
    # a title has whole numbers or none, and says what is not there
    ptd-watch -q --once --fields nowhere,group_reward/informative_ratio,actor/sampling_gap/mean,critic/advantages/mean,response_length/clip_ratio run1/run.ptd run1/metrics.jsonl > narrow
    grep -q '^nowhere none yet ' narrow
    grep -q 'actor/sampling_gap/mean [0-9]' narrow
}

@test "a curve says its most and its least value, its first and its last step" {
    for i in 10 20 30 40; do echo "{\"step\":$i,\"up\":$i,\"flat\":0.5,\"small\":-1.25e-7}"; done > m.jsonl
    echo '{"step":50,"up":-12,"flat":0.5}' >> m.jsonl
    echo '{"step":60,"once":3}' >> m.jsonl
    LC_ALL=C ptd-watch --once --fields up,flat,small,once run1/run.ptd m.jsonl > curves
    cat curves
    sed -n '/^up /,$p' curves > drawn
    [ "$(sed -n 1p drawn | tr -s ' ')" = "up -12 flat 0.5 " ]
    [[ "$(sed -n 2p drawn)" =~ ^\ 40\ [\ *]+$ ]]
    [[ "$(sed -n 4p drawn)" =~ ^\ \ \ \ [\ *]+\ 0.5\ \*+$ ]]
    [[ "$(sed -n 6p drawn)" =~ ^-12\ [\ *]+$ ]]
    [ "$(sed -n 7p drawn | tr -s ' ')" = " step 10 50 step 10 50" ]
    # under the first and the last dot
    [ "$(sed -n 7p drawn | grep -bo step | cut -d: -f1 | tr '\n' ' ')" = "4 55 " ]
    [ "$(sed -n 9p drawn | tr -s ' ')" = "small -1.25e-07 once 3 " ]
    [ "$(sed -n 15p drawn | tr -s ' ')" = " step 10 40 step 60 " ]
    # wherever there is little room, nothing is wider than it
    for width in 200 80 40 12; do
        COLUMNS=$width script -qec "stty cols $width rows 60; ptd-watch --once --fields up,flat,small,once run1/run.ptd m.jsonl" /dev/null < /dev/null | tr -d '\r' > "w$width"
        [ "$(wc -L < "w$width")" -le "$width" ]
        grep -q '^ *step 10' "w$width"
    done
    [ "$(grep -c '^ *step 10 .*50 .*step 10 .*50 .*step 10 .*40 .*step 60' w200)" = 1 ]
    [ "$(grep -c '^ *step 10 .*50$' w40)" = 2 ]
}

@test "while a run goes: who works, who waits for whom, the last answers, the time left" {
    fresh live.ptd
    (ptd-rollout -q -s live.ptd -P 64 -G 12 -m 24 -n 2000 train.jsonl | ptd-verify -q | ptd-hint -q | ptd-ref -q | ptd-update -q --lr 1e-3 > live.jsonl) 2> /dev/null &
    run=$!
    found=
    for ((i = 0; i < 400; i++)); do
        ptd-watch -q --once live.ptd live.jsonl > text 2> /dev/null || true
        if [ "$(grep -c '^ptd-' text)" = 5 ] && grep -q '^last answers' text && grep -q 'waits for ptd-' text && grep -q ' of 2000  training  ETA [0-9]' text; then found=1; break; fi
        sleep 0.2
    done
    cat text
    pkill -TERM -P $run || true # its programs
    wait $run 2> /dev/null || true
    [ "$found" = 1 ]
    [ "$(grep '^ptd-' text | cut -d' ' -f1 | tr '\n' ' ')" = "ptd-rollout ptd-verify ptd-hint ptd-ref ptd-update " ]
    for ((i = 0; i < 100; i++)); do
        ptd-watch -q --once live.ptd live.jsonl > text
        grep -q '^no program works' text && break
        sleep 0.1
    done
    grep -q '^no program works on it here$' text
}

@test "the page: html, style, script and state, for local names only, read only" {
    serve run1/run.ptd run1/metrics.jsonl
    get ""
    [[ "$head" == 200* ]]
    [[ "$head" == *"Content-Security-Policy: default-src 'none'; script-src 'self'"* ]]
    [[ "$body" == *"<title>ptd-watch</title>"* ]]
    get watch.js
    [[ "$head" == 200* && "$head" == *text/javascript* ]]
    get watch.css
    [[ "$head" == 200* && "$head" == *text/css* ]]
    get state.json
    echo "$body" | jq -e '.store == "run1/run.ptd" and .generation == 3 and .trained == false and .lines == 3 and .programs == []' > /dev/null
    get series.json
    echo "$body" | jq -e '.["reward/accuracy"] | length == 3 and .[2][0] == 3' > /dev/null
    get state.json HEAD
    [[ "$head" == 200* ]]
    [ -z "$body" ]
    for method in POST PUT DELETE; do
        get state.json $method
        [[ "$head" == 405* ]]
        [[ "$head" == *"Allow: GET, HEAD"* ]]
    done
    get etc/passwd
    [[ "$head" == 404* ]]
    get state.json GET Host=evil.example
    [[ "$head" == 403* ]]
    get state.json GET Host=localhost:1
    [[ "$head" == 200* ]]
}

@test "the page follows the run" {
    cp run1/metrics.jsonl grows.jsonl
    serve run1/run.ptd grows.jsonl
    echo '{"step":4,"reward/accuracy":0.125}' >> grows.jsonl
    for ((i = 0; i < 50; i++)); do
        get state.json
        [ "$(echo "$body" | jq .lines)" = 4 ] && break
        sleep 0.1
    done
    get series.json
    [ "$(echo "$body" | jq -c '.["reward/accuracy"][3]')" = "[4,0.125]" ]
    kill "$server"
    wait "$server"
    server=
}

@test "in a browser: programs, curves and answers are drawn, names are text, and the console is silent" {
    browser=$(command -v chromium || command -v chromium-browser) || skip "no chromium"
    { cat run1/metrics.jsonl; echo '{"step":4,"reward/accuracy":0.5,"<b id=bad>x":1}'; } > hostile.jsonl
    serve --fields 'reward/accuracy,<b id=bad>x' run1/run.ptd hostile.jsonl
    timeout 60 "$browser" --headless --no-sandbox --disable-gpu --user-data-dir="$BATS_TEST_TMPDIR/browser" --enable-logging=stderr \
        --virtual-time-budget=5000 --dump-dom "$url" > dom 2> console || skip "chromium does not run here"
    grep -q '<title>3 run1/run.ptd</title>' dom
    [ "$(grep -o '<figure>' dom | wc -l)" = 2 ]
    grep -q 'aria-label="reward/accuracy: 0.5 at step 4, from ' dom
    grep -q '<figcaption>&lt;b id=bad&gt;x<span>1</span>' dom
    run grep -c '<b id' dom
    [ "$output" = 0 ]
    run grep -c 'CONSOLE' console
    [ "$output" = 0 ]
}

@test "an address of others is refused unless told; what is wrong is one line" {
    fails 2 "*--serve 0.0.0.0:0: others could read it there*" ptd-watch --serve 0.0.0.0:0 run1/run.ptd
    fails 2 '*--serve: found "127.0.0.1:x"*' ptd-watch --serve 127.0.0.1:x run1/run.ptd
    fails 2 "*no terminal; --once prints the same*" ptd-watch run1/run.ptd
    fails 66 "ptd-watch: *none.ptd*" ptd-watch --once none.ptd
    fails 66 "ptd-watch: none.jsonl: No such file or directory" ptd-watch --once run1/run.ptd none.jsonl
    serve run1/run.ptd
    port=${url##*:}
    fails 71 "ptd-watch: --serve 127.0.0.1:${port%/}: Address already in use" ptd-watch --serve "127.0.0.1:${port%/}" run1/run.ptd
    kill "$server"
    wait "$server" || true
    serve --anyone run1/run.ptd
    get state.json GET Host=evil.example
    [[ "$head" == 200* ]]
}

@test "in a terminal: drawn anew until q, which leaves it as it was" {
    command -v tmux > /dev/null || skip "no tmux"
    tmux -L "ptd-watch-$$" -f /dev/null new-session -d -x 100 -y 40 "PTD_SHM=$PTD_SHM LC_ALL=C.UTF-8 $bin/ptd-watch run1/run.ptd run1/metrics.jsonl; echo status \$? > ended"
    for ((i = 0; i < 50; i++)); do
        tmux -L "ptd-watch-$$" capture-pane -p > pane
        grep -q 'actor/loss' pane && break
        sleep 0.1
    done
    tmux -L "ptd-watch-$$" send-keys q
    for ((i = 0; i < 50; i++)); do [ -e ended ] && break; sleep 0.1; done
    tmux -L "ptd-watch-$$" kill-server 2> /dev/null || true
    grep -q '^run1/run.ptd  generation 3' pane
    [ "$(cat ended)" = "status 0" ]
}
