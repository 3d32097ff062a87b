# Build a small project with four jobs at once, again, in parts, and where it fails. Jobs end in any order: their lines are sorted.
PATH=$PWD/tools:$PATH
make -j4 > first 2>&1; echo "first: $?"; sort first
cat build/report build/unique build/sub/result build/sub/made
make -j4 > second 2>&1; echo "second: $?"; sort second
touch build/beta.words; make -j4 -n > third 2>&1; echo "dry: $?"; sort third
make -q; echo "to do: $?"
make -j4 > third 2>&1; echo "third: $?"; sort third
make -j4 fails > fourth 2>&1; echo "fails: $?"; sort fourth; [ -e build/partial ] && echo left
make missing > fifth 2>&1; echo "missing: $?"; cat fifth
make again clean again > sixth 2>&1; echo "clean: $?"; cat sixth
make -j4 -k all fails > seventh 2>&1; echo "keep going: $?"; sort seventh
