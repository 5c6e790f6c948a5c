# bash.jq: completion for bash, of all that the programs say with --describe (jq -s).
def words: [.options[] | "--\(.name)", (if .kind == "flag" and .default == "on" then "--no-\(.name)" else empty end)] | join(" ");
def names: .help | capture("(^|: )(?<all>([a-z0-9][a-z0-9:+.-]*[A-Z]*, )+[a-z0-9][a-z0-9:+.-]*[A-Z]*)( \\(|;|$)") | .all | gsub("[,A-Z]"; "");
def values: .options[] | select(.arg) | . as $o | ("--\(.name)" + (if .letter then "|-\(.letter)" else "" end)) as $flags
    | (first(($o | names), null)) as $names
    | if $names then "    \($flags)) COMPREPLY=($(compgen -W '\($names)' -- \"$2\")); return ;;"
      elif .kind == "integer" or .kind == "number" then "    \($flags)) return ;;"
      else empty end;
def function: "_" + (.name | gsub("[- ]"; "_"));
def parts($all): .name as $own | [$all[] | select(.name | startswith($own + " ")) | .name | split(" ")[1]];
def body($parts): "    local option=$3",
    "    [[ $option != = ]] || option=${COMP_WORDS[COMP_CWORD - 2]}", # --name=va
    "    case $option in", values, "    esac",
    "    if [[ $2 == -* ]]; then COMPREPLY=($(compgen -W '\(words)' -- \"$2\"))",
    (if $parts | length > 0 then "    elif ((COMP_CWORD == 1)); then COMPREPLY=($(compgen -W '\($parts | join(" "))' -- \"$2\"))" else empty end),
    "    else COMPREPLY=($(compgen -f -- \"$2\")); fi";
. as $all
| "# Completion for bash; made from the programs' own tables of options.",
(.[] | select(.name != "ptd") | parts($all) as $parts | "\(function)() {",
    (if $parts | length > 0 then "    case ${COMP_WORDS[1]} in", ($parts[] as $p | "    \($p)) ((COMP_CWORD > 1)) && { \(function)_\($p) \"$@\"; return; } ;;"), "    esac" else empty end),
    body($parts), "}"),
"_ptd() {",
"    local names='\([.[].name | select(test("^ptd-[a-z]+$")) | .[4:]] | join(" "))'",
"    if ((COMP_CWORD == 1)); then COMPREPLY=($(compgen -W \"help $names\" -- \"$2\")); return; fi",
"    if [[ ${COMP_WORDS[1]} == help ]]; then COMPREPLY=($(compgen -W \"$names\" -- \"$2\")); return; fi",
"    local function=_ptd_${COMP_WORDS[1]}",
"    COMP_WORDS=(\"${COMP_WORDS[@]:1}\") COMP_CWORD=$((COMP_CWORD - 1))",
"    declare -F \"$function\" > /dev/null && \"$function\" \"$@\"",
"}",
"complete -o filenames -F _ptd ptd",
(.[] | select(.name | test("^ptd-[a-z]+$")) | "complete -o filenames -F \(function) \(.name)")
