# complete.zsh - prints what zsh offers for the line that is typed so far
#
#   zsh -f complete.zsh FOLDER-OF-COMPLETIONS LINE
#
# A shell on a pseudo-terminal gets the line and a tab; what its completion functions hand to
# compadd is printed between two NULs.
zmodload zsh/zpty || exit 77
zpty shell zsh -f -i
send() { zpty -w shell "$1" }
send "fpath=(${(q)1} \$fpath); PROMPT= RPROMPT="
send 'autoload -Uz compinit && compinit -D -u'
send 'bindkey "^I" complete-word; zstyle ":completion:*" insert-tab false'
send 'mark() { print -rn -- $'"'\\0'"' }; compprefuncs=(mark); comppostfuncs=(mark exit)'
send 'compadd() {
   [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]] && { builtin compadd "$@"; return }
   local -a hits; builtin compadd -A hits "$@"; print -rl -- $hits
}'
zpty -n -w shell "$2"$'\t'
zpty -r shell before $'*\0' || exit 1
zpty -r shell hits $'*\0' || exit 1
print -r -- ${hits%$'\0'} | tr -d '\r'
zpty -d shell
