# Completion of kelpie for bash. What there is to complete is asked of `kelpie --help`, so it is
# never out of date.

_kelpie() {
    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} help words
    help=$("${COMP_WORDS[0]}" --help 2>/dev/null) || return
    case $before in
    --allow) words="io os debug cmodules" ;;
    --log-level) words="error warn info debug trace" ;;
    --log-format) words="text json" ;;
    --user)
        mapfile -t COMPREPLY < <(compgen -u -- "$current")
        return
        ;;
    -l | --listen | -p | --port | --max-* | --soft-outbox | --slow-reader | --*-timeout | \
        --probation | --refused-text | --lua-memory) return ;;
    *)
        words=
        if [[ $current == -* ]]; then
            words=$(grep -oE -- '^ +(-[a-zA-Z], )?--[a-z-]+' <<<"$help" | grep -oE -- '--[a-z-]+')
        elif [[ $COMP_CWORD -eq 1 ]]; then
            words=$(sed -n 's/^  kelpie \([a-z][a-z]*\) .*/\1/p' <<<"$help" | sort -u)
        fi
        ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
    if [[ $current != -* && $before != --allow && $before != --log-* ]]; then
        local files
        mapfile -t files < <(compgen -f -- "$current")
        COMPREPLY+=("${files[@]}")
        compopt -o filenames
    fi
}
complete -F _kelpie kelpie
