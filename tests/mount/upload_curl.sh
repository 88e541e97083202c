#!/bin/bash
# One upload from its creation to its end, with curl at one door and the shell at the
# other, across cut connections and restarts of the daemon.
. "$(dirname "$0")/lib.sh"
need_fuse
need getfattr

mib=$((1024 * 1024))
file=$dir/data
head -c $((8 * mib + 12345)) /dev/urandom >"$file"
size=$(size_of "$file")
piece() { slice "$file" "$1" "$2" >"$dir/piece"; }

start
step "a new upload is an empty file in incoming/"
url=$(create "$size" holiday.mp4 video/mp4)
id=${url##*/}
[[ $id =~ ^[0-9a-f]{32}$ ]] || fail "the id is $id"
same "$(size_of "$mnt/incoming/holiday.mp4")" 0 size
same "$(readlink -e "$mnt/by-id/$id")" "$mnt/incoming/holiday.mp4" "by-id link"
[ ! -e "$mnt/complete/holiday.mp4" ] || fail "it is complete already"

step "a PATCH is in the mount when it is answered"
piece 0 $mib
same "$(patch "$url" 0 "$dir/piece")" 204 PATCH
same "$(size_of "$mnt/incoming/holiday.mp4")" $mib size
cmp "$mnt/incoming/holiday.mp4" "$dir/piece"

step "a wrong offset is refused, and tells the right one"
same "$(patch "$url" 5 "$dir/piece")" 409 PATCH
same "$(offset_of "$url")" $mib offset

step "every byte of a PATCH that breaks off is kept"
piece $mib $((mib + 77))
send_part "$url" $mib $((4 * mib)) "$dir/piece"
hang_up
at=$((2 * mib + 77))
same "$(offset_of "$url")" $at offset
same "$(size_of "$mnt/incoming/holiday.mp4")" $at size

step "an orderly restart loses nothing"
stop
start
same "$(offset_of "$url")" $at offset
same "$(size_of "$mnt/incoming/holiday.mp4")" $at size
piece $at $mib
same "$(patch "$url" $at "$dir/piece")" 204 PATCH
at=$((at + mib))

step "a restart in the middle of a PATCH keeps what had come"
piece $at 1000
send_part "$url" $at $((2 * mib)) "$dir/piece"
stop
hang_up
start
reached=$(offset_of "$url")
[ "$reached" -ge $at ] && [ "$reached" -le $((at + 1000)) ] || fail "offset $reached"
at=$reached

step "kill -9 takes nothing that was acknowledged"
piece "$at" $mib
same "$(patch "$url" "$at" "$dir/piece")" 204 PATCH
at=$((at + mib))
piece $at 5000
send_part "$url" $at $((2 * mib)) "$dir/piece"
crash
hang_up
start
reached=$(offset_of "$url")
[ "$reached" -ge $at ] && [ "$reached" -le $((at + 5000)) ] || fail "offset $reached"
slice "$file" 0 "$reached" | cmp - "$mnt/incoming/holiday.mp4"

step "the last byte makes it a file in complete/"
piece "$reached" "$size"
exec 8<"$mnt/incoming/holiday.mp4"
same "$(patch "$url" "$reached" "$dir/piece")" 204 PATCH
[ ! -e "$mnt/incoming/holiday.mp4" ] || fail "it is still in incoming/"
cmp "$mnt/complete/holiday.mp4" "$file"
cmp - "$file" <&8 || fail "a file that was open before the end"
exec 8<&-
tus "$url" | cmp - "$file"
same "$(readlink -e "$mnt/by-id/$id")" "$mnt/complete/holiday.mp4" "by-id link"

step "its attributes tell about it"
path=$mnt/complete/holiday.mp4
same "$(attribute tus.id "$path")" "$id" tus.id
same "$(attribute tus.url "$path")" "$base$id" tus.url
same "$(attribute tus.state "$path")" complete tus.state
same "$(attribute tus.offset "$path")" "$size" tus.offset
same "$(attribute tus.length "$path")" "$size" tus.length
same "$(attribute tus.metadata.filename "$path")" holiday.mp4 tus.metadata.filename
same "$(attribute mime_type "$path")" video/mp4 mime_type
has_sha256() {
	[ "$(attribute tus.sha256 "$path" 2>/dev/null)" = "$(sha256sum <"$file" | cut -d' ' -f1)" ]
}
within 60 has_sha256
same "$(stat -c %a "$path")" 444 mode
if getfattr -n user.tus.nothing "$path" 2>"$dir/error"; then
	fail "there is an attribute that does not exist"
fi
grep -q 'No such attribute' "$dir/error" || fail "$(cat "$dir/error")"

step "content is fixed"
if { echo x >>"$path"; } 2>/dev/null; then fail "it can be written"; fi
if { echo x >"$mnt/complete/new"; } 2>/dev/null; then fail "a file can be made"; fi
if truncate -s 0 "$path" 2>/dev/null; then fail "it can be cut"; fi
cmp "$path" "$file"

step "mv keeps the URL"
mkdir "$mnt/complete/films"
mv "$path" "$mnt/complete/films/trip.mp4"
path=$mnt/complete/films/trip.mp4
tus "$url" | cmp - "$file"
cmp "$path" "$file"
same "$(readlink -e "$mnt/by-id/$id")" "$path" "by-id link"

step "a taken name gets a number"
other=$(create 3 trip.mp4)
third=$(create 3 trip.mp4)
[ -e "$mnt/incoming/trip.mp4" ] || fail "the first has another name"
[ -e "$mnt/incoming/trip (2).mp4" ] || fail "the second has another name"

step "rm terminates an upload, but not under a reader"
exec 8<"$path"
rm "$path"
same "$(status_of "$url")" 410 "HEAD after rm"
cmp - "$file" <&8
exec 8<&-
rm "$mnt/by-id/${other##*/}"
same "$(status_of "$other")" 410 "HEAD after rm through by-id"
[ ! -e "$mnt/incoming/trip.mp4" ] || fail "it is still in incoming/"

step "DELETE removes the file"
same "$(tus -o /dev/null -w '%{http_code}' -X DELETE "$third")" 204 DELETE
[ ! -e "$mnt/incoming/trip (2).mp4" ] || fail "it is still in the mount"
same "$(ls "$mnt/incoming")" "" "ls incoming"
same "$(ls "$mnt/by-id")" "" "ls by-id"

step "what was removed stays removed"
stop
start
same "$(status_of "$url")" 410 HEAD
same "$(status_of "$server${base}00000000000000000000000000000000")" 404 HEAD
[ -d "$mnt/complete/films" ] || fail "the folder is gone"
stop
