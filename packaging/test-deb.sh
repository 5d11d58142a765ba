#!/usr/bin/env bash
# Tests the package: installs it, runs the service under systemd, removes and purges it. This happens in a temporary overlay
# copy of this machine's root file system, with a separate systemd and network namespace.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source packaging/common.sh

package=$(dist_folder)/gatefold_$(version)-1_$(dpkg --print-architecture 2>/dev/null || echo unknown).deb
work=
root=
# The container that systemd runs in, and its first process.
container=
init=

main() {
    if [[ ${1:-} == in-namespaces ]]; then
        test_package
        return
    fi
    [[ $(id -u) == 0 ]] || unavailable "this test installs a package in a copy of the root file system: run it as root"
    have apt-get || unavailable "this test needs Debian or one of its relatives"
    need dpkg-deb=dpkg lintian=lintian curl=curl man=man-db ip=iproute2 systemd-nspawn=systemd-container nsenter=util-linux pgrep=procps
    unshare --net --mount true || unavailable "no network and mount namespaces can be created here"
    packaging/deb.sh
    exec unshare --net --mount packaging/test-deb.sh in-namespaces
}

test_package() {
    exec 3>&2
    trap leave EXIT
    work=$(mktemp -d)
    root=$work/root
    mount_overlay || unavailable "no overlay can be mounted here, so the package isn't installed"
    make_root
    boot || do_without_systemd
    step "the package has the right metadata" package_is_described
    step "it contains the release binary" same_binary
    step "lintian finds nothing" lintian --allow-root --fail-on error,warning "$package"
    step "it installs" in_root dpkg --install /package.deb
    step "the command works" says "gatefold $(version)" in_root gatefold version
    step "manual pages are installed" manual_pages
    step "completions are installed" completions
    step "the service is enabled" linked multi-user.target.wants/gatefold.service
    if [[ -n $init ]]; then test_service; fi
    step "removing keeps the configuration" removed
    step "purging leaves no file" purged
    echo "$passed passed, 0 failed"
}

test_service() {
    step "systemd has started the service, and it is ready" service_is_ready "0 routes, 0 listeners"
    step "it runs as a dedicated user with one capability" has_one_capability
    step "it serves the example of its README on port 80" example_is_served
    step "its status in systemd counts routes and listeners" service_is_ready "1 route, 1 listener"
    step "systemd stops it, and it exits with 0" service_ends
}

passed=0
step() {
    say "$1"
    local name=$1
    shift
    "$@" >"$work/output" 2>&1 || fail "FAILED: $name"
    passed=$((passed + 1))
}
says() {
    local text=$1
    shift
    "$@" | grep -qF -- "$text"
}

# --- environment ------------------------------------------------------------------------------------

mount_overlay() {
    mount -t tmpfs tmpfs "$work" &&
        mkdir "$work/upper" "$work/overlay" "$root" &&
        mount -t overlay overlay -o "lowerdir=/,upperdir=$work/upper,workdir=$work/overlay" "$root"
}

