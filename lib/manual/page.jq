# page.jq: the man page of a program, in mdoc: of what it says with --describe, and of the comment on top of its source, which
# --arg description has as mdoc already. --arg date: of the version, --arg section.
def plain: gsub("\\\\"; "\\e") | if test("^[.']") then "\\&" + . else . end;
def flag: (if .letter then "Fl \(.letter) , " else "" end)
    + "Fl -" + (if .kind == "flag" and .default == "on" then "[no-]" else "" end) + .name
    + (if .arg then " Ar \(.arg)" else "" end);
def option: ".It \(flag)\n" + (.help | plain)
    + (if .default then "\n(default \(.default | plain))" else "" end) + ".";
# "A [B] | C" of a whole command, or "[A | B [C]]": what may be left out is optional, alternatives stay in their brackets.
def outside: if test("^\\[") then [.] else split(" | ") end;
def operand: if . == "" then "" elif test("^\\[.*\\]$") then ".Op Ar " + (.[1:-1] | gsub("\\[(?<x>[^]]*)\\]"; "Op Ar \(.x)"))
    else ".Ar " + (gsub("\\[(?<x>[^]]*)\\]"; "Op Ar \(.x)")) end;
def status: ".It \(.code)\n\(.meaning | plain)";
".Dd \($date)",
".Dt \(.name | gsub(" "; "-") | ascii_upcase) 1",
".Os",
".Sh NAME",
".Nm \(.name | gsub(" "; "-"))",
".Nd \(.summary)",
".Sh SYNOPSIS",
(if (.name | test(" ")) then {n: .name, o: [.operands]} else {n: "", o: (.operands | outside)} end
 | .n as $n | .o[] | ".Nm" + (if $n == "" then "" else " " + $n end), ".Op Ar options", (operand | select(. != ""))),
".Sh DESCRIPTION",
$description,
".Sh OPTIONS",
".Bl -tag -width Ds",
(.options[] | option),
".El",
".Pp",
"Numbers take the suffixes k M G T (thousands) and Ki Mi Gi Ti.",
".Sh EXIT STATUS",
".Bl -tag -width Ds -compact",
(.statuses[] | status),
".El",
(if .examples | length > 0 then ".Sh EXAMPLES", ".Bd -literal", (.examples[] | plain), ".Ed" else empty end),
".Sh SEE ALSO",
".Xr ptd-store 5 ,",
".Xr ptd-stream 5 ,",
".Xr ptd 7"
