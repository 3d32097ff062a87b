# Programs that speak to each other over the loopback: a web server and its client, netcat, and a server that starts a program for each connection.
box=tools/busybox
$box ifconfig lo up || exit 1
await() { until "$@" > /dev/null 2>&1; do $box sleep 0.05; done; }

$box mkdir -p www/folder
$box seq 1 30000 > www/numbers
echo 'a page' > www/index.html
for at in 127.0.0.1:8181 '[::1]:8182'; do
    $box httpd -f -p "$at" -h www &
    server=$!
    await $box wget -q -O /dev/null "http://$at/"
    $box wget -q -O - "http://$at/"
    $box wget -q -O got "http://$at/numbers" && $box cmp got www/numbers && echo "$at: the same"
    $box wget -q -O got "http://$at/none" 2>&1 | $box sed 's/.*error: //'
    for number in 1 2 3 4 5; do $box wget -q -O "got$number" "http://$at/numbers" & all="$all $!"; done
    wait $all
    all=
    $box cat got? | $box sha256sum
    kill $server
    wait $server 2> /dev/null
    echo "ended: $?"
done
$box wget -q -O got http://127.0.0.1:8181/ 2>&1 | $box sed 's/.*: //'

$box tcpsvd -E 127.0.0.1 8183 $box sh -c 'read line; echo "you said $line"' &
server=$!
await $box nc -z 127.0.0.1 8183
for word in one two three; do echo "$word" | $box nc 127.0.0.1 8183; done
kill $server
wait $server 2> /dev/null

$box nc -l -p 8184 < www/numbers > heard &
server=$!
$box sleep 0.3
echo 'from the client' | $box nc 127.0.0.1 8184 | $box sha256sum
wait $server 2> /dev/null
$box cat heard
