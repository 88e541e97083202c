#include "layout.h"

#include <inttypes.h>
#include <stdio.h>

unsigned int layout_index(uint64_t num)
{
	return num % LAYOUT_FOLDERS;
}

void layout_folder(unsigned int index, char text[LAYOUT_FOLDER_SIZE])
{
	snprintf(text, LAYOUT_FOLDER_SIZE, "%02x", index % LAYOUT_FOLDERS);
}

void layout_place(uint64_t num, char text[LAYOUT_PLACE_SIZE])
{
	snprintf(text, LAYOUT_PLACE_SIZE, "%02x/%016" PRIx64, layout_index(num), num);
}
