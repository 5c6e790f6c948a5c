#!/bin/bash
# GCC 12's generic vectors (vector_size) twice as wide as a register are no two registers: a
# comparison of them goes lane by lane (Debian 12's cpp-12 12.2.0-14+deb12u1, x86-64).
#
# A good guess: code written for the widest machine, vectors of 16 floats say, falls apart into two
# instructions where registers hold 8, as sums and products of such vectors do; clang 14 does so.
# With -O3 -mavx2 the same loop, a pick of the larger of two, has one vector comparison at 8 lanes
# and none at 16: seventeen scalar ones and the way through memory instead, seven times the vector
# instructions. Exponentials and sums with a mask took several times as long so, without a warning
# or a wrong digit. Choose the lanes by the machine (8 without AVX-512).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get download -q cpp-12=12.2.0-14+deb12u1 libisl23=0.25-1.1 libmpc3 libmpfr6 libgmp10 libzstd1 > /dev/null
for package in ./*.deb; do dpkg -x "$package" root; done
cc1=$(echo root/usr/lib/gcc/x86_64-linux-gnu/12/cc1)
export LD_LIBRARY_PATH=root/usr/lib/x86_64-linux-gnu

cat > larger.c << 'C'
typedef float vec_f __attribute__((vector_size(4 * LANES)));
typedef int vec_i __attribute__((vector_size(4 * LANES)));

void larger(float *a, const float *b, long n)
{
    for (long i = 0; i + LANES <= n; i += LANES) {
        vec_f x = *(vec_f *)(a + i), y = *(vec_f *)(b + i);
        vec_i more = x > y;
        *(vec_f *)(a + i) = (vec_f)(((vec_i)x & more) | ((vec_i)y & ~more));
    }
}
C
wrong=0
check() { # LANES PATTERN COUNT: so many instructions of that kind in the code for so many lanes
    "$cc1" -quiet -O3 -mavx2 "-DLANES=$1" -o larger.s larger.c
    got=$(grep -cE "$2" larger.s) || true
    echo "$1 lanes, $2: $got"
    [ "$got" = "$3" ] || { echo "expected $3" && wrong=1; }
}
check 8 'vcmp[a-z_]*ps' 1
check 8 'comiss' 0
check 16 'vcmp[a-z_]*ps' 0
check 16 'comiss' 17
exit $wrong
