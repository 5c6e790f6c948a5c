#!/bin/bash
# triangles.sh N FILE.jsonl: N rows of geometry, each with a drawing of 640 x 480 beside FILE.jsonl: a
# triangle with two angles and a side written in it, a question, its answer, and what a hint may say.
set -eu -o pipefail
n=$1 out=$2 dir=${2%.jsonl}.img
mkdir -p "$dir"
# Rows of: number, two angles, the side between them, what is asked. The same N gives the same rows.
numbers() {
    awk -v n="$n" 'BEGIN { srand(1); for (i = 0; i < n; i++)
        print i, 25 + int(70 * rand()), 25 + int(60 * rand()), 4 + int(12 * rand()), int(2 * rand()) }'
}
# One program for gnuplot: A and B on the base line, C where the rays of both angles meet.
numbers | awk -v dir="$dir" 'BEGIN { print "set terminal pngcairo size 640,480 font \"Sans,14\""
        print "unset border; unset tics; unset key; set xrange [0:640]; set yrange [0:480]"
        print "set lmargin 0; set rmargin 0; set tmargin 0; set bmargin 0" }
    { a = $2 * atan2(0, -1) / 180; b = $3 * atan2(0, -1) / 180
      base = 420; h = base * sin(a) * sin(b) / sin(a + b)
      if (h > 340) { base *= 340 / h; h = 340 }
      x = 320 - base / 2; cx = x + h * cos(a) / sin(a)
      print "unset arrow; unset label"
      printf "set arrow from %g,80 to %g,80 nohead lw 2\n", x, x + base
      printf "set arrow from %g,80 to %g,%g nohead lw 2\n", x, cx, 80 + h
      printf "set arrow from %g,80 to %g,%g nohead lw 2\n", x + base, cx, 80 + h
      printf "set label \"A\" at %g,62 center; set label \"B\" at %g,62 center; set label \"C\" at %g,%g center\n",
          x, x + base, cx, 96 + h
      printf "set label \"%d°\" at %g,98 left; set label \"%d°\" at %g,98 right; set label \"%d cm\" at 320,62 center\n",
          $2, x + 34, $3, x + base - 34, $4
      printf "set output \"%s/%04d.png\"; plot NaN\n", dir, $1 }' | gnuplot
numbers | awk -v dir="$(basename "$dir")" '{
    third = 180 - $2 - $3
    if ($5) { q = "How large is the angle at C, in degrees?"; a = third; s = "subtract both from 180" }
    else { q = "By how many degrees do the angles at A and B differ?"; a = $2 > $3 ? $2 - $3 : $3 - $2
           s = "subtract the smaller from the larger" }
    printf "{\"uid\":\"triangle-%04d\",\"image\":\"%s/%04d.png\",\"prompt\":\"<image>%s\",\"answer\":\"%d\",",
        $1, dir, $1, q, a
    printf "\"steps\":[\"read the angle written at A\",\"read the angle written at B\",\"%s\"],", s
    printf "\"solution\":\"The angles are %d and %d degrees. \\\\boxed{%d}\"}\n", $2, $3, a }' > "$out"
