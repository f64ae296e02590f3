#!/bin/sh
# page.sh PAGE PIECE FILE: FILE, which begins with "### PIECE (DATE, COMMIT)", takes the place of that piece's section of PAGE, or comes behind the
# last one. What stands before the sections, the others, and what begins with "## " behind them (Remarks) stay. "## Gates of these pieces" is
# written anew: what all sections say, each with its name. Status 1, and no change: a section with peers would give way to one without.
page=$1 piece=$2 file=$3
[ -s "$file" ] || { echo "page.sh: $file is empty" >&2; exit 1; }
touch "$page" || exit 1

section() { # of the page
    awk -v piece="$piece" '/^##+ / {inside = /^### / && name($0) == piece}
        inside
        function name(s) { sub(/^### /, "", s); sub(/ \(.*/, "", s); return s }' "$page"
}

with_peers() { # a section; older ones do not say it, but have the peer's column
    awk '/^Measured by/ {told = 1; with = /with peers/} /--peers VENV|\| peer, ms \||PyTorch, ms|times faster/ {old = 1} END {exit !(told ? with : old)}'
}

if section | with_peers && ! with_peers <"$file"; then
    echo "page.sh: $piece stays as it was in $page: measured with peers there, and without them now" >&2
    exit 1
fi

replaced() { # the page with the section, without its gates
    awk -v piece="$piece" -v file="$file" '
        /^## Gates of these pieces/ {part = "gates"; next}
        /^### / {
            part = name($0) == piece ? "mine" : "section"; any = 1
            if (part == "mine") {put(); next}
        }
        /^## / && any {if (!done) put(); part = "tail"}
        part != "gates" && part != "mine"
        END {if (!done) put()}
        function name(s) { sub(/^### /, "", s); sub(/ \(.*/, "", s); return s }
        function put(  line) { if (!done) {print ""; while ((getline line <file) > 0) print line; print ""} done = 1 }' "$page" | cat -s
}

gates() { # of the page on stdin, as a section
    awk '/^### / {piece = $0; sub(/^### /, "", piece); sub(/ \(.*/, "", piece)}
        /^## / {piece = ""}
        piece == "" {next}
        /^[0-9]+ gates? asked: / {asked += $1; held += $4; missed += $6; short += $8; others += $11}
        /^[0-9]+ gates?, [0-9]+ held; / && !named[piece]++ {older = older (older ? ", " : ": ") piece}
        /^Missed: / {list["Missed"] = list["Missed"] item($0)}
        /^Short of their goals: / {list["Short of their goals"] = list["Short of their goals"] item($0)}
        /^Not asked: / {list["Not asked"] = list["Not asked"] item($0)}
        END {
            printf "## Gates of these pieces\n\n"
            if (asked + others) printf "%d gates asked: %d held, %d missed; %d goals short; %d not asked. A gate of several pieces counts in each.\n\n", asked, held, missed, short, others
            told("Missed"); told("Short of their goals"); told("Not asked")
            if (older) printf "Not counted, for they judge no goals yet%s.\n\n", older
        }
        function item(s) { sub(/^[^:]*: /, "", s); sub(/\.$/, "", s); return "- " piece ": " s "\n" }
        function told(what) { if (list[what]) printf "%s:\n\n%s\n", what, list[what] }'
}

replaced >"$page.new" && gates <"$page.new" >"$page.gates" &&
    awk -v file="$page.gates" '/^### / && !done {while ((getline line <file) > 0) print line; done = 1} {print}' "$page.new" | cat -s >"$page.whole" && mv "$page.whole" "$page"
status=$?
rm -f "$page.new" "$page.gates" "$page.whole"
exit $status
