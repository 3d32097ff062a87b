# A C compiler compiles programs, itself, and Lua with make, and what it makes runs. What is printed is the same on every ISA.
tools=$PWD/usr
compile="-B$tools/lib/tcc -static"
tcc=$tools/bin/tcc
busybox=$PWD/tools/busybox
PATH=$PWD/tools:$PATH
mkdir work
cd work

echo "== programs"
for name in sort threads; do
    $tcc $compile -Wall -o $name ../$name.c; echo "$name compiled: $?"
done
./sort < ../text; echo "status $?"
./threads; echo "status $?"
echo 'int main(void) { return undeclared; }' > bad.c
$tcc $compile bad.c; echo "bad: $?"
echo 'int twice(int n) { return 2 * n; }' > twice.c
echo 'int twice(int); int main(void) { return twice(21); }' > main.c
$tcc $compile -c twice.c && $tcc $compile -c main.c && $tcc -ar rcs libtwice.a twice.o && $tcc $compile -o linked main.o -L. -ltwice
./linked; echo "linked: $?"
$tcc $compile -E -DNAME=chitin - << 'C' | grep -c '^chitin$'
#include <stdio.h>
NAME
C

echo "== itself"
cd "$tools/src/tcc"
out=$OLDPWD
$tcc $compile -o "$out/second" tcc.c; echo "second: $?"
"$out/second" $compile -o "$out/third" tcc.c; echo "third: $?"
"$out/third" $compile -o "$out/fourth" tcc.c; echo "fourth: $?"
cd "$out"
cmp third fourth && echo "a fixed point"
./fourth $compile -o sort4 ../sort.c && ./sort4 < ../text | tail -n 1

echo "== Lua by make"
cp -r "$tools/src/lua" lua
cd lua
make -j4 CC="$tcc $compile" AR="$tcc -ar rcs" RANLIB=: MYCFLAGS=-DLUA_USE_POSIX MYLIBS= MYLDFLAGS= lua > ../log 2>&1; echo "make: $?"
grep -c -e ' -c -o ' ../log
ls -1 | grep -c '\.o$'
make -j4 CC="$tcc $compile" AR="$tcc -ar rcs" RANLIB=: MYCFLAGS=-DLUA_USE_POSIX MYLIBS= MYLDFLAGS= lua > ../log 2>&1; echo "again: $?"
grep -c -e ' -c -o ' ../log
./lua ../../classics.lua
