#!/bin/bash
# Local tools that copy, pack, look at and remove uploads as files: of complete/ with a
# large file, a small one, one of two parts and one in folders. What is on its way stays
# out of it, but for dd.
. "$(dirname "$0")/lib.sh"
need_fuse
need rsync
need zip
need file

# upload FILE METADATA [FIELD]: prints its URL.
upload() {
	local location
	location=$(tus -f -o /dev/null -D - -X POST -H 'Expect:' \
		-H 'Content-Type: application/offset+octet-stream' -H "Upload-Metadata: $2" \
		-H "Upload-Length: $(size_of "$1")" ${3:+-H "$3"} --data-binary "@$1" \
		"$server$base" | header Location)
	[ -n "$location" ] || fail "$1 is not taken"
	echo "$server$location"
}

named() { echo "filename $(base64_of "$1")"; }

# What both trees have: contents, times of files, attributes.
same_trees() {
	diff -r "$1" "$2"
	same "$(cd "$1" && facts)" "$(cd "$2" && facts)" "times and attributes in $2"
}

facts() {
	find . -type f -printf '%p %Ts %s\n' | sort
	find . -type f | sort | xargs -d '\n' getfattr -d -m '^user\.'
}

fill() {
	local first second
	head -c 5000000 /dev/urandom >"$dir/large"
	printf abc >"$dir/small"
	first=$(upload "$dir/large" "$(named 1)" 'Upload-Concat: partial')
	second=$(upload "$dir/small" "$(named 2)" 'Upload-Concat: partial')
	cat "$dir/large" "$dir/small" >"$dir/parts"
	tus -f -o /dev/null -X POST -H "Upload-Metadata: $(named parts.bin)" \
		-H "Upload-Concat: final;${first#"$server"} ${second#"$server"}" "$server$base"
	url=$(upload "$dir/large" "$(named 'a large one.bin'),type $(base64_of video/mp4)")
	upload "$dir/small" "$(named small.txt),relativePath $(base64_of a/b/small.txt)" >/dev/null
	(cd "$dir" && zip -q packed.zip large small)
	upload "$dir/packed.zip" "$(named packed.zip)" >/dev/null
}

start
step "all that is uploaded is there: ls, cat, sha256sum, file"
fill
# The hash of the last one comes last.
hashed() { attribute tus.sha256 "$mnt/complete/packed.zip" >/dev/null 2>&1; }
within 60 hashed
ls -laR --full-time "$mnt" >"$dir/listed" 2>"$dir/errors"
same "$(cat "$dir/errors")" "" "what ls says"
for name in "a large one.bin" parts.bin packed.zip a/b/small.txt; do
	grep -q " ${name##*/}\$" "$dir/listed" || fail "ls does not show $name"
	same "$(sha256sum <"$mnt/complete/$name" | cut -d' ' -f1)" \
		"$(attribute tus.sha256 "$mnt/complete/$name")" "sha256 of $name"
done
cat "$mnt/complete/parts.bin" | cmp - "$dir/parts"
same "$(file -b --mime-type "$mnt/complete/packed.zip")" application/zip "file(1)"
same "$(file -b --mime-type "$mnt/complete/a/b/small.txt")" text/plain "file(1)"

step "dd, in blocks of any size, also of what is on its way"
for block in 1 4097 131072 1048576; do
	dd if="$mnt/complete/parts.bin" bs=$block skip=$((3000000 / block)) \
		count=$((block == 1 ? 1000 : 2)) status=none |
		cmp - <(dd if="$dir/parts" bs=$block skip=$((3000000 / block)) \
			count=$((block == 1 ? 1000 : 2)) status=none)
done
half=$(create 5000000 half.bin)
slice "$dir/large" 0 3000001 >"$dir/piece"
same "$(patch "$half" 0 "$dir/piece")" 204 PATCH
dd if="$mnt/incoming/half.bin" bs=100000 status=none | cmp - "$dir/piece"
dd if="$mnt/complete/new" of="$mnt/complete/new" 2>/dev/null && fail "dd writes"

step "du and df"
same "$(du -sb --apparent-size "$mnt/complete/a large one.bin" | cut -f1)" 5000000 "du -b"
total=$(find "$mnt/complete" -type f -printf '%b\n' | awk '{s += $1} END {print s * 512}')
same "$(find "$mnt/complete" -type f -print0 | du -c -B1 --files0-from=- | tail -n 1 |
	cut -f1)" "$total" du
same "$(df --output=size,itotal "$mnt" | tail -n 1)" \
	"$(df --output=size,itotal "$store" | tail -n 1)" df

