# A POSIX shell script that makes processes in every way that a shell has. What it prints depends on neither time nor process ids.

section() {
    printf '\n== %s\n' "$1"
}

fail() {
    printf 'FAILED: %s\n' "$*"
    failures=$((failures + 1))
}
failures=0

section "simple commands and their status"
true; echo "true: $?"
false; echo "false: $?"
(exit 42); echo "subshell: $?"
missing-command-of-this-script 2> /dev/null; echo "not found: $?"
printf 'no program\n' > not-executable
./not-executable 2> /dev/null; echo "not executable: $?"
sh -c 'exit 7'; echo "sh: $?"
sh -c 'kill -9 $$' 2> /dev/null; echo "killed: $?"
sh -c 'kill -TERM $$' 2> /dev/null; echo "terminated: $?"
! true; echo "not true: $?"
A=1 B=two sh -c 'echo "given: $A $B"'
echo "kept: ${A-unset} ${B-unset}"

section "lists"
true && echo and
false && echo "not this"
false || echo or
true && false || echo "and or"
{ echo in; echo braces; }
(echo in; echo parentheses)
false || { echo first; true; } && echo last

section "pipelines"
echo "one two three" | cat
printf 'c\na\nb\n' | sort
printf 'c\na\nb\na\n' | sort | uniq | tr a-c A-C | sed 's/^/> /'
seq 1 1000 | cat | cat | cat | tail -n 1
seq 1 20000 | sed -n '20000p'
seq 1 100000 | head -n 3
echo status: $(true | false; echo $?) $(false | true; echo $?)
yes | head -n 2
seq 1 10 | while read -r number; do
    case $number in
        *[02468]) printf '%s ' "$number" ;;
    esac
done
echo
(echo to both >&2; echo to one) 2>&1 | sort
seq 1 5000 | (read -r first; read -r second; echo "$first $second"; wc -l | tr -d ' ')
i=0
line=start
while [ $i -lt 8 ]; do
    line=$(echo "$line" | sed "s/\$/-$i/")
    i=$((i + 1))
done
echo "$line"

section "command substitution"
echo "now $(echo in "$(echo the "$(echo middle)")")"
echo `echo old style \`echo nested\``
text=$(printf 'two\nlines\n\n\n')
echo "[$text]"
empty=$(:)
echo "[$empty] $?"
lost=$(exit 9); echo "status $?"
big=$(seq 1 30000)
echo "long: ${#big}"
set -- $(echo a b c); echo "$# words, the last is $3"

section "arithmetic"
echo $((2 + 3 * 4)) $(((2 + 3) * 4)) $((17 % 5)) $((17 / 5)) $((-17 / 5)) $((1 << 20)) $((0x1f | 0x20)) $((~0)) $((7 > 3 && 2 < 1))
n=10
while [ $n -gt 0 ]; do n=$((n - 3)); done
echo $n
factorial() {
    if [ "$1" -le 1 ]; then echo 1; else echo $(($1 * $(factorial $(($1 - 1))))); fi
}
factorial 10
fibonacci() {
    a=0 b=1 left=$1
    while [ "$left" -gt 0 ]; do
        set -- $((a + b))
        a=$b b=$1 left=$((left - 1))
    done
    echo $a
}
fibonacci 50

section "functions"
shadow=outer
change() {
    shadow=inner
    return 5
}
change; echo "$? $shadow"
shadow=outer
(change); echo "$? $shadow"
result=$(change; echo "$?"); echo "$result $shadow"
count_down() {
    [ "$1" -eq 0 ] && return 0
    printf '%s ' "$1"
    count_down $(($1 - 1))
}
count_down 10; echo
show() {
    echo "$# arguments:"
    for argument; do printf '  <%s>\n' "$argument"; done
}
show "two words" '' 'a*b' "it's"
with_output() { echo "to output"; echo "to error" >&2; }
with_output 2> error > output; cat output error

section "expansion"
path=/usr/local/lib/library.so.1
echo "${path##*/} ${path%/*} ${path#/usr} ${path%%.*} ${#path}"
unset nothing
echo "${nothing:-default} ${nothing:=assigned} $nothing ${nothing:+other}"
(: "${undefined:?is not set}") 2> /dev/null; echo "error: $?"
mkdir -p globbing && (cd globbing && : > b.txt && : > a.txt && : > c.dat && echo *.txt [bc].* ?.dat *.none)
IFS=:; set -- $(echo x:y:z); echo "$# $2"; unset IFS
echo "$*" '$*' "\$*" \$\*
echo ~ | grep -c '^/'

