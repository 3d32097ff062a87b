# What busybox's process tools tell, as far as it is the same on every system.
mkdir -p tools/bin
for name in sleep ps pgrep pkill pidof pstree top fuser lsof pmap free uptime; do ln -s ../busybox tools/bin/$name; done
PATH=$PWD/tools/bin:$PATH
sleep 1000 & one=$!
sleep 1001 & two=$!
(exec sleep 1002) & three=$!
# Until all of them are what they will be.
until [ "$(ps -o args | grep -c '^sleep 100[012]$')" = 3 ]; do :; done

echo "== ps"
ps -o pid,ppid,comm,args | while read -r pid parent name args; do
    case $pid in
        PID) echo "$pid $parent $name $args" ;;
        "$one" | "$two" | "$three") [ "$parent" = $$ ] && echo "$name: $args" ;;
    esac
done
ps -o stat,pid | while read -r state pid; do [ "$pid" = "$one" ] && echo "state ${state%"${state#?}"}"; done
ps -o vsz,rss,pid | while read -r size resident pid; do [ "$pid" = "$one" ] && [ "${size%m}" != 0 ] && [ "${resident%m}" != 0 ] && echo "sizes"; done
ps -o user,pid | while read -r user pid; do [ "$pid" = "$one" ] && echo "a user's: ${#user}" | tr '1-9' n; done
ps -o pgid,sid,nice,tty,time,etime | head -1

echo "== pgrep"
[ "$(pgrep -P $$ -x sleep | sort -n | tr '\n' ' ')" = "$(printf '%s\n' "$one" "$two" "$three" | sort -n | tr '\n' ' ')" ] && echo all three
[ "$(pgrep -P $$ -f 'sleep 1001')" = "$two" ] && echo by the command line
pgrep -P $$ -l -f 'sleep 1002' | sed 's/^[0-9]* //'
pgrep -P $$ nothing-like-it
echo "status $?"

echo "== pidof"
pidof sleep | tr ' ' '\n' | grep -cE "^($one|$two|$three)\$"
pidof nothing-like-it
echo "status $?"

echo "== pstree"
pstree -p $$ | grep -oE "sleep\(($one|$two|$three)\)" | sort -u | wc -l

echo "== top"
top -b -n 1 | sed -n -e 's/^Mem: .* used, .* free.*/Mem/p' -e 's/^CPU: .*% usr .*% idle.*/CPU/p' -e 's/^Load average: .*/Load/p' -e 's/^ *\(PID *PPID .*\)/\1/p'
top -b -n 1 | grep -cE "^ *($one|$two|$three) "

echo "== fuser"
exec 7> held
[ "$(fuser held 2>/dev/null | tr -d ' ')" != "" ] && echo somebody holds it
fuser held 2>/dev/null | tr ' ' '\n' | grep -cx $$
exec 7>&-

echo "== lsof"
lsof | grep -c "^$one" | sed 's/[1-9][0-9]*/some/'

echo "== pmap"
pmap "$one" | head -1 | sed 's/[0-9]*: //'
pmap "$one" | grep -c '\[ stack \]\|\[stack\]'

echo "== pkill"
{ pkill -P $$ -f "sleep 1001"; wait "$two"; } 2> /dev/null
echo "status $?"
kill -STOP "$one"
until ps -o stat,pid | grep -q "^T *$one\$"; do :; done
echo stopped
kill -CONT "$one"
# Whether the shell says "Killed" depends on when it hears of it.
{
    pkill -9 -P $$ -x sleep
    wait "$one"; echo "status $?"
    wait "$three"; echo "status $?"
} 2> /dev/null
pgrep -P $$ -x sleep || echo nobody left

echo "== the machine"
free | head -1
free | sed -n 's/^\(Mem:\|Swap:\).*/\1/p'
uptime | grep -c 'load average: [0-9.]*, [0-9.]*, [0-9.]*$'
cat /proc/loadavg | grep -cE '^[0-9.]+ [0-9.]+ [0-9.]+ [0-9]+/[0-9]+ [0-9]+$'
head -1 /proc/stat | grep -cE '^cpu  [0-9]+ [0-9]+ [0-9]+ [0-9]+ '
