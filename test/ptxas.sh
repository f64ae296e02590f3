#!/bin/sh
# What ptxas made of each kernel: `sh test/ptxas.sh LOG…` (stderr of nvcc -Xptxas -v) prints a table and fails if a kernel
# spills registers. Local: bytes of local memory a thread keeps, spills and arrays that are not in registers. Warps: as
# many as the registers of a multiprocessor (65536) hold, of at most 64; shared memory asked for at launch is not in it.
[ $# -gt 0 ] || { echo "ptxas: no logs"; exit 2; }
cat "$@" | c++filt 2>/dev/null | awk '
    /Compiling entry function/ {
        match($0, /\047[^\047]*\047 for/); name = substr($0, RSTART + 1, RLENGTH - 6)
        match($0, /for \047[^\047]*/); arch = substr($0, RSTART + 5, RLENGTH - 5)
        sub(/\(.*/, "", name)
        if (name ~ /^_Z[0-9]+/) { sub(/^_Z/, "", name); n = name + 0; sub(/^[0-9]+/, "", name); name = substr(name, 1, n) } # no c++filt
        local = 0
    }
    /bytes stack frame/ { local = $1 + 0; spills = $5 + $9 }
    /Used [0-9]+ registers/ {
        match($0, /Used [0-9]+/); registers = substr($0, RSTART + 5, RLENGTH - 5) + 0
        shared = match($0, /[0-9]+ bytes smem/) ? substr($0, RSTART, RLENGTH) + 0 : 0
        warps = int(65536 / (int((registers + 7) / 8) * 8 * 32)); if (warps > 64) warps = 64
        if (!kernels++) printf "%-8s %-28s %9s %6s %6s %7s %6s\n", "arch", "kernel", "registers", "spills", "local", "shared", "warps"
        printf "%-8s %-28s %9d %6d %6d %7d %6d\n", arch, name, registers, spills, local, shared, warps
        if (spills > 0) { bad++; print "FAIL " name " (" arch ") spills " spills " bytes" }
        local = spills = 0
    }
    END { if (kernels && !bad) print "ok   " kernels " kernels, no spills"; if (!kernels) print "FAIL no kernel found"; exit bad || !kernels }'