section "here-documents"
name=world
cat << END
hello $name $(echo substituted) $((1 + 1)) \$name
	a tab stays
END
cat << 'END'
hello $name $(not run) \
END
cat <<- END
	the tab goes
	END
cat << ONE; cat << TWO
first
ONE
second
TWO
while read -r key value; do echo "$value=$key"; done << END
a 1
b 2 and more
END
sed 's/^/| /' << END | tr a-z A-Z
through $name
a pipeline
END

section "redirections"
echo one > file; echo two >> file; cat < file
cat < file > copy; cmp file copy && echo same
{ echo a; echo b >&2; } > both 2>&1; cat both
exec 3> third; echo "through three" >&3; exec 3>&-; cat third
exec 4< file; read -r first <&4; read -r second <&4; exec 4<&-; echo "$first $second"
echo lost >&3 2> /dev/null || echo "closed"
exec 5>&1; { echo hidden; echo shown >&5; } > /dev/null; exec 5>&-
echo longer > file; : > file; wc -c < file | tr -d ' '
(exec > redirected; echo inside; echo more); cat redirected
exec 6<> readwrite; echo "12345" >&6; exec 6>&-; cat readwrite
set -C; echo x > redirected 2> /dev/null || echo "not over a file"; echo x >| redirected; set +C; cat redirected
cat < missing-file 2> /dev/null || echo "cannot be read"

section "loops"
for i in 1 2 3; do
    for j in a b c; do
        [ $j = b ] && continue
        [ $i = 3 ] && break 2
        printf '%s%s ' $i $j
    done
done
echo
until [ -e marker ]; do : > marker; echo made; done
i=0; while :; do i=$((i + 1)); [ $i -eq 100 ] && break; done; echo $i
for word in "a b" c; do echo "$word"; done | wc -l | tr -d ' '
i=0; while [ $i -lt 40 ]; do (exit $i) || [ $? -eq $i ] || fail "status $i"; i=$((i + 1)); done; echo "forty subshells"

section "case"
for word in apple banana cherry 42 x-y '' 'a*'; do
    case $word in
        a*e) echo "$word: a fruit" ;;
        banana | cherry) echo "$word: another" ;;
        [0-9]*) echo "$word: a number" ;;
        ?-?) echo "$word: a pair" ;;
        '') echo "nothing" ;;
        'a*') echo "$word: with a star" ;;
    esac
done

section "getopts"
options() {
    OPTIND=1 verbose=no file=none
    while getopts ":vf:" option; do
        case $option in
            v) verbose=yes ;;
            f) file=$OPTARG ;;
            :) echo "no argument for $OPTARG" ;;
            \?) echo "unknown $OPTARG" ;;
        esac
    done
    shift $((OPTIND - 1))
    echo "verbose $verbose, file $file, rest: $*"
}
options -v -f name one two
options -fjoined -- -v
options -x -f

section "background jobs"
sleep 0.05 & wait $!; echo "slept: $?"
(exit 3) & wait $!; echo "waited: $?"
(sleep 0.3; echo slow >> order) & slow=$!
(echo fast >> order) & fast=$!
wait $fast $slow; cat order
pids=
for i in 1 2 3 4 5 6 7 8; do (exit $i) & pids="$pids $!"; done
sum=0
for pid in $pids; do wait $pid; sum=$((sum + $?)); done
echo "sum of statuses: $sum"
sleep 100 & pid=$!
kill $pid; wait $pid 2> /dev/null; echo "killed sleeper: $?"
sleep 100 & pid=$!
kill -s KILL $pid; wait $pid 2> /dev/null; echo "by force: $?"
kill -0 $pid 2> /dev/null || echo "it is gone"
sleep 100 & pid=$!
kill -STOP $pid; kill -CONT $pid; kill -HUP $pid; wait $pid 2> /dev/null; echo "stopped, continued, hung up: $?"
wait; echo "none left: $?"
wait 999999 2> /dev/null; echo "not a child: $?"
seq 1 2000 | sort -n | tail -n 1 > result & wait; cat result
cat < /dev/null & wait $!; echo "cat: $?"

