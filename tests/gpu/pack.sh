#!/bin/bash
# pack.sh FOLDER FROM...: what make gpu-check and make gpu-bench take, from these folders, for a machine that has a card, glibc and
# python3, and nothing else: FOLDER/pack.tar.xz and FOLDER/run.sh, which unpacks it and runs it there:
#     FOLDER/run.sh check|bench [--device sim] [--logs FOLDER]
set -eu -o pipefail
into=$1
shift
here=$(dirname "$0")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
pack=$scratch/pack
mkdir -p "$pack/lib" "$into"

programs=(ptd-{init,data,rollout,verify,hint,ref,update,gold,dump} test-{ops,rows,device,gpu-network} gpu-speed instructions-{sim,chip}
    {,chip-}test-{driver,kernels,attention,head} libptd-{sim,cuda}.so)
for name in "${programs[@]}"; do
    found=
    for folder in "$@"; do [ -n "$found" ] || [ ! -e "$folder/$name" ] || found=$folder/$name; done
    [ -n "$found" ] || { echo "pack.sh: $name is in none of $*" >&2; exit 1; }
    strip --strip-unneeded -o "$pack/$name" "$found"
done

# Their libraries, but for those of the system and of CUDA, and what they load by name.
for name in "${programs[@]}"; do ldd "$pack/$name" 2> /dev/null; done | awk '$3 ~ /^\// { print $3 }' | sort -u |
    grep -vE '/(lib(c|m|dl|rt|pthread|stdc\+\+|gcc_s)\.so|lib(cublas|cuda|nv|ptd))' | while read -r library; do cp -L "$library" "$pack/lib/"; done
openblas=$(find /usr/lib -path '*openblas-pthread/libopenblas.so.0' 2> /dev/null | head -n 1)
[ -z "$openblas" ] || for library in "$openblas" $(ldd "$openblas" | awk '/gfortran|quadmath/ { print $3 }'); do cp -L "$library" "$pack/lib/"; done

cp "$here"/{gpu.py,peer.py,RESULTS.md} "$pack/"
for config in "$here"/../../lib/builtin/{tiny,qwen3-vl-2b,qwen3-vl-4b,qwen3-vl-8b}/config.json; do
    cp "$config" "$pack/$(basename "$(dirname "$config")").json"
done
git -C "$here" describe --always --dirty=+ > "$pack/COMMIT" 2> /dev/null || echo unknown > "$pack/COMMIT"
tar -C "$scratch" -cJf "$into/pack.tar.xz" pack

cat > "$into/run.sh" << 'RUN'
#!/bin/bash
# run.sh check|bench [OPTIONS OF gpu.py]: unpacks pack.tar.xz beside it, once, and runs it. Logs, and the page of results with this
# run in it, go to --logs, or to gpu-logs here.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
at=${GPU_PACK_AT:-${TMPDIR:-/tmp}/gpu-pack-$(cksum < "$here/pack.tar.xz" | cut -d ' ' -f 1)}
[ -e "$at/pack/gpu.py" ] || { mkdir -p "$at" && tar -C "$at" -xJf "$here/pack.tar.xz"; }
cublas=$(python3 -c 'import glob, sys
print(":".join(d for p in sys.path for d in glob.glob(p + "/nvidia/*/lib")))' 2> /dev/null || true)
export LD_LIBRARY_PATH=$at/pack/lib:${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}/usr/local/cuda/lib64${cublas:+:$cublas}
logs=gpu-logs next=
for word in "$@"; do
    [ "$next" != logs ] || logs=$word
    next=${word#--}
done
exec python3 "$at/pack/gpu.py" "$@" --in "$at/pack" --logs "$logs" --results "$at/pack/RESULTS.md" --into "$logs/RESULTS.md"
RUN
chmod +x "$into/run.sh"
tar -cf "$into.tar" -C "$(dirname "$into")" "$(basename "$into")"
du -sh "$into.tar"
