#!/usr/bin/env bash
# Tests the real image as config/compose/README.md uses it: a mounted folder, a backend found by DNS, an edit, health, stopping.
# buildah runs it in a separate network namespace, where unprivileged users may bind ports below 1024, as in Docker.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source packaging/common.sh

# The address of Docker's DNS in every container.
readonly dns=127.0.0.11 backend=127.0.0.2
readonly user=65532
work=
container=
# The processes that this script started, by role.
declare -A process=()

main() {
    if [[ ${1:-} == in-network ]]; then
        test_image
        return
    fi
    [[ $(id -u) == 0 ]] || unavailable "this test creates a network namespace and runs containers in it: run it as root"
    need buildah=buildah jq=jq curl=curl openssl=openssl dnsmasq=dnsmasq-base ip=iproute2 nsenter=util-linux pgrep=procps
    unshare --net true || unavailable "no network namespace can be created here"
    packaging/image.sh
    exec unshare --net packaging/test-image.sh in-network
}

test_image() {
    trap leave EXIT
    work=$(mktemp -d)
    make_network
    make_container
    step "the image has the right configuration" image_is_described
    step "docker build uses the Rust version of Cargo.toml" grep -q "^FROM rust:$(rust_version)-" packaging/Dockerfile
    step "the image contains the release binary and CA certificates" image_is_filled
    step "the health check fails without a daemon" fails_without_daemon
    step "the backend starts with the command in compose.yaml" backend_starts
    step "the gateway starts and becomes healthy" gateway_starts
    step "it runs as user $user, without capabilities" runs_without_rights
    step "curl gets an answer from the backend that DNS resolves" wait_for "the backend's answer" answers /app
    step "a path without a route is answered 404" not_found /new
    step "a changed file takes effect" edit_takes_effect
    step "SIGTERM ends the gateway with 0" ends_well gateway
    step "SIGTERM ends the backend with 0" ends_well backend
    echo "$passed passed, 0 failed"
}

passed=0
step() {
    say "$1"
    local name=$1
    shift
    "$@" || fail "FAILED: $name"
    passed=$((passed + 1))
}
not() { ! "$@"; }

# --- environment ------------------------------------------------------------------------------------

make_network() {
    ip link set lo up
    echo 0 >/proc/sys/net/ipv4/ip_unprivileged_port_start
    dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --pid-file --no-resolv --no-hosts \
        --bind-interfaces --listen-address="$dns" --address="/backend/$backend" >"$work/dns.log" 2>&1 &
    process[dns]=$!
}

make_container() {
    chmod 755 "$work"
    cp -r config/compose/manifests "$work/manifests"
    chmod -R a+rX "$work"
    container=$(buildah from --pull-never --dns "$dns" --dns-option ndots:0 "localhost/gatefold:$(version)")
    # With an image's volume and a mount at the same path, buildah 1.28 may use either; engines use the mount.
    buildah config --volume /etc/gatefold/manifests- "$container"
}

buildah() { packaging/buildah.sh "$@"; }

# Part of the image's configuration, selected with jq.
configured() { buildah inspect --type image "localhost/gatefold:$(version)" | jq -r ".Docker.config | $1"; }

