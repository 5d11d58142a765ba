#!/usr/bin/env bash
# Creates a key pair for tokens, and prints a token that is valid for an hour.
#
#   config/auth/token.sh DIR [SCOPE]      default: orders
#
#   DIR/token-keys.yaml     the public key, as a JWKS in a ConfigMap
#   DIR/.token.key          the private key. An existing one is kept.
set -euo pipefail
umask 077

main() {
    if [[ $# == 0 || $1 == -* ]]; then
        sed -nE '2,/^set/s/^# ?//p' "${BASH_SOURCE[0]}"
        exit 2
    fi
    local key=$1/.token.key
    mkdir -p "$1"
    if [[ ! -f $key ]]; then openssl genpkey -algorithm RSA -out "$key" 2>/dev/null; fi
    config_map "$key" >"$1/token-keys.yaml"
    token "$key" "${2:-orders}"
}

config_map() {
    local modulus
    modulus=$(openssl rsa -in "$1" -noout -modulus | sed 's/^Modulus=//')
    cat <<EOF
apiVersion: v1
kind: ConfigMap
metadata:
  name: token-keys
data:
  jwks: |
    {"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "example", "e": "AQAB",
               "n": "$(printf '%b' "$(sed 's/../\\x&/g' <<<"$modulus")" | encoded)"}]}
EOF
}

token() {
    local now header claims
    now=$(date +%s)
    header='{"alg":"RS256","typ":"JWT","kid":"example"}'
    claims='{"iss":"https://issuer.example.com","aud":"shop","sub":"alice","scope":"'$2'"'
    claims+=',"iat":'$now',"exp":'$((now + 3600))'}'
    local signed
    signed=$(printf %s "$header" | encoded).$(printf %s "$claims" | encoded)
    printf '%s.%s\n' "$signed" "$(printf %s "$signed" | openssl dgst -sha256 -sign "$1" -binary | encoded)"
}

encoded() {
    openssl base64 -A | tr '+/' '-_' | tr -d '='
}

main "$@"
