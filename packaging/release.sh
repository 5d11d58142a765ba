#!/usr/bin/env bash
# Builds the binary for users. It is static, so that it runs on any Linux and in an empty image, and optimised with the
# profile of packaging/pgo. The package and the image contain this file.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source packaging/common.sh
source packaging/profile.sh

main() {
    need_to_build
    say "building the release: one static binary (takes minutes, because of link-time optimisation)"
    build_release
    must_be_static "$(release_folder)/gatefold"
    say "built: $(release_folder)/gatefold"
}

# A static glibc still loads shared libraries to look up names of hosts and users, which fails in an image without them.
# gatefold resolves names with hickory-resolver. Fails if a dependency links such a function.
must_be_static() {
    local binary=$1 lookups
    if readelf --program-headers --wide "$binary" | grep -q INTERP; then
        fail "$binary isn't static: it needs a dynamic linker"
    fi
    lookups=$(nm "$binary" | grep -oE ' [TtWw] (getaddrinfo|gethostbyname|getpwnam|getpwuid|getgrnam)(_r)?$' || true)
    [[ -z $lookups ]] || fail "$binary looks up names through the C library, which a static binary can't do:$lookups"
}

main "$@"
