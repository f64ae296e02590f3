#!/bin/sh
# Memory does not grow with the file: one of each format, MIB large (default 2048), written, read from front to back, removed.
#     sh test/large.sh [MIB [FORMAT…]]       needs so much room under $TMPDIR; not part of make test
cd "$(dirname "$0")/.." || exit 1
mib=${1:-2048}
[ $# -gt 1 ] && shift || set -- safetensors npz pt tar csv jsonl
make -s build/test/large || exit 1
D=$(mktemp -d) || exit 1
trap 'rm -rf "$D"' EXIT
status=0
for f in "$@"; do
    build/test/large make "$f" "$D/large.$f" "$mib" && build/test/large read "$f" "$D/large.$f" || status=1
    rm -f "$D/large.$f"
done
exit $status
