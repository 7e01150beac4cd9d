# SPDX-License-Identifier: GPL-2.0-or-later
# What every script here shares: where things are, and how to say it.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=${UPM_BUILD:-$top/build}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/qemu-upm
packages=$cache/packages

export LC_ALL=C.UTF-8
export CCACHE_DIR=$cache/ccache
export CCACHE_BASEDIR=$build
export CCACHE_NOHASHDIR=1
export CCACHE_MAXSIZE=${CCACHE_MAXSIZE:-3G}
export CCACHE_SLOPPINESS=time_macros

say() {
    if [ -t 2 ]; then
        printf '\033[1m==>\033[0m %s\n' "$*" >&2
    else
        printf '==> %s\n' "$*" >&2
    fi
}

# Who was called in a wrong way says how he is called, and has a status for it.
die() {
    case $1 in
    usage:*) printf '%s\n' "$*" >&2; exit 2 ;;
    esac
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# features VERSION: the options of this version's configure, a line each
features() {
    sed -E "s/#.*//; s/^${1//./\\.}: //; /^[0-9.]+: /d" "$top/scripts/features" |
        xargs -n 1
}

# run LOG COMMAND...: keep the output of a command in LOG, show its end only
# where the command fails.
run() {
    local log=$1
    shift
    mkdir -p "$(dirname "$log")"
    if ! "$@" >"$log" 2>&1; then
        tail -n 25 "$log" >&2
        die "failed: $* (all of it in $log)"
    fi
}
