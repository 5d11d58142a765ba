#!/usr/bin/env bash
# Tests the package: installs it, runs the service as its unit says, removes and purges it. All of that happens in a copy of
# this machine's root that an overlay makes and that is gone afterwards, and in a network of its own.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source packaging/common.sh

readonly unit=usr/lib/systemd/system/gatefold.service
# Who the service is here: systemd makes a user of its own for it.
readonly user=65534
package=$(dist_folder)/gatefold_$(version)-1_$(dpkg --print-architecture 2>/dev/null || echo unknown).deb
work=
root=
daemon=

main() {
    if [[ ${1:-} == in-namespaces ]]; then
        test_package
        return
    fi
    [[ $(id -u) == 0 ]] || unavailable "this test installs a package in a copy of the root: run it as root"
    have apt-get || unavailable "this test needs Debian or one of its relatives"
    need dpkg-deb=dpkg lintian=lintian curl=curl man=man-db ip=iproute2 setpriv=util-linux
    unshare --net --mount true || unavailable "no network and no root of its own can be made here"
    packaging/deb.sh
    exec unshare --net --mount "$0" in-namespaces
}

test_package() {
    trap leave EXIT
    work=$(mktemp -d)
    root=$work/root
    mount_overlay || unavailable "no overlay can be mounted here, so the package isn't installed"
    make_root
    ip link set lo up
    step "the package says what it is" package_is_described
    step "it holds the release's binary" same_binary
    step "lintian finds nothing" lintian --allow-root --fail-on error,warning "$package"
    step "it is installed" in_root dpkg --install /package.deb
    step "the command is there" says "gatefold $(version)" in_root gatefold version
    step "manual pages are there" manual_pages
    step "completions are there" completions
    step "the service is enabled" linked multi-user.target.wants/gatefold.service
    step "the service starts as its unit says" service_starts
    step "the service ends with 0" service_ends
    step "the example that the README names is served on port 80" example_is_served
    step "it is removed, and keeps the configuration" removed
    step "it is purged, and leaves nothing" purged
    echo "$passed passed, 0 failed"
}

passed=0
step() {
    say "$1"
    local name=$1
    shift
    "$@" >"$work/output" 2>&1 || { cat "$work/output" >&2; fail "FAILED: $name"; }
    passed=$((passed + 1))
}
says() {
    local text=$1
    shift
    "$@" | grep -qF -- "$text"
}

# --- the surroundings -------------------------------------------------------------------------------

mount_overlay() {
    mount -t tmpfs tmpfs "$work" &&
        mkdir "$work/upper" "$work/overlay" "$root" &&
        mount -t overlay overlay -o "lowerdir=/,upperdir=$work/upper,workdir=$work/overlay" "$root"
}

make_root() {
    # No systemd is seen in there: /run is empty.
    mount -t tmpfs tmpfs "$root/run"
    mount --bind /proc "$root/proc"
    mount --bind /dev "$root/dev"
    # As on a fresh machine, with documentation, which container images leave out.
    rm -rf "$root"/etc/dpkg/dpkg.cfg.d/* "$root/etc/gatefold" "$root/etc/default/gatefold"
    if in_root dpkg --status gatefold >/dev/null 2>&1; then in_root dpkg --purge gatefold >/dev/null; fi
    cp "$package" "$root/package.deb"
}

in_root() { chroot "$root" "$@"; }

leave() {
    local code=$?
    if [[ -n $daemon ]]; then
        if ((code != 0)); then cat "$work/daemon.log" >&2; fi
        kill "$daemon" 2>/dev/null || true
        wait "$daemon" 2>/dev/null || true
    fi
    umount --recursive --lazy "$work" 2>/dev/null || true
    rmdir "$work"
    exit "$code"
}

# --- the steps --------------------------------------------------------------------------------------

package_is_described() {
    [[ $(dpkg-deb --field "$package" Package) == gatefold ]] &&
        [[ $(dpkg-deb --field "$package" Version) == "$(version)-1" ]] &&
        grep -qF "gatefold ($(version)-1)" packaging/deb/changelog &&
        dpkg-deb --info "$package" conffiles | grep -q '^/etc/default/gatefold$'
}

same_binary() {
    dpkg-deb --fsys-tarfile "$package" | tar -xO ./usr/bin/gatefold | cmp - "$(release_folder)/gatefold"
}

manual_pages() {
    local name
    says "gatefold-run(1)" in_root man gatefold || return
    for name in run check get health explain echo completions man version; do
        says "gatefold-$name(1)" in_root man "gatefold-$name" || return
    done
}

completions() {
    [[ -s $root/usr/share/zsh/vendor-completions/_gatefold ]] || return
    [[ -s $root/usr/share/fish/vendor_completions.d/gatefold.fish ]] || return
    # shellcheck disable=SC2016
    says health in_root bash -c 'source /usr/share/bash-completion/completions/gatefold
        COMP_WORDS=(gatefold he) COMP_CWORD=1
        _gatefold gatefold he gatefold
        echo "${COMPREPLY[@]}"'
}

linked() { [[ -L $root/etc/systemd/system/$1 ]]; }

# What the unit says: its environment, its command, as a user with the one capability.
start() {
    local environment command
    mapfile -t environment < <(
        sed -n 's/^Environment=//p' "$root/$unit"
        grep -v '^ *\(#\|$\)' "$root/etc/default/gatefold"
    )
    read -ra command < <(sed -n 's/^ExecStart=//p' "$root/$unit")
    install -d -m 700 -o "$user" -g "$user" "$root/run/gatefold"
    chroot "$root" env -i "${environment[@]}" setpriv --reuid="$user" --regid="$user" --clear-groups --no-new-privs \
        --inh-caps=-all,+net_bind_service --ambient-caps=-all,+net_bind_service --bounding-set=-all,+net_bind_service \
        "${command[@]}" >"$work/daemon.log" 2>&1 &
    daemon=$!
}

service_starts() {
    start
    wait_for "the service to be ready" in_root gatefold health
    grep -q 'nothing is served' "$work/daemon.log"
}

service_ends() {
    local pid=$daemon
    daemon=
    kill -TERM "$pid"
    wait "$pid"
}

example_is_served() {
    in_root sh -c 'cp /usr/share/doc/gatefold/examples/quickstart/*.yaml /etc/gatefold/manifests' || return
    in_root gatefold check /etc/gatefold/manifests || return
    echo GATEFOLD_ECHO=true >>"$root/etc/default/gatefold"
    start
    wait_for "an answer" says '"path": "/get"' curl -sf -H 'Host: www.example.com' http://127.0.0.1/get
    says True in_root gatefold get gateways || return
    service_ends
}

removed() {
    in_root dpkg --remove gatefold || return
    [[ ! -e $root/usr/bin/gatefold && ! -e $root/$unit ]] &&
        [[ -e $root/etc/gatefold/manifests/gateway.yaml && -e $root/etc/default/gatefold ]]
}

# What the overlay still holds; a character device there stands for a file that is gone. The pages that man has shown are
# in its cache, which is its own.
purged() {
    in_root dpkg --purge gatefold || return
    local left
    left=$(find "$work/upper" -path "$work/upper/var/cache/man" -prune -o -name '*gatefold*' ! -type c -print)
    [[ -z $left ]] || { echo "left: $left"; return 1; }
}

main "$@"
