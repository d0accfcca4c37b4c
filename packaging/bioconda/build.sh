#!/bin/bash
set -euo pipefail
cargo-bundle-licenses --format yaml --output THIRDPARTY.yml
cargo install --locked --no-track --path . --root "$PREFIX" --bin mpra-score
"$PREFIX/bin/mpra-score" man "$PREFIX/share/man/man1"
for shell in bash fish zsh; do
    case $shell in
        bash) to="$PREFIX/share/bash-completion/completions/mpra-score" ;;
        fish) to="$PREFIX/share/fish/vendor_completions.d/mpra-score.fish" ;;
        zsh) to="$PREFIX/share/zsh/site-functions/_mpra-score" ;;
    esac
    mkdir -p "$(dirname "$to")"
    "$PREFIX/bin/mpra-score" completions "$shell" > "$to"
done
