# busybox's applets over a tree of a thousand files. Nothing that is printed depends on times, owners or the order of directories.
PATH=$PWD/tools:$PATH
sum() { busybox sha256sum | busybox cut -c 1-16; }

echo "== made"
for folder in 0 1 2 3 4 5 6 7 8 9; do busybox mkdir -p tree/$folder/deep/er; done
busybox awk 'BEGIN {
    for (file = 0; file < 1000; file++) {
        name = "tree/" file % 10 (file % 3 ? "/deep" : "") (file % 7 ? "" : "/er") 
        if (file % 3 == 0 && file % 7 == 0) name = "tree/" file % 10 "/deep/er"
        name = name "/file-" file (file % 4 ? ".txt" : ".data")
        for (line = 0; line < (file % 13 ? file % 7 * 2 + 2 : 0); line++) print "line", line, "of", file, file * line % 101, "chitin" > name
        if (file % 13 == 0) printf "" > name
        close(name)
    }
}'
busybox find tree -type f | busybox wc -l
busybox find tree | busybox sort | sum
busybox find tree -type f -exec busybox touch -d '2001-02-03 04:05:06' {} +
busybox find tree -type f | busybox sort | busybox xargs busybox cat | sum

echo "== find"
busybox find tree -name '*7.txt' -type f -size +0 | busybox wc -l
busybox find tree -type d | busybox sort | busybox tail -n 3
busybox find tree -path '*/er/*' ! -name '*.data' -print0 | busybox xargs -0 -n 50 busybox echo | busybox wc -l
busybox find tree -type f -empty | busybox sort | busybox head -n 3
busybox find tree -type f -mtime +365 | busybox wc -l
busybox find tree -maxdepth 2 -type f -name 'file-99*' -exec busybox basename {} .txt ';' | busybox sort

echo "== sort"
busybox find tree -name '*.txt' | busybox sort | busybox xargs busybox cat > all
busybox sort -n -k 5,5 -k 4,4nr all | sum
busybox sort -u -k 6,6 all | busybox wc -l
busybox cut -d ' ' -f 5 all | busybox sort -n | busybox uniq -c | busybox sort -k 1,1nr -k 2,2n | busybox head -n 4
busybox sort -r all | busybox sort -c 2> /dev/null || echo disorder

echo "== tar"
busybox tar -cf tree.tar tree
busybox tar -tf tree.tar | busybox sort | sum
busybox mkdir copy
busybox tar -xf tree.tar -C copy
busybox diff -r tree copy/tree && echo same
busybox tar -cf - -C tree 3 4 | busybox gzip -9 | busybox tar -xzf - -C copy -O | busybox wc -c
busybox find copy -type f -mtime +365 | busybox wc -l

echo "== gzip"
busybox find copy -name "*[37].txt" | busybox xargs busybox gzip
busybox find copy -name '*.gz' | busybox wc -l
busybox find copy -name '*.gz' | busybox sort | busybox xargs busybox zcat | sum
busybox find copy -name '*.gz' -size +0 | busybox xargs busybox gzip -t && echo whole
busybox find copy -name '*.gz' | busybox xargs busybox gunzip
busybox diff -r tree copy/tree && echo same

echo "== sed"
busybox find copy -name 'file-5?[1-3].txt' | busybox xargs busybox sed -i -e 's/chitin/shell/' -e '/^line 7 /d'
busybox diff -rq copy/tree tree | busybox sort | sum
busybox diff -r -U 0 copy/tree tree | busybox grep -E '^[-+][^-+]' | busybox sort | busybox uniq -c | busybox sort -k 1,1nr -k 2 | busybox head -n 3
busybox sed -n -e '/of 77[0-9] /{s/line \([0-9]*\) of \([0-9]*\).*/\2:\1/;p}' all | busybox tail -n 3

echo "== awk"
busybox find tree -type f | busybox xargs busybox awk '{ sum += $5; count[$4 % 10]++ } END { print sum, count[0], count[1], count[7], NR }'
busybox find tree -name '*.data' | busybox sort | busybox xargs busybox awk 'FNR == 2 { found = found " " FILENAME } END { print length(found) }'

echo "== sums"
busybox find tree -type f | busybox sort | busybox xargs busybox sha256sum > sums
sum < sums
busybox sha256sum -c sums | busybox grep -c OK
echo more >> tree/3/file-3.txt
busybox sha256sum -c sums 2> /dev/null | busybox grep -v OK

echo "== away"
busybox find tree -name '*.data' -delete
busybox find tree -type f | busybox wc -l
busybox rm -r tree copy
busybox find tree copy 2> /dev/null || echo gone
