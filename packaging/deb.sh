#!/usr/bin/env bash
# Builds the Debian package from the release binary with cargo-deb. Its contents are defined in Cargo.toml, [package.metadata.deb].
set -euo pipefail
umask 022
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source packaging/common.sh

# The tested version. Newer ones may work.
readonly cargo_deb=3.8.0
readonly tools=$PWD/target/tools

main() {
    need dpkg-deb=dpkg
    packaging/release.sh
    need_cargo_deb
    generate
    say "building the package"
    mkdir -p "$(dist_folder)"
    # Not stripped: the package and the image contain the same file.
    SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || echo 0) \
        cargo deb --quiet --locked --no-build --no-strip --target "$(triple)" --output "$(package)"
    say "built: $(package). Install it with: sudo apt install $(package)"
}

need_cargo_deb() {
    PATH=$tools/bin:$PATH
    have cargo-deb && return
    say "installing cargo-deb into $tools (takes two minutes)"
    cargo install --quiet --locked cargo-deb@"$cargo_deb" --root "$tools" || unavailable "cargo-deb can't be installed"
}

# Manual pages and completions, printed by the binary.
generate() {
    local gatefold share name
    gatefold=$(release_folder)/gatefold
    share=$(release_folder)/share
    rm -rf "$share"
    mkdir -p "$share/man"
    "$gatefold" man >"$share/man/gatefold.1"
    for name in $(commands "$gatefold"); do "$gatefold" man "$name" >"$share/man/gatefold-$name.1"; done
    gzip --best --no-name "$share/man/"*
    gzip --best --no-name --stdout CHANGELOG.md >"$share/changelog.gz"
    "$gatefold" completions bash >"$share/gatefold.bash"
    "$gatefold" completions zsh >"$share/gatefold.zsh"
    "$gatefold" completions fish >"$share/gatefold.fish"
}

# The subcommands that gatefold(1) refers to.
commands() { "$1" man | sed -nE 's/^gatefold\\-([a-z]+)\(1\)$/\1/p'; }

package() { echo "$(dist_folder)/gatefold_$(version)-1_$(dpkg --print-architecture).deb"; }

main "$@"