make_root() {
    # As on a fresh machine: container images often exclude documentation and services.
    rm -rf "$root"/etc/dpkg/dpkg.cfg.d/* "$root/usr/sbin/policy-rc.d" "$root/etc/gatefold" "$root/etc/default/gatefold"
    if in_root dpkg --status gatefold >/dev/null 2>&1; then in_root dpkg --purge gatefold >/dev/null; fi
    cp "$package" "$root/package.deb"
    ip link set lo up
    # Keeps the machine's /run unchanged: systemd-nspawn stores its state there.
    mount -t tmpfs tmpfs /run
}

# Starts systemd in the copy with a minimal target, without this machine's services.
boot() {
    systemd-nspawn --quiet --directory="$root" --register=no --keep-unit --console=pipe --link-journal=no \
        --resolv-conf=off --timezone=off --boot systemd.unit=basic.target </dev/null >"$work/boot.log" 2>&1 &
    container=$!
    if (wait_for "systemd" basic_system) 2>/dev/null; then
        init=$(first_process)
    else
        cat "$work/boot.log" >&2
        end_container
        return 1
    fi
}

do_without_systemd() {
    skip "the service" "systemd can't be started in a container here"
    mount -t tmpfs tmpfs "$root/run"
    mount --bind /proc "$root/proc"
    mount --bind /dev "$root/dev"
}

first_process() { pgrep --parent "$container"; }
basic_system() { nsenter --target "$(first_process)" --all systemctl --quiet is-active basic.target; }

in_root() {
    if [[ -n $init ]]; then nsenter --target "$init" --all "$@"; else chroot "$root" "$@"; fi
}

end_container() {
    kill -KILL "$container" 2>/dev/null || true
    wait "$container" 2>/dev/null || true
    container=
}

leave() {
    local code=$?
    # A step's output goes to a file, even if the step ends the script.
    exec >&3 2>&1
    if ((code != 0)); then
        cat "$work/output" || true
        if [[ -n $init ]]; then in_root journalctl --no-pager --unit gatefold || true; fi
    fi
    if [[ -n $container ]]; then end_container; fi
    umount --recursive --lazy "$work" 2>/dev/null || true
    rmdir "$work"
    exit "$code"
}

# --- the steps --------------------------------------------------------------------------------------

package_is_described() {
    [[ $(dpkg-deb --field "$package" Package) == gatefold ]] &&
        [[ $(dpkg-deb --field "$package" Version) == "$(version)-1" ]] &&
        grep -qF "gatefold ($(version)-1)" packaging/deb/changelog &&
        dpkg-deb --info "$package" conffiles | grep -q '^/etc/default/gatefold$' &&
        dpkg-deb --info "$package" conffiles | grep -q '^/etc/logrotate.d/gatefold$'
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

property() { in_root systemctl show --property "$1" --value gatefold; }

# Checks the status that the service reported to systemd, as `systemctl status` shows it.
service_is_ready() {
    wait_for "the service's status $1" has_status "$1"
    [[ $(property ActiveState) == active ]] && in_root gatefold health
}
has_status() { [[ $(property StatusText) == "$1" ]]; }

has_one_capability() {
    local status
    status=$(in_root cat "/proc/$(property MainPID)/status")
    # CAP_NET_BIND_SERVICE
    grep -q $'^CapEff:\t0*400$' <<<"$status" && ! grep -q $'^Uid:.*\t0' <<<"$status"
}

example_is_served() {
    in_root sh -c 'cp /usr/share/doc/gatefold/examples/quickstart/*.yaml /etc/gatefold/manifests' || return
    in_root gatefold check /etc/gatefold/manifests || return
    in_root sh -c 'echo GATEFOLD_ECHO=true >>/etc/default/gatefold' || return
    in_root systemctl restart gatefold || return
    wait_for "an answer" says '"path": "/get"' curl -sf -H 'Host: www.example.com' http://127.0.0.1/get
    says True in_root gatefold get gateways
}

service_ends() {
    in_root systemctl stop gatefold || return
    [[ $(property Result) == success && $(property ExecMainStatus) == 0 ]]
}

removed() {
    in_root dpkg --remove gatefold || return
    [[ ! -e $root/usr/bin/gatefold && ! -e $root/usr/lib/systemd/system/gatefold.service ]] &&
        [[ -e $root/etc/gatefold/manifests/gateway.yaml && -e $root/etc/default/gatefold ]]
}

# Lists the files that the overlay still contains. A character device in it marks a deleted file. Pages that man has shown
# stay in man's own cache.
purged() {
    in_root dpkg --purge gatefold || return
    local left
    left=$(find "$work/upper" -path "$work/upper/var/cache/man" -prune -o -name '*gatefold*' ! -type c -print)
    [[ -z $left ]] || { echo "left: $left"; return 1; }
}

main "$@"
