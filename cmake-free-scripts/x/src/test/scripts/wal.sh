# SQLite's write-ahead log, between processes that are told by FIFOs what to do, so that all happens in one order.
PATH=$PWD/tools:$PATH
mkdir database
cd database

# A process with the database open, which reads its statements from the FIFO $1 and prints to the file $1.out.
start() {
    mkfifo "$1"
    sqlite3 -batch data.db < "$1" > "$1.out" 2>&1 &
}
# Let a process go through statements (which come on standard input), and wait until it has: a file is there then.
step=0
tell() {
    step=$((step + 1))
    { cat; printf '.output done-%d\n.print done\n.output %s.more\n' "$step" "$1"; } >&"$2"
    while [ ! -s "done-$step" ]; do sleep 0.02; done
}

sqlite3 -batch data.db << 'SQL'
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
CREATE TABLE accounts(id INTEGER PRIMARY KEY, owner TEXT, amount INTEGER);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO accounts SELECT i, 'owner ' || i % 17, 100 FROM n;
CREATE INDEX by_owner ON accounts(owner, amount);
SELECT count(*), sum(amount) FROM accounts;
SQL

start reader
reader=$!
exec 3> reader
start writer
writer=$!
exec 4> writer

echo "== a reader keeps what it saw"
tell reader 3 << 'SQL'
.output reader.log
BEGIN;
SELECT 'before', sum(amount) FROM accounts;
SQL
tell writer 4 << 'SQL'
PRAGMA wal_autocheckpoint = 0;
BEGIN;
UPDATE accounts SET amount = amount + 1 WHERE id % 2 = 0;
INSERT INTO accounts VALUES(5000, 'new', 7);
COMMIT;
SQL
tell reader 3 << 'SQL'
.output reader.log-2
SELECT 'during', sum(amount), count(*) FROM accounts;
COMMIT;
SELECT 'after', sum(amount), count(*) FROM accounts;
SQL
cat reader.log reader.log-2
ls

echo "== one writer at a time"
tell writer 4 << 'SQL'
BEGIN IMMEDIATE;
UPDATE accounts SET amount = 0 WHERE id < 100;
SQL
sqlite3 -batch data.db 'INSERT INTO accounts VALUES(6000, "late", 1)' > busy 2>&1
echo "status $?"
grep -o 'database is locked' busy
sqlite3 -batch data.db 'SELECT sum(amount) FROM accounts WHERE id < 100'

echo "== killed in the middle of a transaction that has outgrown its cache"
tell writer 4 << 'SQL'
PRAGMA cache_size = 10;
PRAGMA cache_spill = 10;
WITH RECURSIVE n(i) AS (SELECT 10000 UNION ALL SELECT i + 1 FROM n WHERE i < 15000) INSERT INTO accounts SELECT i, 'lost ' || i, i FROM n;
UPDATE accounts SET owner = 'lost too';
SQL
# Whether the shell says "Killed" depends on when it hears of it.
{ kill -9 $writer; wait $writer; } 2> /dev/null
echo "status $?"
sqlite3 -batch data.db 'PRAGMA integrity_check; SELECT count(*), sum(amount), max(id) FROM accounts; SELECT count(*) FROM accounts WHERE owner LIKE "lost%"'
tell reader 3 << 'SQL'
.output reader.log-3
SELECT 'still', sum(amount), count(*) FROM accounts;
INSERT INTO accounts VALUES(7000, 'later', 3);
SQL
cat reader.log-3

echo "== the last one out"
echo .quit >&3
exec 3>&- 4>&-
wait $reader
echo "status $?"
ls -1 data*
sqlite3 -batch data.db 'PRAGMA journal_mode; PRAGMA wal_checkpoint(TRUNCATE); PRAGMA integrity_check; SELECT count(*), sum(amount) FROM accounts; SELECT owner, sum(amount) FROM accounts GROUP BY owner ORDER BY 2, 1 LIMIT 4'

echo "== many at once"
for process in 1 2 3 4; do
    (i=0; while [ $i -lt 10 ]; do
        sqlite3 -batch data.db ".timeout 60000" "UPDATE accounts SET amount = amount + 1 WHERE id = 42" || echo failed
        i=$((i + 1))
    done) &
done
wait
sqlite3 -batch data.db 'SELECT amount FROM accounts WHERE id = 42; PRAGMA integrity_check'
