# Functions shared by ./x and the scripts in packaging/. Sourced, in the root of the repository.
# shellcheck shell=bash

say() {
    if [[ -t 1 ]]; then printf '\033[1m==> %s\033[0m\n' "$*"; else printf '==> %s\n' "$*"; fi
}
fail() {
    say "$*" >&2
    exit 1
}
# Reports a check that can't run here, so that it isn't mistaken for one that passed.
skip() { say "$1: SKIPPED: $2"; }
# Ends because the machine lacks something that can't be installed. The exit code distinguishes this from a failure for .ci/run.
unavailable() {
    say "$*" >&2
    exit 77
}
have() { command -v "$1" >/dev/null 2>&1; }

have cargo || PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin

# --- requirements -----------------------------------------------------------------------------------

# Installs Debian packages, given as COMMAND=PACKAGES, if the command is missing.
need() {
    local missing=() pair packages
    for pair in "$@"; do
        read -ra packages <<<"${pair#*=}"
        have "${pair%%=*}" || missing+=("${packages[@]}")
    done
    if ((${#missing[@]} > 0)); then apt_install "${missing[@]}"; fi
}

apt_install() {
    if have apt-get && [[ $(id -u) == 0 ]]; then
        say "installing missing packages: $*"
        if ! DEBIAN_FRONTEND=noninteractive apt-get update -qq >/dev/null ||
            ! DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null; then
            unavailable "can't install: $*"
        fi
    elif have apt-get; then
        unavailable "missing: $*. Install them with: sudo apt-get install $*"
    else
        unavailable "missing: $*. These are Debian package names; install the equivalents for your system."
    fi
}

# A C compiler and cmake build zlib-ng, which Pingora links. The demo and the test of the walk-through use curl and
# openssl.
need_to_build() {
    need cc="gcc libc6-dev" cmake=cmake make=make curl=curl openssl=openssl
    need_rust
}

need_rust() {
    local wanted found
    wanted=$(rust_version)
    have cargo || fail "Rust is missing. Install $wanted or newer with rustup: https://rustup.rs"
    found=$(rustc --version | cut -d' ' -f2)
    [[ $(printf '%s\n' "$wanted" "$found" | sort -V | head -n 1) == "$wanted" ]] ||
        fail "Rust $found is too old: gatefold needs $wanted. Update with: rustup update stable"
}

# --- paths and versions -----------------------------------------------------------------------------

target_folder() { echo "${CARGO_TARGET_DIR:-target}"; }
triple() { rustc -vV | sed -n 's/^host: //p'; }
rust_version() { sed -nE 's/^rust-version = "(.*)"/\1/p' Cargo.toml; }
version() { sed -nE '0,/^version = "(.*)"/s//\1/p' Cargo.toml; }
# The folder of the binary that `./x release` builds.
release_folder() { echo "$(target_folder)/$(triple)/release"; }
# The folder of the artifacts for users: the image and the package.
dist_folder() { echo "$(target_folder)/dist"; }

# --- waiting ----------------------------------------------------------------------------------------

# Waits until a command succeeds, for at most ten seconds.
wait_for() {
    local what=$1 deadline=$((SECONDS + 10))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < deadline)) || fail "waited 10 s for $what"
        sleep 0.05
    done
}
