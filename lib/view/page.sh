#!/bin/bash
# page.sh: the page of page.h in one piece: page.html with the style and the script in it, and in
# its policy their digests, so that a browser runs these and nothing else.
cd "$(dirname "$0")" || exit

digest() { # FILE: SHA-256 as base64
    # shellcheck disable=SC2059
    printf "$(sha256sum < "$1" | cut -c 1-64 | sed 's/../\\x&/g')" | base64
}

style=$(digest page.css) script=$(digest page.js)
while IFS= read -r line; do
    case $line in
    @style@) printf '<style>' && cat page.css && printf '</style>\n' ;;
    @script@) printf '<script>' && cat page.js && printf '</script>\n' ;;
    *) line=${line//@style@/$style} && printf '%s\n' "${line//@script@/$script}" ;;
    esac
done < page.html
