# Small programs, many of them, with pipes between.
for i in 1; do
    grep -c the /data/text
    head -n 200 /data/text | tr a-z A-Z | sort | uniq | wc -l
    cut -c1-20 /data/text | sort -u | tail -n 1 | sed 's/e/E/g'
done
