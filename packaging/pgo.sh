#!/usr/bin/env bash
# Makes the profile that releases are optimised with: builds gatefold with counters, runs it through the training of
# benches/traffic/src/train, and writes packaging/pgo. Needs llvm-profdata of the LLVM that rustc has. Takes about 15 minutes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source packaging/common.sh
source packaging/profile.sh

# The name or the path of a llvm-profdata that reads what rustc's LLVM writes.
profdata=

main() {
    need_to_build
    need xz=xz-utils
    need_profdata
    local build counts
    build=$(realpath --canonicalize-missing "$(target_folder)")/pgo
    counts=$build/counts
    say "building the load generator"
    cargo build --locked --package gatefold-bench
    say "building gatefold with counters (takes minutes, because of link-time optimisation)"
    CARGO_TARGET_DIR=$build cargo_release "-C profile-generate=$counts" --bin gatefold
    say "training"
    rm -rf "$counts"
    "$(target_folder)/debug/gatefold-bench" train "$build/$(triple)/release/gatefold"
    say "merging the counts"
    "$profdata" merge --sparse --output="$build/gatefold.profdata" "$counts"
    mkdir -p "$(dirname "$packed_profile")"
    xz -9 --extreme --stdout "$build/gatefold.profdata" >"$packed_profile"
    write_facts "$build/gatefold.profdata" >"$profile_facts"
    say "written: $packed_profile ($(du -h "$packed_profile" | cut -f1)) and $profile_facts"
}

# The formats of counts and of profiles change with LLVM's major version.
need_profdata() {
    local major tool
    major=$(rustc -vV | sed -nE 's/^LLVM version: ([0-9]+).*/\1/p')
    if find_profdata "$major"; then return; fi
    if have apt-get && [[ $(id -u) == 0 ]]; then apt_install "llvm-$major"; fi
    find_profdata "$major" || unavailable "llvm-profdata of LLVM $major is missing." \
        "Install it with: rustup component add llvm-tools (Debian: apt-get install llvm-$major)"
}

find_profdata() {
    local major=$1 tool
    for tool in "$(rustc --print sysroot)/lib/rustlib/$(triple)/bin/llvm-profdata" "llvm-profdata-$major" llvm-profdata; do
        if have "$tool" && "$tool" --version | grep -q "LLVM version $major\."; then
            profdata=$tool
            return
        fi
    done
    return 1
}

write_facts() {
    echo "# What $(basename "$packed_profile") was made from, written by ./x pgo. packaging/profile.sh compares it with the build at hand."
    echo "rustc: $(compiler)"
    echo "target: $(triple)"
    echo "Cargo.lock: $(sha256 <Cargo.lock)"
    echo "sha256: $(sha256 <"$1")"
    echo "counts: $("$profdata" show "$1" | sed -n 's/^Total count: //p')"
    echo "format: an indexed profile of LLVM, sparse, packed with xz"
    echo "date: $(date --utc +%F)"
    echo "commit: $(git rev-parse HEAD 2>/dev/null || echo unknown)"
}

main "$@"
