#!/usr/bin/env bash
# The first minute with gatefold, for `./x demo`. Prints each step as a command that you can type yourself.
# GATEFOLD is the path of the binary.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
gatefold=$(realpath "${GATEFOLD:?must be the path of the binary: GATEFOLD=target/debug/gatefold}")
quickstart=$root/config/quickstart
work=$(mktemp -d)
daemon=

main() {
    trap leave EXIT
    cp -r "$quickstart/manifests" "$work/gateway"
    cd "$work"
    http=$(free_port 8080)
    https=$(free_port 8443)

    start
    path
    header
    split_traffic
    tls
    broken_file
    title "Done. To serve your own folder: gatefold run YOUR-FOLDER --echo. gatefold check YOUR-FOLDER reports its problems."
}

start() {
    title "A folder of manifests, as they would be applied to a cluster"
    run ls gateway
    title "gatefold serves it. Port 80 becomes 8080, so that you need no root; --echo answers in place of the Pods"
    printf '$ gatefold run gateway --echo --address 127.0.0.1 --port-map 80=%s,443=%s\n' "$http" "$https"
    "$gatefold" run gateway --echo --address 127.0.0.1 --port-map "80=$http,443=$https" \
        --admin "unix:$work/admin.sock" >daemon.log 2>&1 &
    daemon=$!
    wait_for "the daemon to be ready" curl -sf --unix-socket admin.sock http://admin/readyz
}

path() {
    title "1. The route sends www.example.com/get to the backend ..."
    run curl -sS -H 'Host: www.example.com' "http://127.0.0.1:$http/get"
    expect '"path": "/get"'
    title "... and nothing else"
    run curl -sS -o /dev/null -w '%{http_code}\n' -H 'Host: www.example.com' "http://127.0.0.1:$http/other"
    expect 404
}

header() {
    title "2. An edit takes effect while the daemon runs: the route now adds a header"
    run cp "$quickstart/steps/header-route.yaml" gateway/route.yaml
    wait_for "the new route" answers '"Added-Header"'
    run curl -sS -H 'Host: www.example.com' "http://127.0.0.1:$http/get"
    expect '"Added-Header"'
}

split_traffic() {
    title "3. Two backends, weights 8 and 2: twenty requests"
    run cp "$quickstart/steps/split-route.yaml" gateway/route.yaml
    wait_for "the new route" gone '"Added-Header"'
    printf '$ for i in {1..20}; do curl ... | grep backend | sed ...; done | sort | uniq -c\n'
    for _ in {1..20}; do
        curl -sS -H 'Host: www.example.com' "http://127.0.0.1:$http/get" |
            grep backend | sed -E 's/".*"(backend(-2)?)-[0-9a-zA-Z]*-.*/\1/'
    done | sort | uniq -c | tee output
}

tls() {
    title "4. HTTPS: a certificate, and a second listener"
    run "$root/certs/generate.sh" gateway
    run cp "$quickstart/steps/tls-gateway.yaml" gateway/gateway.yaml
    local resolve=(--resolve "www.example.com:$https:127.0.0.1" --cacert gateway/example.com.crt)
    wait_for "the listener" curl -sf "${resolve[@]}" "https://www.example.com:$https/get"
    run curl -sS "${resolve[@]}" "https://www.example.com:$https/get"
    expect '"X-Forwarded-Proto"'
}

broken_file() {
    title "5. A typing error in a file: the daemon logs its place, and keeps serving the previous route"
    printf '$ sed -i "s/port: 3000/prot: 3000/" gateway/route.yaml\n'
    sed -i 's/port: 3000/prot: 3000/' gateway/route.yaml
    wait_for "the diagnostic" grep -q 'route.yaml:' daemon.log
    run "$gatefold" check gateway || true
    run curl -sS -o /dev/null -w '%{http_code}\n' -H 'Host: www.example.com' "http://127.0.0.1:$http/get"
    expect 200
}

# --- helpers -----------------------------------------------------------------------------------------

title() {
    if [[ -t 1 ]]; then printf '\n\033[1m# %s\033[0m\n' "$*"; else printf '\n# %s\n' "$*"; fi
}

# Prints a command, runs it, and keeps its output for `expect`.
run() {
    typed "$@"
    "$@" | tee output
}

# Prints a command as a user would type it: quotes only where needed, no long paths.
typed() {
    local word line='$'
    for word in "$@"; do
        if [[ $word =~ [^[:alnum:]_./:=@%+,-] ]]; then word="'$word'"; fi
        line+=" $word"
    done
    line=${line//"$gatefold"/gatefold}
    printf '%s\n' "${line//"$root/"/}"
}

expect() {
    grep -qF -- "$1" output || { echo "demo: expected $1 in the answer above" >&2; exit 1; }
}

answers() { curl -sf -H 'Host: www.example.com' "http://127.0.0.1:$http/get" | grep -qF -- "$1"; }
gone() { ! answers "$1"; }

wait_for() {
    local what=$1 deadline=$((SECONDS + 10))
    shift
    until "$@" >/dev/null 2>&1; do
        kill -0 "$daemon" 2>/dev/null || { echo "demo: the daemon ended" >&2; exit 1; }
        ((SECONDS < deadline)) || { echo "demo: waited 10 s for $what" >&2; exit 1; }
        sleep 0.02
    done
}

# The first free port, counting from $1.
free_port() {
    local port=$1
    while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
    echo "$port"
}

leave() {
    local code=$?
    if ((code != 0)) && [[ -f $work/daemon.log ]]; then
        echo "--- the daemon's log:" >&2
        cat "$work/daemon.log" >&2
    fi
    if [[ -n $daemon ]]; then
        kill "$daemon" 2>/dev/null || true
        wait "$daemon" 2>/dev/null || true
    fi
    rm -rf "$work"
    exit "$code"
}

main
