# random.jq: hints that mislead, for ptd-hint --from exec: two places and a method by the number of
# the question, whatever it asks.
def cell: (. % 9) as $i | "abc"[$i / 3 | floor:][:1] + ($i % 3 + 1 | tostring);
(.uid[-6:] | tonumber) as $n
| (7 * $n + 1) as $one | ($one + 1 + ($n / 9 | floor) % 8) as $two
| {steps: ["look at \($one | cell) \($two | cell)", ["add", "max", "subtract"][$n % 3]]}
