/* The descriptors that this process has open: a test compares before and after. */
#ifndef SUPPORT_DESCRIPTORS_H
#define SUPPORT_DESCRIPTORS_H

#include <stdbool.h>

int descriptors_open(void);
/* Whether it is of a blob in a store. */
bool descriptor_is_blob(int fd);
/* How many are. */
int descriptors_of_blobs(void);

#endif
