# zsh.jq: completion for zsh, of all that the programs say with --describe (jq -s).
def quoted: gsub("'"; "'\\''");
def escaped: gsub("\\\\"; "\\\\") | gsub("\\["; "\\[") | gsub("\\]"; "\\]") | gsub(":"; "\\:") | quoted;
def names: .help | capture("(^|: )(?<all>([a-z0-9][a-z0-9:+.-]*[A-Z]*, )+[a-z0-9][a-z0-9:+.-]*[A-Z]*)( \\(|;|$)") | .all | gsub("[,A-Z]"; "") | gsub(":"; "\\:");
def action: . as $o | (first(($o | names), null)) as $names
    | if $names then "(\($names))" elif .kind == "integer" or .kind == "number" then " " else "_files" end;
def spec: (.help | escaped) as $help
    | (if .arg then ":\(.arg | escaped):\(action)" else "" end) as $value
    | (if .kind == "list" then "*" else "" end) as $often
    | (if .arg then "=" else "" end) as $is # --name va, --name=va
    | "'\($often)--\(.name)\($is)[\($help)]\($value)'",
      (if .letter then "'\($often)-\(.letter)[\($help)]\($value)'" else empty end),
      (if .kind == "flag" and .default == "on" then "'--no-\(.name)[not: \($help)]'" else empty end);
def arguments: "_arguments -s \\", (.options[] | spec | "        \(.) \\"), "        '*:file:_files'";
def parts($all): .name as $own | [$all[] | select(.name | startswith($own + " "))];
. as $all
| "#compdef " + (map(.name | select(test(" ") | not)) | join(" ")),
"# Completion for zsh; made from the programs' own tables of options.",
"_ptd_of() {",
"    local part=$words[2]",
"    case $1 in",
(.[] | select(.name | test("^ptd-[a-z]+$")) | "    \(.name))", (parts($all) as $parts | if $parts | length > 0 then
    "    case $part in", ($parts[] | "    \(.name | split(" ")[1]))", arguments, "    return ;;"), "    esac",
    "    ((CURRENT == 2)) && compadd \($parts | map(.name | split(" ")[1]) | join(" "))" else empty end), arguments, "    ;;"),
"    esac",
"}",
"if [[ $service != ptd ]]; then _ptd_of $service",
"elif ((CURRENT == 2)) || [[ $words[2] == help ]]; then compadd help \([.[].name | select(test("^ptd-[a-z]+$")) | .[4:]] | join(" "))",
"else shift words; ((CURRENT--)); _ptd_of ptd-$words[1]; fi"