# The command line that an engine would run, one word per line. Arguments replace the image's CMD.
command_line() {
    configured '.Entrypoint[]'
    if (($# > 0)); then printf '%s\n' "$@"; else configured '.Cmd[]'; fi
}

# The arguments of the backend in compose.yaml.
compose_command() { sed -n 's/^ *command: //p' packaging/compose.yaml | jq -r '.[]'; }

in_container() {
    buildah run --isolation chroot --cap-drop all --env POD_NAME=backend-in-a-container \
        --volume "$work/manifests:/etc/gatefold/manifests:ro" "$container" -- "$@"
}

# Starts the image's entrypoint. Arguments, if given, replace the image's CMD.
start() {
    local name=$1 command
    shift
    mapfile -t command < <(command_line "$@")
    in_container "${command[@]}" >"$work/$name.log" 2>&1 &
    process[$name]=$!
}

# The gatefold process in the container, a descendant of buildah's process.
inner() {
    local child
    for child in $(pgrep --parent "$1"); do
        if [[ $(<"/proc/$child/comm") == gatefold ]]; then echo "$child"; else inner "$child"; fi
    done
}

leave() {
    local code=$? name pid
    for name in "${!process[@]}"; do
        if ((code != 0)); then
            echo "--- output of $name:" >&2
            cat "$work/$name.log" >&2
        fi
        for pid in $(inner "${process[$name]}") "${process[$name]}"; do kill "$pid" 2>/dev/null || true; done
        wait "${process[$name]}" 2>/dev/null || true
    done
    if [[ -n $container ]]; then buildah rm "$container" >/dev/null || true; fi
    rm -rf "$work"
    exit "$code"
}

# --- the steps --------------------------------------------------------------------------------------

image_is_described() {
    [[ $(configured '.Entrypoint | join(" ")') == /gatefold ]] &&
        [[ $(configured '.Cmd | join(" ")') == "run --config-dir /etc/gatefold/manifests" ]] &&
        [[ $(configured .User) == "$user:$user" ]] &&
        [[ $(configured .StopSignal) == SIGTERM ]] &&
        [[ $(configured '.Healthcheck.Test | join(" ")') == "CMD /gatefold health" ]] &&
        [[ $(configured '.Volumes | keys[]') == /etc/gatefold/manifests ]] &&
        [[ $(configured '.ExposedPorts | keys | join(" ")') == "443/tcp 80/tcp" ]] &&
        [[ $(configured '.Labels["org.opencontainers.image.version"]') == "$(version)" ]]
}

image_is_filled() {
    local root
    root=$(buildah mount "$container")
    cmp "$(release_folder)/gatefold" "$root/gatefold" &&
        openssl storeutl -noout -certs "$root/etc/ssl/certs/ca-certificates.crt" | grep -q 'Total found: [1-9][0-9][0-9]' &&
        [[ -f $root/LICENSE ]]
    local code=$?
    buildah umount "$container" >/dev/null
    return "$code"
}

# Runs the image's health check as an engine does: in the gateway's container, as its user.
healthy() {
    local check pid
    mapfile -t check < <(configured '.Healthcheck.Test[1:][]')
    pid=$(inner "${process[gateway]}")
    [[ -n $pid ]] && nsenter --target "$pid" --mount --root --wd=/ --setuid "$user" --setgid "$user" "${check[@]}"
}

fails_without_daemon() {
    local check
    mapfile -t check < <(configured '.Healthcheck.Test[1:][]')
    not in_container "${check[@]}" >/dev/null 2>&1
}

backend_starts() {
    local arguments
    mapfile -t arguments < <(compose_command)
    start backend "${arguments[@]}"
    wait_for "the backend" curl -sf "http://$backend:3000/"
}

gateway_starts() {
    start gateway
    wait_for "the gateway to be healthy" healthy
}

runs_without_rights() {
    local status
    status=/proc/$(inner "${process[gateway]}")/status
    grep -qP "^Uid:(\t$user){4}$" "$status" && grep -qP '^CapEff:\t0+$' "$status"
}

ask() { curl -s --max-time 5 -H 'Host: app.example.com' "$@"; }
answers() { ask --fail "http://127.0.0.1$1" | grep -q '"pod": "backend-in-a-container"'; }
not_found() { [[ $(ask -o /dev/null -w '%{http_code}' "http://127.0.0.1$1") == 404 ]]; }

edit_takes_effect() {
    sed -i 's|value: /app|value: /new|' "$work/manifests/app.yaml"
    wait_for "the edited route" answers /new
    not_found /app
}

ends_well() {
    local pid=${process[$1]} code=0
    kill -TERM "$(inner "$pid")"
    wait "$pid" || code=$?
    unset "process[$1]"
    [[ $code == 0 ]] || { cat "$work/$1.log" >&2; return 1; }
}

main "$@"
