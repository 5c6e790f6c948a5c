# comment.awk: the comment on top of a C file as mdoc: paragraphs, and what is set in by four blanks as it stands. -v code=1: also
# the rest of a header, without what only a compiler reads.
function plain(s) {
    gsub(/\\/, "\\e", s)
    if (s ~ /^[.']/) s = "\\&" s
    return s
}
function literal(on) {
    if (on == inside) return
    print on ? ".Bd -literal" : ".Ed"
    inside = on
    started = !on
}
function text(s) {
    literal(0)
    gap = started && blank
    if (gap) print ".Pp"
    print plain(s)
    started = 1
    blank = 0
}
done && code && !/^#(ifndef|define [A-Z_]+_H$|include|endif)/ && (/./ || rest) {
    if (!rest++) print ".Ss Declarations\n.Bd -literal"
    print plain($0)
}
done { next }
{
    last = /\*\/ *$/
    sub(/ *\*\/ *$/, "")
    sub(/^\/\* /, "")
    sub(/^ \* ?/, "")
    if (NR == 1) sub(/^[a-z_-]+: /, "")
    if (/^ *$/) blank = 1
    else if (/^    /) {
        if (inside && blank) print ""
        literal(1)
        print plain(substr($0, 5))
        blank = 0
    } else text($0)
    if (last) {
        literal(0)
        done = 1
    }
}
END { if (rest) print ".Ed" }
