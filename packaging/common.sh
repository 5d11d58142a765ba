# What ./x and the scripts in here share. Sourced, from the top of the repository.
# shellcheck shell=bash

say() {
    if [[ -t 1 ]]; then printf '\033[1m==> %s\033[0m\n' "$*"; else printf '==> %s\n' "$*"; fi
}
fail() {
    say "$*" >&2
    exit 1
}
# For a gate that can't be had here: it says so, and isn't taken for one that passed.
skip() { say "$1: SKIPPED: $2"; }
# The machine lacks something that can't be got. The exit code lets .ci/run tell that from a failure.
unavailable() {
    say "$*" >&2
    exit 77
}
have() { command -v "$1" >/dev/null 2>&1; }

have cargo || PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin

# --- what things need -------------------------------------------------------------------------------

# Debian's packages, given as COMMAND=PACKAGES, unless the command is there.
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
        say "installing what is missing here: $*"
        if ! DEBIAN_FRONTEND=noninteractive apt-get update -qq >/dev/null ||
            ! DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null; then
            unavailable "can't install: $*"
        fi
    elif have apt-get; then
        unavailable "missing: $*. Install them with: sudo apt-get install $*"
    else
        unavailable "missing: $*. These are Debian's package names; install them with your system's package tool."
    fi
}

# A C compiler and cmake build zlib-ng, which Pingora links; curl and openssl are what the demo and the
# walk-through's test talk with.
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

# --- where things are -------------------------------------------------------------------------------

target_folder() { echo "${CARGO_TARGET_DIR:-target}"; }
triple() { rustc -vV | sed -n 's/^host: //p'; }
rust_version() { sed -nE 's/^rust-version = "(.*)"/\1/p' Cargo.toml; }
version() { sed -nE '0,/^version = "(.*)"/s//\1/p' Cargo.toml; }
# Where `./x release` leaves the binary.
release_folder() { echo "$(target_folder)/$(triple)/release"; }
# What is given to users: the image, the package.
dist_folder() { echo "$(target_folder)/dist"; }

# --- waiting ----------------------------------------------------------------------------------------

# Waits until a command succeeds, for ten seconds at most.
wait_for() {
    local what=$1 deadline=$((SECONDS + 10))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < deadline)) || fail "waited 10 s for $what"
        sleep 0.05
    done
}
