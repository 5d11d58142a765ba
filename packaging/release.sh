#!/usr/bin/env bash
# Builds the one binary that is released: static, so that it runs on any Linux and in an empty image. The
# package and the image hold the very same file.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source packaging/common.sh

main() {
    need_to_build
    say "building the release: one static binary (this takes minutes: it is optimised as a whole)"
    # With a target named, the flags aren't those of procedural macros, which can't be static.
    RUSTFLAGS="${RUSTFLAGS:-} -C target-feature=+crt-static" \
        cargo build --locked --release --target "$(triple)" --bin gatefold
    must_be_static "$(release_folder)/gatefold"
    say "built: $(release_folder)/gatefold"
}

# A static glibc still loads shared libraries when it looks up names of hosts and users. We don't: hickory-resolver
# asks DNS. Whoever brings such a function in learns it here, and not in an image where it can't work.
must_be_static() {
    local binary=$1 lookups
    if readelf --program-headers --wide "$binary" | grep -q INTERP; then
        fail "$binary isn't static: it asks for a dynamic linker"
    fi
    lookups=$(nm "$binary" | grep -oE ' [TtWw] (getaddrinfo|gethostbyname|getpwnam|getpwuid|getgrnam)(_r)?$' || true)
    [[ -z $lookups ]] || fail "$binary looks names up through the C library, which a static binary can't:$lookups"
}

main "$@"
