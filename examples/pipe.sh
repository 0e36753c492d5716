#!/bin/sh
# Pictures through a shell pipe: one member of a tar shard made smaller, and a PNG encoded, without files in between.
#
#   examples/pipe.sh shard.tar set/0000.jpg photo.png out/
set -eu
mkdir -p "$4"
tar -xOf "$1" "$2" | j4d transcode - -o - --quality 40 > "$4/member.jpg"
j4d encode - --quality 40 < "$3" > "$4/photo.jpg"
