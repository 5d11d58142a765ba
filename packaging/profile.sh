# The profile that releases are optimised with, and the build of a release. Sourced after common.sh, in the root of the
# repository.
# shellcheck shell=bash

# The packed profile, and what it was made from. `./x pgo` writes both.
readonly packed_profile=packaging/pgo/gatefold.profdata.xz
readonly profile_facts=packaging/pgo/gatefold.profdata.txt

# Builds the release with the stored profile. If it can't be used, GATEFOLD_PGO decides: `auto` (the default) builds without a
# profile and says so, `required` fails. `off` always builds without one.
build_release() {
    local mode=${GATEFOLD_PGO:-auto} problem
    case $mode in
    auto | required) problem=$(profile_problem) ;;
    off) problem="GATEFOLD_PGO=off" ;;
    *) fail "GATEFOLD_PGO must be auto, required or off" ;;
    esac
    if [[ -z $problem ]]; then
        build_with_profile
    elif [[ $mode == required ]]; then
        fail "the stored profile can't be used: $problem"
    else
        say "WARNING: building without a profile, which makes each request slower: $problem"
        cargo_release "" --bin gatefold
    fi
}

# Sections of hot and cold functions stay apart, so that hot functions share pages, and the result can be checked.
# LLVM's warnings of functions that don't match the profile are counted instead of shown.
build_with_profile() {
    local profile stale
    profile=$(unpack_profile)
    stale=$(dirname "$profile")/stale
    say "optimising with $packed_profile, made on $(fact date) from commit $(fact commit)"
    cargo_release "-C profile-use=$profile -C llvm-args=-no-pgo-warn-mismatch=false -C link-arg=-Wl,-z,keep-text-section-prefix" \
        --bin gatefold 2>&1 | count_mismatches "$stale" >&2
    say_cold_crates "$(release_folder)/gatefold"
    say_staleness "$stale"
}

# Builds with the flags of a release, with these additional flags of rustc and arguments of cargo.
cargo_release() {
    local flags=$1
    shift
    # With --target, RUSTFLAGS do not apply to procedural macros, which can't be static. Symbol names depend on the target and
    # on the features of dependencies: a build without --target, or together with other packages, doesn't match the profile.
    RUSTFLAGS="${RUSTFLAGS:-} -C target-feature=+crt-static $flags" \
        cargo build --locked --release --target "$(triple)" "$@"
}

# --- the stored profile -----------------------------------------------------------------------------

# A line of the facts by its name.
fact() { sed -n "s/^$1: //p" "$profile_facts"; }

# The compiler's exact version. A profile matches by symbol names, which depend on it.
compiler() { rustc -vV | sed -nE 's/^(rustc .*)/\1/p; s/^(LLVM) version: (.*)/\1 \2/p' | paste -sd, | sed 's/,/, /'; }

sha256() { sha256sum | cut -d' ' -f1; }

# Prints why the stored profile can't be used; nothing if it can.
profile_problem() {
    if [[ ! -f $packed_profile || ! -f $profile_facts ]]; then
        echo "there is none; ./x pgo makes one"
    elif ! have xz; then
        echo "xz is missing, which unpacks it (Debian: apt-get install xz-utils)"
    elif [[ $(fact rustc) != "$(compiler)" ]]; then
        echo "it was made with $(fact rustc), and this is $(compiler)"
    elif [[ $(fact target) != "$(triple)" ]]; then
        echo "it was made for $(fact target), and this is $(triple)"
    elif [[ $(xz --decompress --stdout "$packed_profile" 2>/dev/null | sha256) != "$(fact sha256)" ]]; then
        echo "$packed_profile is damaged"
    fi
}

# Unpacks the profile into the target folder, and prints its absolute path. The name contains its hash, because cargo builds
# anew when flags change, not when the file does.
unpack_profile() {
    local folder path
    folder=$(realpath --canonicalize-missing "$(target_folder)")/pgo
    path=$folder/gatefold-$(fact sha256 | cut -c 1-16).profdata
    if [[ ! -f $path ]]; then
        mkdir -p "$folder"
        xz --decompress --stdout "$packed_profile" >"$path.new"
        mv "$path.new" "$path"
    fi
    echo "$path"
}

# --- how well it fits --------------------------------------------------------------------------------

# Passes cargo's output on without LLVM's warnings of changed functions. Writes the number of these functions and the sum of
# their counts to a file. Cargo repeats the warnings of gatefold's crates in later builds, but never shows those of dependencies.
count_mismatches() {
    awk -v result="$1" '
        /function control flow change detected \(hash mismatch\)/ { functions++; counts += $(NF - 2); skip = 1; next }
        /^warning: .* generated [0-9]+ warnings?/ { next }
        skip && /^$/ { skip = 0; next }
        { skip = 0; print; fflush() }
        END { printf "%d %.0f\n", functions, counts >result }'
}

say_staleness() {
    local functions counts
    read -r functions counts <"$1"
    if ((functions > 0)); then
        say "the profile is stale: $functions functions, with" \
            "$(awk "BEGIN { printf \"%.1f\", 100 * $counts / $(fact counts) }") % of all counts, have changed. ./x pgo makes it anew"
    fi
    if [[ $(fact Cargo.lock) != "$(sha256 <Cargo.lock)" ]]; then
        say "the profile is stale: Cargo.lock has changed, and counts of changed dependencies are not used. ./x pgo makes it anew"
    fi
}

# Only a profile tells hot functions from others. Says which crates that serve requests have no function in the section of hot
# functions: the profile is too old for them. Fails if no crate has one, or if GATEFOLD_PGO requires a profile that fits.
say_cold_crates() {
    local binary=$1 start size end hot crate
    local -a crates=(gatefold_listen gatefold_proxy gatefold_dataplane pingora_core pingora_proxy) cold=()
    read -r start size < <(readelf --section-headers --wide "$binary" |
        sed -nE 's/.* \.text\.hot +PROGBITS +([0-9a-f]+) [0-9a-f]+ ([0-9a-f]+) .*/\1 \2/p') ||
        fail "$binary isn't optimised with a profile: it has no section .text.hot"
    end=$(printf '%016x' $((16#$start + 16#$size)))
    hot=$(nm "$binary" | awk -v start="$start" -v end="$end" '$1 "" >= start "" && $1 "" < end "" { print $3 }')
    for crate in "${crates[@]}"; do
        grep -q "$crate" <<<"$hot" || cold+=("$crate")
    done
    if ((${#cold[@]} == ${#crates[@]})); then
        fail "the profile doesn't fit $binary: no function that serves requests is hot"
    elif ((${#cold[@]} > 0)) && [[ ${GATEFOLD_PGO:-auto} == required ]]; then
        fail "the profile is stale: no function of ${cold[*]} is hot. ./x pgo makes it anew"
    elif ((${#cold[@]} > 0)); then
        say "the profile is stale: no function of ${cold[*]} is hot. ./x pgo makes it anew"
    fi
}
