# The house: rooms stand on each other in one order (make layers), and what is built follows its
# flags.

setup() {
    load lib
    root=$BATS_TEST_DIRNAME/..
    cd "$BATS_TEST_TMPDIR" || return
}

# A house of two rooms with one file each, and what layers.py says of it.
small_house() {
    mkdir -p lib/ground/cellar lib/roof
    echo '#include <stdio.h>' > lib/ground/stone.h
    echo '#include "ground/stone.h"' > lib/roof/tile.c
}
layers() { run "$root/tests/layers.py" ground ground/cellar roof; }

@test "layers: what stands on the rooms below it passes" {
    small_house
    layers
    [ "$status" = 0 ]
    [ "$output" = "" ]
}

@test "layers: an include that goes upwards is refused, with its line" {
    small_house
    echo '#include "roof/tile.h"' >> lib/ground/stone.h
    layers
    [ "$status" = 1 ]
    [ "$output" = "lib/ground/stone.h:2: includes roof/tile.h: roof is above ground" ]
}

@test "layers: a room inside another is a room of its own" {
    small_house
    echo '  #  include "ground/cellar/wine.h"' > lib/ground/stone.c
    layers
    [ "$status" = 1 ]
    [ "$output" = "lib/ground/stone.c:1: includes ground/cellar/wine.h: ground/cellar is above ground" ]
}

@test "layers: however it is written" {
    small_house
    printf '%s\n' '#include <roof/tile.h>' '/* a */ #include "roof/tile.h"' '#include TILE' \
        '#include "ground/stone.c"' '#include <stdio.h>' '// #include "roof/tile.h"' > lib/ground/stone.c
    layers
    [ "$status" = 1 ]
    [ "${#lines[@]}" = 4 ]
    [ "${lines[0]}" = "lib/ground/stone.c:1: includes roof/tile.h: roof is above ground" ]
    [ "${lines[1]}" = "lib/ground/stone.c:2: includes roof/tile.h: roof is above ground" ]
    [ "${lines[2]}" = "lib/ground/stone.c:3: includes a macro, expected a header by its name" ]
    [ "${lines[3]}" = "lib/ground/stone.c:4: includes ground/stone.c, expected a header by its name" ]
}

@test "layers: an include without its room, and a file in none, are refused" {
    small_house
    echo '#include "stone.h"' > lib/ground/stone.c
    echo 'int x;' > lib/loose.c
    layers
    [ "$status" = 1 ]
    [ "${lines[0]}" = "lib/ground/stone.c:1: includes stone.h, expected a file of a room" ]
    [ "${lines[1]}" = "lib/loose.c: lies in no room, expected one of ground ground/cellar roof" ]
}

@test "layers: a circle of headers is refused" {
    small_house
    echo '#include "ground/sand.h"' > lib/ground/stone.h
    echo '#include "ground/stone.h"' > lib/ground/sand.h
    layers
    [ "$status" = 1 ]
    [[ "$output" == *"lib/ground/sand.h: includes itself by way of ground/stone.h"* ]]
}

@test "layers: the library's own rooms, as the Makefile orders them" {
    run make -s --no-print-directory -C "$root" layers
    [ "$status" = 0 ]
    [ "$output" = "" ]
}

@test "objects: another ARCH or other CFLAGS after make builds them anew, the same ones do not" {
    object() { run env -u MAKEFLAGS make --no-print-directory -C "$root" BUILD="$PWD/built" "$@" "$PWD/built/base/rng.o"; }
    object
    [ "$status" = 0 ]
    object
    [ "$status" = 0 ]
    [[ "$output" != *"lib/base/rng.c"* ]]
    object ARCH=x86-64-v2
    [ "$status" = 0 ]
    [[ "$output" == *"-march=x86-64-v2"*"lib/base/rng.c"* ]]
    object ARCH=x86-64-v2 CFLAGS=-O1
    [ "$status" = 0 ]
    [[ "$output" == *" -O1 "*"lib/base/rng.c"* ]]
}
