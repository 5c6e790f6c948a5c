#!/bin/bash
# Makes each request for memory of each program fail, alone and with all that follow it (malloc and
# its kin, mmap, new threads; of our own and of every library's). The program leaves with 71 and one
# line, or with the same results as undisturbed; stores stay whole. OpenBLAS, libgfortran and libwebp
# do not cope with a refusal of their own requests (shim-malloc.c): such runs are counted apart, and
# stores stay whole in them too. Disks are torture-disk.sh's.
# shellcheck source=tests/torture-crash.bash
. "$(dirname "$0")/torture-crash.bash"
# In an address space that a sanitizer watches, requests are passed on to it; libasan must not
# insist on being loaded first.
export SHIM=$built/shim-malloc.so ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0:allocator_may_return_null=1
tries=$(pick 14 1000000) # of each job's requests, alone and with all that follow

# A job: what is in its folder, and the command that runs there: NAME FILE... -- COMMAND. The file
# NAME.in is its standard input.
job() {
    local name=$1 files=()
    shift
    while [ "$1" != -- ]; do files+=("$1") && shift; done
    shift
    mkdir "job-$name"
    [ ${#files[@]} = 0 ] || cp -r "${files[@]}" "job-$name"
    [ ! -e "job-$name/$name.in" ] || mv "job-$name/$name.in" "job-$name/in"
    torture-memory -t "$tries" "$work/job-$name" "$@" > tally || blamed=1
    [ $blamed = 0 ] || grep '^#' tally | head -n 20
    report "memory refused to $*: $(tail -n 1 tally)"
    rm -rf "job-$name"*
}

small_model 3
scored base.ptd 1 > update.in
ptd-gold -q -s base.ptd -P 2 -n 1 train.jsonl > sft.in
ptd-rollout -q -s base.ptd -g latest -P 3 -G 2 -m 6 train.jsonl > verify.in
ptd-verify -q verify.in | tee hint.in | tee attend.in > stat.in
ptd-hint -q hint.in | tee ref.in | tee text.in > tutored.rec
ptd-ref -q --no-cache ref.in > dump.in
ptd-export -q base.ptd folder
fresh trained.ptd
"${update[@]}" -s trained.ptd update.in > metrics.jsonl
ptd-metrics -q --tensorboard tb metrics.jsonl
cp -r trained.ptd examined.ptd
ptd-eval -q --once -m 4 examined.ptd train.jsonl > examined.json
gzip -c small/tokenizer.json > tokenizer.gz
grep -l . update.in sft.in dump.in metrics.jsonl examined.json > made
[ "$(wc -l < made)" = 5 ] || blame "the jobs could not be prepared"
cp update.in threads.in

job rollout base.ptd train.jsonl train.img -- ptd-rollout -q -s base.ptd -P 2 -G 2 -m 4 -n 1 -j 1 train.jsonl
job verify verify.in -- ptd-verify -q
job hint hint.in base.ptd -- ptd-hint -q --from data
job attend attend.in base.ptd -- ptd-hint -q --from attention
job ref ref.in base.ptd -- ptd-ref -q -j 1
job update update.in base.ptd -- ptd-update -q -j 1
cp update.in layer.in
job layer layer.in base.ptd -- ptd-update -q -j 1 --recompute layer
job plan base.ptd -- ptd-update --plan --memory 8Gi -j 1 -s base.ptd --expect prompt=30,answers=2x6,picture=84x84
OPENBLAS_NUM_THREADS=2 job threads threads.in base.ptd -- ptd-update -q -j 2
job sft sft.in base.ptd -- ptd-update -q --loss sft -j 1
job gold base.ptd train.jsonl train.img -- ptd-gold -q -s base.ptd -P 2 -n 1 train.jsonl
job random small -- ptd-init -q new.ptd --config small --tokenizer small/tokenizer.json
job gzipped small tokenizer.gz -- ptd-init -q new.ptd --config small --tokenizer tokenizer.gz
job folder folder -- ptd-init -q new.ptd --from folder
job clone base.ptd -- ptd-init -q new.ptd --from-store base.ptd
job export base.ptd -- ptd-export -q base.ptd folder --dtype bf16
job digits -- ptd-data digits -q train.jsonl -n 2 -k nbr
mkdir formats
cp "$sources"/tests/vectors/format-{ycck.jpg,lossy-alpha.webp,lossless.webp,animated.webp,interlaced.gif,rgba.bmp} formats
(cd formats && for f in *; do echo "{\"prompt\":\"what\",\"answer\":\"1\",\"image\":\"formats/$f\"}"; done) > formats.jsonl
job formats formats formats.jsonl -- ptd-data check -q formats.jsonl
job check train.jsonl train.img -- ptd-data check -q train.jsonl
job fitted train.jsonl train.img base.ptd -- ptd-data check -q -s base.ptd -j 1 --fix new.jsonl train.jsonl
cp stat.in other.rec
cp stat.in paired.in
job stat stat.in -- ptd-stat -q
job paired paired.in other.rec -- ptd-stat -q --json --against other.rec --calibration votes
job dump dump.in -- ptd-dump -q
job text text.in -- ptd-dump --text
job listing trained.ptd -- ptd-dump trained.ptd
job tensor trained.ptd -- ptd-dump trained.ptd model.language_model.norm.weight
job whole trained.ptd -- ptd-dump --check trained.ptd
job copy trained.ptd -- ptd-dump -q --copy new.ptd trained.ptd
job curves metrics.jsonl -- ptd-plot -q metrics.jsonl -o curves.svg
job picture tutored.rec -- ptd-plot -q --hint tutored.rec -o picture.svg
job page tutored.rec base.ptd -- ptd-dump --html tutored.rec
job table metrics.jsonl -- ptd-metrics -q --csv metrics.jsonl
job gauges metrics.jsonl -- ptd-metrics -q --prometheus new.prom --run x metrics.jsonl
job events metrics.jsonl tb -- ptd-metrics -q --tensorboard tb metrics.jsonl # there are all of them
job examined examined.ptd train.jsonl train.img -- ptd-eval -q --once -m 4 examined.ptd train.jsonl
echo "1..$reported"
