#include "node.h"

#define BIT_INCOMING (UINT64_C(1) << 48)
#define BIT_LINK     (UINT64_C(1) << 49)

const struct root_folder root_folders[ROOT_FOLDERS] = {
	{"complete", INO_COMPLETE},
	{"incoming", INO_INCOMING},
	{"partial", INO_PARTIAL},
	{"by-id", INO_BY_ID},
};

struct node node_of(fuse_ino_t ino)
{
	switch (ino) {
	case FUSE_ROOT_ID:
		return (struct node){PLACE_ROOT, 0};
	case INO_INCOMING:
		return (struct node){PLACE_INCOMING, FILE_NUM_TREE};
	case INO_PARTIAL:
		return (struct node){PLACE_PARTIAL, FILE_NUM_PARTIAL};
	case INO_BY_ID:
		return (struct node){PLACE_BY_ID, 0};
	default:
		break;
	}
	if (ino & BIT_INCOMING)
		return (struct node){PLACE_INCOMING, ino & ~BIT_INCOMING};
	if (ino & BIT_LINK)
		return (struct node){PLACE_LINK, ino & ~BIT_LINK};
	return (struct node){PLACE_COMPLETE, ino};
}

fuse_ino_t node_folder_ino(enum place place, uint64_t num)
{
	if (place != PLACE_INCOMING)
		return num;
	return num == FILE_NUM_TREE ? INO_INCOMING : num | BIT_INCOMING;
}

fuse_ino_t node_ino(enum place place, const struct file *file)
{
	if (place == PLACE_BY_ID || place == PLACE_LINK)
		return file->num | BIT_LINK;
	return file_is_folder(file) ? node_folder_ino(place, file->num) : file->num;
}

enum uploads_view node_view(enum place place)
{
	if (place == PLACE_BY_ID)
		return VIEW_ALL;
	return place == PLACE_INCOMING ? VIEW_INCOMING : VIEW_COMPLETE;
}