section "traps"
trap 'echo "got USR1"' USR1
kill -USR1 $$; echo "after it"
(trap - USR1; sh -c 'kill -USR1 $PPID'; sleep 0.01) 2> /dev/null
trap '' USR2; kill -USR2 $$; echo "ignored"
sh -c 'kill -USR2 $$; echo "ignored there too"'
trap - USR2
(trap 'echo "subshell ends with $?"' EXIT; exit 6); echo "with $?"
(trap 'echo "got TERM"; exit 3' TERM; kill -TERM $(sh -c 'echo $PPID'); echo "not this"); echo "status $?"
trap 'echo "interrupted the wait"' ALRM
parent=$$
(sleep 0.2; kill -ALRM $parent) & killer=$!
sleep 3 & sleeper=$!
wait $sleeper; [ $? -gt 128 ] && echo "wait gave a signal's status"
kill $sleeper; wait $sleeper 2> /dev/null; wait $killer; echo "killer: $?"
trap - ALRM USR1

section "set -e and set -u"
(set -e; true; false; echo "not this"); echo "left with $?"
(set -e; if false; then :; fi; false || true; ! true; echo "still here"); echo "left with $?"
(set -e; f() { false; echo "not this"; }; f; echo "nor this"); echo "left with $?"
(set -u; echo "${undefined_variable}") 2> /dev/null; [ $? -ne 0 ] && echo "unset variables are errors"

section "fifos"
mkfifo fifo
(echo "through a fifo" > fifo) & cat fifo; wait
(seq 1 3000 > fifo) & sort -rn fifo | head -n 1; wait
rm fifo

section "pipelines of functions and jobs"
numbers() {
    seq "$1" "$2"
}
double() {
    while read -r n; do echo $((n * 2)); done
}
numbers 1 5 | double | double | { read -r a; read -r b; echo "$a $b"; cat > rest; }; tr '\n' ' ' < rest; echo
for i in 1 2 3; do numbers 1 $((i * 100)) | double | tail -n 1 > "result-$i" & done; wait; cat result-1 result-2 result-3
(numbers 1 3 | while read -r n; do (echo "inner $n" | sed 's/inner/outer/') & wait; done)
total=$(numbers 1 3 | double | (sum=0; while read -r n; do sum=$((sum + n)); done; echo $sum)); echo "sum $total"
{ numbers 1 2; numbers 8 9 >&2; } 2> odd | double; cat odd
(trap 'echo "reader gone"' PIPE; i=0; while [ $i -lt 3 ]; do i=$((i + 1)); done; echo $i) | head -n 1

section "files and tests"
mkdir -p a/b/c && touch a/b/c/file && ln -s a/b link && [ -d link ] && [ -L link ] && [ -f link/c/file ] && echo links
[ -x /bin/sh ] && [ ! -e nowhere ] && [ a != b ] && [ 3 -gt 2 ] && [ -z "" ] && [ -n x ] && echo tests
(cd a/b/c && pwd | sed 's|.*/a/|a/|'); ls a/b; rm -r a link; [ -e a ] || echo removed
umask 077; : > private; ls -l private | cut -c 1-10; umask 022

section "eval, dot, printf and command"
eval 'words="a b"; set -- $words; echo $#'
printf 'sourced=yes\nreturn 4\n' > sourced.sh; . ./sourced.sh; echo "$? $sourced"
printf '%5d|%-5s|%05.1f|%x|%c|%%|%s\n' 42 ab 3.14159 255 xyz end
printf '%s-' a b c; echo
command echo plainly; command -v missing-command > /dev/null || echo "no such command"
type cd > /dev/null && echo "cd is known"

section "a program in its place"
sh -c 'exec echo replaced; echo "not this"'
printf '#!/bin/sh\necho "script got $# arguments: $*"\nexit 11\n' > script.sh; chmod +x script.sh
./script.sh one "two three"; echo "its status: $?"
(exec ./script.sh last); echo "and again: $?"

section "end"
trap 'echo "the script ends with $?"' EXIT
echo "failures: $failures"
exit 17
