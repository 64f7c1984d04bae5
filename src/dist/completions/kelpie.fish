# Completion of kelpie for fish. Options and commands are asked of `kelpie --help`.

function __kelpie_commands
    kelpie --help 2>/dev/null | string replace -rf '^  kelpie ([a-z]+) .*' '$1' | sort -u
end

complete -c kelpie -n '__fish_is_first_arg' -a '(__kelpie_commands)'
complete -c kelpie -l allow -x -a 'io os debug cmodules'
complete -c kelpie -l log-level -x -a 'error warn info debug trace'
complete -c kelpie -l log-format -x -a 'text json'
complete -c kelpie -l user -x -a '(__fish_complete_users)'
for flag in (kelpie --help 2>/dev/null | string match -rg '^ +(?:-[a-zA-Z], )?--([a-z-]+)')
    contains -- $flag allow log-level log-format user
    or complete -c kelpie -l $flag
end