step "cp -a and cp --reflink=auto"
cp -a "$mnt/complete" "$dir/cp"
same_trees "$mnt/complete" "$dir/cp"
cp --reflink=auto "$mnt/complete/parts.bin" "$dir/reflink"
cmp "$dir/reflink" "$dir/parts"

step "rsync -aX, and a second time with nothing to do"
rsync -aX "$mnt/complete/" "$dir/rsync/"
same_trees "$mnt/complete" "$dir/rsync"
same "$(rsync -aXi "$mnt/complete/" "$dir/rsync/")" "" "what rsync changes again"
same "$(rsync -aXi --checksum "$mnt/complete/" "$dir/rsync/")" "" "what rsync --checksum changes"

step "tar --xattrs, out and in again elsewhere"
mkdir "$dir/tar"
tar --xattrs --xattrs-include='*' -C "$mnt/complete" -cf "$dir/all.tar" .
tar --xattrs --xattrs-include='*' -C "$dir/tar" -xf "$dir/all.tar"
same_trees "$mnt/complete" "$dir/tar"

step "zip"
(cd "$mnt/complete" && zip -qr "$dir/all.zip" .)
mkdir "$dir/zip"
(cd "$dir/zip" && /usr/bin/python3 -m zipfile -e "$dir/all.zip" .)
diff -r "$mnt/complete" "$dir/zip"

step "getfattr -d and setfattr"
file="$mnt/complete/a large one.bin"
getfattr --absolute-names -d "$file" >"$dir/attributes"
for line in 'user.mime_type="video/mp4"' 'user.tus.length="5000000"' \
	'user.tus.state="complete"' "user.tus.id=\"${url##*/}\""; do
	grep -qFx "$line" "$dir/attributes" || fail "no $line"
done
setfattr -n user.xdg.comment -v mine "$file"
setfattr -n user.tus.expires -v 2999-01-01T00:00:00Z "$file"
same "$(attribute xdg.comment "$file")" mine "an attribute of one's own"
same "$(attribute tus.expires "$file")" 2999-01-01T00:00:00.000000Z "when it expires"
setfattr -x user.tus.expires "$file"
setfattr -x user.xdg.comment "$file"
same "$(getfattr --absolute-names -d "$file")" "$(grep -v '^$' "$dir/attributes")" \
	"after setfattr -x"

step "a program keeps a file open across completion, rm and a restart"
exec 8<"$mnt/incoming/half.bin"
head -c 1000000 <&8 | cmp - <(head -c 1000000 "$dir/large")
slice "$dir/large" 3000001 5000000 >"$dir/piece"
same "$(patch "$half" 3000001 "$dir/piece")" 204 PATCH
exec 7<"$mnt/complete/half.bin"
rm "$mnt/complete/half.bin"
same "$(status_of "$half")" 410 "HEAD after rm"
same "$(stat -L -c '%h %s' /dev/fd/8 8<&8)" "0 5000000" "links and size of an open file"
cmp <(tail -c +1000001 "$dir/large") - <&8
exec 8<&-
crash
start
# Passthrough reads on without the daemon, but nobody is left to answer fstat(2).
if grep -q passthrough "$log"; then
	dd bs=1M status=none <&7 | cmp "$dir/large" -
fi
exec 7<&-
[ ! -e "$mnt/complete/half.bin" ] || fail "it is back"

step "mv out of the mount takes it along, and ends the upload"
mv "$file" "$dir/moved"
cmp "$dir/moved" "$dir/large"
same "$(attribute tus.id "$dir/moved")" "${url##*/}" "tus.id"
same "$(status_of "$url")" 410 "HEAD after mv"

step "200 folders deep: ls -R, find, du, tar, rsync, rm -r"
folders=$(printf 'level%d/' {1..200})
url=$(upload "$dir/small" "$(named leaf),relativePath $(base64_of "${folders}leaf")")
same "$(ls -R "$mnt/complete/level1" | grep -c ':$')" 200 "folders of ls -R"
same "$(find "$mnt/complete/level1" | wc -l)" 201 "names of find"
same "$(du -a "$mnt/complete/level1" | wc -l)" 201 "lines of du -a"
tar -C "$mnt/complete" -cf - level1 | tar -xOf - "${folders}leaf" | cmp - "$dir/small"
rsync -aX "$mnt/complete/level1" "$dir/deep"
same_trees "$mnt/complete/level1" "$dir/deep/level1"
rm -r "$mnt/complete/level1"
same "$(status_of "$url")" 410 "HEAD after rm -r"

step "find -delete"
half=$(create 5 again)
find "$mnt/complete" -mindepth 1 -delete
same "$(find "$mnt/complete" -mindepth 1)" "" "what is left"
find "$mnt/incoming" -type f -delete
same "$(status_of "$half")" 410 "HEAD after find -delete"
stop
