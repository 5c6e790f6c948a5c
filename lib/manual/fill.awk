# fill.awk: mdoc as its authors' tools want it: a sentence begins a line, and no line of text has more than 80 columns.
function out(s,    at) {
    while (length(s) > 80) {
        at = 80
        while (at > 1 && (substr(s, at, 1) != " " || substr(s, at + 1, 1) ~ /[.']/)) at--
        if (at <= 1) break
        print substr(s, 1, at - 1)
        s = substr(s, at + 1)
    }
    print s
}
function flush(    at) {
    while (match(held, /[.!?]\)? +[^ .]/)) {
        at = RSTART + RLENGTH - 1
        out(substr(held, 1, at - 1 - (RLENGTH - (substr(held, RSTART + 1, 1) == ")" ? 2 : 1) - 1)))
        held = substr(held, at)
    }
    if (held != "") out(held)
    held = ""
}
/^\.Bd/ { literal = 1 }
/^\.Ed/ { literal = 0 }
literal || /^\.[A-Z]/ { flush(); print; next }
{ held = held (held == "" ? "" : " ") $0 }
END { flush() }
